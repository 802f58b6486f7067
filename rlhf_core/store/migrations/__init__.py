"""The database's tables, version by version (Alembic); how one is made: docs/store.md.

Imports nothing of ours.
"""

from __future__ import annotations

from pathlib import Path

PLACE = Path(__file__).parent

VERSIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
)  # oldest first; known without importing Alembic, so that a start is quick
