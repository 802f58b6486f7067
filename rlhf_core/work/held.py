"""What a worker has claimed: a job's row beside the job as its own queue knows it, and the sessions
that its jobs are about. Imports torch.
"""

from __future__ import annotations

from collections import Counter, OrderedDict

import torch

from rlhf_core.common.errors import InputError, QueueError, StoreError
from rlhf_core.common.events import Progress
from rlhf_core.common.source import engine_version
from rlhf_core.loop import workbench
from rlhf_core.session import registry
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store import job_rows
from rlhf_core.work import again, catalogue, plain, rows, running
from rlhf_core.work.job import Begun, QueuedJob
from rlhf_core.work.jobs import JobQueue

MOST_SESSIONS = 16  # in a worker's memory
OTHER_ENGINE = (
    "Opossum was updated while this was under way, so the new version went on with it: numbers from"
    " here on may differ a little from what the old one would have made."
)
PASSES = ("busy", "gone")  # what the database may say and soon take back


class Held:
    """A claimed job.

    Attributes:
        row: as it was claimed. job: as the worker's queue knows it.
        told: the number of its next record. waits: it is paused here until it is its turn; in the
        line it is "queued".
        wishes, looks: what of these was read. written: what the row says.
        lost: another worker has it, or will.
    """

    job: QueuedJob

    def __init__(self, row):
        self.row, self.owner = row, row.owner
        self.turn, self.place, self.stepping = row.turn, row.place, row.stepping
        self.wishes, self.looks = row.wishes, row.looks
        self.told, self.waits = 0, False
        self.forgotten, self.lost = row.forgotten, False
        self.written, self.written_at, self._progress = None, 0.0, row.progress

    def status(self) -> str:
        """What the row says: claimed is as good as running."""
        if self.waits and self.job.status == "paused":
            return "queued"
        return "running" if self.job.status == "queued" else self.job.status

    def state(self) -> tuple:
        """What has to be written at once when it changes."""
        job = self.job
        return len(job.records), self.status(), job.wish, job.error, self.turn, self.place

    def only_records(self, state: tuple) -> bool:
        """Whether there are more records than were written, and nothing else is new."""
        former = self.written
        return former is not None and former[0] > 0 and former[1:] == state[1:]

    def moved(self, now: float) -> bool:
        """Whether it is further than the row says."""
        return rows.progress(self.job, now) != self._progress

    def values(self, now: float) -> dict:
        """For the row."""
        job = self.job
        self._progress = rows.progress(job, now)
        found = {"status": self.status(), "progress": self._progress, "error": job.error}
        found |= {"wish": None if self.waits else job.wish, "stepping": job.stepping}
        return found | {"turn": self.turn, "place": self.place}

    def note(self, state: tuple, now: float) -> None:
        self.written, self.written_at = state, now

    def fresh(self) -> list[dict]:
        """The records that the row does not have."""
        return self.job.records[self.told :]


class Slices(JobQueue):
    """A worker's own queue, which hands out the jobs themselves."""

    def take_in(self, held: Held, total: int | None) -> QueuedJob:
        row = held.row
        kind = {"label": row.label, "owner": row.job_id, "long": row.long, "kin": row.kin}
        return self._jobs[self.submit(held, total=total, **kind)]


class Started:
    """The generator of a claimed job. Nothing happens before the first ``next``: then the session
    is loaded, what the job finds is noted, and after a death it is put back or gone on with.
    """

    def __init__(self, held: Held, sessions: Sessions, database, worker: str):
        self._held, self._sessions = held, sessions
        self._database, self._worker = database, worker
        self._work: Begun | None = None
        self._ended, self._known = False, 0

    def __iter__(self) -> Started:
        return self

    def __next__(self) -> Progress | dict:
        threads = self._held.row.threads or 1
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if self._work is None:
            try:
                self._work = self._begin()
            except StoreError as error:
                if error.kind not in PASSES:
                    raise
                return Progress("waiting for the database", 0, None, wait=1.0)
            self._sessions.busy[self._held.owner] += 1
        try:
            item = next(self._work)
        except BaseException:
            self._over()
            raise
        if isinstance(item, dict) and self._known:
            self._known -= 1
            return Progress("taking it up again", 0, None)
        return item

    def close(self) -> None:
        try:
            if self._work is not None:
                self._work.close()
        finally:
            self._over()

    def _over(self) -> None:
        if self._work is not None and not self._ended:
            self._ended = True
            self._sessions.busy[self._held.owner] -= 1

    def _begin(self) -> Begun:
        row = self._held.row
        if row.name not in catalogue.JOBS:
            raise QueueError(
                "This was ordered from another version of Opossum, which knew a kind of work that"
                " this one does not."
            )
        args = [plain.read(value) for value in row.arguments["args"]]
        more = {key: plain.read(value) for key, value in row.arguments["more"].items()}
        function, kind = catalogue.function_of(row.name), catalogue.JOBS[row.name]
        if not row.arguments["session"]:
            return function(*args, **more)
        session = self._sessions.get(row.owner)
        if not row.begun:
            self._note(again.noted(session, row.name))
            work = function(session, *args, **more)
        elif (goes_on := catalogue.again_of(row.name)) is not None:
            self._go_on(row.records)
            work = goes_on(session, row.begun | {"made": row.records}, *args, **more)
        else:
            again.put_back(session, row.name, row.begun)
            work = function(session, *args, **more)
        if row.begun and row.begun.get("engine") not in (None, engine_version()):
            self._held.job.note = OTHER_ENGINE
        return running.kept(session, work, told=kind.told)

    def _note(self, begun: dict) -> None:
        with self._database.change() as db:
            row = self._held.row
            values = {"begun": begun | {"engine": engine_version()}}
            job_rows.write(db, row.job_id, self._worker, self._held.wishes, **values)

    def _go_on(self, count: int) -> None:
        """The first ``count`` records were made before, and written down."""
        self._known, job = count, self._held.job
        rows.go_on(job, self._held.row.progress)
        job.records[:0] = [{}] * count
        self._held.told = count


class Sessions:
    """The sessions that a worker has in memory, as they stand in the database."""

    def __init__(self, keeper: InDatabase):
        self._keeper = keeper
        self._found: OrderedDict[str, Session] = OrderedDict()
        self.busy: Counter[str] = Counter()  # generators under way, by owner

    def get(self, session_id: str) -> Session:
        """The session, as it is now. Raises InputError: it is gone; StoreError."""
        session = self._found.get(session_id)
        if session is None:
            session = self._keeper.load(session_id)
            if session is None:
                raise InputError("This session is no longer kept: begin a new one.")
            session.directory = registry.folder() / session_id
            self._found[session_id] = session
        else:
            session.refresh()
        self._found.move_to_end(session_id)
        if not self.busy[session_id]:
            self._keeper.settle(session)  # what was under way went on in another worker
            workbench.drop_stale(session)
        for other in [i for i in self._found if i != session_id and not self.busy[i]]:
            if len(self._found) > MOST_SESSIONS:
                del self._found[other]
        return session

    def disown(self, session_id: str) -> None:
        """Another worker has its jobs: what is in memory here is never saved."""
        session = self._found.pop(session_id, None)
        if session is not None:
            session.store = None
