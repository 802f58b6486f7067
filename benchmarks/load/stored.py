"""What the app has kept of a session, read from outside it: the one place that knows where."""

from __future__ import annotations

import json
from pathlib import Path


def judgements(runs: Path, session: str) -> list[str]:
    """The ids of the judgements that a session holds, in order; each once, if all is well."""
    file = runs / session / "rankings.jsonl"
    if not session or not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["id"] for line in lines if line.strip()]


def steps(runs: Path, session: str) -> list[int]:
    """The PPO steps that a session holds."""
    file = runs / session / "metrics.csv"
    if not session or not file.is_file():
        return []
    heading, *lines = file.read_text(encoding="utf-8").splitlines() or [""]
    column = heading.split(",").index("step") if "step" in heading.split(",") else 0
    return [int(float(line.split(",")[column])) for line in lines if line.strip()]
