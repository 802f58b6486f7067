"""What the app has kept of a session, read from outside it, whatever version of it wrote that: the
one place that knows where.

Reads tables, not the engine: that would bring another version's database up to this one's.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from rlhf_core.store import database

_JUDGED = """SELECT body FROM judgements WHERE session_id = :id AND kind = 'rankings'
    AND withdrawn_ms IS NULL ORDER BY position, number"""
_STEPS = """SELECT body FROM records WHERE session_id = :id AND part = 'tuned'
    AND field = 'metrics' ORDER BY position"""


def judgements(runs: Path, session: str) -> list[str]:
    """The ids of the judgements that a session holds, in order; each once, if all is well."""
    return [row["id"] for row in _rows(runs, session, _JUDGED)]


def steps(runs: Path, session: str) -> list[int]:
    """The PPO steps that a session holds."""
    return [int(row["step"]) for row in _rows(runs, session, _STEPS)]


def _rows(runs: Path, session: str, query: str) -> list[dict]:
    url = database.url_of(runs)
    if not session or (url.startswith("sqlite") and not (runs / database.FILE).is_file()):
        return []
    url = url.replace("postgres://", "postgresql://", 1).replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
    engine = create_engine(url, poolclass=NullPool)
    with closing(engine.connect()) as connection:
        return [json.loads(body) for (body,) in connection.execute(text(query), {"id": session})]
