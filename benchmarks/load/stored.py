"""What the app has kept of a session, read from outside it: the one place that knows where."""

from __future__ import annotations

from pathlib import Path

from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store import blobs, database


def judgements(runs: Path, session: str) -> list[str]:
    """The ids of the judgements that a session holds, in order; each once, if all is well."""
    found = _kept(runs, session)
    return [ranking.id for ranking in found.judged.rankings] if found else []


def steps(runs: Path, session: str) -> list[int]:
    """The PPO steps that a session holds."""
    found = _kept(runs, session)
    return [int(row["step"]) for row in found.tuned.metrics] if found else []


def _kept(runs: Path, session: str) -> Session | None:
    url = database.url_of(runs)
    if not session or (url.startswith("sqlite") and not (runs / database.FILE).is_file()):
        return None
    kept = InDatabase(database.Database(url), blobs.Blobs(blobs.place_of(runs)))
    try:
        return kept.load(session)
    finally:
        kept.database.close()
