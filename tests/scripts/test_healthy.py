"""The container's health check asks where the server answers, under a base path too."""

from __future__ import annotations

import http.server
import threading

import pytest

from scripts import healthy


@pytest.fixture
def server():
    """Answers "ok" at /class/_stcore/health and at /_stcore/health, "hello" below /other."""

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.path in ("/class/_stcore/health", "/_stcore/health")
            self.send_response(200 if good or self.path.startswith("/other") else 404)
            self.end_headers()
            self.wfile.write(b"ok" if good else b"hello")

        def log_message(self, *args) -> None: ...

    answering = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=answering.serve_forever, daemon=True).start()
    yield answering
    answering.shutdown()
    answering.server_close()


@pytest.mark.parametrize(
    ("base", "status", "says"),
    [
        ("", 0, ""),
        ("class", 0, ""),
        ("/class/", 0, ""),
        ("missing", 1, "Nothing answers"),
        ("other", 1, "Something else answers"),
    ],
)
def test_it_asks_at_the_base_path(server, monkeypatch, capsys, base, status, says) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", str(server.server_port))
    monkeypatch.setenv("STREAMLIT_SERVER_BASE_URL_PATH", base)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert healthy.main() == status
    assert says in capsys.readouterr().out


def test_nobody_there_is_not_healthy(monkeypatch, capsys) -> None:
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "9")
    assert healthy.main() == 1 and "Nothing answers" in capsys.readouterr().out
