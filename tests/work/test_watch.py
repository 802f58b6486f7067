"""Who is dead, and what nobody waits for any more: by the watcher's own clock, on rows written by
hand, on every kind of database.
"""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401

from rlhf_core.common.errors import QueueError
from rlhf_core.common.settings import PPOSettings
from rlhf_core.common.source import engine_version
from rlhf_core.store import job_rows
from rlhf_core.store.database import Database
from rlhf_core.work import posted, watch
from rlhf_core.work.running import Order


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(url):  # noqa: F811
    database = Database(url)
    yield database
    database.close()


@pytest.fixture
def line(database, clock) -> posted.Posted:
    return posted.Posted(database, clock=clock, max_jobs=3)


@pytest.fixture
def look(database, clock) -> watch.Watch:
    return watch.Watch(database, clock=clock)


def submit(line, name="ppo", owner="me", **more) -> str:
    return line.submit(Order(name, None, (), more), label=name, owner=owner, long=name == "ppo")


def row_of(database, job: str):
    with database.look() as db:
        return job_rows.one(db, job)


def claimed(database, job: str, worker: str, process: dict | None = None, **values) -> None:
    with database.change() as db:
        job_rows.sign_in(db, worker, engine_version(), process or {"host": "another"}, 1)
        assert job_rows.claim(db, job, worker, 1)
        assert job_rows.write(db, job, worker, 0, status="running", **values)


def beat(database, worker: str) -> bool:
    with database.change() as db:
        return job_rows.beat(db, worker)


def test_a_beat_that_stands_still_is_a_death_and_what_it_had_is_for_others(
    database, line, look, clock
):
    job = submit(line)
    claimed(database, job, "w")
    assert look.look() == ["w"]
    clock.now += 19
    assert beat(database, "w") and look.look() == ["w"]
    clock.now += 19
    assert look.look() == ["w"]
    clock.now += 2
    assert look.look() == []
    row = row_of(database, job)
    assert (row.status, row.worker, row.deaths) == ("queued", None, 1)
    assert not beat(database, "w"), "it learns of it"
    with database.change() as db:
        assert not job_rows.append(db, job, "w", 0, [{"n": 0}])
        assert not job_rows.write(db, job, "w", row.wishes, status="done")


def test_of_a_process_of_this_machine_the_end_is_seen_at_once(database, line, look):
    jobs = {"here": submit(line), "gone": submit(line, owner="you")}
    here = watch.this_process()
    if here["mark"] is None:
        pytest.skip("this system does not tell when a process was started")
    claimed(database, jobs["here"], "here", here)
    claimed(database, jobs["gone"], "gone", {**here, "mark": "another process's"})
    assert look.look() == ["here"]
    assert [row_of(database, jobs[name]).deaths for name in ("here", "gone")] == [0, 1]


@pytest.mark.parametrize(
    ("wish", "becomes"), [("stopped", "stopped"), ("paused", "paused"), (None, "queued")]
)
def test_what_was_wished_of_a_dead_one_holds(database, line, look, clock, wish, becomes):
    job = submit(line)
    claimed(database, job, "w", wish=wish)
    look.look()
    clock.now += 21
    look.look()
    row = row_of(database, job)
    assert (row.status, row.wish, row.worker) == (becomes, None, None)


def test_the_third_death_ends_it(database, line, look):
    job = submit(line)
    for number in range(3):
        with database.change() as db:
            job_rows.sign_in(db, f"w{number}", engine_version(), {}, 1)
            assert job_rows.claim(db, job, f"w{number}", 1)
        with database.change() as db:
            watch.bury(db, f"w{number}")
            watch.bury(db, f"w{number}")  # somebody else saw it too
    row = row_of(database, job)
    assert (row.status, row.error, row.deaths) == ("failed", watch.DIED, 3)


def test_what_nobody_waits_for_leaves_the_line(database, line, look, clock):
    watched, left, paused = submit(line), submit(line, owner="b"), submit(line, owner="c")
    line.pause(paused)
    look.look()
    for _ in range(25):
        clock.now += 6
        assert line.view(watched)["status"] == "queued"
        look.look()
    assert row_of(database, watched).status == "queued"
    assert row_of(database, left).status == "expired"
    assert "Nobody was watching" in line.view(left)["error"]
    clock.now += 1800
    look.look()
    assert row_of(database, paused).status == "expired"
    look.look()
    clock.now += 3601
    look.look()
    assert row_of(database, left) is None and line.view(left) is None


def test_what_a_version_that_is_gone_had_ordered_is_taken_over(database, line, look, clock):
    job = submit(line)
    with database.change() as db:
        job_rows.change(db, job, engine="older")
        job_rows.sign_in(db, "of the older version", "older", {"host": "another"}, 1)
    look.look()
    clock.now += 15
    beat(database, "of the older version")
    look.look()
    clock.now += 15
    look.look()
    assert row_of(database, job).engine == "older", "one of that version is there"
    clock.now += 6
    look.look()  # it is dead
    look.look()
    clock.now += 21
    look.look()
    assert row_of(database, job).engine == engine_version()


def test_the_line_takes_no_more_than_it_can_hold(line):
    for owner in ("a", "b", "c"):
        submit(line, owner=owner)
    with pytest.raises(QueueError, match="Too many runs are waiting"):
        submit(line, owner="d")
    assert submit(line, "fit", owner="d"), "short ones have a line of their own"


def test_pressed_twice_it_is_one_job(database, clock, line):
    other = posted.Posted(database, clock=clock)
    job = submit(line)
    assert submit(other) == job
    retry = Order("retry", None, (3, PPOSettings(steps=5)))
    assert other.submit(retry, label="", owner="me", long=True) == job, "of one slot, one"
    line.stop(job)
    assert submit(other) != job


def test_it_reads_once_for_a_moment_and_again_where_there_is_something_new(database, clock, line):
    told = []
    other = posted.Posted(database, clock=clock, changed=told.append)
    job = submit(line)
    assert other.view(job)["status"] == "queued" and told == ["me"]
    claimed(database, job, "w")
    with database.change() as db:
        assert job_rows.append(db, job, "w", 0, [{"n": 0}, {"n": 1}])
    assert other.view(job)["status"] == "queued" and told == ["me"]
    other.stale()
    assert other.view(job)["status"] == "running" and told == ["me"] * 2
    assert other.records(job) == [{"n": 0}, {"n": 1}]
    with database.change() as db:
        assert job_rows.append(db, job, "w", 1, [{"n": "made again"}, {"n": 2}])
    clock.now += 1
    assert [row["n"] for row in other.records(job)] == [0, 1, 2] and told == ["me"] * 3
