"""A job of a session, driven so that what it changes is saved: for a thread, a process, the command
line.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from rlhf_core.common.events import Recording
from rlhf_core.session.state import Session
from rlhf_core.store import machine
from rlhf_core.work import catalogue
from rlhf_core.work.job import Begun

SHARE = 0.2  # of the time that saving may take; a save that takes long waits a while for the next


class Order(NamedTuple):
    """What somebody wants done: a job by its name, the session that it is about (None: a job of the
    process) and plain arguments.
    """

    name: str
    session: Session | None = None
    args: tuple = ()
    more: dict = {}


def begin(order: Order) -> Recording[None]:
    """The job that was ordered. Nothing happens, and no torch is imported, before the first
    ``next``.
    """
    function, session = catalogue.function_of(order.name), order.session
    if session is None:
        yield from function(*order.args, **order.more)
        return
    work = function(session, *order.args, **order.more)
    yield from kept(session, work, told=catalogue.JOBS[order.name].told)


def kept(session: Session, work: Begun, told: bool = True) -> Recording[None]:
    """``work`` over ``session``, which is saved after a record that changed something, and at the
    end. ``told``: as in the catalogue.
    """
    due, counted, clocks = 0.0, False, [0.0, 0.0]
    try:
        if told:
            counted = True
            _count(session, +1)
        while True:
            session.worker = threading.get_ident()
            started = time.perf_counter(), time.process_time()
            try:
                item = next(work)
            except StopIteration:
                return
            finally:
                session.worker = None
                clocks[0] += time.perf_counter() - started[0]
                clocks[1] += time.process_time() - started[1]
            if isinstance(item, dict) and time.monotonic() >= due:
                began = time.monotonic()
                session.save_changes()
                due = time.monotonic() + (time.monotonic() - began) * (1 / SHARE - 1)
            yield item
    finally:
        session.worker = threading.get_ident()
        try:
            work.close()
        finally:
            session.worker = None
            if told:
                _spend(session, *clocks)
            # A process that is ending leaves it unfinished: its folder goes on saying so.
            if counted and threading.main_thread().is_alive():
                _count(session, -1)
            elif not counted:
                session.save_changes()


def _spend(session: Session, seconds: float, processor_seconds: float) -> None:
    """Add to what this session's trainings and measurements took, for its card."""
    with session.lock:
        known = session.settings.get("spent") or {}
        spent = {
            "seconds": round(known.get("seconds", 0) + seconds, 3),
            "processor_seconds": round(known.get("processor_seconds", 0) + processor_seconds, 3),
        }
        session.settings = {**session.settings, "spent": spent}


def _count(session: Session, change: int) -> None:
    with session.change():
        session.under_way += change
        session.process = machine.this_process() if session.under_way else None
