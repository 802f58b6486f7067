"""How long people are told to wait in a line that several workers feed on, against what happens.

The workers are real ones over a real database, driven in turn by one clock that the jobs move.
"""

from __future__ import annotations

import random
import sys
import time
from statistics import median

import pytest

from rlhf_core.common.jobs import Job
from rlhf_core.session.in_database import InDatabase
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database
from rlhf_core.work import catalogue, forecast
from rlhf_core.work.job import QueuedJob
from rlhf_core.work.jobs import ALIVE
from rlhf_core.work.posted import Posted
from rlhf_core.work.running import Order
from rlhf_core.work.worker import Worker

BUDGET = 60.0


def a_run(name: str, status: str, left: int, **more) -> QueuedJob:
    """Of ``left`` steps, each of which takes a second."""
    more = {"turn": 0, "place": int(name, 36), "busy": 0.0, **more}
    return QueuedJob(
        id=name,
        label="PPO",
        owner=more.pop("owner", f"owner of {name}"),
        long=True,
        order=None,
        counts_records=True,
        total=left + 10,
        status=status,
        since=0.0,
        viewed=0.0,
        done=10,
        trained=10,
        training=10.0,
        marked=0.0,
        **more,
    )


def told(jobs: list[QueuedJob], workers: int, homes: dict | None = None) -> dict:
    at = {job.id: f"worker of {job.id}" for job in jobs if job.status == "running"}
    return forecast.waits(jobs, 0.0, BUDGET, workers, homes or at)


def test_who_is_next_starts_where_a_worker_is_free_first():
    jobs = [a_run("1", "running", 20), a_run("2", "running", 35)]
    jobs += [a_run("3", "queued", 10), a_run("4", "queued", 10)]
    assert told(jobs, 2) == pytest.approx({"1": 20, "2": 35, "3": 20, "4": 30})
    assert told(jobs, 3) == pytest.approx({"1": 20, "2": 35, "3": 0, "4": 10})


def test_after_its_budget_one_gives_way_and_comes_back_to_its_own_worker():
    jobs = [a_run("1", "running", 100), a_run("2", "queued", 30)]
    assert told(jobs, 1) == pytest.approx({"1": 130, "2": 60})
    jobs = [a_run("1", "running", 100, spent=50.0), a_run("2", "running", 200)]
    jobs += [a_run("3", "queued", 5, turn=1)]  # gave way, and the first worker has its weights
    homes = {"1": "a", "2": "b", "3": "a"}
    assert told(jobs, 2, homes) == pytest.approx({"1": 105, "2": 200, "3": 10})


def test_an_owner_is_in_one_worker_at_a_time():
    jobs = [a_run("1", "running", 30, owner="me"), a_run("2", "running", 10)]
    jobs += [a_run("3", "queued", 10, owner="me")]
    assert told(jobs, 2)["3"] == pytest.approx(30)


def test_behind_one_of_whom_nothing_is_known_there_is_no_telling():
    unlike = a_run("1", "running", 20)
    unlike.label, unlike.trained = "Something else", 0
    jobs = [unlike, a_run("2", "queued", 5)]
    assert told(jobs, 1) == {"1": None, "2": None}
    assert told(jobs, 2)["2"] == 0.0, "another worker is free"


def test_a_long_line_is_played_through_in_a_moment():
    jobs = [a_run(f"{n + 100}", "queued", 200, owner=f"{n % 100}") for n in range(300)]
    began = time.process_time()
    found = told(jobs, 4)
    assert time.process_time() - began < 2
    assert max(found.values()) == pytest.approx(300 / 4 * BUDGET - BUDGET), "everybody's first turn"


# --- against what happens -------------------------------------------------------------------------


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Play:
    """``count`` workers with each its own time; the one that is behind all others is next."""

    def __init__(self, folder, seed: int, count: int):
        self.lot, self.clock = random.Random(seed), Clock()
        keeper = InDatabase(Database(f"sqlite:///{folder}/{seed}.db"), Blobs(str(folder / "blobs")))
        about = {"threads": 1, "workers": count, "clock": self.clock}
        self.workers = [Worker(keeper, f"worker {n}", **about) for n in range(count)]
        for worker in self.workers:
            worker.sign_in()
        self.times = [self.clock.now] * count
        self.line = Posted(keeper.database, clock=self.clock)

    def steps(self, seconds: float, count: int):
        for n in range(1, count + 1):
            self.clock.now += seconds * self.lot.uniform(0.8, 1.25)
            yield {"step": n}

    def turn(self) -> None:
        number = min(range(len(self.times)), key=self.times.__getitem__)
        self.clock.now = self.times[number]
        if not self.workers[number].turn():
            self.clock.now += 1.0  # until it looks again
        self.times[number] = self.clock.now

    @property
    def now(self) -> float:
        return min(self.times)


def told_and_happened(play: Play, runs_in_all: int) -> list[tuple[float, float]]:
    """As in ``test_line``: (told, happened) in seconds until done, or until a turn begins."""
    lot, line, start = play.lot, play.line, play.now
    runs = sorted(
        (
            lot.uniform(0, 150),
            f"owner {lot.randrange(6)}",
            lot.choice((0.5, 1.0, 3.0, 9.0)),
            lot.randint(8, 50),
            slot,
        )
        for slot in range(runs_in_all)
    )
    ids, asked, happened, was = [], [], {}, {}
    ask_at = 150 + lot.uniform(0, 50)
    while runs or any(was.get(job) in (None, *ALIVE) for job in ids):
        while runs and play.now - start >= runs[0][0]:
            _, owner, seconds, count, slot = runs.pop(0)
            order = Order(f"play {slot}", None, (seconds, count))
            about = {"label": f"PPO {seconds}", "owner": owner, "long": True, "total": count}
            ids.append(line.submit(order, **about))
        play.turn()
        play.clock.now = play.now
        line.stale()
        views = {job: line.view(job) for job in ids}
        for job, view in views.items():
            if view["status"] != was.get(job):
                was[job] = view["status"]
                happened.setdefault(job, []).append((play.now, view["status"]))
        if not runs and play.now - start >= ask_at:
            ask_at += 40
            told = ((job, view, view["eta_seconds"]) for job, view in views.items())
            asked += [(j, v["status"], play.now, s) for j, v, s in told if s is not None]
    pairs = []
    for job, then, at, seconds in asked:
        awaited = "done" if then == "running" else "running"
        came = next((t for t, s in happened[job] if t > at and s in (awaited, "done")), None)
        if came is not None and came - at > 5:
            pairs.append((seconds, came - at))
    return pairs


def test_what_people_in_a_line_of_several_workers_are_told_comes_true(tmp_path, monkeypatch):
    pairs = []
    for seed, count in enumerate((2, 2, 3)):
        play = Play(tmp_path, seed, count)
        monkeypatch.setattr(sys.modules[__name__], "steps", play.steps, raising=False)
        monkeypatch.setitem(sys.modules, "rlhf_core.test_forecast", sys.modules[__name__])
        for slot in range(4 * count):
            job = Job("test_forecast:steps", "PPO", long=True)
            monkeypatch.setitem(catalogue.JOBS, f"play {slot}", job)
        pairs += told_and_happened(play, 4 * count)
    errors = [abs(told - came) / came for told, came in pairs]
    assert len(pairs) > 60 and median(errors) <= 0.3, (len(pairs), median(errors))
    assert sum(error > 1 for error in errors) / len(errors) < 0.1
