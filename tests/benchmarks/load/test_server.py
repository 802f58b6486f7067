"""The load benchmark's server: what it and its children use, and that nothing of it stays."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from beside import beside

from benchmarks.load import server
from benchmarks.load.tab import Tab, client

FAMILY = """
import subprocess, sys
import streamlit as st

@st.cache_resource
def helper():
    return subprocess.Popen(
        [sys.executable, "-c", "sum(range(10**7)); import time; time.sleep(600)"],
        start_new_session=True)

helper()
"""


def visit(url: str) -> None:
    """Open the page once: then its script has run."""

    async def look() -> None:
        async with client() as http:
            tab = Tab(url, http)
            await tab.open(60)
            await tab.close()

    beside(look())


def gone(process: psutil.Process) -> None:
    """It ends within ten seconds."""
    until = time.monotonic() + 10
    while server.lives(process):
        assert time.monotonic() < until, process
        time.sleep(0.05)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "app.py"
    file.write_text(FAMILY, encoding="utf-8")
    return file


def test_a_server_and_what_it_has_started_are_counted_apart(script, tmp_path):
    with server.running(tmp_path / "runs", script) as place:
        before = place.cost()
        visit(place.url)
        root, child = place.family()
        until = time.monotonic() + 60
        while (place.cost() - before).workers < 0.1 and time.monotonic() < until:
            time.sleep(0.1)
        used = place.cost() - before
        assert used.workers >= 0.1 and 0 < used.server < 60 and 0 < used.crowd < 60
        own, others = place.memory()
        assert own > others > 1
        place.kill(child)
        gone(child)
        assert place.family() == [root]
        assert (place.cost() - before).workers >= used.workers  # what it used stays counted
    gone(root)


def test_a_helper_that_outlives_its_server_ends_with_the_benchmark(script, tmp_path):
    with server.running(tmp_path / "runs", script) as place:
        visit(place.url)
        before = place.cost().server
        root, child = place.family()
        place.kill()
        gone(root)
        assert server.lives(child)  # in a session of its own
        place.start()
        visit(place.url)
        assert place.cost().server > before  # of both
        again = place.family()
    for process in [child, *again]:
        gone(process)


def test_a_server_that_does_not_start_says_why(tmp_path):
    missing = tmp_path / "missing.py"
    with pytest.raises(RuntimeError, match="(?s)did not start.*missing.py"):
        with server.running(tmp_path / "runs", missing):
            pass
