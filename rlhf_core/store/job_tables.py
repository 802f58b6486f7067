"""The tables of what somebody wants done: jobs, their records, and the processes that do them.

Knows nothing about what a job does. What stands here is what ``migrations`` makes (tested).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from rlhf_core.store.tables import Base, Json

ALIVE = text("status IN ('queued', 'running', 'paused')")


class JobRow(Base):
    """A job; of an owner's slot, one at a time is alive.

    ``number`` is the order of submission. ``wishes`` counts what was wished, ``looks`` who asked;
    both only grow, so that no clock has to be compared.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index(
            "ix_jobs_alive",
            "owner",
            "slot",
            unique=True,
            sqlite_where=ALIVE,
            postgresql_where=ALIVE,
        ),
        Index(None, "status"),
    )
    job_id: Mapped[str] = mapped_column(Text, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(Text)
    slot: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    arguments: Mapped[dict] = mapped_column(Json)
    label: Mapped[str] = mapped_column(Text)
    kin: Mapped[str] = mapped_column(Text)
    long: Mapped[bool] = mapped_column(Boolean)
    total: Mapped[int | None] = mapped_column(BigInteger)
    engine: Mapped[str] = mapped_column(Text)
    turn: Mapped[int] = mapped_column(BigInteger)
    place: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(Text)
    wish: Mapped[str | None] = mapped_column(Text)
    stepping: Mapped[int] = mapped_column(Integer)
    wishes: Mapped[int] = mapped_column(Integer)
    looks: Mapped[int] = mapped_column(Integer)
    forgotten: Mapped[bool] = mapped_column(Boolean)
    worker: Mapped[str | None] = mapped_column(Text)
    threads: Mapped[int] = mapped_column(Integer)
    deaths: Mapped[int] = mapped_column(Integer)
    begun: Mapped[dict] = mapped_column(Json)
    progress: Mapped[dict] = mapped_column(Json)
    records: Mapped[int] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)


class JobRecordRow(Base):
    """A record of a job, by its number."""

    __tablename__ = "job_records"
    job_id: Mapped[str] = mapped_column(
        Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[dict] = mapped_column(Json)


class WorkerRow(Base):
    """A process that does jobs. ``beat`` grows while it is alive; ``process``: where it runs."""

    __tablename__ = "workers"
    worker_id: Mapped[str] = mapped_column(Text, primary_key=True)
    engine: Mapped[str] = mapped_column(Text)
    process: Mapped[dict] = mapped_column(Json)
    threads: Mapped[int] = mapped_column(Integer)
    beat: Mapped[int] = mapped_column(BigInteger)
