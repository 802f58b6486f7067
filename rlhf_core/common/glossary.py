"""Every term the app uses, once: a plain sentence, its formula, the lines that compute it, the
paper.

They stand in ``glossary.json``. Underlines, help texts, the numbers' depth and the page Glossary
all read them from here. A setting's sentence is that of its field (``settings``), so that its
meaning too stands once. Knows nothing about sessions and pages: numbers come from the caller.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rlhf_core.common import settings
from rlhf_core.common.knob import describe

FILE = Path(__file__).with_suffix(".json")
NUMBER = re.compile(r"<(\w+)>")  # a place in ``worked`` that waits for a number


@dataclass(frozen=True)
class Paper:
    """Where it was first written down: a title, the place in it, and an address, if it has one."""

    title: str
    section: str
    url: str = ""


@dataclass(frozen=True)
class Term:
    """One term.

    Attributes:
        also: other ways to say it.
        formula: LaTeX, in symbols; "" where there is none. where: what the symbols mean.
        worked: the same with places for numbers, "<name>"; the first that can be filled is shown.
        source: "package.module:name" of what computes it (``source.excerpt``), or "".
        knob: the setting that it is, "PPOSettings.beta", or "".
    """

    name: str
    group: str
    sentence: str
    also: tuple[str, ...] = ()
    formula: str = ""
    where: str = ""
    worked: tuple[str, ...] = ()
    source: str = ""
    paper: Paper | None = None
    knob: str = ""


@cache
def terms() -> tuple[Term, ...]:
    """All of them, in the order of the file: by group."""
    rows = json.loads(FILE.read_text(encoding="utf-8"))
    return tuple(_term(row) for row in rows)


def _term(row: dict) -> Term:
    lists = {name: tuple(row.get(name, ())) for name in ("also", "worked")}
    paper = Paper(**row["paper"]) if "paper" in row else None
    sentence = row["sentence"] if "sentence" in row else _meaning(row["knob"])
    return Term(**{**row, **lists, "paper": paper, "sentence": sentence})


def _meaning(knob: str) -> str:
    """What the field of a setting says of itself."""
    name, field = knob.split(".")
    return next(row["help"] for row in describe(getattr(settings, name)) if row["name"] == field)


@cache
def _by_name() -> dict[str, Term]:
    return {name.casefold(): one for one in terms() for name in (*one.also, one.name)}


def term(name: str) -> Term:
    """The term called so, in whatever case. Raises LookupError where there is none."""
    try:
        return _by_name()[name.casefold()]
    except KeyError:
        raise LookupError(f"The glossary has no {name!r}.") from None


def of_knob(settings_name: str, field: str) -> Term:
    """The term of a setting: ("PPOSettings", "beta"). Raises LookupError where there is none."""
    found = [one for one in terms() if one.knob == f"{settings_name}.{field}"]
    if not found:
        raise LookupError(f"The glossary has no {settings_name}.{field}.")
    return found[0]


def find(words: str) -> list[Term]:
    """The terms in which every one of ``words`` occurs; all of them where it is empty.

    Those whose name holds them come first.
    """
    wanted = words.casefold().split()

    def place(one: Term) -> int | None:
        names = " ".join((one.name, *one.also)).casefold()
        everything = f"{names} {one.sentence} {one.group}".casefold()
        if not all(word in everything for word in wanted):
            return None
        return 0 if all(word in names for word in wanted) else 1

    placed = [(place(one), one) for one in terms()]
    return [one for rank in (0, 1) for at, one in placed if at == rank]


def with_numbers(one: Term, numbers: Mapping[str, object]) -> str:
    """``worked`` with ``numbers`` in it; "" where a number that it wants is not there."""
    read = {name: _finite(value) for name, value in numbers.items()}
    finite = {name: value for name, value in read.items() if value is not None}
    for worked in one.worked:
        wanted = NUMBER.findall(worked)
        if all(name in finite for name in wanted):
            filled = NUMBER.sub(lambda found: tex(finite[found[1]]), worked)
            return re.sub(r"= \((-[^()]*)\)", r"= \1", filled)  # a result needs no brackets
    return ""


def tex(value: float) -> str:
    """A number for LaTeX, and nothing else: two digits behind the point, or two that matter."""
    if value == int(value) and abs(value) < 1e6:
        return str(int(value)) if value >= 0 else f"({int(value)})"
    words = f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
    if "e" in words:
        digits, power = words.split("e")
        words = rf"{digits} \times 10^{{{int(power)}}}"
    return words if value >= 0 else f"({words})"


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
