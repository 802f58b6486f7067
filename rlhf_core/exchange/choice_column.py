"""A choice column, read as a whole: what every value of it means, or a refusal that asks.

One cell cannot say what its number means: 1 and 2 are sides, unless a 0 or a 3 stands in the same
column. And a column of which only one side can be read would teach that side. So all values come in
at once, and out comes a reading, or ``ChoiceUnclear`` with the values found, how often, and what
each may mean; ``choice_map`` is the person's answer. Words are ``choices``' business.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rlhf_core.exchange.choice_map import NOTHING, is_limit, key_of, told, written
from rlhf_core.exchange.choices import EMPTY, IN_WORDS, is_blank, number_of, read_word, shown
from rlhf_core.exchange.column_order import Turned
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.judging.preferences import CHOICES

MOST_VALUES, MOST_SAID = 12, 6  # values asked about one by one; named in a sentence
MOST_LETTERS = 150  # of a proposed choice map; one value more than was said stands in it anyway


@dataclass(frozen=True)
class Cell:
    """One cell of the column, the texts beside it, and who wrote them where a table says so."""

    value: object
    a: str = ""
    b: str = ""
    by_a: str = ""
    by_b: str = ""


@dataclass(frozen=True)
class Value:
    """One value that has to be explained: as a choice map names it, how often, and our guess."""

    key: str
    count: int
    guess: str = ""


@dataclass(frozen=True)
class Convention:
    """What numbers mean in a format that is known, and the sentence that says so. A column that
    holds another number, which is not ``silent`` there, is in another format.
    """

    read: Callable[[float], str | None]
    said: str
    named: bool = True  # by the columns' own names: in whatever order these stand
    silent: frozenset[float] = frozenset()

    def fits(self, numbers: Iterable[float]) -> bool:
        return all(n in self.silent or self.read(n) is not None for n in numbers)


class ChoiceUnclear(ImportRefused):
    """A choice column whose values could mean two things, or nothing.

    Attributes: found: the first half of the sentence; column; values: what to explain, first what
    has to be.
    """

    def __init__(
        self,
        found: str,
        column: str,
        values: list[Value],
        command: str = "import",
        asked: Mapping[str, str] | None = None,
    ):
        """``command``: the one that reads such a file; ``asked``: what was said so far."""
        self.found, self.column, self.values = found, column, values
        said = [f"{written(key)}={choice}" for key, choice in (asked or {}).items()]
        open_ = [value for value in values if not asked or told(value.key, asked) is None]
        example = ",".join(said)
        for number, value in enumerate(open_[:MOST_SAID]):
            part = f"{written(value.key)}={value.guess or '?'}"
            if not number or len(example) + len(part) < MOST_LETTERS:
                example += f",{part}" if example else part
        # The cells are a stranger's: pasted into a shell they stay text, and -1 is no option.
        example = shlex.quote(example) if example else ""
        super().__init__(
            f"{found} Say what each means: {command} --choice-map={example or 'VALUE=a,...'}"
            f" (a, b, tie, both_bad, skip or {NOTHING})."
        )


@dataclass
class Reading:
    """What a column says. ``of`` reads one cell; ``notes`` are sentences for the report."""

    column: str
    asked: Mapping[str, str] = field(default_factory=dict)
    sides: Mapping[str, str] = field(default_factory=dict)
    numbers: Callable[[float], str | None] | None = None
    notes: list[str] = field(default_factory=list)

    def of(self, cell: Cell) -> tuple[str | None, str]:
        """(choice, how it was read) or (None, why not), of one cell."""
        value = cell.value
        if (meant := told(value, self.asked)) is not None:
            if meant == NOTHING:
                return None, f"the choice {shown(value)} counts as no judgement, as was said"
            return meant, f"the choice {shown(value)} was read as {IN_WORDS[meant]}, as was said"
        if is_blank(value):
            return None, EMPTY
        if isinstance(value, str) and value in CHOICES:
            return value, ""
        if side := self.sides.get(plain_name(value)):
            return side, f"the choice {shown(value)} names a column; read as {IN_WORDS[side]}"
        number = number_of(value)
        if (side := _repeated(cell)) is not None:
            if number is not None:
                return None, (
                    f"the choice is {shown(value)}, which is a number and also one of the texts"
                )
            return side, f"the choice repeats a text; read as {IN_WORDS[side]}"
        if (side := _author(cell)) is not None:
            return side, f"the choice names who wrote a text; read as {IN_WORDS[side]}"
        if number is not None:
            choice = self.numbers(number) if self.numbers else None
            if choice is None:
                return None, f"the choice is {shown(value)}, a number that says nothing here"
            return choice, f"the choice {shown(value)} was read as {IN_WORDS[choice]}"
        return read_word(value)

    def names_one(self, cell: Cell) -> bool:
        """Is the choice a column's name, one of the texts, or who wrote it?"""
        return plain_name(cell.value) in self.sides or self.repeats(cell)

    def repeats(self, cell: Cell) -> bool:
        """Is the choice one of the texts, or who wrote it? Then no side is meant."""
        return _repeated(cell) is not None or _author(cell) is not None

    def table(self, cells: Sequence[Cell]) -> list[dict]:
        """Each value of the column with how often it stands there and what it was read as, for a
        person to look over: {"value", "count", "means"}; "" means no judgement.
        """
        if all(cell.value in CHOICES for cell in cells if isinstance(cell.value, str)):
            return []  # our own words
        means: dict[str, str] = {}
        counted = _counted(cells)
        for cell in cells:
            if not is_blank(cell.value):
                means.setdefault(key_of(cell.value), self.of(cell)[0] or "")
        return [
            {"value": key, "count": count, "means": means[key]}
            for key, count in counted.most_common(MOST_VALUES)
        ]


