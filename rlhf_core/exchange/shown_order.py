"""Columns that say, row by row, which answer was shown on which side: swapped, order = BA.

Beside them a choice of a side can mean the other text: refused by name, unless they say throughout
that nothing was turned round. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from rlhf_core.exchange.choice_column import Cell, Reading, plain_name
from rlhf_core.exchange.choices import is_blank, number_of, read_word, shown
from rlhf_core.exchange.file_rows import bare
from rlhf_core.exchange.import_report import ImportRefused

_TURNED = frozenset("swap flip revers switch invert transpos".split())  # beginnings of words
_STRAIGHT = frozenset("original normal regular straight unswapped unchanged default".split())
_PLACES = frozenset("position pos side place location slot where column".split())
_ORDERS = frozenset(
    "order ordering position positions pos display displayed presentation presented sides side"
    " layout arrangement permutation shown".split()
)
_FIRST, _SECOND = (
    frozenset("left first top 1 1st".split()),
    frozenset("right second bottom 2 2nd".split()),
)
_ABOUT = (
    _PLACES
    | _ORDERS
    | _FIRST
    | _SECOND
    | frozenset(
        "answer response option output completion text model candidate item which is was the"
        " of in on as id hand system generator".split()
    )
)
_YES, _NO = ("true", "1", "1.0", "yes", "y", "t", "x"), ("false", "0", "0.0", "no", "n", "f")
_ANY = {"ab": False, "ba": True}  # in a column of any name, where it holds nothing else
_OPEN = "open"  # may be about the order, and does not say in words what it says


def check_order(
    rows: Sequence[Mapping],
    names: Sequence[str],
    fields: Mapping[str, str],
    cells: Sequence[Cell],
    reading: Reading,
    filename: str,
) -> None:
    """Raises ImportRefused where another column may say that the sides were turned round.

    Args:
        rows: of the cells; fields: a, b and choice, and whatever else has a column of its own.
    """
    sided = [
        (row, cell)
        for row, cell in zip(rows, cells)
        if reading.of(cell)[0] in ("a", "b") and not reading.repeats(cell)
    ]
    columns = {plain_name(fields[side]): side for side in ("a", "b") if side in fields}
    for name in names if sided else ():
        if name in fields.values() or all(is_blank(row.get(name)) for row, _ in sided):
            continue
        words = _words(name)
        if words.isdisjoint(_ABOUT | _TURNED) and any(
            _in_order(row.get(name), columns, None) is None
            for row, _ in sided
            if not is_blank(row.get(name))
        ):
            continue  # some other column in which such a word happens to stand
        found, known = [], {}
        for row, cell in sided:
            value = row.get(name)
            if str(value) not in known or words & (_FIRST | _SECOND):  # may repeat this row's text
                known[str(value)] = _says(name, value, cell, columns)
            found.append((value, known[str(value)]))
        turned = [value for value, said in found if said is True]
        unsaid = [value for value, said in found if said == _OPEN]
        if any(said is None and not is_blank(value) for value, said in found):
            unsaid = []  # of 1, 2 and 3 no number is an order of two
        if all(_side(row.get(name)) == reading.of(cell)[0] for row, cell in sided):
            unsaid = []  # it says where the better one stood: the same as the choice
        if _counting(unsaid) and words.isdisjoint(_FIRST | _SECOND | {"a", "b"}):
            unsaid = []
        if turned or len(set(map(str, unsaid))) > 1:
            raise ImportRefused(
                f"{filename}: {name!r} ({shown((turned or unsaid)[0])}) may say that the answers"
                f" were shown the other way round, and {fields['choice']!r} names sides. Put the"
                f" texts into their columns as they were shown; or remove {name!r}, if it does not"
                " change what the choice means."
            )


def _says(name: str, value: object, cell: Cell, columns: Mapping[str, str]) -> bool | str | None:
    """Whether one cell says that the sides were turned round; _OPEN, or None: it says nothing."""
    words = _words(name)
    text = plain_name(value)
    if not words.isdisjoint(_TURNED):
        denied = bool(words & {"not", "no", "un"})
        if text in _YES:
            return not denied
        if is_blank(value) or text in _NO:
            return denied
        return _in_order(value, columns, _OPEN)
    if is_blank(value):
        return None
    first, second = bool(words & _FIRST), bool(words & _SECOND)
    if first != second:
        side = _repeats(value, cell) or columns.get(text)
        if not side and words <= _ABOUT:
            side = _side(value)
            if not side and number_of(value) is not None:
                return _OPEN
        return None if not side else (side == "b") == first
    letters = words & {"a", "b"}
    if len(letters) == 1 and words & (_PLACES | {"is"}) and words - letters <= _ABOUT:
        if side := _side(value):
            return {side} != letters
        return _OPEN
    if words & _ORDERS:
        said = _in_order(value, columns, None)
        small = said is None and (text in (*_YES, *_NO, "2", "2.0") or _side(value))
        return _OPEN if small else said
    return _in_order(value, columns, None)


def _in_order(value: object, columns: Mapping[str, str], other: str | None) -> bool | str | None:
    """Of "BA", "b,a", "response_b response_a", "swapped"; ``other`` where it is none of these."""
    text = plain_name(value)
    if text in _ANY:
        return _ANY[text]
    words = _words(text)
    if not words.isdisjoint(_TURNED):
        return words.isdisjoint(("not", "no", "un"))
    if text in _STRAIGHT:
        return False
    parts = [part for part in re.split(r"[\s,;|/>\[\]'\"()-]+", str(value)) if part]
    sides = [columns.get(plain_name(part)) or _side(part) for part in parts]
    if len(sides) == 3 and parts[1].casefold() in ("then", "and", "first"):
        del sides[1]
    numbers = {part for part in parts if part.isdigit()}
    if numbers and len(parts) == 2 and numbers in ({"0", "1"}, {"1", "2"}):
        return parts[0] > parts[1]
    return sides == ["b", "a"] if sides in (["a", "b"], ["b", "a"]) else other


def _repeats(value: object, cell: Cell) -> str | None:
    """The side whose text, or whose author, the cell repeats."""
    said = str(value).strip()
    for one, other in ((cell.a, cell.b), (cell.by_a, cell.by_b)):
        if one.strip() != other.strip() and said in (one.strip(), other.strip()):
            return "a" if said == one.strip() else "b"
    return None


def _side(value: object) -> str | None:
    return _side_of(str(value)[:300])


@lru_cache(maxsize=4096)
def _side_of(value: str) -> str | None:
    text = plain_name(value)
    if text in ("top", "bottom"):
        return "a" if text == "top" else "b"
    side = read_word(value)[0]
    return side if side in ("a", "b") else None


def _counting(values: Sequence[object]) -> bool:
    """Are these the numbers of the rows: 1, 2, 3?"""
    numbers = [n for value in values if (n := number_of(value)) is not None]
    return len(numbers) == len(values) and all(x < y for x, y in zip(numbers, numbers[1:]))


@lru_cache(maxsize=4096)
def _words(name: str) -> frozenset[str]:
    """The words of a name, whatever their ending: is_swapped, leftIs, orderFlipped."""
    plain = bare(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) if len(name) < 60 else ""
    plain = re.sub(r"(^|_)un(?=swap|flip|revers|switch)", r"\1un_", plain)
    words = set(re.sub(r"([a-z]{2,})([12])\b", r"\1_\2", plain).split("_"))
    stems = {stem for stem in _TURNED for word in words if word.startswith(stem)}
    return frozenset((words | stems) - {""})
