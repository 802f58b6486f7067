"""Rooms in the tables: functions of an open transaction (``database.change`` or ``look``).

Judgements, pairs and events are only ever added. Knows nothing about what an act or a judgement
means, nor who may ask.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Row, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from rlhf_core.store.room_tables import (
    RoomEventRow,
    RoomHalfRow,
    RoomJudgementRow,
    RoomPairRow,
    RoomPersonRow,
    RoomRow,
    RoomWordRow,
)
from rlhf_core.store.session_rows import NOT_IN_MEMORY, changed, insert_new, inserted
from rlhf_core.store.tables import now_ms

LIGHT = [column for column in RoomRow.__table__.columns if column.name != "settings"]
PAIR = list(RoomPairRow.__table__.columns)
PERSON = list(RoomPersonRow.__table__.columns)

ITS_PAIR = (RoomPairRow.room_id == RoomJudgementRow.room_id) & (
    RoomPairRow.pair_id == RoomJudgementRow.pair_id
)
ITS_PERSON = (RoomPersonRow.room_id == RoomJudgementRow.room_id) & (
    RoomPersonRow.person == RoomJudgementRow.person
)

# What every phone asks with every tap stands ready: to build a query costs more than to run it.
_ROOM, _PERSON, _JUDGED = (
    table.__table__.c for table in (RoomRow, RoomPersonRow, RoomJudgementRow)
)
_BY_CODE = select(*LIGHT).where(_ROOM.code == bindparam("code"))
_BY_TOKEN = select(*PERSON).where(
    _PERSON.room_id == bindparam("room"), _PERSON.token_sha == bindparam("token")
)
_BY_PERSON = select(_JUDGED.judgement_id, _JUDGED.pair_id, _JUDGED.choice).where(
    _JUDGED.room_id == bindparam("room"), _JUDGED.person == bindparam("number")
)
_SEEN = (
    update(RoomPersonRow.__table__)
    .where(
        _PERSON.room_id == bindparam("room"),
        _PERSON.person == bindparam("number"),
        _PERSON.seen_ms < bindparam("now"),
    )
    .values(seen_ms=bindparam("now"))
)

# --- a room ---------------------------------------------------------------------------------------


def create(db: Session, room: dict, halves: list[dict]) -> bool:
    """Whether it is new: where a room of this code is there, nothing is written."""
    made = inserted(db, insert_new(db, RoomRow).on_conflict_do_nothing(), room)
    if made:
        db.execute(insert(RoomHalfRow.__table__), halves)
    return made


def by_code(db: Session, code: str) -> Row | None:
    """A room, without its settings."""
    return db.execute(_BY_CODE, {"code": code}).first()


def code_of(db: Session, room_id: str) -> str | None:
    return db.scalar(select(RoomRow.code).where(RoomRow.room_id == room_id))


def settings(db: Session, room_id: str) -> dict | None:
    return db.scalar(select(RoomRow.settings).where(RoomRow.room_id == room_id))


def halves(db: Session, room_id: str) -> list[Row]:
    query = select(*RoomHalfRow.__table__.columns).where(RoomHalfRow.room_id == room_id)
    return list(db.execute(query.order_by(RoomHalfRow.half)))


def of_session(db: Session, session_id: str) -> str | None:
    """The id of the room that a session belongs to."""
    return db.scalar(select(RoomHalfRow.room_id).where(RoomHalfRow.session_id == session_id))


def open_rooms(db: Session, now: int) -> int:
    """How many take people."""
    return db.scalar(select(func.count()).select_from(RoomRow).where(RoomRow.closes_ms > now)) or 0


def gone(db: Session, now: int) -> list[str]:
    """Those that are kept no longer."""
    return list(db.scalars(select(RoomRow.room_id).where(RoomRow.gone_ms <= now)))


def change(db: Session, room_id: str, *, number: int | None = None, **values) -> bool:
    """Change a room and count it; False: it is gone, or (``number``) somebody else was quicker."""
    query = update(RoomRow).where(RoomRow.room_id == room_id)
    if number is not None:
        query = query.where(RoomRow.act_number == number)
    query = query.values(act_number=RoomRow.act_number + 1, **values)
    return changed(db, query) > 0


def remove(db: Session, room_id: str) -> None:
    """With all that it has here; its sessions are the caller's."""
    query = delete(RoomRow).where(RoomRow.room_id == room_id)
    db.execute(query, execution_options=NOT_IN_MEMORY)


# --- people ---------------------------------------------------------------------------------------


def next_person(db: Session, room_id: str, most: int) -> int | None:
    """The number of one more person; None: the room is full. Others who join wait for the end of
    the transaction.
    """
    query = update(RoomRow).where(RoomRow.room_id == room_id, RoomRow.people < most)
    query = query.values(people=RoomRow.people + 1).returning(RoomRow.people)
    return db.scalar(query, execution_options=NOT_IN_MEMORY)


def add_person(db: Session, row: dict) -> None:
    db.execute(insert(RoomPersonRow.__table__), row)


def person(db: Session, room_id: str, token_sha: str) -> Row | None:
    return db.execute(_BY_TOKEN, {"room": room_id, "token": token_sha}).first()


def people(db: Session, room_id: str) -> list[Row]:
    query = select(*PERSON).where(RoomPersonRow.room_id == room_id)
    return list(db.execute(query.order_by(RoomPersonRow.person)))


def names(db: Session, room_id: str) -> list[str]:
    query = select(RoomPersonRow.name).where(RoomPersonRow.room_id == room_id)
    return list(db.scalars(query))


def seen(db: Session, room_id: str, person: int, now: int) -> None:
    db.execute(_SEEN, {"room": room_id, "number": person, "now": now})


