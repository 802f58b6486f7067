"""Cells that hold nothing to be read, and know why: a part of a text, no choice."""

from __future__ import annotations


class NotWhole(str):
    """What stands there. ``why`` goes on from the column's name: why it cannot be used."""

    why: str

    def __new__(cls, text: str, why: str) -> NotWhole:
        made = super().__new__(cls, text)
        made.why = why
        return made


class Unsaid(str):
    """An empty choice, where other columns should have said it. ``why`` is the whole sentence."""

    why: str

    def __new__(cls, why: str) -> Unsaid:
        made = super().__new__(cls, "")
        made.why = why
        return made


CUT_OFF = (
    "is cut off: the dataset viewer sends only the beginning of long cells; take the data set's own"
    " file"
)
NO_RESULT = (
    "is a formula whose result the workbook does not hold: open it in a spreadsheet program, save"
    " it, and give it again"
)
