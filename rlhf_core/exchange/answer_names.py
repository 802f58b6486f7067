"""Which of several answers of a row a cell names: by its column, its number, its letter, its text.

A number for lettered answers, and a letter for numbered ones, count in the order of the columns,
where that is the order of the names. Knows nothing about what the cell says of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rlhf_core.exchange.choice_column import plain_name
from rlhf_core.exchange.choices import number_of
from rlhf_core.exchange.columns import suffix
from rlhf_core.exchange.signs import may_turn

_ORDINALS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4}
_FILLERS = frozenset(
    "response answer option output completion text model candidate summary reply generation the is"
    " best number no better wins winner".split()
)


@dataclass
class Answers:
    """The answers' columns, in their names' order, and what names each of them."""

    columns: list[str]
    in_order: bool
    names: dict[str, int] = field(init=False)

    def __post_init__(self):
        self.names = {suffix(name): at for at, name in enumerate(self.columns)}

    def lettered(self) -> bool:
        return not any(name.isdigit() for name in self.names)

    def of(self, value: object, texts: Sequence[str], counted: bool) -> int | None:
        """Which answer a cell names, from 0; None for none. ``counted``: numbers count from 1,
        also where the answers are called by letters.
        """
        text = str(value).strip()
        for at, column in enumerate(self.columns):
            if plain_name(text) == plain_name(column):
                return at
        same = [at for at, other in enumerate(texts) if text and other.strip() == text]
        if same and (number_of(text) is None or not self._word(text, counted)):
            return same[0]
        found = self._word(text, counted)
        return found - 1 if found else None

    def _word(self, text: str, counted: bool) -> int:
        """As a number from 1; 0 for none."""
        number = number_of(text)
        if len(text) > 60 or (number is None and may_turn(text)):
            return 0
        plain = f"{number:g}" if number is not None else re.sub(r"[^\w]+|_", " ", text).casefold()
        plain = re.sub(r"\b([a-z]{2,})([0-9]{1,2})\b", r"\1 \2", plain)
        words = [word for word in plain.split() if word not in _FILLERS]
        if len(words) != 1:
            return 0
        if words[0] in self.names:
            return self.names[words[0]] + 1
        if not self.in_order:
            return 0
        if words[0] in _ORDINALS:
            return _ORDINALS[words[0]] if _ORDINALS[words[0]] <= len(self.columns) else 0
        if words[0].isdigit() and self.lettered() and counted:
            return int(words[0]) if 1 <= int(words[0]) <= len(self.columns) else 0
        if len(words[0]) == 1 and "a" <= words[0] <= "h" and not self.lettered():
            place = ord(words[0]) - ord("a") + 1
            return place if place <= len(self.columns) else 0
        return 0
