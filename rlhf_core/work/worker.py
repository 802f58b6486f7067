"""A process that does jobs of the line in the database: it claims them, advances them a slice at a
time, writes down what they make, and reads what is wished of them.

    python -m rlhf_core.work.worker --id NAME --workers 1

Which database, folder of runs and blobs, and how many threads: by the environment, as for the
server. Bytes on its
standard input wake it; when that closes, its server is gone, and it hands back what it has and
ends. It writes a byte to its standard output when there is something new.

A session's jobs are in one worker at a time. One long job goes on in a worker; short ones, and
their share, are ``jobs.JobQueue``'s business, which drives the slices here too. Imports torch.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import torch

from rlhf_core.common.errors import StoreError
from rlhf_core.common.source import engine_version
from rlhf_core.lm import language_model, model_list
from rlhf_core.session import registry
from rlhf_core.session.in_database import InDatabase
from rlhf_core.store import job_rows
from rlhf_core.work import taking, watch
from rlhf_core.work.held import Held, Sessions, Slices, Started
from rlhf_core.work.job import CLOSING, FINISHED
from rlhf_core.work.jobs import TURN_SECONDS

logger = logging.getLogger(__name__)

POLL = 0.25  # seconds between two looks at the line, where nobody wakes it
WISHES = 0.1  # seconds between two looks at what is wished, where nobody wakes it
PROGRESS = 0.2  # seconds between two notes of how far a job is
RECORDS = 0.05  # seconds between two writes of records: a token is one


class Worker:
    """One worker; ``turn`` drives it.

    Args:
        name: unguessable, never used twice. threads: torch's, where a job has the machine to
        itself. workers: how many there are, about: one thread each, where two long jobs go on.
        clock: seconds that only go up.
    """

    def __init__(
        self,
        keeper: InDatabase,
        name: str,
        *,
        threads: int,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.database, self.name, self.clock = keeper.database, name, clock
        self.threads, self.workers = threads, workers
        self.sessions = Sessions(keeper)
        self.held: dict[str, Held] = {}
        self.queue = Slices(
            self._start,
            clock=clock,
            threaded=False,
            max_jobs=10_000,
            unseen_ttl=float("inf"),
            finished_ttl=0.0,
        )
        self.awake = threading.Event()
        self.new = lambda: None  # tells the server that something was written
        self._looked = self._read_wishes = -POLL

    def sign_in(self) -> None:
        with self.database.change() as db:
            process = watch.this_process()
            job_rows.sign_in(db, self.name, engine_version(), process, self.threads)

    # --- one turn ---------------------------------------------------------------------------------

    def turn(self) -> bool:
        """Read what is wished, claim what may be claimed, run a slice, write down what it made;
        whether there was anything to run. A database out of reach is tried again at the next turn.
        """
        now = self.clock()
        woken = self.awake.is_set()
        self.awake.clear()
        with suppress(StoreError):
            if self.held and (woken or now - self._read_wishes >= WISHES):
                self._read_wishes = now
                self._obey()
            if woken or now - self._looked >= POLL:
                self._looked = now
                self._take()
        local_id = self.queue.advance()
        with suppress(StoreError):
            self._write()
        return local_id is not None

    def idle(self) -> None:
        """Wait until there may be something to do."""
        due = [held.job.due for held in self.held.values() if held.job.status == "running"]
        wait = min([POLL, *(at - self.clock() for at in due)])
        if wait > 0:
            self.awake.wait(wait)

    # --- what is wished ---------------------------------------------------------------------------

    def _obey(self) -> None:
        with self.database.look() as db:
            found = {row.job_id: row for row in job_rows.held(db, self.name)}
        for job_id, held in [*self.held.items()]:
            row = found.get(job_id)
            if row is None:
                if held.job.status not in FINISHED:
                    self._lose(held)
                continue
            if row.looks != held.looks:
                held.looks = row.looks
                self.queue.view(held.job.id)  # somebody watches
            if row.wishes != held.wishes:
                held.wishes = row.wishes
                self._do(held, row)

    def _do(self, held: Held, row) -> None:
        held.forgotten = row.forgotten
        if row.wish in CLOSING:
            self.queue.stop(held.job.id)
        elif "paused" in (row.wish, row.status):
            held.waits = False
            self.queue.pause(held.job.id)
        else:
            held.turn, held.place, held.stepping = row.turn, row.place, row.stepping
            if held.job.long and held.job.status == "paused":
                held.waits = True  # until it is its turn
                self._looked = -POLL
            else:
                held.waits = False
                self._go_on(held)

    def _go_on(self, held: Held) -> None:
        held.waits = False
        if held.stepping:
            self.queue.step(held.job.id, held.stepping)
        else:
            self.queue.resume(held.job.id)

    def _lose(self, held: Held) -> None:
        """Others have it: nothing of it is written any more."""
        self.sessions.disown(held.owner)
        self.queue.stop(held.job.id)
        held.lost = True

    # --- what may be claimed ----------------------------------------------------------------------

    def _take(self) -> None:
        with self.database.look() as db:
            rows = job_rows.alive(db)
        self._give_way(rows)
        if taking.wanted(rows, self.held, self.name, self.workers) is None:
            return
        with self.database.change() as db:
            job_rows.lock(db)
            rows = job_rows.alive(db)
            row = taking.wanted(rows, self.held, self.name, self.workers)
            if row is None:
                return
            threads = row.threads or taking.threads_for(row, rows, self.threads, self.workers)
            own = row.job_id in self.held
            if not own:
                if not job_rows.claim(db, row.job_id, self.name, threads):
                    return
                row = job_rows.one(db, row.job_id)
        if own:
            self._go_on(self.held[row.job_id])
        else:
            self._hold(row)
        self._looked = -POLL  # perhaps there is more

    def _hold(self, row) -> None:
        held = Held(row)
        self.held[row.job_id] = held
        held.job = self.queue.take_in(held, row.total)
        if row.stepping:
            self.queue.step(held.job.id, row.stepping)

    def _give_way(self, rows: list) -> None:
        """After its turn a long job lets others go on, and comes back by itself."""
        mine = taking.under_way(self.held)
        if mine is None or mine.job.spent < TURN_SECONDS:
            return
        others = [row for row in rows if row.owner != mine.owner and row.status == "queued"]
        if any(taking.is_next(row, self.held, self.name, rows) for row in others if row.long):
            mine.job.spent, mine.waits = 0.0, True
            mine.turn += 1
            mine.place = 1 + max(row.place for row in rows)
            self.queue.pause(mine.job.id)

    # --- what is made -----------------------------------------------------------------------------

    def _start(self, held: Held) -> Started:
        return Started(held, self.sessions, self.database, self.name)

    def _write(self) -> None:
        now = self.clock()
        for job_id, held in [*self.held.items()]:
            if held.lost:
                if held.job.status in FINISHED:
                    self._drop(held)
                continue
            if held.waits:
                held.job.since = now  # waits for its turn, and for nobody who forgot it
            state, ago = held.state(), now - held.written_at
            if state == held.written and (ago < PROGRESS or not held.moved(now)):
                continue
            if ago < RECORDS and held.only_records(state):
                continue
            if self._write_one(held, state, now):
                held.note(state, now)
                self.new()
                if held.job.status in FINISHED:
                    self._drop(held)
            else:
                self._read_wishes = -WISHES
                self._obey()

    def _write_one(self, held: Held, state: tuple, now: float) -> bool:
        fresh = held.fresh()
        with self.database.change() as db:
            if fresh and not job_rows.append(db, held.row.job_id, self.name, held.told, fresh):
                return False
            values = held.values(now)
            if not job_rows.write(db, held.row.job_id, self.name, held.wishes, **values):
                found = job_rows.one(db, held.row.job_id)
                ended = held.job.status in FINISHED
                if not ended or found is None or found.worker != self.name:
                    return False
                # It ended before the wish could reach it.
                job_rows.write(db, held.row.job_id, self.name, found.wishes, **values)
            if held.forgotten and held.job.status in FINISHED:
                job_rows.remove(db, [held.row.job_id])
        held.told += len(fresh)
        return True

    def _drop(self, held: Held) -> None:
        self.held.pop(held.row.job_id, None)
        self._looked = -POLL

    def hand_back(self) -> None:
        """End: leave what there is to others; an unfinished step leaves no trace."""
        for held in self.held.values():
            held.lost = True
            self.queue.stop(held.job.id)
        self.queue.close()
        with suppress(StoreError), self.database.change() as db:
            job_rows.lock(db)
            job_rows.hand_back(db, self.name)
            job_rows.sign_out(db, self.name)


# --- the process ----------------------------------------------------------------------------------


def begin(name: str, workers: int, tell: Callable[[], None]) -> Worker:
    """A worker of this process, which the others know of from now on. ``tell``: called now, and
    when it has written something.
    """
    worker = Worker(registry.keeper(), name, threads=torch.get_num_threads(), workers=workers)
    worker.new = tell
    worker.sign_in()
    tell()
    return worker


def work(worker: Worker, ending: threading.Event) -> None:
    """Until ``ending``; then it hands back what it has."""
    threading.Thread(target=_beat, args=(worker, ending), daemon=True).start()
    language_model.load(model_list.BUNDLED)
    gc.freeze()  # torch's objects are here to stay
    while not ending.is_set():
        if not worker.turn():
            worker.idle()
    worker.hand_back()


def _beat(worker: Worker, ending: threading.Event) -> None:
    """Show that this process is alive, and see who else is."""
    look = watch.Watch(worker.database)
    while not ending.wait(watch.EVERY):
        with suppress(StoreError):
            with worker.database.change() as db:
                alive = job_rows.beat(db, worker.name)
            if not alive:
                os._exit(3)  # it was given up: what it has is others', and so is its next write
            look.look()


def _listen(worker: Worker, ending: threading.Event) -> None:
    """Bytes wake the worker; the end of them is its server's end."""
    while os.read(sys.stdin.fileno(), 4096):
        worker.awake.set()
    ending.set()
    worker.awake.set()


def _tell() -> None:
    with suppress(OSError):
        os.write(sys.stdout.fileno(), b"\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m rlhf_core.work.worker")
    parser.add_argument("--id", required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--nice", type=int, default=5, help="how far the pages go first")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if hasattr(os, "nice"):
        os.nice(options.nice)
    ending = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's; it closes the input
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    worker = begin(options.id, options.workers, _tell)
    threading.Thread(target=_listen, args=(worker, ending), daemon=True).start()
    work(worker, ending)
    return 0


if __name__ == "__main__":
    sys.exit(main())
