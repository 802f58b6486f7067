"""What a room's judgements come to, counted by the database: functions of an open transaction.

What each number counts is said once, in ``rlhf_core/rooms/counts.py``: people who were left out
count in nothing but their own row; a skip is no judgement, and what is not about the model's
answers (practice, votes) is counted only where a name says so.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Integer, case, cast, func, select
from sqlalchemy.orm import Session

from rlhf_core.store.room_rows import ITS_PAIR, ITS_PERSON
from rlhf_core.store.room_tables import RoomJudgementRow, RoomPairRow, RoomPersonRow

COUNTED = ("rank", "gold")  # purposes of pairs that judgements are learned from
QUICK = 1.0  # seconds: nobody reads two answers in less
J, P = RoomJudgementRow, RoomPersonRow


class Choices(NamedTuple):
    """Of one half about one pair: how many said what."""

    half: int
    pair_id: str
    a: int
    b: int
    tie: int


class OfPerson(NamedTuple):
    """What one person did: real judgements, practice; of the real ones decided, for the left one,
    in less than ``QUICK``, with a time; with a known answer: right, of; and skipped.
    """

    person: int
    judged: int
    practice: int
    decided: int
    left: int
    fast: int
    timed: int
    gold_right: int
    gold_of: int
    skipped: int


def _count(condition):
    return cast(func.coalesce(func.sum(case((condition, 1), else_=0)), 0), Integer)


def _said(query, room_id: str, purposes: tuple[str, ...]):
    """``query``, over what the included people said of pairs of these purposes, skips aside."""
    query = query.select_from(J).join(P, ITS_PERSON).join(RoomPairRow, ITS_PAIR)
    same = (J.room_id == room_id, P.left_out.is_(False), J.choice != "skip")
    return query.where(*same, RoomPairRow.purpose.in_(purposes))


def totals(db: Session, room_id: str, since: int) -> tuple[int, int]:
    """(judgements, those made since ``since``)."""
    query = select(func.count(), _count(J.made_ms >= since))
    made, lately = db.execute(_said(query, room_id, COUNTED)).one()
    return made, lately


def people(db: Session, room_id: str, since: int) -> tuple[int, int]:
    """(included people, those of them who were heard of since ``since``)."""
    query = select(func.count(), _count(P.seen_ms >= since)).select_from(P)
    query = query.where(P.room_id == room_id, P.left_out.is_(False))
    found, present = db.execute(query).one()
    return found, present


def practised(db: Session, room_id: str) -> int:
    """How many included people have tapped at a practice pair."""
    query = select(func.count(J.person.distinct())).select_from(J)
    query = query.join(P, ITS_PERSON).join(RoomPairRow, ITS_PAIR)
    same = (J.room_id == room_id, P.left_out.is_(False), RoomPairRow.purpose == "practice")
    return db.scalar(query.where(*same)) or 0


def by_minute(db: Session, room_id: str) -> list[tuple[int, int]]:
    """(minutes since 1970, judgements), oldest first."""
    minute = (J.made_ms // 60_000).label("minute")
    query = _said(select(minute, func.count()), room_id, COUNTED)
    return [tuple(row) for row in db.execute(query.group_by(minute).order_by(minute))]


def choices(db: Session, room_id: str, purposes: tuple[str, ...] = COUNTED) -> list[Choices]:
    """What the included people said of each pair, by half."""
    said = (_count(J.choice == "a"), _count(J.choice == "b"), _count(J.choice == "tie"))
    query = _said(select(P.half, J.pair_id, *said), room_id, purposes)
    return [Choices(*row) for row in db.execute(query.group_by(P.half, J.pair_id))]


def of_people(db: Session, room_id: str) -> list[OfPerson]:
    """What each person did who judged anything."""
    real = RoomPairRow.purpose.in_(COUNTED)
    known = real & (RoomPairRow.right_choice != "") & (J.choice != "skip")
    decided = real & J.choice.in_(("a", "b"))
    timed = real & J.seconds.is_not(None) & (J.choice != "skip")
    query = select(
        J.person,
        _count(real & (J.choice != "skip")),
        _count(RoomPairRow.purpose == "practice"),
        _count(decided),
        _count(decided & (J.side == "left")),
        _count(timed & (J.seconds < QUICK)),
        _count(timed),
        _count(known & (J.choice == RoomPairRow.right_choice)),
        _count(known),
        _count(real & (J.choice == "skip")),
    )
    query = query.join(RoomPairRow, ITS_PAIR).where(J.room_id == room_id).group_by(J.person)
    return [OfPerson(*row) for row in db.execute(query)]


def median_seconds(db: Session, room_id: str) -> dict[int, float]:
    """Of each person, over what they judged in earnest; the lower one of two in the middle."""
    place = func.row_number().over(partition_by=J.person, order_by=J.seconds)
    count = func.count().over(partition_by=J.person)
    query = select(J.person, J.seconds, place.label("place"), count.label("count"))
    query = query.join(RoomPairRow, ITS_PAIR).where(
        J.room_id == room_id,
        RoomPairRow.purpose.in_(COUNTED),
        J.seconds.is_not(None),
        J.choice != "skip",
    )
    ranked = query.subquery()
    middle = select(ranked.c.person, ranked.c.seconds).where(
        ranked.c.place == (ranked.c.count + 1) // 2
    )
    return dict(tuple(row) for row in db.execute(middle))


def of_shared(db: Session, room_id: str) -> list[tuple[int, int, str, str]]:
    """(person, half, pair, choice) of the included people, about pairs that everybody gets."""
    query = _said(select(J.person, P.half, J.pair_id, J.choice), room_id, COUNTED)
    query = query.where(RoomPairRow.shared.is_(True))
    return [tuple(row) for row in db.execute(query)]


def voters(db: Session, room_id: str, pairs: list[str]) -> int:
    """How many included people have said something of one of these pairs of the vote."""
    query = _said(select(func.count(J.person.distinct())), room_id, ("vote",))
    return db.scalar(query.where(J.pair_id.in_(pairs)))


def of_half(db: Session, room_id: str, half: int) -> int:
    """The judgements of a half."""
    query = _said(select(func.count()), room_id, COUNTED)
    return db.scalar(query.where(P.half == half))
