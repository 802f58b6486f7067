"""Sessions, their parts, records and judgements, and the names of their weights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_seen_ms", "sessions", ["seen_ms"])
    op.create_table(
        "parts",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "name", name="pk_parts"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["sessions.session_id"], name="fk_parts_sessions", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "records",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "part", "field", "position", name="pk_records"),
        _of_a_part("records"),
    )
    op.create_table(
        "judgements",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("judgement_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("number", name="pk_judgements"),
        _of_a_part("judgements"),
    )
    standing = sa.text("withdrawn_ms IS NULL")
    op.create_index(
        "ix_judgements_standing",
        "judgements",
        ["session_id", "part", "kind", "judgement_id"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )
    op.create_index(
        "ix_judgements_session_id_part_kind_position",
        "judgements",
        ["session_id", "part", "kind", "position"],
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("touched_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_table(
        "blob_refs",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("session_id", "name", name="pk_blob_refs"),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.session_id"],
            name="fk_blob_refs_sessions",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name="fk_blob_refs_blobs"),
    )
    op.create_index("ix_blob_refs_sha256", "blob_refs", ["sha256"])


def _of_a_part(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["session_id", "part"],
        ["parts.session_id", "parts.name"],
        name=f"fk_{table}_parts",
        ondelete="CASCADE",
    )