def silent(db: Session, room_id: str) -> list[int]:
    """The included people who have judged nothing, whatever it is about."""
    said = select(RoomJudgementRow.person).where(RoomJudgementRow.room_id == room_id)
    same = (RoomPersonRow.room_id == room_id, RoomPersonRow.left_out.is_(False))
    query = select(RoomPersonRow.person).where(*same, RoomPersonRow.person.not_in(said))
    return list(db.scalars(query.order_by(RoomPersonRow.person)))


def left_out(db: Session, room_id: str) -> int:
    """How many people were left out."""
    same = (RoomPersonRow.room_id == room_id, RoomPersonRow.left_out.is_(True))
    return db.scalar(select(func.count()).select_from(RoomPersonRow).where(*same)) or 0


def leave_out(db: Session, room_id: str, person: int, left_out: bool) -> bool:
    """Whether that changed anything."""
    same = (RoomPersonRow.room_id == room_id, RoomPersonRow.person == person)
    query = update(RoomPersonRow).where(*same, RoomPersonRow.left_out != left_out)
    query = query.values(left_out=left_out)
    return changed(db, query) > 0


# --- pairs and judgements -------------------------------------------------------------------------


def add_pairs(db: Session, room_id: str, rows: list[dict]) -> int:
    """Those that are not there yet; how many the room has then. They are numbered in order."""
    query = select(RoomRow.pairs).where(RoomRow.room_id == room_id).with_for_update()
    count = db.scalar(query) or 0
    there = set(db.scalars(select(RoomPairRow.pair_id).where(RoomPairRow.room_id == room_id)))
    new = [row for row in rows if row["pair_id"] not in there]
    if new:
        numbered = enumerate(new, count)
        values = [{**row, "room_id": room_id, "number": number} for number, row in numbered]
        db.execute(insert(RoomPairRow.__table__), values)
        counted = update(RoomRow).where(RoomRow.room_id == room_id).values(pairs=count + len(new))
        db.execute(counted, execution_options=NOT_IN_MEMORY)
    return count + len(new)


def pairs(db: Session, room_id: str) -> list[Row]:
    query = select(*PAIR).where(RoomPairRow.room_id == room_id)
    return list(db.execute(query.order_by(RoomPairRow.number)))


def add_judgements(db: Session, rows: list[dict]) -> None:
    """Those whose person has not judged the pair, nor sent the id."""
    if rows:
        db.execute(insert_new(db, RoomJudgementRow).on_conflict_do_nothing(), rows)


def judged_by(db: Session, room_id: str, person: int) -> list[tuple[str, str, str]]:
    """(id, pair, choice) of all that a person judged."""
    rows = db.execute(_BY_PERSON, {"room": room_id, "number": person})
    return [(judgement, pair, choice) for judgement, pair, choice in rows]


def judgements(
    db: Session, room_id: str, purposes: Iterable[str], *, included: bool = True
) -> list[Row]:
    """Every judgement of pairs of these purposes, oldest first, with ``half`` and ``left_out`` of
    who made it. ``included``: without people who were left out.
    """
    columns = RoomJudgementRow.__table__.columns
    query = select(*columns, RoomPersonRow.half, RoomPersonRow.left_out, RoomPairRow.purpose)
    query = query.join(RoomPersonRow, ITS_PERSON).join(RoomPairRow, ITS_PAIR)
    query = query.where(RoomJudgementRow.room_id == room_id, RoomPairRow.purpose.in_([*purposes]))
    if included:
        query = query.where(RoomPersonRow.left_out.is_(False))
    order = (RoomJudgementRow.made_ms, RoomJudgementRow.person, RoomJudgementRow.judgement_id)
    return list(db.execute(query.order_by(*order)))


# --- typed texts and events -----------------------------------------------------------------------


def add_word(db: Session, row: dict) -> None:
    """Once by its id."""
    query = insert_new(db, RoomWordRow).on_conflict_do_nothing()
    db.execute(query, {**row, "made_ms": now_ms()})


def word(db: Session, room_id: str, word_id: str) -> Row | None:
    same = (RoomWordRow.room_id == room_id, RoomWordRow.word_id == word_id)
    return db.execute(select(*RoomWordRow.__table__.columns).where(*same)).first()


def words(db: Session, room_id: str) -> list[Row]:
    query = select(*RoomWordRow.__table__.columns).where(RoomWordRow.room_id == room_id)
    return list(db.execute(query.order_by(RoomWordRow.made_ms, RoomWordRow.word_id)))


def words_of(db: Session, room_id: str, person: int) -> int:
    """How many texts a person typed, the nickname aside."""
    same = (RoomWordRow.room_id == room_id, RoomWordRow.person == person)
    query = select(func.count()).select_from(RoomWordRow).where(*same, RoomWordRow.kind != "name")
    return db.scalar(query) or 0


def set_word(db: Session, room_id: str, word_id: str, status: str) -> bool:
    """Whether there is such a text."""
    same = (RoomWordRow.room_id == room_id, RoomWordRow.word_id == word_id)
    query = update(RoomWordRow).where(*same).values(status=status)
    return changed(db, query) > 0


def note(db: Session, room_id: str, kind: str, person: int | None = None, **about) -> None:
    """An event."""
    row = {"room_id": room_id, "kind": kind, "person": person, "about": about, "at_ms": now_ms()}
    db.execute(insert(RoomEventRow.__table__), row)


def events(db: Session, room_id: str) -> list[Row]:
    query = select(*RoomEventRow.__table__.columns).where(RoomEventRow.room_id == room_id)
    return list(db.execute(query.order_by(RoomEventRow.number)))
