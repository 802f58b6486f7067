"""Blind votes on the phones, before against after, and the room's verdict.

A prompt is one vote: what most people said of it. A hundred people about five prompts are five
witnesses, not five hundred.
"""

from __future__ import annotations

import random

from sqlalchemy import Row

from rlhf_core.common.errors import RoomError
from rlhf_core.common.seeds import seed_of
from rlhf_core.evaluation import verdict
from rlhf_core.rooms import limits, pairs, reading
from rlhf_core.rooms.records import Half
from rlhf_core.session import rounds
from rlhf_core.session.state import Session
from rlhf_core.store import room_counts, room_rows


def prepare(code: str, host: str, half: int = 0) -> int:
    """Make the vote's pairs from the session's evaluation (job "evaluate"), one a prompt; how many.
    Safe to call again: the same model gives the same pairs. Raises RoomError: nothing was measured
    yet.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        place = reading.half_of(db, row, half)
    return _prepare(row, place.number, reading.session_of(place))


def put(session: Session) -> int:
    """``prepare``, for the job that has just measured; 0 where there is nothing to vote on."""
    with reading.database().look() as db:
        room_id = room_rows.of_session(db, session.id)
        row = room_rows.by_code(db, room_rows.code_of(db, room_id) or "") if room_id else None
        if row is None:
            return 0
        _, halves = reading.facts(db, row.room_id)
    half = next(one.number for one in halves if one.session_id == session.id)
    try:
        return _prepare(row, half, session)
    except RoomError:  # the host's page says it
        return 0


def _prepare(row: Row, half: int, session: Session) -> int:
    found = session.tuned.evaluation
    if not found or not found.get("pairs"):
        raise RoomError("There is nothing to vote on yet: run PPO, then measure it.", "early")
    model = {"round": found["round"], "step": found["step"]}
    differ = [pair for pair in found["pairs"] if pair["before"] != pair["after"]]
    by_prompt = {pair["prompt"]: pair for pair in reversed(differ)}  # the first of each
    prompts = sorted(by_prompt)
    random.Random(seed_of(row.seed, "votes", half)).shuffle(prompts)
    rows = []
    for prompt in prompts[: limits.VOTES]:
        pair = by_prompt[prompt]
        made = pairs.row(half, "vote", prompt, pair["before"], pair["after"], about=model)
        rows.append({**made, "pair_id": pairs.pair_id(half, prompt, *sorted(model.items()))})
    if not rows:
        raise RoomError("Before and after gave the same answers: there is nothing to vote on.")
    with reading.database().change() as db:
        before = len(room_rows.pairs(db, row.room_id))
        if room_rows.add_pairs(db, row.room_id, rows) > before:
            room_rows.note(db, row.room_id, "votes prepared", half=half, pairs=len(rows), **model)
    return len(rows)


def count(code: str, host: str, half: int = 0) -> dict:
    """Count the votes into the session, where the verdict finds them as blind votes; ``standing``.
    Counting again, after more came in, replaces them. Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        place = reading.half_of(db, row, half)
    session = reading.session_of(place)
    told = stands(row, place)
    here = {"round": session.history.current_round, "step": session.tuned.steps_done}
    said = [
        {"prompt": one["prompt"], "choice": _most(one), **here}
        for one in told["prompts"]
        if one["of"]
    ]
    with session.change():
        others = [vote for vote in session.judged.votes if not here.items() <= vote.items()]
        if [*others, *said] != session.judged.votes:
            session.judged.votes = [*others, *said]
    with reading.database().change() as db:
        room_rows.note(db, row.room_id, "votes counted", half=half, votes=told["votes"])
    return stands(row, place)


def standing(code: str, host: str, half: int = 0) -> dict:
    """{"half", "pairs", "votes", "people", "prompts": rows {"prompt", "before", "after",
    "for_before", "for_after", "tie", "of"}, "judge": ``verdict.by_votes`` over the prompts | None,
    "verdict", "conclusion": of the measured judges and those votes that were counted | ""}. Raises
    RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        place = reading.half_of(db, row, half)
    return stands(row, place)


def stands(row: Row, half: Half) -> dict:
    """``standing``, for who has been let in already."""
    with reading.database().look() as db:
        mine = [
            pair
            for pair in reading.pairs(db, row).values()
            if pair.purpose == "vote" and pair.half == half.number
        ]
        newest = max(map(pairs.model_of, mine), default=None)
        asked = [pair for pair in mine if pairs.model_of(pair) == newest]
        counted = room_counts.choices(db, row.room_id, ("vote",)) if asked else []
        ids = [pair.pair_id for pair in asked]
        people = room_counts.voters(db, row.room_id, ids) if asked else 0
    of_pair = {one.pair_id: one for one in counted}
    prompts = []
    for pair in asked:
        one = of_pair.get(pair.pair_id)
        a, b, tie = (one.a, one.b, one.tie) if one else (0, 0, 0)
        said = {"for_before": a, "for_after": b, "tie": tie, "of": a + b + tie}
        prompts.append({"prompt": pair.prompt, "before": pair.a, "after": pair.b, **said})
    rows = [{"prompt": one["prompt"], "choice": _most(one)} for one in prompts if one["of"]]
    found = {
        "half": half.number,
        "pairs": len(asked),
        "votes": sum(one["of"] for one in prompts),
        "people": people,
        "prompts": prompts,
        "judge": verdict.by_votes(rows, seed=seed_of(row.seed, "verdict")) if rows else None,
    }
    return found | _concluded(half)


def _concluded(half: Half) -> dict:
    try:
        session: Session | None = reading.session_of(half)
    except RoomError:
        session = None
    told = rounds.with_votes(session) if session else {}
    return {name: told.get(name) or "" for name in ("verdict", "conclusion")}


def _most(one: dict) -> str:
    """What most said of a prompt; a tie where no side has more."""
    before, after = one["for_before"], one["for_after"]
    if before == after or one["tie"] > max(before, after):
        return "tie"
    return "after" if after > before else "before"
