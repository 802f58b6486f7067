"""A cell of which the file holds only a part, or not what it shows."""

from __future__ import annotations


class NotWhole(str):
    """What stands there. ``why`` goes on from the column's name: why it cannot be used."""

    why: str

    def __new__(cls, text: str, why: str) -> NotWhole:
        made = super().__new__(cls, text)
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
