"""Which session refers to which blob, and what nothing refers to any more.

A blob is put first and referred to right after; ``collect`` therefore leaves young ones alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database
from rlhf_core.store.session_rows import NOT_IN_MEMORY, Gone, insert_new, lock
from rlhf_core.store.tables import BlobRef, BlobRow, now_ms


def refer(db: Session, session_id: str, name: str, sha256: str, size: int) -> None:
    """The session's ``name`` is for these bytes from now on. Raises Gone."""
    if not lock(db, session_id):
        raise Gone()
    row = {"sha256": sha256, "size": size, "touched_ms": now_ms()}
    query = insert_new(db, BlobRow).on_conflict_do_update(
        index_elements=["sha256"], set_={"touched_ms": row["touched_ms"]}
    )
    db.execute(query, row)
    query = insert_new(db, BlobRef).on_conflict_do_update(
        index_elements=["session_id", "name"], set_={"sha256": sha256}
    )
    db.execute(query, {"session_id": session_id, "name": name, "sha256": sha256})


def release(db: Session, session_id: str, names: Iterable[str] | None = None) -> None:
    """Forget the session's ``names``, or all that it has."""
    query = delete(BlobRef).where(BlobRef.session_id == session_id)
    if names is not None:
        query = query.where(BlobRef.name.in_(list(names)))
    db.execute(query, execution_options=NOT_IN_MEMORY)


def sha_of(db: Session, session_id: str, name: str) -> str | None:
    query = select(BlobRef.sha256)
    return db.scalar(query.where(BlobRef.session_id == session_id, BlobRef.name == name))


def is_referred(db: Session, sha256: str) -> bool:
    """Whether any session refers to it."""
    return bool(db.scalar(select(exists().where(BlobRef.sha256 == sha256))))


def names(db: Session, session_id: str) -> dict[str, str]:
    """The hashes by the session's names."""
    query = select(BlobRef.name, BlobRef.sha256).where(BlobRef.session_id == session_id)
    return {name: sha256 for name, sha256 in db.execute(query)}


def total_bytes(db: Session) -> int:
    """Of all blobs that are known, those that wait to be collected too."""
    return int(db.scalar(select(func.sum(BlobRow.size))) or 0)


def bytes_of(db: Session, session_id: str) -> int:
    """Of the blobs that a session refers to, each once."""
    own = select(BlobRef.sha256).where(BlobRef.session_id == session_id)
    return int(db.scalar(select(func.sum(BlobRow.size)).where(BlobRow.sha256.in_(own))) or 0)


def collect(database: Database, blobs: Blobs, *, older_than_s: float = 3600) -> int:
    """Delete the blobs that nothing refers to, but for those put or touched within
    ``older_than_s``; how many.

    The row goes first and the bytes after it: who dies between leaves bytes without a row, which
    the next collection finds.
    """
    before = now_ms() - int(older_than_s * 1000)
    with database.change() as db:
        referred = exists().where(BlobRef.sha256 == BlobRow.sha256)
        query = delete(BlobRow).where(~referred, BlobRow.touched_ms <= before)
        db.execute(query, execution_options=NOT_IN_MEMORY)
    there = list(blobs)
    with database.look() as db:
        known = set(db.scalars(select(BlobRow.sha256)))
    blobs.tidy(older_than_s)
    gone = [name for name in there if name not in known]
    return sum(blobs.delete(name, older_than_s=older_than_s) for name in gone)


def sizes(db: Session, session_id: str) -> dict[str, tuple[str, int]]:
    """Hash and bytes by the session's names."""
    query = select(BlobRef.name, BlobRow.sha256, BlobRow.size).join(
        BlobRow, BlobRow.sha256 == BlobRef.sha256
    )
    return {
        name: (sha256, size)
        for name, sha256, size in db.execute(query.where(BlobRef.session_id == session_id))
    }


def drop(database: Database, blobs: Blobs, candidates: Iterable[str]) -> int:
    """Delete those of ``candidates`` that nothing refers to, young or not; how many. Whoever puts
    the same bytes at this moment looks for them again when it refers to them.
    """
    gone = 0
    with database.change() as db:
        for sha256 in sorted({*candidates}):
            row = select(BlobRow.sha256).where(BlobRow.sha256 == sha256).with_for_update()
            referred = select(exists().where(BlobRef.sha256 == sha256))
            if db.scalar(row) is None or db.scalar(referred):
                continue
            query = delete(BlobRow).where(BlobRow.sha256 == sha256)
            db.execute(query, execution_options=NOT_IN_MEMORY)
            gone += bool(blobs.delete(sha256))
    return gone
