"""The workers of a server: started when there is something to do, woken, started anew when they
die, and ended with the server, however it ends.

Who starts one is told (``Hand``): as a process beside the server (here), or on another machine
(``ray_hands``). Imports no torch.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from rlhf_core.common import places
from rlhf_core.common.errors import StoreError
from rlhf_core.common.known import known
from rlhf_core.store import job_rows
from rlhf_core.store.database import Database
from rlhf_core.work import watch
from rlhf_core.work.posted import Posted

logger = logging.getLogger(__name__)

# -P: never an rlhf_core that lies in the shell's own folder
COMMAND = (sys.executable, "-P", "-m", "rlhf_core.work.worker")
ROOT = places.ENGINE.parent
PATIENCE = 10.0  # seconds in which a worker may end by itself
QUIET = 600.0  # seconds without a long job, after which only one worker stays
HASTY = 3  # workers that die in a row without having done anything, after which it is slower


class Hand(Protocol):
    """What a pool holds one worker by."""

    pid: int | None  # of its process, where that is on this machine

    def wake(self) -> None:
        """Have it look at the line now."""

    def listen(self, new: Callable[[], None]) -> object:
        """Call ``new`` when it has written something; returns, with a word on why, when it is
        gone.
        """

    def end(self) -> None:
        """Have it hand back what it has, and end."""

    def wait(self, patience: float) -> None:
        """Until it has ended; after so many seconds it is killed."""


class Process:
    """A process beside the server, never a fork of it: its standard input, held open by the server
    alone, ties them.
    """

    def __init__(self, name: str, workers: int, command: Sequence[str] = COMMAND):
        ours = "" if places.INSTALLED else str(ROOT)  # an installed one is found as it is
        path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [*command, f"--id={name}", f"--workers={workers}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.pid: int | None = self._process.pid
        self._stdin, self._stdout = known(self._process.stdin), known(self._process.stdout)
        self._there = False

    def wake(self) -> None:
        with suppress(OSError, ValueError):
            self._stdin.write(b"\n")
            self._stdin.flush()

    def listen(self, new: Callable[[], None]) -> object:
        self._there = bool(os.read(self._stdout.fileno(), 1))  # it has signed in
        while os.read(self._stdout.fileno(), 4096):
            new()
        code = self._process.wait()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()
        return code

    def end(self) -> None:
        with suppress(OSError, ValueError):
            self._stdin.close()

    def wait(self, patience: float) -> None:
        try:
            self._process.wait(patience if self._there else 0)  # before that it has nothing
        except subprocess.TimeoutExpired:
            self._process.kill()


class Pool:
    """At most ``most`` workers for the line in ``database``.

    Args:
        new: called when a worker has written something.
        start: a new worker of this name; it is told how many there are, about.
        quiet: seconds without a long job, after which only one worker stays.
    """

    def __init__(
        self,
        database: Database,
        most: int,
        *,
        new: Callable[[], None] = lambda: None,
        start: Callable[[str, int], Hand] = Process,
        every: float = watch.EVERY,
        quiet: float = QUIET,
    ):
        self.database, self.most, self._new, self._start = database, most, new, start
        self._every, self._quiet, self._lock = every, quiet, threading.Lock()
        self._workers: dict[str, Hand] = {}
        self._wanted = 1
        self._ending = threading.Event()
        self._watching: threading.Thread | None = None
        self._deaths, self._busy_at = 0, time.monotonic()
        self._let_go: set[str] = set()

    @property
    def pids(self) -> list[int]:
        """Of the workers that run on this machine."""
        with self._lock:
            return [hand.pid for hand in self._workers.values() if hand.pid is not None]

    def wake(self, waiting: Callable[[], Sequence] = tuple) -> None:
        """Have the workers look at the line now; start the first one, and another where a long job
        of ``waiting()`` would wait for it.
        """
        with self._lock:
            if self._ending.is_set():
                return
            for hand in self._workers.values():
                hand.wake()
            if self._watching is None:
                self._watching = threading.Thread(
                    target=self._watch, args=(waiting,), name="rlhf-pool", daemon=True
                )
                self._watching.start()
                atexit.register(self.close)
            self._start_missing()

    def _start_missing(self) -> None:
        while len(self._workers) < min(self.most, self._wanted):
            name = secrets.token_urlsafe(12)
            hand = self._workers[name] = self._start(name, self.most)
            threading.Thread(target=self._listen, args=(name, hand), daemon=True).start()

    def _listen(self, name: str, hand: Hand) -> None:
        """Pass on that there is something new; at the end of it, the worker is gone."""
        why = hand.listen(self._heard)
        with self._lock:
            self._workers.pop(name, None)
        if self._ending.is_set() or name in self._let_go:
            return
        logger.warning("A worker ended (%s); another is started.", why)
        self._deaths += 1
        with suppress(StoreError), self.database.change() as db:
            watch.bury(db, name)
        self._new()
        if self._deaths >= HASTY:
            self._ending.wait(min(60.0, 2.0**self._deaths))
        self.wake()

    def _heard(self) -> None:
        self._deaths = 0
        self._new()

    # --- what there is to see to ------------------------------------------------------------------

    def _watch(self, waiting: Callable[[], Sequence]) -> None:
        look = watch.Watch(self.database)
        while not self._ending.wait(self._every):
            with suppress(StoreError):
                look.look()
            jobs = waiting()
            self.enough(jobs)
            with suppress(StoreError):
                self.not_too_many(jobs)

    def enough(self, jobs: Sequence) -> None:
        """Have another worker where a long job waits while all there are have one."""
        running = [job for job in jobs if job.long and job.status == "running"]
        waits = any(job.long and job.status == "queued" for job in jobs)
        with self._lock:
            if waits and len(running) >= len(self._workers) and not self._ending.is_set():
                self._wanted = min(self.most, len(running) + 1)
                self._start_missing()

    def not_too_many(self, jobs: Sequence) -> None:
        """Let the newest worker go after a quiet while, where it holds nothing. Raises
        StoreError.
        """
        if any(job.long and job.status in ("queued", "running") for job in jobs):
            self._busy_at = time.monotonic()
        with self._lock:
            names = [*self._workers][1:]
        if not names or time.monotonic() - self._busy_at < self._quiet:
            return
        with self.database.look() as db:
            held = job_rows.held(db, names[-1])
        with self._lock:
            if not held and names[-1] in self._workers:
                self._wanted = 1
                self._let_go.add(names[-1])
                self._workers[names[-1]].end()

    def close(self, patience: float = PATIENCE) -> None:
        """End the workers: each hands back what it has; one that does not is killed."""
        self._ending.set()
        with self._lock:
            hands = [*self._workers.values()]
        for hand in hands:
            hand.end()
        for hand in hands:
            hand.wait(patience)


class PooledLine(Posted):
    """A line in ``database`` that at most ``most`` workers of this process work on, and those of
    other servers.
    """

    def __init__(
        self, database: Database, most: int, *, start: Callable[[str, int], Hand] = Process, **about
    ):
        super().__init__(database, wake=self._wake_all, **about)
        self.pool = Pool(database, most, new=self.stale, start=start)

    def most_workers(self) -> int:
        return self.pool.most

    def _wake_all(self) -> None:
        self.pool.wake(self.waiting)
        self.pool.enough(self.waiting())

    def close(self, timeout: float = PATIENCE) -> None:
        """Take no more jobs, and end the workers; what is left stays in the line."""
        super().close(timeout)
        self.pool.close(timeout)
