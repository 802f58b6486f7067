"""The columns that a person named: joined where two make one text, and which of two is better.

Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rlhf_core.exchange.choices import is_blank
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.not_whole import NotWhole

_BETTER = re.compile(r"chosen|(?<!non_)preferred|better|best|good|win|accept", re.IGNORECASE)
_WORSE = re.compile(r"reject|worse|worst|bad|los|non_?preferred|other", re.IGNORECASE)


def joined(
    objects: list[Record], names: list[str], told: Sequence[str], report: ImportReport
) -> tuple[list[Record], list[str]]:
    """The rows with the columns that ``told`` joins ("instruction+input") as one more."""
    for one in told:
        parts = [one] if one in names else one.split("+")
        missing = [part for part in parts if part not in names]
        if missing:
            raise ImportRefused(
                f"{report.filename} has no column {missing[0]!r}; it has"
                f" {excerpt(', '.join(map(str, names)))}."
            )
        if len(parts) > 1:
            objects = [
                replace(
                    row,
                    value={**row.value, one: _together([row.value.get(part) for part in parts])},
                )
                for row in objects
            ]
            names = [name for name in names if name not in parts]
            report.say("notes", f"{' and '.join(map(repr, parts))} were joined, as was said.")
    return objects, names


def told_pair(names: Sequence[str], told: Sequence[str], report: ImportReport) -> tuple[str, str]:
    """Two texts that a person named, and no choice: the first is the better one only where its
    name says so. Raises ImportRefused.
    """
    if _BETTER.search(told[1]) and _WORSE.search(told[2]):
        return "chosen", "rejected"
    if _WORSE.search(told[1]) and _BETTER.search(told[2]):
        raise ImportRefused(
            f"{report.filename}: {told[1]!r} was named before {told[2]!r}; name the better text"
            " first."
        )
    raise ImportRefused(
        f"{report.filename} has no choice column that says which of {told[1]!r} and {told[2]!r} is"
        f" better: its other columns are"
        f" {excerpt(', '.join(name for name in names if name not in told) or 'none')}. Rename the"
        " right one to choice."
    )


def _together(cells: list[object]) -> str:
    """Cells as one text; what is cut off stays so."""
    cut = [cell for cell in cells if isinstance(cell, NotWhole)]
    return cut[0] if cut else "\n\n".join(str(cell) for cell in cells if not is_blank(cell))
