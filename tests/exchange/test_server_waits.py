"""The test against a real Label Studio gives up in a sentence where the server hangs."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
import test_label_studio_server as real


@pytest.fixture
def silent():
    """A server that takes connections and never says anything."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_does_not_answer_fails_in_a_sentence(silent, monkeypatch):
    monkeypatch.setattr(real, "ANSWER", 0.2)
    with pytest.raises(AssertionError, match="did not answer within 0.2 s"):
        real.Server(silent, "x").call("GET", "/api/projects")


def test_a_server_that_is_never_up_is_skipped_and_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(real, "START", 0)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = subprocess.Popen(sleeper)
    try:
        with pytest.raises(pytest.skip.Exception, match="not up within 0 s"):
            real.wait_until_up(process, "http://127.0.0.1:9", tmp_path / "none.log")
    finally:
        real.stop(process)
    assert process.returncode is not None
