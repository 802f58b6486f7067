"""Jobs, their records, and the processes that do them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "jobs",
        *(_text(name) for name in ("job_id", "owner", "slot", "name", "arguments", "label")),
        *(_text(name) for name in ("kin", "engine", "status", "begun", "progress")),
        *(_number(name, sa.BigInteger) for name in ("number", "turn", "place")),
        *(_number(name, sa.Integer) for name in ("stepping", "wishes", "looks", "threads")),
        *(_number(name, sa.Integer) for name in ("deaths", "records")),
        sa.Column("long", sa.Boolean, nullable=False),
        sa.Column("forgotten", sa.Boolean, nullable=False),
        sa.Column("total", sa.BigInteger),
        sa.Column("wish", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("job_id", name="pk_jobs"),
    )
    alive = sa.text("status IN ('queued', 'running', 'paused')")
    op.create_index(
        "ix_jobs_alive",
        "jobs",
        ["owner", "slot"],
        unique=True,
        sqlite_where=alive,
        postgresql_where=alive,
    )
    op.create_index("ix_jobs_status", "jobs", ["status"])
    op.create_table(
        "job_records",
        _text("job_id"),
        _number("number", sa.BigInteger),
        _text("body"),
        sa.PrimaryKeyConstraint("job_id", "number", name="pk_job_records"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name="fk_job_records_jobs", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "workers",
        *(_text(name) for name in ("worker_id", "engine", "process")),
        _number("threads", sa.Integer),
        _number("beat", sa.BigInteger),
        sa.PrimaryKeyConstraint("worker_id", name="pk_workers"),
    )


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str, kind: type) -> sa.Column:
    return sa.Column(name, kind, nullable=False)
