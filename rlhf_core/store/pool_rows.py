"""Pools of answers that were written ahead, by the hash of all that decides what is in them.

Bounded: the ``MOST`` that came last. Knows nothing about what a pool holds, nor when two are the
same (``session.pools``). One that is gone is written again, so nothing here has to last.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from rlhf_core.store.database import Database
from rlhf_core.store.session_rows import NOT_IN_MEMORY, insert_new
from rlhf_core.store.tables import PoolRow, now_ms

MOST = 400  # of about 4 kB each


class Pools:
    """Those of one database. ``most``: how many stay."""

    def __init__(self, database: Database, most: int = MOST):
        self.database, self.most = database, most

    def find(self, key: str) -> dict | None:
        """Raises StoreError."""
        with self.database.look() as db:
            return db.scalar(select(PoolRow.body).where(PoolRow.key == key))

    def keep(self, key: str, body: dict) -> None:
        """Keep a pool, and let go of the oldest ones; one that is there stays as it is. Raises
        StoreError.
        """
        row = {"key": key, "body": body, "made_ms": now_ms()}
        newest = select(PoolRow.key).order_by(PoolRow.made_ms.desc(), PoolRow.key)
        with self.database.change() as db:
            db.execute(insert_new(db, PoolRow).on_conflict_do_nothing(), row)
            stay = list(db.scalars(newest))[: self.most]
            query = delete(PoolRow).where(PoolRow.key.not_in(stay))
            db.execute(query, execution_options=NOT_IN_MEMORY)

    def keys(self) -> Iterable[str]:
        """Of the pools there are, the newest first."""
        with self.database.look() as db:
            return list(db.scalars(select(PoolRow.key).order_by(PoolRow.made_ms.desc())))
