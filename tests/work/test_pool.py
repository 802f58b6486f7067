"""Worker processes: they begin when there is something to do, are replaced when they die, end with
their server however it ends, and what they had goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import fakes
import pytest
from asking import submit, until

from rlhf_core.store import job_rows, machine
from rlhf_core.store.database import Database
from rlhf_core.work import jobs, pool, posted, watch

SERVER = """
import sys, time
sys.path[:0] = {paths}
import fakes
from rlhf_core.store.database import Database
from rlhf_core.work import pool
from rlhf_core.work.running import Order
fakes.known()
line = pool.PooledLine(Database("sqlite:///{folder}/opossum.db"), 1, start=fakes.start)
job = line.submit(Order("count", None, (400, 0.02)), label="", owner="me", long=True, total=400)
while not line.records(job):
    time.sleep(0.02)
print(job, *line.pool.pids, flush=True)
assert "torch" not in sys.modules
time.sleep(60)
"""


@pytest.fixture(scope="module", autouse=True)
def known():
    before = dict(fakes.catalogue.JOBS)
    fakes.known()
    yield
    fakes.catalogue.JOBS.clear()
    fakes.catalogue.JOBS.update(before)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    return tmp_path


def line_of(folder: Path, most: int) -> pool.PooledLine:
    database = Database(f"sqlite:///{folder}/opossum.db")
    return pool.PooledLine(database, most, start=fakes.start)


def over(line, job: str) -> dict:
    return until(lambda: (v := line.view(job))["status"] not in jobs.ALIVE and v)


def test_a_job_that_kills_three_workers_ends_with_a_sentence_and_others_go_on(folder):
    line = line_of(folder, 1)
    try:
        job = submit(line, "die", str(folder / "never"))
        other = submit(line, "count_short", 3, owner="another")
        view = over(line, job)
        assert (view["status"], view["error"]) == ("failed", watch.DIED)
        assert over(line, other)["status"] == "done"
        assert len(line.records(other)) == 3
    finally:
        line.close()


def test_two_long_ones_go_on_at_once_and_the_second_worker_comes_when_it_is_needed(folder):
    line, doors = line_of(folder, 2), [folder / "one", folder / "two"]
    try:
        first = submit(line, "wait", str(doors[0]), owner="one")
        until(lambda: line.records(first))
        assert len(line.pool.pids) == 1
        second = submit(line, "wait", str(doors[1]), owner="two")
        until(lambda: line.records(second))
        assert len(line.pool.pids) == 2
        assert [line.view(job)["status"] for job in (first, second)] == ["running"] * 2
        same = submit(line, "wait_short", str(doors[0]), owner="one")
        until(lambda: line.records(same))
        with line.pool.database.look() as db:
            workers = {row.job_id: row.worker for row in job_rows.alive(db)}
        assert workers[same] == workers[first] != workers[second], "a session is in one worker"
        [door.touch() for door in doors]
        assert [over(line, job)["status"] for job in (first, second, same)] == ["done"] * 3
    finally:
        line.close()


def test_after_a_quiet_while_one_worker_stays_and_what_is_paused_with_another(folder):
    database = Database(f"sqlite:///{folder}/opossum.db")
    one = pool.Pool(database, 2, start=fakes.start, every=0.1, quiet=0.5)
    line = posted.Posted(database, wake=lambda: one.wake(line.waiting))
    try:
        held = [submit(line, "wait", str(folder / "never"), owner=who) for who in ("one", "two")]
        until(lambda: len(one.pids) == 2 and all(line.records(job) for job in held))
        for job in held:
            line.pause(job)
            until(lambda job=job: line.view(job)["status"] == "paused")
        time.sleep(1.5)
        assert len(one.pids) == 2, "each has one that was begun"
        for job in held:
            line.stop(job)
        until(lambda: len(one.pids) == 1)
        again = submit(line, "count_short", 1, owner="another")
        assert over(line, again)["status"] == "done"
    finally:
        one.close()


@pytest.mark.slow  # half a minute of servers that end and begin
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_ends_takes_its_workers_along_and_the_next_one_goes_on(folder, how):
    paths = [str(Path(fakes.__file__).parent), str(pool.ROOT)]
    text = SERVER.format(paths=paths, folder=folder)
    server = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    job, pid = server.stdout.readline().split()
    mark = machine.process_mark(int(pid))
    os.kill(server.pid, how)
    server.wait()
    until(lambda: machine.process_mark(int(pid)) != mark)
    line = line_of(folder, 1)
    try:
        view = line.view(job)
        assert view["status"] == "queued" and 0 < view["records"] < 400
        line.pool.wake()
        assert over(line, job)["status"] == "done"
        assert [record["n"] for record in line.records(job)] == list(range(400))
        with line.pool.database.look() as db:
            assert job_rows.one(db, job).deaths == 0, "it handed back what it had"
    finally:
        line.close()


def test_two_servers_share_the_line(folder):
    one, other = line_of(folder, 1), line_of(folder, 1)
    try:
        job = submit(one, "count", 300, 0.02, total=300)
        until(lambda: one.records(job))
        assert submit(other, "count", 300, 0.02, total=300) == job, "one of a slot at a time"
        until(lambda: other.records(job))
        other.pause(job)
        until(lambda: one.view(job)["status"] == "paused")
        one.resume(job)
        until(lambda: other.view(job)["status"] == "running")
        other.stop(job)
        assert over(one, job)["status"] == "stopped"
    finally:
        one.close()
        other.close()
