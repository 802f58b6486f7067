"""`make run`: a port that cannot be had is said before the set-up, and Ctrl-C is no mistake."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make"), reason="there is no make here"
)

# Stands for the Python of the environment: says what it was asked for, and does as WILL says.
STUB = """#!/bin/sh
echo "asked: $@"
[ "$WILL" = wait ] || exit $WILL
trap 'sleep 0.3; echo "Opossum has stopped."; exit 130' INT
touch "$0.waits"
while :; do sleep 0.05; done
"""


def make_run(folder: Path, *arguments: str, will: str = "0") -> subprocess.Popen:
    """With an environment of the test's own, in a process group of its own."""
    return subprocess.Popen(
        ["make", "--no-print-directory", "run", f"VENV={folder}", *arguments],
        cwd=ROOT,
        env={**os.environ, "WILL": will, "MAKEFLAGS": ""},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_at_once(process: subprocess.Popen) -> str:
    try:
        return process.communicate(timeout=60)[0]
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """An environment for which there is nothing to set up."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(STUB)
    (tmp_path / "bin" / "python").chmod(0o755)
    return tmp_path


def test_a_port_that_is_taken_is_said_before_anything_is_set_up(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        process = make_run(tmp_path / "new", f"PYTHON={sys.executable}", f"PORT={port}")
        said = said_at_once(process)
    assert process.returncode == 2 and f"Port {port} is taken" in said and " is free: " in said
    assert "sets up its own" not in said and not (tmp_path / "new").exists()


@pytest.mark.parametrize("port", ["web", "0", "70000"])
def test_a_port_that_is_none_is_said_then_too(tmp_path: Path, port: str) -> None:
    process = make_run(tmp_path / "new", f"PYTHON={sys.executable}", f"PORT={port}")
    said = said_at_once(process)
    assert process.returncode == 2 and port in said and "Traceback" not in said
    assert not (tmp_path / "new").exists()


def test_the_app_gets_host_and_port_and_its_failure_is_makes(made: Path) -> None:
    process = make_run(made, "PYTHON=true", "PORT=8600", "HOST=0.0.0.0")
    assert "asked: -m rlhf_core app --host 0.0.0.0 --port 8600\n" in said_at_once(process)
    assert process.returncode == 0
    process = make_run(made, "PYTHON=true", will="3")
    assert "Error 3" in said_at_once(process) and process.returncode == 2


def test_ctrl_c_ends_it_without_an_error_of_makes_and_not_before_the_app(made: Path) -> None:
    process = make_run(made, "PYTHON=true", will="wait")
    until = time.monotonic() + 30
    while not (made / "bin" / "python.waits").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said = said_at_once(process)
    assert said.endswith("Opossum has stopped.\n") and "make:" not in said
    assert process.returncode in (0, -signal.SIGINT, 130)
