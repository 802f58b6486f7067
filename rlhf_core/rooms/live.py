"""How far a room is, for the phones: a few numbers, ready to be shown. Imports no torch."""

from __future__ import annotations

from sqlalchemy import Row

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import accuracy, counts, plans, reading
from rlhf_core.rooms.fresh import Fresh
from rlhf_core.rooms.records import PPO, REWARD, TALK, VOTE, Half
from rlhf_core.session import rounds
from rlhf_core.session.state import Session
from rlhf_core.store.tables import now_ms

SERVES = 2.0  # seconds
_SAID = Fresh(SERVES)


def said(room: Row, half: Half, with_numbers: bool = True) -> dict:
    """{"people", "judged" (by the whole room, as ``counts`` says), "live": up to three {"label",
    "value"}, "words": what the first of them is worth, in a sentence, or ""; neither of both
    without ``with_numbers``; "say": instead of the act's own words, where what it is about is not
    there (yet), else "", "verdict": a sentence once the room talks, else ""}, at most ``SERVES``
    seconds old.
    """
    key = (room.room_id, room.act, half.number)
    found = _SAID.get(key, lambda: _made(room, half))
    return found if with_numbers else found | {"live": [], "words": ""}


def _made(room: Row, half: Half) -> dict:
    with reading.database().look() as db:
        told = counts.of_room(db, room.room_id, now_ms())
    found: dict = {name: told[name] for name in ("people", "judged")}
    found |= {"live": [], "words": "", "say": "", "verdict": ""}
    if room.act in (REWARD, PPO, VOTE, TALK):
        try:
            session = reading.session_of(half)
        except RoomError:
            return found
        found["live"] = numbers(session)
        found["say"] = plans.missing(room.act, bool(session.learned.head), tuned(session))
        if room.act == TALK:
            found["verdict"] = rounds.with_votes(session).get("conclusion") or ""
        elif (taught := accuracy.told(session.learned.summary)) is not None:
            found["words"] = taught["words"]
    return found


def tuned(session: Session) -> bool:
    """Has PPO made a step?"""
    return bool(session.tuned.steps_done)


def numbers(session: Session) -> list[dict]:
    """What was trained so far, each with its interval or what it is counted in."""
    found = []
    told = accuracy.told(session.learned.summary)
    if told and told["low"] is not None:
        value = f"{told['share']:.0%} ({told['low']:.0%} to {told['high']:.0%})"
        label = "right on prompts it never saw (95% interval; a coin: 50%)"
        found.append({"label": label, "value": value})
    if session.tuned.steps_done:
        found.append({"label": "PPO steps", "value": str(session.tuned.steps_done)})
        if (gain := session.tuned.reward_gain) is not None:
            found.append({"label": "score against before", "value": f"{gain:+.1f} SD"})
    return found
