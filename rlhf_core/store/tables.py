"""The tables: sessions, their parts, judgements and records, the names of their weights, and what
sessions share.

Knows nothing about what a part, a judgement or a record means. Order follows from positions,
versions and running numbers; times are for people and for expiry, so a clock that steps back
harms nothing. What stands here is what ``migrations`` makes (tested).
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def now_ms() -> int:
    """The time, in milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


class Json(TypeDecorator):
    """A plain value as JSON text, the same on every database.

    Text, not a type for JSON: PostgreSQL's refuse NaN, which a run that broke may hold.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value, dialect):
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        try:
            written.encode()
        except UnicodeEncodeError:  # half a surrogate pair, from somebody's file
            written = json.dumps(value, separators=(",", ":"))
        return written

    def process_result_value(self, value, dialect):
        return json.loads(value)


Number = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only by INTEGER


class Base(DeclarativeBase):
    if TYPE_CHECKING:
        __table__: ClassVar[Table]

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _session_key() -> Mapped[str]:
    return mapped_column(
        Text, ForeignKey("sessions.session_id", ondelete="CASCADE"), primary_key=True
    )


class SessionRow(Base):
    """A session: plain values about it, when it was made and last seen."""

    __tablename__ = "sessions"
    session_id: Mapped[str] = mapped_column(Text, primary_key=True)
    about: Mapped[dict] = mapped_column(Json)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    seen_ms: Mapped[int] = mapped_column(BigInteger, index=True)


class PartRow(Base):
    """A part of a session; its version grows by one with every write."""

    __tablename__ = "parts"
    session_id: Mapped[str] = _session_key()
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[dict] = mapped_column(Json)


def _of_a_part() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["session_id", "part"], ["parts.session_id", "parts.name"], ondelete="CASCADE"
    )


class RecordRow(Base):
    """A record of a field of a part; positions run from 0 without a gap."""

    __tablename__ = "records"
    __table_args__ = (_of_a_part(),)
    session_id: Mapped[str] = mapped_column(Text, primary_key=True)
    part: Mapped[str] = mapped_column(Text, primary_key=True)
    field: Mapped[str] = mapped_column(Text, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[dict] = mapped_column(Json)


STANDING = text("withdrawn_ms IS NULL")


class JudgementRow(Base):
    """A judgement, or one that was taken back; of those that stand, an id is there once."""

    __tablename__ = "judgements"
    __table_args__ = (
        _of_a_part(),
        Index(
            "ix_judgements_standing",
            "session_id",
            "part",
            "kind",
            "judgement_id",
            unique=True,
            sqlite_where=STANDING,
            postgresql_where=STANDING,
        ),
        Index(None, "session_id", "part", "kind", "position"),
    )
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    session_id: Mapped[str] = mapped_column(Text)
    part: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    judgement_id: Mapped[str] = mapped_column(Text)
    position: Mapped[int] = mapped_column(BigInteger)
    body: Mapped[dict] = mapped_column(Json)
    made_ms: Mapped[int] = mapped_column(BigInteger)
    withdrawn_ms: Mapped[int | None] = mapped_column(BigInteger)


class BlobRow(Base):
    """Bytes that lie among the blobs; touched whenever a session begins to refer to them."""

    __tablename__ = "blobs"
    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    touched_ms: Mapped[int] = mapped_column(BigInteger)


class BlobRef(Base):
    """A session's own name for a blob."""

    __tablename__ = "blob_refs"
    session_id: Mapped[str] = _session_key()
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str] = mapped_column(Text, ForeignKey("blobs.sha256"), index=True)


class PoolRow(Base):
    """Answers written ahead, for whoever wants the same (``pool_rows``)."""

    __tablename__ = "pools"
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    body: Mapped[dict] = mapped_column(Json)
    made_ms: Mapped[int] = mapped_column(BigInteger, index=True)
