"""Thumbs that are half given: some answers of a set were called good or bad, the others not yet.

They stand with the session, so that a reload and another tab find them. Nothing counts them: they
become a judgement when the last answer is called (``judged.add_ranking``), and are left here then.
Imports no torch.
"""

from __future__ import annotations

from rlhf_core.session import judged
from rlhf_core.session.state import Session

AGAIN = "again"  # ``how`` of a judgement that is being made again


def of(session: Session, set_id: str) -> dict | None:
    """What whoever sits here has begun to say of a set: a row of ``Judged.thumbs_begun``."""
    who = judged.sitting(session)
    rows = session.judged.thumbs_begun
    return next((row for row in rows if (row["set"], row["who"]) == (set_id, who)), None)


def said(session: Session, set_id: str) -> dict[int, bool]:
    """{index of an answer: was it called good?}, in the order in which they were called."""
    row = of(session, set_id)
    return {index: good for index, good in row["said"]} if row else {}


def latest(session: Session) -> dict | None:
    """The newest row of whoever sits here that can still be finished."""
    who, rows = judged.sitting(session), session.judged.thumbs_begun
    return next((row for row in reversed(rows) if row["who"] == who and _open(session, row)), None)


def say(
    session: Session, set_id: str, index: int, good: bool, *, how: str, why: str, brief: tuple
) -> dict[int, bool]:
    """Call one answer of a set good or bad; called twice, the last word counts. Returns ``said``.

    Args:
        how, why: of the card (``ranking_desk.Asked``). brief: its slug and version when the set
            came up.
    """
    with session.change():
        now = {one: up for one, up in said(session, set_id).items() if one != index}
        row = of(session, set_id) or {"set": set_id, "who": judged.sitting(session), "how": how}
        row = {"why": why, "brief": list(brief), **row, "said": [*now.items(), (index, good)]}
        session.judged.thumbs_begun = [*_others(session, set_id), row]
    return said(session, set_id)


def take_back(session: Session, set_id: str) -> bool:
    """Take back the last thumb on a set; says whether there was one."""
    with session.lock:
        row = of(session, set_id)
        if not row or not row["said"]:
            return False
        with session.change():
            row = {**row, "said": row["said"][:-1]}
            session.judged.thumbs_begun = [*_others(session, set_id), row]
    return True


def leave(session: Session, set_id: str) -> None:
    """Forget what was begun on a set: it was judged, or left as it was."""
    if of(session, set_id):
        with session.change():
            session.judged.thumbs_begun = _others(session, set_id)


def _others(session: Session, set_id: str) -> list[dict]:
    """The rows about other sets, or of other people, that can still be finished."""
    own = of(session, set_id)
    return [row for row in session.judged.thumbs_begun if row != own and _open(session, row)]


def _open(session: Session, row: dict) -> bool:
    """Whether the set still waits, or, made again, its judgement still counts."""
    made = {ranking.id: ranking.brief for ranking in session.judged.rankings}
    if row["how"] == AGAIN:
        return made.get(row["set"]) == session.asked.brief.slug
    waits = any(one["id"] == row["set"] for one in session.asked.candidate_sets)
    return waits and row["set"] not in made
