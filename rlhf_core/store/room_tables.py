"""The tables of workshop rooms: rooms, halves, people, pairs, judgements, typed texts, events.

Knows nothing about what an act or a judgement means. Secrets stand here only as their SHA-256. What
stands here is what ``migrations`` makes (tested).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from rlhf_core.store.tables import Base, Json, Number


def _room_key() -> Mapped[str]:
    return mapped_column(Text, ForeignKey("rooms.room_id", ondelete="CASCADE"), primary_key=True)


class RoomRow(Base):
    """A room. ``act_number`` grows with every change of the act, ``people`` and ``pairs`` count
    rows that are only ever added. ``frozen_ms``: since when it is frozen; ``door_ms``: since when
    nobody new may join; both None where it is not so.
    """

    __tablename__ = "rooms"
    room_id: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(Text, index=True, unique=True)
    host_sha: Mapped[str] = mapped_column(Text)
    wall_sha: Mapped[str] = mapped_column(Text)
    settings: Mapped[dict] = mapped_column(Json)
    seed: Mapped[int] = mapped_column(BigInteger)
    act: Mapped[str] = mapped_column(Text)
    act_number: Mapped[int] = mapped_column(Integer)
    began_ms: Mapped[int] = mapped_column(BigInteger)
    until_ms: Mapped[int | None] = mapped_column(BigInteger)
    frozen: Mapped[bool] = mapped_column(Boolean)
    people: Mapped[int] = mapped_column(Integer)
    pairs: Mapped[int] = mapped_column(Integer)
    opened_ms: Mapped[int] = mapped_column(BigInteger)
    closes_ms: Mapped[int] = mapped_column(BigInteger)
    gone_ms: Mapped[int] = mapped_column(BigInteger, index=True)
    frozen_ms: Mapped[int | None] = mapped_column(BigInteger)
    door_ms: Mapped[int | None] = mapped_column(BigInteger)


class RoomHalfRow(Base):
    """A half of a room, or all of it: its session and brief. A session that stands here stays for
    as long as the room does.
    """

    __tablename__ = "room_halves"
    room_id: Mapped[str] = _room_key()
    half: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    session_id: Mapped[str] = mapped_column(Text, index=True)
    brief: Mapped[dict] = mapped_column(Json)


class RoomPersonRow(Base):
    """Somebody in a room, by the order of joining."""

    __tablename__ = "room_people"
    __table_args__ = (Index(None, "room_id", "token_sha", unique=True),)
    room_id: Mapped[str] = _room_key()
    person: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    token_sha: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    pseudonym: Mapped[str] = mapped_column(Text)
    half: Mapped[int] = mapped_column(Integer)
    left_out: Mapped[bool] = mapped_column(Boolean)
    joined_ms: Mapped[int] = mapped_column(BigInteger)
    seen_ms: Mapped[int] = mapped_column(BigInteger)


class RoomPairRow(Base):
    """Two texts under one prompt. ``half`` -1: for everybody. ``purpose``: practice, rank, gold or
    vote. ``right_choice``: a, b, or "" where nobody knows. Never changed.
    """

    __tablename__ = "room_pairs"
    room_id: Mapped[str] = _room_key()
    pair_id: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(Integer)
    half: Mapped[int] = mapped_column(Integer)
    purpose: Mapped[str] = mapped_column(Text)
    shared: Mapped[bool] = mapped_column(Boolean)
    prompt: Mapped[str] = mapped_column(Text)
    a: Mapped[str] = mapped_column(Text)
    b: Mapped[str] = mapped_column(Text)
    right_choice: Mapped[str] = mapped_column(Text)
    why: Mapped[str] = mapped_column(Text)
    about: Mapped[dict] = mapped_column(Json)


class RoomJudgementRow(Base):
    """What a person said of a pair: once, and never changed. ``choice``: a, b, tie or skip, of the
    pair as it stands; ``side``: left, right or "", as it was on the screen.
    """

    __tablename__ = "room_judgements"
    __table_args__ = (
        ForeignKeyConstraint(
            ["room_id", "person"], ["room_people.room_id", "room_people.person"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["room_id", "pair_id"], ["room_pairs.room_id", "room_pairs.pair_id"], ondelete="CASCADE"
        ),
        Index(None, "room_id", "person", "pair_id", unique=True),
        Index(None, "room_id", "made_ms"),
    )
    room_id: Mapped[str] = mapped_column(Text, primary_key=True)
    person: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    judgement_id: Mapped[str] = mapped_column(Text, primary_key=True)
    pair_id: Mapped[str] = mapped_column(Text)
    choice: Mapped[str] = mapped_column(Text)
    side: Mapped[str] = mapped_column(Text)
    seconds: Mapped[float | None] = mapped_column(Float(53))
    at_ms: Mapped[int | None] = mapped_column(BigInteger)
    made_ms: Mapped[int] = mapped_column(BigInteger)


class RoomWordRow(Base):
    """A text that a person typed. ``status``: waiting, shown or hidden; ``pair_id``: the pair that
    it is about, None where it is about none.
    """

    __tablename__ = "room_words"
    room_id: Mapped[str] = _room_key()
    word_id: Mapped[str] = mapped_column(Text, primary_key=True)
    person: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    made_ms: Mapped[int] = mapped_column(BigInteger)
    pair_id: Mapped[str | None] = mapped_column(Text)


class RoomEventRow(Base):
    """Something that happened in a room; only ever added."""

    __tablename__ = "room_events"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=True)
    room_id: Mapped[str] = mapped_column(
        Text, ForeignKey("rooms.room_id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(Text)
    person: Mapped[int | None] = mapped_column(Integer)
    about: Mapped[dict] = mapped_column(Json)
    at_ms: Mapped[int] = mapped_column(BigInteger)
