"""What every line of jobs does, whoever works on it: a thread here, or a worker process with the
jobs in a database.
"""

from __future__ import annotations

import secrets
import time

import cluster
import databases
import fakes
import pytest
from asking import submit, until

from rlhf_core.common.errors import QueueError
from rlhf_core.store.database import Database
from rlhf_core.work import jobs, pool, running


@pytest.fixture(scope="module", autouse=True)
def known():
    before = dict(fakes.catalogue.JOBS)
    fakes.known()
    yield
    fakes.catalogue.JOBS.clear()
    fakes.catalogue.JOBS.update(before)


def a_thread(folder):
    return jobs.JobQueue(running.begin)


def a_process(folder, kind: str = "sqlite"):
    url = databases.empty(kind, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPOSSUM_RUNS", str(folder))
        patch.setenv("DATABASE_URL", url)
        line = pool.PooledLine(Database(url), 1, start=fakes.start)
        line.pool.wake()  # starts it, in this environment
    return line


def with_postgres(folder):
    return a_process(folder, "postgresql")


def on_ray(folder):
    cluster.one_node()
    url = databases.empty("sqlite", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPOSSUM_RUNS", str(folder))
        patch.setenv("DATABASE_URL", url)
        line = pool.PooledLine(Database(url), 1, start=cluster.start)
        line.pool.wake()
        until(lambda: cluster.workers_of(line))
    return line


LINES = [a_thread, a_process, with_postgres, on_ray]
IDS = ["thread", "process", "process on PostgreSQL", "Ray"]


@pytest.fixture(scope="module", params=LINES, ids=IDS)
def line(request, tmp_path_factory):
    line = request.param(tmp_path_factory.mktemp("line"))
    yield line
    line.close()


@pytest.fixture
def me() -> str:
    return f"learner-{secrets.token_hex(4)}"


def status(line, job: str) -> str:
    return line.view(job)["status"]


def ended(line, job: str) -> dict:
    return until(lambda: (v := line.view(job))["status"] not in jobs.ALIVE and v)


def numbers(line, job: str) -> list[int]:
    return [record["n"] for record in line.records(job)]


def test_a_job_is_done_and_its_records_are_there_in_order(line, me):
    job = submit(line, "count", 5, owner=me, total=5)
    view = ended(line, job)
    assert view["id"] == job and view["owner"] == me and view["label"] == "Counting"
    assert (view["status"], view["error"], view["wish"]) == ("done", None, None)
    assert (view["records"], view["done"], view["total"]) == (5, 5, 5)
    assert view["position"] is None and view["seconds"] > 0
    assert numbers(line, job) == [0, 1, 2, 3, 4]
    assert [record["n"] for record in line.records(job, 3)] == [3, 4]


def test_long_ones_wait_in_line_and_short_ones_slip_in_between(line, me, tmp_path):
    door = tmp_path / "door"
    first = submit(line, "wait", str(door), owner=me)
    until(lambda: line.records(first))
    second = submit(line, "count", 2, owner=f"{me}-2", total=2)
    third = submit(line, "count", 2, owner=f"{me}-3", total=2)
    short = submit(line, "count_short", 3, owner=f"{me}-4")
    assert ended(line, short)["status"] == "done"
    assert status(line, first) == "running"
    assert [line.view(job)["position"] for job in (first, second, third)] == [None, 1, 2]
    assert status(line, second) == "queued" and line.records(second) == []
    door.touch()
    assert [ended(line, job)["status"] for job in (first, second, third)] == ["done"] * 3


def test_pause_step_and_resume(line, me):
    job = submit(line, "count", 100, 0.02, owner=me, total=100)
    until(lambda: line.records(job))
    line.pause(job)
    until(lambda: status(line, job) == "paused")
    count = len(line.records(job))
    assert count < 100 and line.view(job)["wish"] is None
    line.step(job, 2)
    until(lambda: len(line.records(job)) == count + 2 and status(line, job) == "paused")
    time.sleep(0.2)
    assert len(line.records(job)) == count + 2
    line.resume(job)
    assert ended(line, job)["status"] == "done"
    assert numbers(line, job) == list(range(100))


def test_a_paused_one_lets_others_go_on(line, me):
    one = submit(line, "count", 200, 0.02, owner=me, total=200)
    until(lambda: line.records(one))
    line.pause(one)
    until(lambda: status(line, one) == "paused")
    other = submit(line, "count", 2, owner=f"{me}-2", total=2)
    assert ended(line, other)["status"] == "done"
    line.stop(one)
    assert ended(line, one)["status"] == "stopped"


def test_stop_keeps_the_records(line, me):
    job = submit(line, "count", 1000, owner=me, total=1000)
    until(lambda: len(line.records(job)) >= 2)
    line.stop(job)
    view = ended(line, job)
    assert view["status"] == "stopped" and view["wish"] is None
    assert numbers(line, job) == list(range(view["records"])) and 2 <= view["records"] < 1000
    line.pause(job)
    line.resume(job)
    line.step(job)
    line.stop(job)
    assert status(line, job) == "stopped", "what is over stays over"


def test_one_that_has_not_begun_ends_or_waits_at_once(line, me, tmp_path):
    door = tmp_path / "door"
    first = submit(line, "wait", str(door), owner=me)
    until(lambda: line.records(first))
    second = submit(line, "count", 2, owner=f"{me}-2", total=2)
    third = submit(line, "count", 2, owner=f"{me}-3", total=2)
    line.stop(second)
    line.pause(third)
    assert [status(line, job) for job in (second, third)] == ["stopped", "paused"]
    line.resume(third)
    assert status(line, third) == "queued"
    door.touch()
    assert ended(line, third)["status"] == "done" and line.records(second) == []


def test_a_refusal_is_a_sentence_and_so_is_what_nobody_foresaw(line, me):
    refused, broken = (submit(line, name, owner=me) for name in ("refuse", "break"))
    view = ended(line, refused)
    assert (view["status"], view["error"]) == ("failed", "There is nothing to count.")
    assert numbers(line, refused) == [0]
    view = ended(line, broken)
    assert view["status"] == "failed" and "ZeroDivisionError: by hand" in view["error"]


def test_a_job_that_nobody_knows(line):
    assert line.view("nobody's") is None and line.records("nobody's") == []
    for wish in (line.pause, line.resume, line.step, line.stop):
        wish("nobody's")
    line.forget("nobody")


def test_what_is_forgotten_nobody_sees(line, me, tmp_path):
    under_way = submit(line, "wait", str(tmp_path / "never"), owner=me)
    done = submit(line, "count_short", 1, owner=me)
    until(lambda: line.records(under_way))
    ended(line, done)
    line.forget(me)
    assert line.view(under_way) is None and line.records(under_way) == []
    assert line.view(done) is None
    next_one = submit(line, "count", 1, owner=f"{me}-2", total=1)  # it makes room
    assert ended(line, next_one)["status"] == "done"


@pytest.mark.parametrize("make", [a_thread, a_process], ids=["thread", "process"])
def test_closed_it_takes_nothing_more_and_leaves_nothing_running(make, tmp_path, me):
    line = make(tmp_path)
    job = submit(line, "wait", str(tmp_path / "never"), owner=me)
    until(lambda: line.records(job))
    line.close()
    with pytest.raises(QueueError, match="shutting down"):
        submit(line, "count", 1, owner=me)
    if make is a_process:
        assert line.pool.pids == [] or until(lambda: line.pool.pids == [])
