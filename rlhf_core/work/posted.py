"""The line of jobs in the database: what a server asks of it, while worker processes do the jobs.

One read serves all pages of a process for a moment (``FRESH``), unless one of its own workers says
that something is new (``stale``). Two servers of one database share the line. Imports no torch.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rlhf_core.common.errors import QueueError, StoreError
from rlhf_core.common.events import Record
from rlhf_core.common.source import engine_version
from rlhf_core.store import job_rows
from rlhf_core.store.database import Database
from rlhf_core.work import catalogue, forecast, line, plain, rows
from rlhf_core.work.job import CLOSING, FINISHED, QueuedJob
from rlhf_core.work.jobs import ALIVE, TURN_SECONDS

FRESH = 0.2  # seconds for which what was read serves
TOLD = 1.0  # seconds for which what people in line are told serves, while the line is the same
LOOKS = 5.0  # seconds between two notes that somebody asks about a job
MOST_READ = 64  # jobs whose records stay in memory


class Posted:
    """A ``protocol.Line``.

    Args:
        wake: have workers look at the line now.
        changed: called with the owner of a job that has a new record or another status: what the
        job changed of the owner's session stands in the database by then.
        max_jobs: long jobs that may be alive, and as many short ones.
    """

    def __init__(
        self,
        database: Database,
        *,
        wake: Callable[[], None] = lambda: None,
        changed: Callable[[str], None] = lambda owner: None,
        clock: Callable[[], float] = time.monotonic,
        max_jobs: int = 400,
    ):
        self._workers = 0  # that are there, of all servers
        self._told_all: tuple[float, set, dict] = (-TOLD, set(), {})
        self._database, self._awaken, self._changed = database, wake, changed
        self._clock, self._max_jobs = clock, max_jobs
        self._lock = threading.RLock()
        self._read_at: float | None = None
        self._jobs: dict[str, QueuedJob] = {}  # in the order of submission
        self._rows: dict[str, Any] = {}
        self._records: OrderedDict[str, list[dict]] = OrderedDict()
        self._looked: dict[str, float] = {}
        self._closed = False

    # --- what pages call --------------------------------------------------------------------------

    def submit(
        self, order, *, label: str, owner: str, long: bool, total: int | None = None, kin: str = ""
    ) -> str:
        """The id of the owner's job of this slot that is alive, where there is one.

        Raises QueueError: too many wait, it is closed, or the database cannot be reached.
        """
        if self._closed:
            raise QueueError("The app is shutting down, so nothing new can start.")
        arguments = {
            "args": [plain.written(value) for value in order.args],
            "more": {key: plain.written(value) for key, value in order.more.items()},
            "session": order.session is not None,
        }
        values = {"job_id": secrets.token_urlsafe(12), "owner": owner, "name": order.name}
        values |= {"slot": catalogue.slot_of(order.name), "arguments": arguments, "kin": kin}
        values |= {"label": label, "long": long, "total": total, "engine": engine_version()}
        try:
            with self._database.change() as db:
                job_rows.lock(db)
                jobs = [rows.queued_job(row, 0.0) for row in job_rows.all_of(db)]
                alike = [job for job in jobs if job.long == long and job.status in ALIVE]
                if len(alike) >= self._max_jobs:
                    raise QueueError(
                        "Too many runs are waiting at the moment. Please try again in a few"
                        " minutes."
                    )
                job_id = job_rows.add(db, {**values, "turn": line.next_turn(owner, jobs)})
        except StoreError as error:
            raise QueueError(f"{error} Nothing was started.") from error
        self._told()
        return job_id

    def view(self, job_id: str) -> dict | None:
        """As ``JobQueue.view``."""
        with self._lock:
            job = self._find(job_id)
            if job is None:
                return None
            jobs, now = list(self._jobs.values()), self._clock()
            shown = job.shown(now)
            if job.long:
                seconds = self._forecast(jobs, now).get((job.id, job.status))
            else:
                seconds = line.wait(job, jobs, now)
            return {**shown, "position": line.position(job, jobs), "eta_seconds": seconds}

    def _forecast(self, jobs: list[QueuedJob], now: float) -> dict:
        """How long each long job waits, by its id and status; reckoned once for all for a while."""
        line_now = {(job.id, job.status) for job in jobs if job.long}
        known_at, known_line, found = self._told_all
        if now - known_at >= TOLD or line_now != known_line:
            homes = {one: row.worker for one, row in self._rows.items()}
            workers = max(self.most_workers(), self._workers)
            waits = forecast.waits(jobs, now, TURN_SECONDS, workers, homes)
            found = {key: waits[key[0]] for key in line_now if key[0] in waits}
            self._told_all = now, line_now, found
        return found

    def records(self, job_id: str, start: int = 0) -> list[dict]:
        with self._lock:
            job = self._find(job_id)
            if job is None:
                return []
            known = self._records.setdefault(job_id, [])
            self._records.move_to_end(job_id)
            if len(known) < len(job.records):
                with suppress(StoreError), self._database.look() as db:
                    known.extend(job_rows.records(db, job_id, len(known)))
            while len(self._records) > MOST_READ:
                self._records.popitem(last=False)
            return known[start:]

    def pause(self, job_id: str) -> None:
        def wished(db, row) -> dict | None:
            if row.wish in CLOSING or row.status not in ("queued", "running"):
                return None
            waits = row.worker is None or row.status == "queued"
            return {"status": "paused"} if waits else {"wish": "paused"}

        self._wish(job_id, wished)

    def resume(self, job_id: str) -> None:
        self._go_on(job_id, 0)

    def step(self, job_id: str, records: int = 1) -> None:
        self._go_on(job_id, records)

    def _go_on(self, job_id: str, stepping: int) -> None:
        def wished(db, row) -> dict | None:
            if row.status in FINISHED or row.wish in CLOSING:
                return None
            values: Record = {"wish": None, "stepping": stepping}
            if row.status == "paused":
                others = [rows.queued_job(other, 0.0) for other in job_rows.all_of(db)]
                turn = line.next_turn(row.owner, others)
                values |= {"status": "queued", "turn": turn, "place": job_rows.next_place(db)}
            elif (row.wish, row.stepping) == (None, stepping):
                return None
            return values

        self._wish(job_id, wished)

    def stop(self, job_id: str) -> None:
        self._wish(job_id, lambda db, row: _ended(row))

    def forget(self, owner: str) -> None:
        with suppress(StoreError), self._database.change() as db:
            job_rows.lock(db)
            mine = [row for row in job_rows.all_of(db) if row.owner == owner]
            held = [row for row in mine if row.status not in FINISHED and row.worker is not None]
            for row in held:
                job_rows.change(db, row.job_id, forgotten=True, wish="stopped")
            kept = {row.job_id for row in held}
            job_rows.remove(db, [row.job_id for row in mine if row.job_id not in kept])
        self._told()

    def close(self, timeout: float = 10.0) -> None:
        """Take no more jobs. Those there are stay in the line."""
        self._closed = True

    def most_workers(self) -> int:
        """How many this server has for the line, or will have when they are needed."""
        return 1

    # --- what there is ----------------------------------------------------------------------------

    def stale(self) -> None:
        """Something is new: read again when somebody next asks."""
        self._read_at = None

    def waiting(self) -> list[QueuedJob]:
        """The jobs that are alive, in the order of submission."""
        with self._lock:
            self._look()
            return [job for job in self._jobs.values() if job.status in ALIVE]

    def _wish(self, job_id: str, wished: Callable) -> None:
        """Change a job's row by what ``wished`` says of it; None: by nothing."""
        with suppress(StoreError):
            with self._database.change() as db:
                job_rows.lock(db)
                row = job_rows.one(db, job_id)
                values = None if row is None or row.forgotten else wished(db, row)
                if values is None:
                    return
                job_rows.change(db, job_id, **values)
            self._told()

    def _told(self) -> None:
        self.stale()
        self._awaken()

    def _find(self, job_id: str) -> QueuedJob | None:
        self._look()
        job = self._jobs.get(job_id)
        if job is None or job.forgotten:
            return None
        now = self._clock()
        if job.status in ALIVE and now - self._looked.get(job_id, -LOOKS) >= LOOKS:
            self._looked[job_id] = now
            with suppress(StoreError), self._database.change() as db:
                job_rows.looked(db, [job_id])
        return job

    def _look(self) -> None:
        """Read the line, where that was not done just now. What was known stays, where the database
        cannot be reached.
        """
        now = self._clock()
        if self._read_at is not None and now - self._read_at < FRESH:
            return
        self._read_at = now
        with suppress(StoreError):
            with self._database.look() as db:
                found = self._read(db)
                self._workers = len(job_rows.workers(db))
            before, self._jobs = self._jobs, {row.job_id: self._known(row, now) for row in found}
            self._rows = {row.job_id: row for row in found}
            self._looked = {i: at for i, at in self._looked.items() if i in self._jobs}
            for job_id in [i for i in self._records if i not in self._jobs]:
                del self._records[job_id]
            for owner in {job.owner for job in self._jobs.values() if _is_new(job, before)}:
                self._changed(owner)

    def _read(self, db) -> list:
        """All rows the first time; then those alive, and what became of those that were. What ended
        before is known.
        """
        if not self._jobs:
            return job_rows.all_of(db)
        alive = job_rows.alive(db)
        there = {row.job_id for row in alive}
        kept = job_rows.ids(db)
        ended = [row for i, row in self._rows.items() if row.status in FINISHED and i in kept]
        gone = [i for i, row in self._rows.items() if row.status in ALIVE and i not in there]
        more = job_rows.some(db, gone) if gone else []
        return sorted([*alive, *more, *ended], key=lambda row: row.number)

    def _known(self, row, now: float) -> QueuedJob:
        """The job of a row; its seconds go on from when its progress was first read."""
        former, job = self._rows.get(row.job_id), rows.queued_job(row, now)
        if former is not None and (former.progress, former.status) == (row.progress, row.status):
            job.since = self._jobs[row.job_id].since
        return job


def _ended(row) -> dict | None:
    if row.status in FINISHED or row.wish in CLOSING:
        return None
    return {"status": "stopped", "wish": None} if row.worker is None else {"wish": "stopped"}


def _is_new(job: QueuedJob, before: dict[str, QueuedJob]) -> bool:
    former = before.get(job.id)
    seen = (former.status, len(former.records)) if former is not None else None
    return seen != (job.status, len(job.records))
