"""Cells that do not hold what they seem to: cut off, a formula without its result, printed bytes.

A ``NotWhole`` travels as a text through the shapes of a file, and says at the row that would use it
why it cannot be used. Printed bytes (``b'caf\\xc3\\xa9'``) are read where a whole column is written
like that, and MTurk's answers, which stand in one cell, become columns. Knows nothing about what a
column means.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from rlhf_core.exchange.choices import is_blank
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.not_whole import NotWhole
from rlhf_core.exchange.printed import (
    NotPrinted,
    looks_like_bytes,
    looks_printed,
    unprinted,
    unprinted_bytes,
)


def without_bytes(rows: list[Record], report: ImportReport) -> list[Record]:
    """The rows with the texts of columns of printed bytes; a lone such cell is ``NotWhole``."""
    looks: dict[str, list[bool]] = {}
    for row in rows:
        for name, cell in row.value.items() if isinstance(row.value, dict) else ():
            if not is_blank(cell):
                looks.setdefault(name, []).append(looks_like_bytes(cell))
    whole = [name for name, cells in looks.items() if all(cells)]
    some = {name for name, cells in looks.items() if any(cells)}
    if not some:
        return rows
    if whole:
        names = ", ".join(repr(name) for name in whole)
        report.say(
            "notes", f"The cells of {names} are printed bytes (b'...'): the text in them was read."
        )

    def read(name: str, cell: object) -> object:
        if not looks_like_bytes(cell):
            return cell
        if name not in whole:
            return NotWhole(cell, "looks like printed bytes (b'...'), as other cells do not")
        try:
            return unprinted_bytes(cell)
        except NotPrinted:
            return NotWhole(cell, "is printed bytes (b'...') that are no UTF-8 text")

    return [
        replace(
            row,
            value={
                name: read(name, cell) if name in some else cell for name, cell in row.value.items()
            },
        )
        if isinstance(row.value, dict)
        else row
        for row in rows
    ]


def with_task_answers(rows: list[Record]) -> list[Record]:
    """MTurk's answers, one JSON cell a row ([{"choice": {"a": true, "b": false}}]), as columns."""
    return [
        replace(row, value={**_answers(row.value), **row.value})
        if isinstance(row.value, dict)
        else row
        for row in rows
    ]


def _answers(value: dict) -> dict:
    cell: object = next((c for n, c in value.items() if bare(str(n)) == "taskanswers"), None)
    if not looks_printed(cell):
        return {}
    with suppress(NotPrinted):
        found = unprinted(cell)
        found = found[0] if isinstance(found, list) and len(found) == 1 else found
        if isinstance(found, dict):
            return {f"Answer.{name}": _ticked(answer) for name, answer in found.items()}
    return {}


def _ticked(answer: object) -> object:
    """Of a set of radio buttons the one that is on; of several all, which is no single choice."""
    if not isinstance(answer, dict) or not all(isinstance(on, bool) for on in answer.values()):
        return answer
    return " + ".join(str(name) for name, on in answer.items() if on)


def cut_off(value: object) -> str:
    """The first field of a row that is not whole, as the beginning of a sentence; "" for none."""
    cells = value.items() if isinstance(value, dict) else ()
    return next((f"{n!r} {cell.why}" for n, cell in cells if isinstance(cell, NotWhole)), "")
