"""A choice that stands in a list of one, or in an object of one named value, as JSON may have it.

Knows nothing about what a choice means.
"""

from __future__ import annotations

from dataclasses import replace

from rlhf_core.exchange.file_rows import Record


def unboxed(rows: list[Record], column: str) -> list[Record]:
    """The rows, with what stands inside where this column holds such a box."""
    return [
        replace(row, value={**row.value, column: _inside(row.value[column])})
        if isinstance(row.value.get(column), list | dict)
        else row
        for row in rows
    ]


def _inside(value: list | dict) -> object:
    if len(value) != 1:
        return value
    if isinstance(value, list):
        return value[0] if isinstance(value[0], str | int | float) else value
    ((name, inner),) = value.items()
    return inner if name in ("value", "choice", "label") else value
