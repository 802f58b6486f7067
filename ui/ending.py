"""How the server ends when it is told to (SIGTERM, Ctrl-C): soon, and with everybody's work kept.

Streamlit's server waits for its connections, and Python for a slice of work that may take long; a
container is killed after ten seconds. So whoever has work in the line of this process is noted as
soon as the signal comes, the line is closed after at most ``PATIENCE``, and the process is over
after ``LATEST``, whatever it is at: what a session is has been in the database since its last
change. Jobs of worker processes stay in their line and go on later.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator

from rlhf_core.common.errors import StoreError
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue, jobs, lines

logger = logging.getLogger(__name__)

PATIENCE = 2.5  # seconds that what is under way may take to come to a point where it can stop
LATEST = 4.2  # seconds after the signal at which the process is over
SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What a learner waits for; what is made beforehand for a quick answer is nobody's run.
_RUNS = {catalogue.slot_of(name) for name, job in catalogue.JOBS.items() if job.told or job.long}


def with_runs() -> list[Session]:
    """The sessions for which the line of this process works, or has work waiting."""
    line = lines.line_in_force()
    return [
        session
        for session in registry.in_memory()
        for job_id in [session.jobs.get(slot) for slot in _RUNS]
        if job_id and (line.view(job_id) or {}).get("status") in jobs.ALIVE
    ]


def farewell(patience: float = PATIENCE) -> None:
    """Close the line; in sessions whose work it was in memory only, note that they were cut short,
    so that they say so when they are opened again.
    """
    try:
        mine = [] if lines.workers() else with_runs()
        lines.line_in_force().close(patience)
        for session in mine:
            registry.note_cut_short(session)
    except StoreError as error:  # the database is out of reach: what is saved is saved
        logger.warning("Not everything could be noted at the end: %s", error)


class _Ending:
    """One farewell, however many ask for it."""

    def __init__(self):
        self._begun, self._over = threading.Lock(), threading.Event()
        self.number: int | None = None  # the signal that came

    def say(self) -> None:
        if self._begun.acquire(blocking=False):
            try:
                farewell()
            finally:
                self._over.set()
        self._over.wait()

    def at_signal(self, number: int) -> None:
        """From now on the time runs."""
        self.number = number
        threading.Thread(target=self.say, name="farewell", daemon=True).start()
        last = threading.Timer(LATEST, os._exit, [128 + number])
        last.daemon = True
        last.start()

    def leave(self) -> None:
        """Python's own tidying up after torch takes seconds, and no thread can cut it short."""
        if self.number is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(128 + self.number)


@contextlib.asynccontextmanager
async def in_time() -> AsyncIterator[None]:
    """The life of a server that ends as said above. Only the main thread hears signals."""
    ending, former = _Ending(), {}
    atexit.register(ending.leave)  # before torch's: those have been when it comes to this one

    def told(number: int, frame: object) -> None:
        ending.at_signal(number)
        if callable(former[number]):
            former[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        former = {number: signal.signal(number, told) for number in SIGNALS}
    try:
        yield
    finally:
        if ending.number is not None:
            await asyncio.to_thread(ending.say)
        for number, handler in former.items():
            if signal.getsignal(number) is told:
                signal.signal(number, handler)
