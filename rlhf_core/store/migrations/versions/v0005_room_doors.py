"""Of a room: since when it is frozen, since when its door is closed; of a typed text: its pair."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("frozen_ms", sa.BigInteger, nullable=True))
    op.add_column("rooms", sa.Column("door_ms", sa.BigInteger, nullable=True))
    op.add_column("room_words", sa.Column("pair_id", sa.Text, nullable=True))
