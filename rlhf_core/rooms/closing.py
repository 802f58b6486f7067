"""A room ends: everything deleted, by its host or because its time is over."""

from __future__ import annotations

import threading
import time

from sqlalchemy.orm import Session as Open

from rlhf_core.rooms import reading
from rlhf_core.session import registry
from rlhf_core.store import room_rows
from rlhf_core.store.tables import now_ms

SWEEP_EVERY = 60.0  # seconds
_SWEPT, _LOCK = [float("-inf")], threading.Lock()


def delete(code: str, host: str) -> None:
    """Remove the room, its people and judgements, and its sessions with their weights. Raises
    RoomError, StoreError.
    """
    with reading.database().look() as db:
        row = reading.hosted(db, code, host)
        sessions = _sessions(db, row.room_id)
    _remove(row.room_id, sessions)


def sweep() -> int:
    """Delete rooms whose time is over (``limits.kept_days``); how many. Called when a room opens;
    looks at most once a minute.
    """
    with _LOCK:
        if time.monotonic() - _SWEPT[0] < SWEEP_EVERY:
            return 0
        _SWEPT[0] = time.monotonic()
    with reading.database().look() as db:
        over = {room: _sessions(db, room) for room in room_rows.gone(db, now_ms())}
    for room_id, sessions in over.items():
        _remove(room_id, sessions)
    return len(over)


def _sessions(db: Open, room_id: str) -> list[str]:
    return [half.session_id for half in room_rows.halves(db, room_id)]


def _remove(room_id: str, sessions: list[str]) -> None:
    """The room last: what could not be deleted is found again by it."""
    for session_id in sessions:
        registry.delete(session_id)
    with reading.database().change() as db:
        room_rows.remove(db, room_id)
