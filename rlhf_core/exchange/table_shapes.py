"""What tables say about a choice in other ways than in one column of words.

One-hot columns (winner_model_a, winner_model_b, winner_tie), two ratings of two answers, a list of
two answers with an index, the number systems of known data sets. Each is found by the columns'
names, said in a sentence, and refused by name where two fit. Knows nothing about files.

Sources: the data sets' own cards (Stanford SHP, PKU-SafeRLHF, HelpSteer3, AlpacaEval, WebGPT
comparisons, lmsys-chat arena votes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlhf_core.exchange.choice_column import Convention, plain_name
from rlhf_core.exchange.choices import is_blank, number_of, shown
from rlhf_core.exchange.columns import check_thousands
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.not_whole import Unsaid

_HOT = {
    **dict.fromkeys(("a", "1", "left", "first"), "a"),
    **dict.fromkeys(("b", "2", "right", "second"), "b"),
    **dict.fromkeys(("tie", "draw", "equal", "both", "same"), "tie"),
    **dict.fromkeys(("bothbad", "both_bad", "neither", "tie_bothbad"), "both_bad"),
}
_HOT_WORDS = frozenset(
    "winner wins win won is prefer prefers preferred better chosen best vote choice label".split()
)
_NOUNS = "model|response|answer|output|option|text|completion|candidate"
_HOT_NOUNS = frozenset(_NOUNS.split("|"))
_SCORES = "rank|score|rating|reward|stars|grade|points|overall_score|quality"
_PAIRED = re.compile(
    rf"(?:({_NOUNS})_?)?(?P<noun>{_SCORES})s?_?(?:({_NOUNS})_?)?(?P<side>a|b|0|1|2)|"
    rf"(?:({_NOUNS})_?)(?P<side2>a|b|0|1|2)_(?P<noun2>{_SCORES})"
)
_LISTS = ("summaries", "responses", "answers", "completions", "candidates", "outputs", "texts")
_AUTHORS = ("model", "generator", "system", "model_name", "policy", "author", "assistant")
# Names that tell a table of judgements, beside the fields' own.
COLUMNS = frozenset(("winner_model_a", "winner_model_b", "winner_tie", "a_wins", "b_wins", *_LISTS))


def one_hot(
    rows: list[Record], names: Sequence[str], report: ImportReport
) -> tuple[list[Record], list[str], list[str]] | None:
    """The rows with a ``choice``, where columns of noughts and ones say it, the columns of a and b,
    and all that say it; None where none do.
    """
    groups: dict[tuple, dict[str, str]] = {}
    loose: dict[str, str] = {}
    for name in names:
        words = bare(name).split("_")
        side = "_".join(w for w in words if w not in _HOT_WORDS and w not in _HOT_NOUNS)
        kind = tuple(word for word in words if word in _HOT_WORDS)
        if kind and side in _HOT:
            groups.setdefault(kind, {})[name] = _HOT[side]
        elif _HOT.get(side) in ("tie", "both_bad") and _noughts(rows, name):
            loose[name] = _HOT[side]
    fit = [group for group in groups.values() if {"a", "b"} <= set(group.values())]
    fit = [group for group in fit if all(_noughts(rows, name) for name in group)]
    if len(fit) > 1:
        sets = " and ".join(", ".join(map(repr, group)) for group in fit[:3])
        raise ImportRefused(f"{report.filename} says who won in several ways: {sets}. Keep one.")
    if not fit:
        return None
    fit[0].update(loose)
    report.say("notes", f"The columns {', '.join(map(repr, fit[0]))} were read as one choice.")
    made, read, against = [], set(), []
    for row in rows:
        on = [name for name in fit[0] if _on(row.value.get(name))]
        choice: Any = fit[0][on[0]] if len(on) == 1 else Unsaid(_not_one(on, list(fit[0])))
        made.append(replace(row, value={**row.value, "choice": choice}))
        read.add(choice)
        against += [f"{report.counted} {row.row}: {choice.why}"] if len(on) > 1 else []
    if against and not {"a", "b"} <= read:
        raise ImportRefused(
            f"{report.filename}, {against[0]}; only a part of the choices can be read, and that"
            " part alone would mislead. Set one column a row."
        )
    return made, [name for name, side in fit[0].items() if side in ("a", "b")], list(fit[0])


def _not_one(on: list[str], columns: list[str]) -> str:
    """Why a row of columns of noughts and ones says nothing."""
    if on:
        return f"{' and '.join(map(repr, on))} are set at once, so nothing says which is better"
    return f"none of {', '.join(map(repr, columns))} is set, so nothing says which is better"


def _on(value: object) -> bool:
    return (
        value is True or number_of(value) == 1 or str(value).strip().casefold() in ("true", "yes")
    )


def _noughts(rows: list[Record], name: str) -> bool:
    known = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no"}
    cells = [row.value.get(name) for row in rows]
    return all(is_blank(cell) or str(cell).strip().casefold() in known for cell in cells)


def two_ratings(
    rows: list[Record], names: Sequence[str], report: ImportReport
) -> tuple[list[Record], list[str], list[str]] | None:
    """The rows with a ``choice``, where each answer has a rating of its own, and the columns of
    the ratings: the higher wins; of ranks the lower.
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _PAIRED.fullmatch(bare(name)):
            noun, side = match["noun"] or match["noun2"], match["side"] or match["side2"]
            found.setdefault(noun, {})[side] = name
    fit = []
    for sides in found.values():
        pairs = [pair for pair in (("a", "b"), ("1", "2"), ("0", "1")) if set(pair) == set(sides)]
        fit += [(sides[one], sides[other]) for one, other in pairs]
    fit = [pair for pair in fit if all(_has_a_number(rows, name) for name in pair)]
    if len(fit) > 1:
        sets = " and ".join(f"{one!r} with {other!r}" for one, other in fit[:4])
        raise ImportRefused(
            f"{report.filename} rates the answers in several ways: {sets}. Keep one."
        )
    if not fit:
        return None
    one, other = fit[0]
    check_thousands([row.value for row in rows], fit[0], report)
    rank = bool(re.search(r"rank", bare(one)))
    report.say(
        "notes",
        f"{one!r} and {other!r} were compared: the answer"
        f" {'with the lower rank' if rank else 'rated higher'} is better.",
    )
    made = []
    for row in rows:
        said = higher(*(row.value.get(name) for name in fit[0][:: -1 if rank else 1]))
        choice = said or Unsaid(_unrated(row, fit[0]))
        made.append(replace(row, value={**row.value, "choice": choice}))
    return made, [one, other], [one, other]


