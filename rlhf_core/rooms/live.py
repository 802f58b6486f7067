"""How far a room is, for the phones: a few numbers, ready to be shown. Imports no torch."""

from __future__ import annotations

from sqlalchemy import Row

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import reading
from rlhf_core.rooms.fresh import Fresh
from rlhf_core.rooms.records import PPO, REWARD, TALK, VOTE, Half
from rlhf_core.session import rounds
from rlhf_core.session.state import Session
from rlhf_core.store import room_counts

SERVES = 2.0  # seconds
_SAID = Fresh(SERVES)


def said(room: Row, half: Half, with_numbers: bool = True) -> dict:
    """{"people", "judged" (by the whole room), "live": up to three {"label", "value"}, or none
    without ``with_numbers``, "verdict": a sentence once the room talks, else ""}, at most
    ``SERVES`` seconds old.
    """
    key = (room.room_id, room.act, half.number)
    found = {"people": room.people, **_SAID.get(key, lambda: _made(room, half))}
    return found if with_numbers else found | {"live": []}


def _made(room: Row, half: Half) -> dict:
    with reading.database().look() as db:
        judged, _ = room_counts.totals(db, room.room_id, 0)
    found = {"judged": judged, "live": [], "verdict": ""}
    if room.act in (REWARD, PPO, VOTE, TALK):
        try:
            session = reading.session_of(half)
        except RoomError:
            return found
        found["live"] = numbers(session)
        if room.act == TALK:
            found["verdict"] = rounds.with_votes(session).get("conclusion") or ""
    return found


def numbers(session: Session) -> list[dict]:
    """What was trained so far, each with its interval or what it is counted in."""
    found, summary = [], session.learned.summary
    if summary.get("heldout_accuracy") is not None and summary.get("heldout_interval"):
        low, high = summary["heldout_interval"]
        value = f"{summary['heldout_accuracy']:.0%} ({low:.0%} to {high:.0%})"
        found.append({"label": "right on prompts it never saw", "value": value})
    if session.tuned.steps_done:
        found.append({"label": "PPO steps", "value": str(session.tuned.steps_done)})
        if (gain := session.tuned.reward_gain) is not None:
            found.append({"label": "score against before", "value": f"{gain:+.1f} SD"})
    return found
