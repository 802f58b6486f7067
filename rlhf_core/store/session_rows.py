"""Sessions in the tables: functions of an open transaction (``database.change`` or ``look``).

A part is read with its version and written only by a writer that read the newest: who is behind
gets ``Behind``, reads again and tries again. Knows nothing about what parts, records and judgements
mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import CursorResult, UpdateBase, bindparam, exists, func, insert, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from rlhf_core.common.errors import StoreError
from rlhf_core.store.room_tables import RoomHalfRow
from rlhf_core.store.tables import (
    STANDING,
    Base,
    JudgementRow,
    PartRow,
    RecordRow,
    SessionRow,
    now_ms,
)


class Behind(StoreError):
    """Somebody else wrote the part in the meantime."""

    def __init__(self):
        super().__init__(
            "This was changed in the meantime, perhaps in another tab: look at it and try again.",
            "behind",
        )


class Gone(StoreError):
    """The session is not there (any more)."""

    def __init__(self):
        super().__init__("This session is no longer kept: begin a new one.", "missing")


@dataclass(frozen=True)
class Part:
    """A part as it lies there.

    Attributes:
        lists: records by field, in order. judgements: those that stand, by kind, in order, as
            (id, body). Of neither a field that never had any.
    """

    version: int
    body: dict
    lists: dict[str, list[dict]] = field(default_factory=dict)
    judgements: dict[str, list[tuple[str, dict]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Records:
    """A change of one field's records: the first ``keep`` stay, later ones go, ``added`` follow."""

    keep: int
    added: list[dict]


@dataclass(frozen=True)
class Judgements:
    """A change of one kind of judgements, in the order of the attributes.

    Attributes:
        withdrawn: ids that are taken back; they stay on record. One that does not stand is none.
        moved: new positions by id.
        added: (id, position, body); one that stands already counts once, as it stands.
    """

    added: list[tuple[str, int, dict]] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)


def changed(db: Session, query: UpdateBase) -> int:
    """How many rows an UPDATE or DELETE changed."""
    done = db.execute(query, execution_options=NOT_IN_MEMORY)
    return cast("CursorResult[Any]", done).rowcount