def _unrated(row: Record, columns: Sequence[str]) -> str:
    """Which of two ratings is missing, or no number."""
    name = next(name for name in columns if number_of(row.value.get(name)) is None)
    cell = row.value.get(name)
    return f"{name!r} is empty" if is_blank(cell) else f"{name!r} is {shown(cell)}, no plain number"


def _has_a_number(rows: list[Record], name: str) -> bool:
    return any(number_of(row.value.get(name)) is not None for row in rows)


def higher(one: object, other: object) -> str:
    """The side with the higher rating; a tie where they are the same, "" where one is missing."""
    x, y = number_of(one), number_of(other)
    if x is None or y is None:
        return ""
    return "tie" if x == y else "a" if x > y else "b"


def two_in_a_list(
    rows: list[Record], names: Sequence[str], report: ImportReport
) -> tuple[list[Record], str] | None:
    """The rows with ``a`` and ``b``, where one column holds a list of two answers, and its name."""
    for name in names:
        if plain_name(name) not in _LISTS:
            continue
        lists = [row.value.get(name) for row in rows]
        if not lists or not all(isinstance(item, list) and len(item) == 2 for item in lists):
            continue
        report.say("notes", f"{name!r} holds two texts: the first was read as a, the second as b.")
        return [
            replace(row, value={**row.value, "a": _text(one), "b": _text(other)})
            for row, (one, other) in zip(rows, lists)
        ], name
    return None


def _text(item: object) -> object:
    if isinstance(item, dict):
        return next((item[k] for k in ("text", "response", "content", "body") if k in item), item)
    return item


def authors(names: Sequence[str]) -> tuple[str, str] | None:
    """The columns that say who wrote a and b (arena votes: model_a, model_b), if there are two."""
    plain = {plain_name(name): name for name in names}
    for noun in _AUTHORS:
        for one, other in (("_a", "_b"), ("a", "b"), ("_1", "_2"), ("1", "2"), ("_0", "_1")):
            if noun + one in plain and noun + other in plain:
                return plain[noun + one], plain[noun + other]
    return None


def convention(
    names: Sequence[str], fields: Mapping[str, str], numbers: set[float], listed: bool = False
) -> Convention | None:
    """What ``numbers`` in the choice column mean, where the file's format says so; else None."""
    plain = {plain_name(name) for name in names}
    choice, a, b = (plain_name(fields.get(field, "")) for field in ("choice", "a", "b"))
    column = f"The numbers in {fields.get('choice')!r}"
    if {"human_ref_a", "human_ref_b"} <= plain and choice == "labels":
        said = f"{column} were read as Stanford SHP writes them: 1 is human_ref_A, 0 human_ref_B."
        return Convention({1.0: "a", 0.0: "b"}.get, said)
    if listed or (a.endswith("0") and b.endswith("1") and a[:-1] == b[:-1]):
        said = f"{column} count from 0, as the answers do: 0 was read as a, 1 as b."
        return Convention({0.0: "a", 1.0: "b"}.get, said)
    ours = [name.replace("_", "") for name in (a, b)] == ["response1", "response2"]
    if choice in ("overall_preference", "preference_strength") and (ours or "strength" in choice):
        if not ours or not any(number < 0 for number in numbers):
            return Convention(lambda n: None, "")  # or only how strong it is, of either
        said = f"{column} were read as HelpSteer writes them: below 0 is {a}, above the other."
        return Convention(
            lambda n: None if n not in range(-3, 4) else "tie" if n == 0 else "a" if n < 0 else "b",
            said,
        )
    if {"output_1", "output_2", "preference"} <= plain and plain & {"generator_1", "generator_2"}:
        said = (
            f"{column} were read as AlpacaEval writes them: nearer to 1 is output_1, to 2 output_2,"
            " 1.5 a tie; 0 is no judgement."
        )
        return Convention(
            lambda n: None if not 1 <= n <= 2 else "tie" if n == 1.5 else "a" if n < 1.5 else "b",
            said,
            silent=frozenset((0.0,)),
        )
    return None


def index_convention(column: str, numbers: set[float]) -> Convention | None:
    """0 and 1 in a column that calls itself an index."""
    if numbers == {0.0, 1.0} and re.search(r"(?:^|_)(?:index|idx)$", plain_name(column)):
        said = f"The numbers in {column!r} are an index: 0 was read as a, 1 as b."
        return Convention({0.0: "a", 1.0: "b"}.get, said, named=False)
    return None
