"""Workshop rooms: their halves, people, pairs, judgements, typed texts and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "rooms",
        *_texts("room_id", "code", "host_sha", "wall_sha", "settings", "act"),
        *_numbers("seed", "began_ms", "opened_ms", "closes_ms", "gone_ms"),
        *_numbers("act_number", "people", "pairs", kind=sa.Integer),
        sa.Column("until_ms", sa.BigInteger),
        sa.Column("frozen", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room_id", name="pk_rooms"),
    )
    op.create_index("ix_rooms_code", "rooms", ["code"], unique=True)
    op.create_index("ix_rooms_gone_ms", "rooms", ["gone_ms"])
    op.create_table(
        "room_halves",
        *_texts("room_id", "session_id", "brief"),
        *_numbers("half", kind=sa.Integer),
        sa.PrimaryKeyConstraint("room_id", "half", name="pk_room_halves"),
        _of_a_room("room_halves"),
    )
    op.create_index("ix_room_halves_session_id", "room_halves", ["session_id"])
    op.create_table(
        "room_people",
        *_texts("room_id", "token_sha", "name", "pseudonym"),
        *_numbers("person", "half", kind=sa.Integer),
        *_numbers("joined_ms", "seen_ms"),
        sa.Column("left_out", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "person", name="pk_room_people"),
        _of_a_room("room_people"),
    )
    op.create_index(
        "ix_room_people_room_id_token_sha", "room_people", ["room_id", "token_sha"], unique=True
    )
    op.create_table(
        "room_pairs",
        *_texts("room_id", "pair_id", "purpose", "prompt", "a", "b", "right_choice", "why"),
        *_texts("about"),
        *_numbers("number", "half", kind=sa.Integer),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room_id", "pair_id", name="pk_room_pairs"),
        _of_a_room("room_pairs"),
    )
    op.create_table(
        "room_judgements",
        *_texts("room_id", "judgement_id", "pair_id", "choice", "side"),
        *_numbers("person", kind=sa.Integer),
        sa.Column("seconds", sa.Float(53)),
        sa.Column("at_ms", sa.BigInteger),
        *_numbers("made_ms"),
        sa.PrimaryKeyConstraint("room_id", "person", "judgement_id", name="pk_room_judgements"),
        sa.ForeignKeyConstraint(
            ["room_id", "person"],
            ["room_people.room_id", "room_people.person"],
            name="fk_room_judgements_room_people",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["room_id", "pair_id"],
            ["room_pairs.room_id", "room_pairs.pair_id"],
            name="fk_room_judgements_room_pairs",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_room_judgements_room_id_person_pair_id",
        "room_judgements",
        ["room_id", "person", "pair_id"],
        unique=True,
    )
    op.create_index("ix_room_judgements_room_id_made_ms", "room_judgements", ["room_id", "made_ms"])
    op.create_table(
        "room_words",
        *_texts("room_id", "word_id", "kind", "text", "status"),
        *_numbers("person", kind=sa.Integer),
        *_numbers("made_ms"),
        sa.PrimaryKeyConstraint("room_id", "word_id", name="pk_room_words"),
        _of_a_room("room_words"),
    )
    op.create_table(
        "room_events",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        *_texts("room_id", "kind", "about"),
        sa.Column("person", sa.Integer),
        *_numbers("at_ms"),
        sa.PrimaryKeyConstraint("number", name="pk_room_events"),
        _of_a_room("room_events"),
    )
    op.create_index("ix_room_events_room_id", "room_events", ["room_id"])


def _texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str, kind: type = sa.BigInteger) -> list[sa.Column]:
    return [sa.Column(name, kind, nullable=False, autoincrement=False) for name in names]


def _of_a_room(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["room_id"], ["rooms.room_id"], name=f"fk_{table}_rooms", ondelete="CASCADE"
    )
