"""A server that is told to end does so in time, and whoever had work in its line finds it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT, free_port
from rlhf_core.session import registry
from rlhf_core.store import job_rows
from ui import ending

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
IN_TIME = 5.0  # seconds; a container is killed after ten


@pytest.fixture
def server(tmp_path: Path, monkeypatch, request):
    """(the process, where its log is, the id of who runs, the id of who waits in line), with as
    many worker processes as the test says.
    """
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    ids, log = tmp_path / "ids", tmp_path / "log"
    command = [sys.executable, Path(__file__).with_name("server_with_runs.py")]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, str(free_port()), ids],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_SERVER_HEADLESS": "true"}
            | {"OPOSSUM_WORKERS": str(request.param)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    until = time.monotonic() + 240
    while not ids.exists():
        assert process.poll() is None and time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    yield process, log, *ids.read_text().split()
    if process.poll() is None:
        process.kill()
        process.wait()


def ends_in_time(process: subprocess.Popen, log: Path, number: int) -> None:
    began = time.monotonic()
    process.send_signal(number)
    process.wait(60)
    assert time.monotonic() - began < IN_TIME, log.read_text()
    assert "Traceback" not in log.read_text() and "terminate called" not in log.read_text()


@POSIX
@pytest.mark.parametrize("server", [0], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_time_and_both_runs_are_kept(server, number) -> None:
    process, log, runs, waits = server
    ends_in_time(process, log, number)
    for session_id in (runs, waits):
        session = registry.get(session_id)
        assert session is not None and not session.under_way
        assert "stopped while something of yours was under way" in session.note
        assert "Start it again to go on" in session.note


@POSIX
@pytest.mark.parametrize("server", [1], indirect=True)
def test_with_worker_processes_both_stay_in_the_line_for_the_next_server(server) -> None:
    process, log, runs, waits = server
    ends_in_time(process, log, signal.SIGTERM)
    with registry.keeper().database.look() as db:
        assert job_rows.is_alive(db, runs) and job_rows.is_alive(db, waits)
    assert registry.get(runs).note == registry.get(waits).note == ""


def test_who_only_looks_is_told_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    session = registry.create()
    assert session in registry.in_memory() and session not in ending.with_runs()


def test_nobody_is_waited_for_longer_than_a_container_waits() -> None:
    assert ending.PATIENCE < ending.LATEST < IN_TIME
