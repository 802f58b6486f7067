"""The room's answers: the model writes them once, ahead, and they become pairs. Imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.common.errors import RoomError
from rlhf_core.common.events import Progress
from rlhf_core.common.known import known
from rlhf_core.loop.writing import generate_pool, pool_again
from rlhf_core.rooms import pairs, reading
from rlhf_core.session.state import Session
from rlhf_core.store import room_rows

SETS, ANSWERS = 36, 3  # candidate sets; answers to each, so three pairs


def write(session: Session) -> Iterator[Progress | dict]:
    """Write the answers and make the room's pairs. Records as ``writing.generate_pool``, and last
    {"kind": "room", "pairs"}. Raises RoomError: the session belongs to no room.
    """
    _room_of(session)
    yield from generate_pool(session, SETS, ANSWERS)
    yield {"kind": "room", "pairs": put(session)}


def write_again(session: Session, begun: dict) -> Iterator[Progress | dict]:
    """Go on with a ``write`` that ended in the middle."""
    yield from pool_again(session, begun, SETS, ANSWERS)
    yield {"kind": "room", "pairs": put(session)}


def put(session: Session) -> int:
    """Make pairs of all answers that the session has; how many pairs of answers the room has then.
    Safe to call again.

    Where a half has nothing to practise with, everybody's first pairs are copied for it.
    """
    room_id = _room_of(session)
    with reading.database().change() as db:
        code = room_rows.code_of(db, room_id)
        row = known(room_rows.by_code(db, known(code)))
        there = room_rows.pairs(db, room_id)
        rows = pairs.of_sets(session.asked.candidate_sets, row.seed, there)
        drilled = {pair.half for pair in there if pair.purpose == "practice"}
        for half in room_rows.halves(db, room_id):
            if half.half not in drilled:
                rows += [_practice(half.half, one) for one in rows[: pairs.PRACTICED]]
        room_rows.add_pairs(db, room_id, rows)
        return sum(pair.purpose == "rank" for pair in room_rows.pairs(db, room_id))


def _practice(half: int, one: dict) -> dict:
    return pairs.row(half, "practice", one["prompt"], one["a"], one["b"], shared=True)


def _room_of(session: Session) -> str:
    with reading.database().look() as db:
        room_id = room_rows.of_session(db, session.id)
    if room_id is None:
        raise RoomError("This session belongs to no room (any more).", "unknown")
    return room_id
