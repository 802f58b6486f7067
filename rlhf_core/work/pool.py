"""The worker processes of a server: started when there is something to do, woken, started anew when
they die, and ended with the server, however it ends.

Each is ``python -m rlhf_core.work.worker``, never a fork of the server; its standard input, held
open by the server alone, is what ties them. Imports no torch.
"""

from __future__ import annotations

import atexit
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rlhf_core.common.errors import StoreError
from rlhf_core.store.database import Database
from rlhf_core.work import watch
from rlhf_core.work.posted import Posted

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "rlhf_core.work.worker")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0  # seconds in which a worker may end by itself
HASTY = 3  # workers that die in a row without having done anything, after which it is slower


class Pool:
    """At most ``most`` workers for the line in ``database``.

    Args:
        new: called when a worker has written something.
        command: what starts a worker.
    """

    def __init__(
        self,
        database: Database,
        most: int,
        *,
        new: Callable[[], None] = lambda: None,
        command: Sequence[str] = COMMAND,
        every: float = watch.EVERY,
    ):
        self.database, self.most, self._new, self._command = database, most, new, command
        self._every, self._lock = every, threading.Lock()
        self._workers: dict[str, subprocess.Popen] = {}
        self._wanted = 1
        self._ending = threading.Event()
        self._watching: threading.Thread | None = None
        self._deaths = 0

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        with self._lock:
            return [process.pid for process in self._workers.values()]

    def wake(self, waiting: Callable[[], Sequence] = tuple) -> None:
        """Have the workers look at the line now; start the first one, and another where a long job
        of ``waiting()`` would wait for it.
        """
        with self._lock:
            if self._ending.is_set():
                return
            for process in self._workers.values():
                with suppress(OSError, ValueError):
                    process.stdin.write(b"\n")
                    process.stdin.flush()
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
            path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
            process = subprocess.Popen(
                [*self._command, f"--id={name}", f"--workers={self.most}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"},
            )
            self._workers[name] = process
            threading.Thread(target=self._listen, args=(name, process), daemon=True).start()

    def _listen(self, name: str, process: subprocess.Popen) -> None:
        """Pass on that there is something new; at the end of it, the worker is gone."""
        while os.read(process.stdout.fileno(), 4096):
            self._deaths = 0
            self._new()
        process.wait()
        with self._lock:
            self._workers.pop(name, None)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()
        if self._ending.is_set():
            return
        logger.warning("A worker ended (%s); another is started.", process.returncode)
        self._deaths += 1
        with suppress(StoreError), self.database.change() as db:
            watch.bury(db, name)
        self._new()
        if self._deaths >= HASTY:
            self._ending.wait(min(60.0, 2.0**self._deaths))
        self.wake()

    # --- what there is to see to ------------------------------------------------------------------

    def _watch(self, waiting: Callable[[], Sequence]) -> None:
        look = watch.Watch(self.database)
        while not self._ending.wait(self._every):
            with suppress(StoreError):
                look.look()
            self.enough(waiting())

    def enough(self, jobs: Sequence) -> None:
        """Have another worker where a long job waits while all there are have one."""
        running = [job for job in jobs if job.long and job.status == "running"]
        waits = any(job.long and job.status == "queued" for job in jobs)
        with self._lock:
            if waits and len(running) >= len(self._workers) and not self._ending.is_set():
                self._wanted = min(self.most, len(running) + 1)
                self._start_missing()

    def close(self, patience: float = PATIENCE) -> None:
        """End the workers: each hands back what it has; one that does not is killed."""
        self._ending.set()
        with self._lock:
            processes = [*self._workers.values()]
        for process in processes:
            with suppress(OSError, ValueError):
                process.stdin.close()
        for process in processes:
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                process.kill()


class PooledLine(Posted):
    """A line in ``database`` that at most ``most`` workers of this process work on, and those of
    other servers.
    """

    def __init__(self, database: Database, most: int, *, command: Sequence[str] = COMMAND, **about):
        super().__init__(database, wake=self._wake_all, workers=most, **about)
        self.pool = Pool(database, most, new=self.stale, command=command)

    def _wake_all(self) -> None:
        self.pool.wake(self.waiting)
        self.pool.enough(self.waiting())

    def close(self, timeout: float = PATIENCE) -> None:
        """Take no more jobs, and end the workers; what is left stays in the line."""
        super().close(timeout)
        self.pool.close(timeout)
