"""Pushes to the hub that are going on in this server, one a session.

They are no jobs of the workers: what a job is told stands in the database, and a token must not.
So this process keeps them, in a line of its own, and forgets the token with the push; another
server of the same sessions knows nothing of them. Knows nothing about drawing.
"""

from __future__ import annotations

import atexit
import threading
from typing import NamedTuple

from rlhf_core.common.errors import QueueError
from rlhf_core.exchange import hub_aside
from rlhf_core.exchange.hub_push import Target
from rlhf_core.session import registry
from rlhf_core.work import jobs

MOST = 4  # at a time: each is a process and a folder of files
LABEL = "Pushing to the hub"


class Order(NamedTuple):
    """The zip of that hash goes there."""

    sha256: str
    target: Target
    secret: hub_aside.Secret


def _begin(order: Order):
    def zipped() -> bytes:
        return registry.keeper().weights.blobs.get(order.sha256)

    return hub_aside.push_zip(zipped, order.target, order.secret)


_LINE = jobs.JobQueue(_begin)
_LATEST: dict[str, str] = {}  # a session's id -> its newest push
_GUARD = threading.Lock()  # two tabs may press the same button at the same moment
atexit.register(_LINE.close, 2.0)


def begin(session_id: str, order: Order) -> None:
    """Raises QueueError: one is going on, or too many of others are."""
    with _GUARD:
        if alive(session_id):
            raise QueueError("A push of this session is still going on.")
        going_on = sum(alive(other) for other in _LATEST)
        if going_on >= MOST:
            raise QueueError("Others are pushing to the hub right now. Try again in a minute.")
        for other in [one for one in _LATEST if _LINE.view(_LATEST[one]) is None]:
            del _LATEST[other]
        _LATEST[session_id] = _LINE.submit(order, label=LABEL, owner=session_id, long=False)


def view(session_id: str) -> dict | None:
    """Of the session's newest push, as ``jobs.JobQueue.view`` gives it."""
    job_id = _LATEST.get(session_id)
    return _LINE.view(job_id) if job_id else None


def records(session_id: str) -> list[dict]:
    return _LINE.records(_LATEST[session_id]) if session_id in _LATEST else []


def alive(session_id: str) -> bool:
    found = view(session_id)
    return found is not None and found["status"] in jobs.ALIVE


def stop(session_id: str) -> None:
    if session_id in _LATEST:
        _LINE.stop(_LATEST[session_id])
