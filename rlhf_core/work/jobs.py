"""One worker thread that advances everybody's long computations, one slice at a time.

A job is a generator (``rlhf_core.common.events``); a slice is one ``next()`` on it. Slices never
overlap: two learners never fight over the processor. Long jobs (PPO) wait in line, and after
``turn_seconds`` of work give way to somebody else's; short ones (a few answers) share most of the
time between two slices of the long one (``line``). Pause, step and stop are wishes: they take
effect at the generator's next yield.

Knows nothing about models, sessions or pages: it keeps what a generator yields, tells how far it
is, and forgets it after a while. Only this module makes threads. Simplification against practice: a
cluster's scheduler has many workers, and checkpoints that outlive the process; here there is one.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

from rlhf_core.common.errors import QueueError
from rlhf_core.common.events import Progress
from rlhf_core.lm import model_list
from rlhf_core.work import line, running, slices
from rlhf_core.work.job import CLOSING, FINISHED, Begun, QueuedJob

ALIVE = ("queued", "running", "paused")  # a job in one of these has more to do
TURN_SECONDS = 60.0  # of work that a long job may do while others wait


class JobQueue:
    """Jobs, their records, and the one thread that advances them. Every method may be called from
    any thread, and returns at once.

    Args:
        start: makes an order's generator (``running.begin``).
        clock: seconds that only go up.
        threaded: start a daemon worker at the first ``submit``. Without it, whoever calls
        ``advance`` drives the queue.
        paused_ttl: seconds after which a paused job expires.
        abandoned_ttl: seconds after which a long job that nobody asks about is paused; unseen_ttl:
        after which one, of any kind, that has not begun leaves the line.
        finished_ttl: seconds after which a finished job and its records are forgotten.
        max_jobs: long jobs remembered, and as many short ones, so that a line of long ones keeps
        nobody from a few answers; beyond it the oldest finished one of its kind is forgotten.
        max_records: records of one job; at that many it is stopped and says so.
        turn_seconds: of work, after which a long job gives way to another owner's that waits.
        room: for long jobs begun and not finished; the longest paused one makes room.
        large: whether a job of this ``kin`` takes gigabytes.
        sweep_seconds: how often an idle worker looks for jobs that are too old.
    """

    def __init__(
        self,
        start: Callable[[Any], Begun],
        *,
        clock: Callable[[], float] = time.monotonic,
        threaded: bool = True,
        paused_ttl: float = 1800.0,
        abandoned_ttl: float = 600.0,
        unseen_ttl: float = 120.0,
        finished_ttl: float = 3600.0,
        max_jobs: int = 400,
        max_records: int = 5_000,
        turn_seconds: float = TURN_SECONDS,
        room: line.Room = line.ROOM,
        large: Callable[[str], bool] = lambda kin: False,
        sweep_seconds: float = 30.0,
    ):
        self._start, self._clock, self._threaded = start, clock, threaded
        self._paused_ttl = paused_ttl
        self._abandoned_ttl, self._unseen_ttl = abandoned_ttl, unseen_ttl
        self._finished_ttl, self._sweep_seconds = finished_ttl, sweep_seconds
        self._max_jobs, self._max_records = max_jobs, max_records
        self._room, self._large = room, large
        self._turn_seconds, self._owed = turn_seconds, 0.0
        self._jobs: dict[str, QueuedJob] = {}  # in the order of submission
        # Guards all state; never held while a generator runs; notified when there may be work.
        self._lock = threading.Condition()
        self._driving = threading.Lock()  # held during a slice: two drivers never enter one at once
        self._thread: threading.Thread | None = None
        self._closed = False
        self._places = 0
        self._slices = 0

    # What pages and the command line call

    def submit(
        self, order, *, label: str, owner: str, long: bool, total: int | None = None, kin: str = ""
    ) -> str:
        """Take a job and return its id.

        Args:
            order: what to do; ``start`` makes a generator of it, on the worker thread, when the
                job gets its first slice.
            label: what it does, in words. Jobs of one label and ``kin`` (the model, say) are
            expected to take about as long for a record.
            owner: whose it is (a session's id).
            long: waits in line; otherwise it gets its slices between those of the long one.
            total: how many records it will yield, if known: progress and time left then count
            records, otherwise what ``Progress`` counts.

        Raises:
            QueueError: the queue is full of unfinished jobs, or closed.
        """
        with self._lock:
            self._sweep()
            if self._closed:
                raise QueueError("The app is shutting down, so nothing new can start.")
            alike = [job for job in self._jobs.values() if job.long == long]
            if len(alike) >= self._max_jobs:
                finished = [job for job in alike if job.status in FINISHED]
                if not finished:
                    raise QueueError(
                        "Too many runs are waiting at the moment. Please try again in a few"
                        " minutes."
                    )
                del self._jobs[min(finished, key=lambda job: job.since).id]
            now = self._clock()
            job = QueuedJob(
                id=secrets.token_urlsafe(12),
                label=label,
                owner=owner,
                long=long,
                order=order,
                counts_records=total is not None,
                total=total,
                place=self._next_place(),
                since=now,
                viewed=now,
                kin=kin,
                large=self._large(kin),
                turn=line.next_turn(owner, self._jobs.values()),
            )
            self._jobs[job.id] = job
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._work, name="rlhf-jobs", daemon=True)
                self._thread.start()
            self._lock.notify_all()
            return job.id

    def view(self, job_id: str) -> dict | None:
        """What a page shows of a job, or None if it is not known (any more). Asking counts as
        watching.

        Returns:
            id, label, owner, long: as submitted.
            status: queued, running, paused, done, stopped, failed or expired.
            wish: "paused", "stopped" or "expired" while the job has yet to reach the yield where
            that happens, else None.
            records: how many there are. stage: what it is doing, "" before it says so.
            done, total: records if it was submitted with a total, else the last ``Progress``; total
            may be None.
            position: for a long job in line, its place among those that wait (1: next), else None.
            eta_seconds: running: seconds until it is done; in line: until it starts, or goes on;
            None when nothing to go by has been measured yet.
            seconds: time spent running so far, other jobs' slices in between included.
            error: one sentence on why it failed or was ended, or None. note: one on how it came to
            its records, or "".
        """
        with self._lock:
            if (job := self._find(job_id)) is None:
                return None
            jobs, now = list(self._jobs.values()), self._clock()
            return {
                **job.shown(now),
                "position": line.position(job, jobs),
                "eta_seconds": line.wait(job, jobs, now, self._turn_seconds, self._room),
            }

    def records(self, job_id: str, start: int = 0) -> list[dict]:
        """The job's records from number ``start`` on (a new list; leave the dicts as they are); []
        if the job is not known.
        """
        with self._lock:
            job = self._find(job_id)
            return job.records[start:] if job else []

    def pause(self, job_id: str) -> None:
        """Pause at the next yield: the worker is free for the next long job. Like those below:
        nothing happens to a finished or unknown job.
        """
        with self._lock:
            if job := self._find(job_id):
                self._pause(job)

    def resume(self, job_id: str) -> None:
        """Go on; a paused job waits in line again, at its end."""
        self._go_on(job_id, stepping=0)

    def step(self, job_id: str, records: int = 1) -> None:
        """Go on until the next record (or so many), then pause."""
        self._go_on(job_id, stepping=records)

    def stop(self, job_id: str) -> None:
        """Close the generator at its next yield (it gets GeneratorExit there and discards the
        unfinished step); records are kept.
        """
        with self._lock:
            if job := self._find(job_id):
                self._end(job, "stopped")

    def forget(self, owner: str) -> None:
        """Stop every job of ``owner`` and drop its records: from now on nobody can see them."""
        with self._lock:
            for job in [job for job in self._jobs.values() if job.owner == owner]:
                self._end(job, "stopped")
                job.forgotten = True
                job.records = []
                if job.status in FINISHED:
                    del self._jobs[job.id]

    def close(self, timeout: float = 10.0) -> None:
        """Stop every job and the worker, waiting up to ``timeout`` seconds for its slice; take no
        more jobs.

        Without it, a process that ends inside torch dies with "terminate called", no exit status.
        """
        with self._lock:
            self._closed = True
            for job in self._jobs.values():
                self._end(job, "stopped")
            self._lock.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        else:
            while self.advance():
                pass

    # The worker

    def advance(self) -> str | None:
        """Run exactly one slice (one ``next()``, or the closing of one generator) and return its
        job's id; None if nothing wants to run.
        """
        with self._driving:
            with self._lock:
                self._sweep()
                job = self._choose()
                if job is None:
                    return None
                closing = job.wish in CLOSING
                if job.status == "queued" and not closing:
                    job.become("running", self._clock())
                self._slices += 1
                job.last_slice, job.in_slice = self._slices, True
                began = self._clock()
            if closing:
                ending, error = slices.close(job)
            else:
                ending, error = slices.next_item(job, self._start, self._take)
            with self._lock:
                job.in_slice = False
                took = self._clock() - began
                job.worked(took)
                self._owed = line.owed(job, took, self._owed)
                if ending:
                    job.error = error or job.error
                    job.become(ending, self._clock())
                else:
                    self._grant(job)
            return job.id

    def _work(self) -> None:
        while True:
            if self.advance() is None:
                with self._lock:
                    if self._choose() is None:
                        if self._closed:
                            return
                        waiting = [
                            job.due - self._clock()
                            for job in self._jobs.values()
                            if job.status == "running"
                        ]
                        soon = max(0.0, min([self._sweep_seconds, *waiting]))
                        self._lock.wait(soon if self._jobs else None)

    def _choose(self) -> QueuedJob | None:
        jobs = list(self._jobs.values())
        return line.choose(jobs, self._clock(), self._room, self._owed)

    def _take(self, job: QueuedJob, item: dict | Progress) -> None:
        with self._lock:
            job.take(item, self._clock())

    def _grant(self, job: QueuedJob) -> None:
        """After a slice that yielded: do what was wished meanwhile, unless the worker has to
        (closing); then see whose turn it is.
        """
        if len(job.records) >= self._max_records and job.wish not in CLOSING:
            job.error = (
                f"It made {self._max_records:,} records, the most that are kept, so it was stopped."
            )
            self._end(job, "stopped")
        elif job.wish == "paused":
            self._pause(job)
        elif job.long:
            jobs, place = list(self._jobs.values()), self._next_place()
            if line.give_way(job, jobs, self._turn_seconds, place, self._room):
                job.become("queued", self._clock())

    # Called under the lock

    def _find(self, job_id: str) -> QueuedJob | None:
        if (job := self._jobs.get(job_id)) and not job.forgotten:
            job.viewed = self._clock()
            return job
        return None

    def _next_place(self) -> int:
        self._places += 1
        return self._places

    def _pause(self, job: QueuedJob) -> None:
        if job.wish in CLOSING or job.status not in ("queued", "running"):
            return
        job.wish = "paused" if job.in_slice else None
        if not job.in_slice:
            job.become("paused", self._clock())

    def _go_on(self, job_id: str, *, stepping: int) -> None:
        with self._lock:
            job = self._find(job_id)
            if job is None or job.status in FINISHED or job.wish in CLOSING:
                return
            job.wish, job.stepping = None, stepping
            if job.status == "paused":
                job.place = self._next_place()
                job.turn = line.next_turn(job.owner, self._jobs.values())
                job.become("queued", self._clock())
                self._lock.notify_all()

    def _end(self, job: QueuedJob, how: str) -> None:
        """Have the worker close the generator ("stopped" or "expired"); a job that has not begun
        ends at once.
        """
        if job.status in FINISHED or job.wish in CLOSING:
            return
        if job.generator is None and not job.in_slice:
            job.become(how, self._clock())
        else:
            job.wish = how
            self._lock.notify_all()

    def _sweep(self) -> None:
        """Forget, expire and pause what is too old; keep room for another long job to begin."""
        now = self._clock()
        for job in list(self._jobs.values()):
            age = now - job.since
            if job.status in FINISHED:
                if age >= self._finished_ttl or job.forgotten:
                    del self._jobs[job.id]
            elif job.status == "paused":
                if age >= self._paused_ttl:
                    self._expire(
                        job,
                        f"It was paused for {self._paused_ttl / 60:.0f} minutes, so it was closed;"
                        " its records are kept.",
                    )
            elif job.generator is None and now - job.viewed >= self._unseen_ttl:
                self._expire(job, "Nobody was watching while it waited, so it left the line.")
            elif job.long and now - job.viewed >= self._abandoned_ttl:
                self._pause(job)
        held = [j for j in line.begun(self._jobs.values()) if j.status == "paused" and not j.wish]
        held.sort(key=lambda job: job.since)
        large = [job for job in held if job.large]
        for job in (
            held[: max(0, len(held) - (self._room.open - 1))]
            + large[: max(0, len(large) - (self._room.large - 1))]
        ):
            self._expire(
                job,
                "There was no room left to keep it paused, so it was closed; its records are kept.",
            )

    def _expire(self, job: QueuedJob, why: str) -> None:
        if job.wish not in CLOSING:
            job.error = why
            self._end(job, "expired")


_QUEUE = JobQueue(running.begin, large=lambda kin: kin not in ("", model_list.BUNDLED))
atexit.register(_QUEUE.close)


def queue() -> JobQueue:
    """The queue that everything in this process shares."""
    return _QUEUE
