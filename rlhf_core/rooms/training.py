"""From judgements to the session: what the room's reward model learns from. Imports no torch.

The jobs themselves are everybody's, over the half's session: "fit", "ppo", "evaluate"; the room's
own is "room_groups" (majority and minority models).
"""

from __future__ import annotations

from sqlalchemy import Row

from rlhf_core.common.errors import RoomError
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.preferences import Ranking
from rlhf_core.rooms import accuracy, pairs, reading
from rlhf_core.rooms.records import Half
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from rlhf_core.store import room_counts, room_rows
from rlhf_core.store.room_counts import COUNTED

GROUPS = "room_groups"  # in ``Session.labs``
PREFIX = "room-"  # of the ids of the room's rankings in its session


def gather(code: str, host: str, half: int = 0) -> dict:
    """Put the included judgements of a half into its session, as rankings by pseudonym; those left
    out leave it. Then submit "fit" and "room_groups" over that session. {"judgements" and "people"
    who made them (as ``counts`` says), "left_out" (people), "session_id"}. Raises RoomError:
    nothing to learn from yet.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        place = reading.half_of(db, row, half)
        people = [one for one in room_rows.people(db, row.room_id) if one.half == half]
        said = [one for one in room_rows.judgements(db, row.room_id, COUNTED) if one.half == half]
        texts = reading.pairs(db, row)
    session = reading.session_of(place)
    names = {person.person: person.pseudonym for person in people}
    with session.change():
        part = session.judged
        there = {ranking.id: ranking for ranking in part.rankings}
        own = [ranking for ranking in part.rankings if not ranking.id.startswith(PREFIX)]
        brief = session.asked.brief
        made = [
            there.get(_id(one)) or _ranking(one, texts[one.pair_id], names[one.person], brief, row)
            for one in said
        ]
        if [*own, *made] != part.rankings:
            part.rankings = [*own, *made]
    judgements = [one for one in said if one.choice != "skip"]
    found = {
        "judgements": len(judgements),
        "people": len({one.person for one in judgements}),
        "left_out": sum(person.left_out for person in people),
        "session_id": place.session_id,
    }
    if reason := judged.nothing_to_learn(session):
        raise RoomError(f"There is nothing to learn from yet: {reason}.", "early")
    with reading.database().change() as db:
        told = {name: found[name] for name in ("judgements", "people", "left_out")}
        room_rows.note(db, row.room_id, "gathered", half=half, **told)
    return found


def _id(one: Row) -> str:
    return f"{PREFIX}{one.person}-{one.judgement_id}"


def _ranking(one: Row, pair: Row, name: str, brief: Brief, room: Row) -> Ranking:
    """A judgement as the session keeps it, under the half's brief."""
    groups = {"a": [[0], [1]], "b": [[1], [0]], "tie": [[0, 1]]}.get(one.choice, [])
    swapped = pairs.swapped(room.seed, one.person, one.pair_id)
    return Ranking(
        id=_id(one),
        prompt=pair.prompt,
        candidates=[pair.a, pair.b],
        shown=[1, 0] if swapped else [0, 1],
        groups=groups,
        verdict="skip" if one.choice == "skip" else None,
        seconds=one.seconds,
        annotator=name,
        brief=brief.slug,
        brief_version=brief.version,
        finished=pair.about.get("finished"),
        asked="gold" if pair.purpose == "gold" else "",
    )


def standing(code: str, host: str, half: int = 0) -> dict:
    """What was trained: {"half", "session_id", "gathered": judgements in the session, "new":
    those that came since, "gone": those in it of people who were left out since, "model": whether
    there is a reward model, "summary": ``Learned.summary`` without its examples, "accuracy":
    ``accuracy.told`` of it, "steps": PPO steps done, "gain" | None, "evaluation": the verdict
    without its pairs | None, "groups": the record of "room_groups" | None, "problem": a sentence |
    ""}. Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        place = reading.half_of(db, row, half)
    return stands(row, place)


def stands(row: Row, half: Half) -> dict:
    """``standing``, for who has been let in already."""
    found = {"half": half.number, "session_id": half.session_id, "gathered": 0, "new": 0}
    found |= {"gone": 0, "model": False, "summary": {}, "accuracy": None, "steps": 0, "gain": None}
    found |= {"evaluation": None, "groups": None}
    try:
        session = reading.session_of(half)
    except RoomError as error:
        return found | {"problem": str(error)}
    with reading.database().look() as db:
        counted = room_counts.of_half(db, row.room_id, half.number)
        out = {one.person for one in room_rows.people(db, row.room_id) if one.left_out}
    return found | _of_session(session, counted, out) | {"problem": ""}


def _of_session(session: Session, counted: int, out: set[int]) -> dict:
    """``counted``: the half's judgements now; ``out``: who is left out."""
    made = [one.id for one in session.judged.rankings if one.verdict != "skip"]
    made = [one.removeprefix(PREFIX) for one in made if one.startswith(PREFIX)]
    gathered = len(made)
    gone = sum(int(one.partition("-")[0]) in out for one in made)
    summary = {k: v for k, v in session.learned.summary.items() if k != "examples"}
    found = session.tuned.evaluation
    evaluation = {k: v for k, v in found.items() if k != "pairs"} if found else None
    return {
        "gathered": gathered,
        "new": counted - (gathered - gone),
        "gone": gone,
        "model": bool(session.learned.head),
        "summary": summary,
        "accuracy": accuracy.told(summary),
        "steps": session.tuned.steps_done,
        "gain": session.tuned.reward_gain,
        "evaluation": evaluation,
        "groups": session.labs.get(GROUPS),
    }