def inserted(db: Session, query: UpdateBase, row: dict) -> bool:
    """Whether an INSERT made its row."""
    done = db.execute(query, row, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount > 0


def insert_new(db: Session, table: type[Base]) -> Any:
    """INSERT of this database's kind: it has ``on_conflict_do_nothing`` and ``_do_update``."""
    dialect = postgresql if db.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(table.__table__)


def _is_new(db: Session, table: type[Base], row: dict) -> bool:
    """Insert ``row``, if there is none of its key."""
    return inserted(db, insert_new(db, table).on_conflict_do_nothing(), row)


# --- a session ------------------------------------------------------------------------------------


def create(db: Session, session_id: str, about: dict) -> bool:
    """Whether it is new: one of this id that is there stays as it is."""
    now = now_ms()
    row = {"session_id": session_id, "about": about, "created_ms": now, "seen_ms": now}
    return _is_new(db, SessionRow, row)


def lock(db: Session, session_id: str) -> bool:
    """Keep other writers off this session until the transaction ends; False: there is no such
    session (any more). SQLite's transactions keep them off as they are.
    """
    return db.scalar(_LOCK, {"id": session_id}) is not None


def about(db: Session, session_id: str) -> dict | None:
    return db.scalar(select(SessionRow.about).where(SessionRow.session_id == session_id))


def set_about(db: Session, session_id: str, about: dict) -> None:
    """Raises Gone."""
    query = update(SessionRow).where(SessionRow.session_id == session_id)
    if not changed(db, query.values(about=about)):
        raise Gone()


def seen(db: Session, session_id: str, now: int) -> None:
    """Somebody was here at ``now`` (milliseconds). A clock that stepped back makes no session
    older.
    """
    query = update(SessionRow).where(SessionRow.session_id == session_id, SessionRow.seen_ms < now)
    db.execute(query.values(seen_ms=now), execution_options=NOT_IN_MEMORY)


def idle(db: Session, before: int) -> list[str]:
    """Sessions that nobody has seen since ``before`` (milliseconds), the longest idle first. Those
    of a workshop room stay for as long as the room does.
    """
    of_rooms = exists().where(RoomHalfRow.session_id == SessionRow.session_id)
    query = select(SessionRow.session_id).where(SessionRow.seen_ms < before, ~of_rooms)
    return list(db.scalars(query.order_by(SessionRow.seen_ms, SessionRow.session_id)))


def delete(db: Session, session_id: str) -> None:
    """With all that it has here; its blobs are left to ``blob_rows.collect``."""
    query = delete_rows(SessionRow).where(SessionRow.session_id == session_id)
    db.execute(query, execution_options=NOT_IN_MEMORY)


# --- its parts ------------------------------------------------------------------------------------

NOT_IN_MEMORY = {"synchronize_session": False}  # no row is ever loaded as an object
# Put together once: every click asks these, and that took half of their time.
_VERSIONS = select(PartRow.name, PartRow.version).where(PartRow.session_id == bindparam("id"))
_LOCK = select(SessionRow.session_id).where(SessionRow.session_id == bindparam("id"))
_LOCK = _LOCK.with_for_update()


def versions(db: Session, session_id: str) -> dict[str, int]:
    """Of its parts, by name: one cheap query."""
    return {name: version for name, version in db.execute(_VERSIONS, {"id": session_id})}


def read(db: Session, session_id: str, names: Iterable[str] | None = None) -> dict[str, Part]:
    """Its parts, or those of them that are in ``names``."""
    wanted = None if names is None else list(names)

    def of_session(query, table, part):
        query = query.where(table.session_id == session_id)
        return db.execute(query if wanted is None else query.where(part.in_(wanted)))

    query = select(PartRow.name, PartRow.version, PartRow.body)
    parts = {
        name: Part(version, body)
        for name, version, body in of_session(query, PartRow, PartRow.name)
    }
    query = select(RecordRow.part, RecordRow.field, RecordRow.body)
    query = query.order_by(RecordRow.part, RecordRow.field, RecordRow.position)
    for part, name, body in of_session(query, RecordRow, RecordRow.part):
        parts[part].lists.setdefault(name, []).append(body)
    query = select(
        JudgementRow.part, JudgementRow.kind, JudgementRow.judgement_id, JudgementRow.body
    )
    query = query.where(STANDING).order_by(JudgementRow.position, JudgementRow.number)
    for part, kind, judgement_id, body in of_session(query, JudgementRow, JudgementRow.part):
        parts[part].judgements.setdefault(kind, []).append((judgement_id, body))
    return parts


def write(
    db: Session,
    session_id: str,
    name: str,
    *,
    expected: int,
    body: dict | None,
    records: Mapping[str, Records] | None = None,
    judgements: Mapping[str, Judgements] | None = None,
) -> int:
    """Change a part that the writer knows in version ``expected`` (0: it is new); its new version.

    ``body`` None: as it was. Raises Behind where another version is the newest, Gone where the
    session is; nothing is written then.
    """
    if not lock(db, session_id):
        raise Gone()
    if not _take(db, session_id, name, expected, body):
        raise Behind()
    of_part = {"session_id": session_id, "part": name}
    for field_name, change in (records or {}).items():
        _change_records(db, {**of_part, "field": field_name}, change)
    for kind, judged in (judgements or {}).items():
        _change_judgements(db, {**of_part, "kind": kind}, judged)
    return expected + 1


def _take(db: Session, session_id: str, name: str, expected: int, body: dict | None) -> bool:
    """Raise the part's version, if it is the expected one."""
    if expected == 0:
        row = {"session_id": session_id, "name": name, "version": 1, "body": body or {}}
        return _is_new(db, PartRow, row)
    values = {"version": expected + 1} | ({} if body is None else {"body": body})
    query = update(PartRow).where(
        PartRow.session_id == session_id, PartRow.name == name, PartRow.version == expected
    )
    return changed(db, query.values(values)) > 0


def _change_records(db: Session, place: dict, change: Records) -> None:
    rows = [getattr(RecordRow, name) == value for name, value in place.items()]
    last = db.scalar(select(func.max(RecordRow.position)).where(*rows))
    count = 0 if last is None else last + 1
    if change.keep > count:
        raise ValueError(f"{change.keep} records of {place['field']} cannot stay: {count} there")
    if change.keep < count:
        query = delete_rows(RecordRow).where(*rows, RecordRow.position >= change.keep)
        db.execute(query, execution_options=NOT_IN_MEMORY)
    if change.added:
        numbered = enumerate(change.added, change.keep)
        values = [{**place, "position": position, "body": body} for position, body in numbered]
        db.execute(insert(RecordRow.__table__), values)


def _change_judgements(db: Session, place: dict, change: Judgements) -> None:
    rows = [getattr(JudgementRow, name) == value for name, value in place.items()]
    standing, now = update(JudgementRow).where(*rows, STANDING), now_ms()
    for ids in _in_lots(change.withdrawn):
        query = standing.where(JudgementRow.judgement_id.in_(ids)).values(withdrawn_ms=now)
        db.execute(query, execution_options=NOT_IN_MEMORY)
    for judgement_id, position in change.moved.items():
        query = standing.where(JudgementRow.judgement_id == judgement_id)
        db.execute(query.values(position=position), execution_options=NOT_IN_MEMORY)
    if change.added:
        values = [
            {**place, "judgement_id": i, "position": position, "body": body, "made_ms": now}
            for i, position, body in change.added
        ]
        names = ["session_id", "part", "kind", "judgement_id"]
        query = insert_new(db, JudgementRow).on_conflict_do_nothing(
            index_elements=names, index_where=STANDING
        )
        db.execute(query, values)


def _in_lots(ids: list[str], size: int = 500) -> Iterable[list[str]]:
    return (ids[start : start + size] for start in range(0, len(ids), size))
