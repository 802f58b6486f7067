"""Texts in a spreadsheet that a program would run as formulas: disarmed on the way out, as they
were on the way back.

A cell whose first sign (after blanks and apostrophes) begins a formula gets an apostrophe before
it, and the row names those columns under ``disarmed``. On the way back only a column that its row
names loses one apostrophe: what really began with one, also in somebody else's file, keeps it.

Source: OWASP, CSV Injection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rlhf_core.exchange.file_rows import Record, column_name

COLUMN = "disarmed"
# The wide forms are read as the plain ones by programs for East Asian scripts.
_BEGINS = re.compile(r"['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def disarmed(cell: object) -> object:
    """``cell`` as a spreadsheet program shows it instead of running it."""
    return f"'{cell}" if isinstance(cell, str) and _BEGINS.match(cell) else cell


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> list[list[object]]:
    """Header and rows, disarmed; with the column that says where, if there is anything to say."""
    found = []
    for row in rows:
        safe = [disarmed(cell) for cell in row]
        changed = [name for name, old, new in zip(columns, row, safe, strict=True) if old != new]
        found.append([*safe, " ".join(changed)])
    if not any(row[-1] for row in found):
        return [list(columns), *(row[:-1] for row in found)]
    return [[*columns, COLUMN], *found]


def armed(rows: list[Record]) -> list[Record]:
    """Rows of a file as they were before ``table``; rows of other files as they are."""
    return [
        replace(row, value=_armed(row.value))
        if isinstance(row.value, dict) and isinstance(row.value.get(COLUMN), str)
        else row
        for row in rows
    ]


def _armed(values: dict) -> dict:
    named = {column_name(name) for name in values[COLUMN].split()}
    return {
        name: cell[1:]
        if isinstance(cell, str)
        and column_name(str(name)) in named
        and cell.startswith("'")
        and _BEGINS.match(cell[1:])
        else cell
        for name, cell in values.items()
        if name != COLUMN
    }
