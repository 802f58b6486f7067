"""Two answers that stand the other way round than they are called (response_b before response_a),
or are counted from 0.

Then "left", "first" or 1 may mean the column that stands first, or the one that is called so. Only
a choice that uses the columns' own names ("A", "response_a") is sure. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rlhf_core.exchange.choices import number_of
from rlhf_core.exchange.file_rows import bare

# Ways to call the first and the second of two.
_WAYS = (
    (frozenset("a"), frozenset("b")),
    (frozenset(("1", "one")), frozenset(("2", "two"))),
    (frozenset("0"), frozenset("1")),
    (
        frozenset(("left", "l", "lhs", "links", "gauche", "izquierda")),
        frozenset(("right", "r", "rhs", "rechts", "droite", "derecha")),
    ),
    (frozenset(("first", "1st")), frozenset(("second", "2nd"))),
)
_LEFT_AND_RIGHT = _WAYS[3][0] | _WAYS[3][1]
_NOUNS = "answer|response|option|output|completion|text|model"
_FROM_NOUGHT = _WAYS[2]
_WORDS = frozenset().union(*(words for way in _WAYS for words in way))


@dataclass(frozen=True)
class Turned:
    """Columns by whose order or names a word can mean either.

    Attributes: sure: the words that name one of them all the same; said: why, the end of a
    sentence; from_nought: they stand in order, and only a single number can mean either.
    """

    sure: frozenset[str]
    said: str
    from_nought: bool = False

    def fits(self, value: object) -> bool:
        """Does this choice name a column in the columns' own way?"""
        number = number_of(value)
        if number is not None:
            return f"{number:g}" in self.sure
        words = _words(str(value)) & _WORDS
        return bool(words) and words <= self.sure


def turned(names: Sequence[str], a: str, b: str, told: bool) -> Turned | None:
    """How the columns ``a`` and ``b`` disagree with their order; None where they do not.

    ``told``: a person said that ``a`` is the left one, wherever it stands.
    """
    ways = [way for way in _WAYS if _words(a) & way[0] and _words(b) & way[1]]
    against = [way for way in _WAYS if _words(a) & way[1] and _words(b) & way[0]]
    if told and against:
        return Turned(
            _LEFT_AND_RIGHT, f"{a!r} was said to be the left text, so that it can mean either."
        )
    if not told and names.index(b) < names.index(a):
        return Turned(
            frozenset().union(*(words for way in ways for words in way)),
            f"{b!r} stands before {a!r}, so that it can mean either; {a!r} is taken in as the left"
            " text.",
        )
    if _FROM_NOUGHT in ways:  # answer_0, answer_1: which is "response 1"?
        return Turned(
            _WORDS - {"1", "2", "one", "two"},
            f"{a!r} and {b!r} count from 0, so that it can mean either; {a!r} is taken in as the"
            " left text.",
            from_nought=True,
        )
    return None


def _words(name: str) -> set[str]:
    """The words of a name, a number or a letter at its end by itself: answer2, responseA."""
    plain = re.sub(r"[^\w]+|_", " ", bare(name) if len(name) < 60 else "").casefold()
    plain = re.sub(r"([a-z]{2,})([0-9])\b", r"\1 \2", plain)
    plain = re.sub(
        r"\b(answer|response|option|output|completion|text|model)([ab])\b", r"\1 \2", plain
    )
    return set(re.sub(r"([a-z]{2,})vote\b", r"\1", plain).split())
