"""The timeline of a session as a table for a spreadsheet program: CSV, formulas disarmed."""

from __future__ import annotations

import csv
import io

from rlhf_core.exchange import formulas
from rlhf_core.session.timeline import COLUMNS


def to_csv(rows: list[dict]) -> bytes:
    """With a byte-order mark: Excel takes a file without one for Windows-1252."""
    text = io.StringIO(newline="")
    cells = [["" if row[name] is None else row[name] for name in COLUMNS] for row in rows]
    csv.writer(text).writerows(formulas.table(COLUMNS, cells))
    return text.getvalue().encode("utf-8-sig", "replace")