def read_column(
    column: str,
    cells: Sequence[Cell],
    where: str,
    choice_map: Mapping[str, str] | None = None,
    convention: Convention | None = None,
    sides: Mapping[str, str] | None = None,
    turned: Turned | None = None,
    command: str = "import",
) -> Reading:
    """How to read every cell. Raises ChoiceUnclear, ImportRefused (a map that does not fit).

    Args:
        where: begins every sentence: the file and the column, in words.
        choice_map: what the person said of single values (``parse_map``).
        convention: what numbers mean, where the file's format is known.
        sides: the names (``plain_name``) of the columns that hold the two texts, and their side.
        turned: set where these columns stand the other way round than they are called.
        command: the one that reads such a file, for a sentence.
    """
    asked = dict(choice_map or {})
    for key in asked:
        if not any(told(cell.value, {key: "a"}) for cell in cells):
            held = ", ".join(shown(value) for value in list(_counted(cells))[:MOST_SAID])
            limit = is_limit(key) and not any(number_of(cell.value) is not None for cell in cells)
            why = " None of that is a plain number, so name each value." if limit else ""
            raise ImportRefused(f"{where} has no {shown(key)}: it holds {held or 'nothing'}.{why}")
    open_ = [cell for cell in cells if told(cell.value, asked) is None]
    reading = Reading(column, asked, sides or {})
    _check_authors(where, open_, reading)
    numbers = Counter(
        number
        for cell in open_
        if (number := number_of(cell.value)) is not None and _author(cell) is None
    )
    words = {read_word(cell.value)[0] or _author(cell) for cell in open_} | {
        asked[key] for key in asked if asked[key] in ("a", "b")
    }
    if numbers:
        if convention and convention.fits(numbers):
            reading.numbers = convention.read
            reading.notes.append(convention.said)
        elif not (convention or _numbers_in(asked)) and (
            known := _one_and_two(set(numbers), words)
        ):
            convention = known
            reading.numbers = known.read
            reading.notes.append(f"{where} {known.said}")
        elif not asked:
            raise _unclear(where, column, cells, reading, numbers, command)
    if asked:
        said = ", ".join(
            f"{shown(key)} is {IN_WORDS.get(c, 'nothing')}" for key, c in asked.items()
        )
        reading.notes.append(f"{where} was read as was said: {said}.")
    found = [reading.of(cell) for cell in cells]
    unread = [
        cell
        for cell, (choice, why) in zip(cells, found)
        if choice is None and why != EMPTY and told(cell.value, asked) is None
    ]
    if unread and not {"a", "b"} <= {choice for choice, _ in found}:
        raise _unclear(where, column, cells, reading, numbers, command)
    _check_sides(where, cells, reading, convention, turned, command)
    return reading


