"""Which workers are gone, and which jobs nobody waits for any more; seen by every server and every
worker alike.

A beat that stands still is told by the watcher's own clock: two machines' clocks are never
compared. Imports no torch.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from rlhf_core.common.source import engine_version
from rlhf_core.store import job_rows, machine
from rlhf_core.store.database import Database
from rlhf_core.work.job import FINISHED

EVERY = 2.0  # seconds between two beats, and two looks
STILL = 20.0  # seconds without a beat after which a worker is taken for dead
MOST_DEATHS = 3
DIED = (
    "The worker died three times over this (perhaps the machine has too little memory), so it was"
    " given up. What was finished is kept."
)


def this_process() -> dict:
    """What ``is_gone`` tells a worker by, from other processes of this machine."""
    return {**machine.this_process(), "host": _host()}


def _host() -> str:
    try:
        space = os.readlink("/proc/self/ns/pid")  # containers may share a name
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}"


def bury(db, worker: str) -> None:
    """A worker is dead: its jobs are for others; one that was the death of ``MOST_DEATHS`` ends."""
    job_rows.lock(db)
    if not job_rows.sign_out(db, worker):
        return  # somebody else saw it
    for row in job_rows.hand_back(db, worker, deaths=1):
        if row.status == "running" and row.deaths + 1 >= MOST_DEATHS:
            job_rows.change(db, row.job_id, status="failed", wish=None, error=DIED)
        if row.forgotten:
            job_rows.remove(db, [row.job_id])


class Watch:
    """One process's look at the others.

    Args:
        paused_ttl, unseen_ttl, finished_ttl: as in ``jobs.JobQueue``, for jobs that no worker has.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.monotonic,
        still: float = STILL,
        paused_ttl: float = 1800.0,
        unseen_ttl: float = 120.0,
        finished_ttl: float = 3600.0,
    ):
        self._database, self._clock, self._still = database, clock, still
        self._ttl = {"paused": paused_ttl, "queued": unseen_ttl, "finished": finished_ttl}
        self._beats: dict[str, tuple[int, float]] = {}
        self._left: dict[str, float] = {}
        self._seen: dict[str, tuple[tuple, float]] = {}

    def look(self) -> list[str]:
        """Bury who is dead; end and forget jobs that are too old. The workers that are alive.
        Raises StoreError.
        """
        now = self._clock()
        with self._database.look() as db:
            workers, jobs = job_rows.workers(db), job_rows.all_of(db)
        dead = [row.worker_id for row in workers if self._is_gone(row, now)]
        there = {row.worker_id for row in workers}
        # whose row is gone before its jobs were handed back
        lost = {row.worker for row in jobs if row.worker and row.status not in FINISHED} - there
        old = [row for row in jobs if self._is_old(row, now)]
        self._beats = {name: seen for name, seen in self._beats.items() if name in there}
        ids = {row.job_id for row in jobs}
        self._seen = {job_id: seen for job_id, seen in self._seen.items() if job_id in ids}
        here = engine_version()
        served = {row.engine for row in workers if row.worker_id not in dead} | {here}
        older = [row for row in jobs if self._is_left(row, served, now)]
        if dead or old or lost or older:
            with self._database.change() as db:
                for worker in dead:
                    bury(db, worker)
                for worker in lost:
                    job_rows.hand_back(db, worker, deaths=1)
                for row in old:
                    self._end(db, row)
                for row in older:
                    job_rows.change(db, row.job_id, engine=here)
        return sorted(there - {*dead})

    def _is_gone(self, row, now: float) -> bool:
        if row.process.get("mark") is not None and row.process.get("host") == _host():
            return not machine.alive(row.process)
        beat, since = self._beats.get(row.worker_id, (None, now))
        if beat != row.beat:
            since = now
        self._beats[row.worker_id] = row.beat, since
        return now - since >= self._still

    def _is_old(self, row, now: float) -> bool:
        kind = "finished" if row.status in FINISHED else row.status
        if kind == "running" or (kind != "finished" and row.worker is not None):
            return False
        begun = kind == "queued" and bool(row.progress)  # waits for another worker: it was watched
        state = (row.status, row.looks if kind == "queued" else 0)
        former, since = self._seen.get(row.job_id, (None, now))
        self._seen[row.job_id] = state, since if state == former else now
        return not begun and state == former and now - since >= self._ttl[kind]

    def _is_left(self, row, served: set[str], now: float) -> bool:
        """Whether a job waits for a version of the engine that has been gone for long."""
        if row.status != "queued" or row.worker is not None or row.engine in served:
            self._left.pop(row.job_id, None)
            return False
        return now - self._left.setdefault(row.job_id, now) >= self._still

    def _end(self, db, row) -> None:
        now = job_rows.one(db, row.job_id)
        if now is None or (now.status, now.worker, now.looks) != (
            row.status,
            row.worker,
            row.looks,
        ):
            return
        if row.status in FINISHED:
            job_rows.remove(db, [row.job_id])
            return
        why = "Nobody was watching while it waited, so it left the line."
        if row.status == "paused":
            minutes = self._ttl["paused"] / 60
            why = (
                f"It was paused for {minutes:.0f} minutes, so it was closed; its records are kept."
            )
        job_rows.change(db, row.job_id, status="expired", error=why)
