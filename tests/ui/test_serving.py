"""The server as it is started: Streamlit runs the pages behind the guards."""

from __future__ import annotations

import http.client
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import streamlit as st
from beside import beside
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

import serve

client = pytest.importorskip("websockets.sync.client", reason="uvicorn brings it")
ROOT = Path(__file__).resolve().parent.parent.parent


def ask(app, path: str, headers: dict | None = None) -> int:
    connection = http.client.HTTPConnection(urlsplit(app.url).netloc, timeout=60)
    connection.request("GET", path, headers=headers or {})
    status = connection.getresponse().status
    connection.close()
    return status


def connect(app):
    place = f"ws://{urlsplit(app.url).netloc}/_stcore/stream"
    return client.connect(place, subprotocols=["streamlit"], origin=app.url, max_size=None)


def first_run(tab) -> list[str]:
    """The names of what comes to a tab until its first run has ended."""
    asked, came = BackMsg(), []
    asked.rerun_script.query_string = ""
    tab.send(asked.SerializeToString())
    while "script_finished" not in came:
        message = ForwardMsg()
        message.ParseFromString(tab.recv(timeout=120))
        came.append(message.WhichOneof("type"))
    assert message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
    return came


def test_pages_are_served_behind_the_guards_and_a_signal_ends_it(start_app):
    app = start_app()
    assert ask(app, "/") == ask(app, "/rank") == ask(app, "/_stcore/metrics") == 200
    assert ask(app, "/_stcore/metrics", {"X-Forwarded-For": "10.0.0.7"}) == 404
    assert ask(app, "/_stcore/metrics", {"Host": "opossum.example"}) == 404
    with connect(app) as tab:
        came = first_run(tab)
        assert "new_session" in came and came.count("delta") > 10
        app.process.send_signal(signal.SIGINT)  # Ctrl-C, with a tab open
        app.process.wait(timeout=60)


@pytest.mark.parametrize(
    ("headless", "address", "opened"),
    [
        (False, "127.0.0.1", ["http://127.0.0.1:8501"]),
        (False, "0.0.0.0", ["http://localhost:8501"]),
        (False, None, ["http://localhost:8501"]),
        (True, "127.0.0.1", []),
    ],
)
def test_at_home_the_browser_opens_at_it(monkeypatch, headless, address, opened):
    says = {"headless": headless, "address": address, "port": 8501}
    monkeypatch.setattr(st, "get_option", lambda name: says[name.removeprefix("server.")])
    went = []
    monkeypatch.setattr("webbrowser.open", went.append)

    async def begin():
        async with serve.open_browser(serve.app):
            pass

    beside(begin())
    assert went == opened


STARTS = {  # what starts the server, and by what
    "Makefile": "-m rlhf_core app",
    "Dockerfile": "streamlit run serve.py",
    "rlhf_core/command_line/app.py": "serve.py",
}


@pytest.mark.parametrize("file", [*STARTS, "README.md"])
def test_every_way_to_start_it_starts_it_behind_the_guards(file):
    text = (ROOT / file).read_text(encoding="utf-8").replace('", "', " ")
    assert STARTS.get(file, "make run") in text and "streamlit run app.py" not in text