def _check_authors(where: str, cells: Sequence[Cell], reading: Reading) -> None:
    """Raises ImportRefused where who wrote a text is called as the other side, or as a tie."""
    for cell in cells:
        if (side := _author(cell)) is None:
            continue
        number = number_of(cell.value)
        word = reading.sides.get(plain_name(cell.value)) or read_word(cell.value)[0]
        if number in (0, 1, 2):  # may count the answers, from 0 or from 1
            word = {1: "a", 2: "b"}.get(int(number), "other")
        if word and word != side:
            raise ImportRefused(
                f"{where} says {shown(cell.value)}, which is who wrote text {side} and can also"
                f" mean {IN_WORDS.get(word, 'the other text')}. Give the models other names, or"
                " write a, b or tie there and remove the models' columns."
            )


def _check_sides(
    where: str,
    cells: Sequence[Cell],
    reading: Reading,
    convention: Convention | None,
    turned: Turned | None,
    command: str,
) -> None:
    """Raises ChoiceUnclear where words or numbers that mean a side could mean the other one."""
    loose = [
        cell
        for cell in cells
        if reading.of(cell)[0] in ("a", "b")
        and told(cell.value, reading.asked) is None
        and not reading.names_one(cell)
        and not (number_of(cell.value) is not None and convention and convention.named)
    ]
    unsure = [cell for cell in loose if turned and not turned.fits(cell.value)]
    why = turned.said if turned else ""
    swapped = [
        key for key, choice in reading.asked.items() if {read_word(key)[0], choice} == {"a", "b"}
    ]
    if swapped and loose and not unsure:
        unsure, why = loose, f"{shown(swapped[0])} was said to be the other side than it names."
    if unsure:
        counted = _counted(unsure)
        values = [Value(key, count) for key, count in counted.most_common(MOST_VALUES)]
        said = ", ".join(shown(value.key) for value in values[:MOST_SAID])
        raise ChoiceUnclear(
            f"{where} says {said}, but {why}", reading.column, values, command, reading.asked
        )


def _numbers_in(asked: Mapping[str, str]) -> bool:
    return any(re.search(r"\d", key) for key in asked)


def plain_name(value: object) -> str:
    """A name as it is compared: small letters, one underscore for space, hyphen, dot."""
    return re.sub(r"[\s\-._]+", "_", str(value).strip().casefold()).strip("_")


# --- one cell -------------------------------------------------------------------------------------


def _repeated(cell: Cell) -> str | None:
    """The side whose text the cell repeats."""
    a, b, text = cell.a.strip(), cell.b.strip(), str(cell.value).strip()
    if not isinstance(cell.value, str | int | float) or a == b or not text or text not in (a, b):
        return None
    return "a" if text == a else "b"


def _author(cell: Cell) -> str | None:
    """The side whose author (a model's name) the cell names."""
    text = str(cell.value).strip().casefold()
    one, other = cell.by_a.strip().casefold(), cell.by_b.strip().casefold()
    if one == other or not text or text not in (one, other):
        return None
    return "a" if text == one else "b"


# --- all cells ------------------------------------------------------------------------------------


def _counted(cells: Sequence[Cell]) -> Counter:
    """Values, by how often; what is blank is no value."""
    return Counter(key_of(cell.value) for cell in cells if not is_blank(cell.value))


