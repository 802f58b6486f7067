"""A job of a session, driven so that what it changes is saved: for a thread, a process, the command
line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from rlhf_core.common.events import Progress
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue

SHARE = 0.2  # of the time that saving may take; a save that takes long waits a while for the next


class Order(NamedTuple):
    """What somebody wants done: a job by its name, the session that it is about (None: a job of the
    process) and plain arguments.
    """

    name: str
    session: Session | None = None
    args: tuple = ()
    more: dict = {}


def begin(order: Order) -> Iterator[Progress | dict]:
    """The job that was ordered. Nothing happens, and no torch is imported, before the first
    ``next``.
    """
    work = catalogue.function_of(order.name)
    if order.session is None:
        yield from work(*order.args, **order.more)
    else:
        yield from kept(order.session, work(order.session, *order.args, **order.more))


def kept(session: Session, work: Iterator) -> Iterator[Progress | dict]:
    """``work`` over ``session``, saved after a record, and at its end.

    Meanwhile the session's folder says that something goes on: a server that is closed then leaves
    a bundle that was interrupted; an idle one does not.
    """
    _count(session, +1)
    due = 0.0
    try:
        while True:
            session.worker = threading.get_ident()
            try:
                item = next(work)
            except StopIteration:
                return
            finally:
                session.worker = None
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
        if threading.main_thread().is_alive():  # else the process is ending, with this unfinished
            _count(session, -1)


def _count(session: Session, change: int) -> None:
    with session.change():
        session.under_way += change