def _one_and_two(numbers: set[float], words: set) -> Convention | None:
    """1 and 2 as the sides, where no number stands in the column that is not between them."""
    if not numbers <= {1.0, 1.5, 2.0}:  # 1,2 can be both of them, or nearer to 1
        return None
    if not ({1.0, 2.0} <= numbers or (numbers == {2.0} and words & {"a", "b"})):
        return None
    said = "holds 1 and 2 and no other number: 1 was read as a (the left one), 2 as b."
    if numbers == {2.0}:
        said = "holds 2 beside words for the sides: 2 was read as b."
    if len(numbers) > 2:
        said = "holds 1, 2 and 1.5: 1 was read as a (the left one), 2 as b, 1.5 as a tie."
    return Convention(lambda n: "tie" if n == 1.5 else "a" if n < 1.5 else "b", said, named=False)


def _unclear(
    where: str, column: str, cells: Sequence[Cell], reading: Reading, numbers: Counter, command: str
) -> ChoiceUnclear:
    counted = _counted(cells)
    values = [Value(key, count) for key, count in counted.most_common()]
    if numbers:
        guess = guesses(set(numbers))
        if "strength" in plain_name(column):  # of either side: there is nothing to guess
            guess = dict.fromkeys(numbers, "")
        rest = [value for value in values if number_of(value.key) is None]
        if len(guess) == len(numbers) and len(numbers) <= MOST_VALUES:
            listed = [Value(f"{n:g}", numbers[n], guess[n]) for n in sorted(numbers)]
        else:
            low, high = min(numbers), max(numbers)
            middle = (low + high) / 2
            shares = (
                (f"<{middle:g}", sum(c for n, c in numbers.items() if n < middle)),
                (f"{middle:g}", numbers[middle]),
                (f">{middle:g}", sum(c for n, c in numbers.items() if n > middle)),
            )
            listed = [Value(key, count) for key, count in shares if count]
        values = listed + rest
        held = ", ".join(f"{n:g}" for n in sorted(numbers)[:MOST_VALUES])
        held += " and more" if len(numbers) > MOST_VALUES else ""
        found = f"{where} holds the numbers {held}, which can mean more than one thing."
        if len(numbers) == 1:
            found = f"{where} holds the number {held} and no other, which cannot say what it means."
    else:
        dark = {
            key_of(cell.value)
            for cell in cells
            if reading.of(cell)[0] is None and told(cell.value, reading.asked) is None
        }
        unread = [value for value in values if value.key in dark]
        values = unread + [value for value in values if value.key not in dark]
        some = [f"{shown(value.key)} ({value.count:,}×)" for value in unread[:MOST_SAID]]
        more = " and more" if len(unread) > MOST_SAID else ""
        read = {c for cell in cells if (c := reading.of(cell)[0])}
        why = (
            "; only a part of the choices can be read, and that part alone would mislead"
            if read
            else ""
        )
        found = f"{where} holds {', '.join(some)}{more}, which is no choice that is known{why}."
    sure = {v.key: told(v.key, reading.asked) or read_word(v.key)[0] or v.guess for v in values}
    values = [Value(v.key, v.count, sure[v.key]) for v in values[:MOST_VALUES]]
    return ChoiceUnclear(found, column, values, command, reading.asked)


def guesses(numbers: set[float]) -> dict[float, str]:
    """What each number of a column may mean: a guess for a person to confirm, never to import.

    An index (0 is the first), a scale with its middle a tie, a sign. Empty where there is none, as
    for a single number.
    """
    if len(numbers) < 2:
        return {}
    whole = all(number.is_integer() for number in numbers)
    low, high = min(numbers), max(numbers)
    if not whole or len(numbers) > MOST_VALUES:
        return {}
    if numbers <= {0, 1}:
        return {n: "ab"[int(n)] for n in numbers}
    if numbers == {1, 2, 3}:
        return {1.0: "a", 2.0: "b", 3.0: "tie"}
    if low < 0:
        top = max(-low, high)
        low, high = -top, top
    elif low == 0:
        high = max(high, 2)
    elif high > 2:
        low, high = 1, next((top for top in (3, 5, 7, 9, 10) if high <= top), high)
    middle = (low + high) / 2
    found = {n: "tie" if n == middle else "a" if n < middle else "b" for n in numbers}
    return found if {"a", "b"} <= set(found.values()) else {}
