"""Which column holds which field, decided for the whole file; refused by name where two fit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from rlhf_core.common.known import known
from rlhf_core.exchange.choices import is_blank, thousands
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.preference_rows import ALIASES, FIELD_OF, LATE_PROMPTS

# Where one of several is taken and said, because our list has the likeliest first.
RANKED = ("annotator", "choice", "seconds")
_NUMBERED = re.compile(r"(.+?)_?([0-9]{1,2}|[a-h])")
_IMPORT_ID = re.compile(r'\s*\{"ImportId":')  # Qualtrics' third line
MOST_NAMED = 300  # letters of the names that a refusal lists
_WANTED = {"prompt": "the prompt", "a": "the left answer", "b": "the right answer"}
_WANTED |= {"choice": "the choice", "chosen": "the better text", "rejected": "the worse text"}
_NEEDED = "Needed are prompt, a, b, choice, or prompt, chosen, rejected: rename what holds them."
_PLACELESS = "A preference row has no place for"


def find_fields(
    names: Sequence[str],
    report: ImportReport,
    *,
    blank: Callable[[str], bool] = lambda name: False,
    only: Sequence[str] = (),
) -> dict[str, str]:
    """Field -> column: an exact name first. Raises ImportRefused where two columns fit.

    Args:
        blank: says whether nothing stands in a column; such a one is no candidate beside another.
        only: the fields to look for; all of them if empty.
    """
    fields: dict[str, str] = {}
    numbered = _from_nought(names, report)
    for field in only or ALIASES:
        likely = [name for name in names if name == field]
        exact = bool(likely)
        if field in ("a", "b") and exact:  # the texts, or who wrote the texts in other columns?
            likely += [n for n in names if FIELD_OF.get(bare(n)) == field and n != field]
        if field in numbered:
            likely = likely or [numbered[field]]
        taken = set(numbered.values())
        likely = likely or [
            name for name in names if FIELD_OF.get(bare(name)) == field and name not in taken
        ]
        if not likely and field == "prompt":
            likely = [name for name in names if bare(name) in LATE_PROMPTS][:2]
        if len(likely) > 1:
            likely = [name for name in likely if not blank(name)] or likely[:1]
        if field in RANKED and not exact and len(likely) > 1:
            ranked = sorted(likely, key=lambda name: ALIASES[field].index(bare(name)))
            report.say(
                "notes",
                f"The columns {', '.join(map(repr, likely))} could all be the {field};"
                f" {ranked[0]!r} was taken.",
            )
            likely = ranked[:1]
        if len(likely) > 1:
            both = " + ".join(likely[:2]).replace(" ", "")
            join = f", or join them: --fields {both},..." if field == "prompt" else ""
            raise ImportRefused(
                f"{report.filename} has several columns that could be {field}:"
                f" {', '.join(map(repr, likely))}. Rename the right one to {field}{join}."
            )
        if likely:
            fields[field] = likely[0]
            if likely[0] != field:
                report.say("notes", f"The column {likely[0]!r} was read as {field}.")
    return fields


def check_thousands(rows: Sequence[Mapping], names: Sequence[str], report: ImportReport) -> None:
    """Raises ImportRefused where ratings that are compared may be thousands: "1,000" and 999."""
    if text := thousands([row.get(name) for row in rows for name in names]):
        name = next(name for name in names for row in rows if text in str(row.get(name)))
        raise ImportRefused(
            f"{report.filename}: {name!r} holds {text!r}, which can be {re.sub('[,.]', '', text)}"
            f" or {text.replace(',', '.')}. Write these numbers without a sign for thousands."
        )


def answers_in(names: Sequence[str]) -> list[str]:
    """Three or more columns of answers, in the order of their names; none where there are fewer."""
    for found in _numbered(names).values():
        for ends in (
            sorted(filter(str.isdigit, found), key=int),
            sorted(filter(str.isalpha, found)),
        ):
            if len(ends) > 2:
                return [found[end] for end in ends]
    return []


def suffix(name: str) -> str:
    """What numbers a column of answers: the letter or number at its end."""
    return bare(name) if len(bare(name)) == 1 else known(_NUMBERED.fullmatch(bare(name)))[2]


def rejected(rows: Sequence[Record]) -> Callable[[Mapping], str]:
    """Why a row is no work to be used: a crowd-work sheet says that it was rejected, or it is a
    header of Qualtrics'; "" where neither is so.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.value if isinstance(name, str)))
    plain = {bare(name): name for name in names}
    status = [plain[name] for name in ("assignmentstatus", "status") if name in plain]
    # MTurk's sheet has a column for the reason of a rejection, empty where there is none.
    reason = plain.get("reject") if "assignmentstatus" in plain else None

    def why(value: Mapping) -> str:
        for name in status:
            said = re.sub(r"\W+", "-", str(value.get(name)).strip().casefold())
            if said in ("rejected", "returned", "timed-out", "screened-out"):
                return f"{name} says that this work was {said}"
        if any(isinstance(cell, str) and _IMPORT_ID.match(cell) for cell in value.values()):
            return "it is one of Qualtrics' header lines, and no answer"
        if reason and not is_blank(value.get(reason)):
            return f"{reason} says that this work was rejected"
        return ""

    return why


def unrecognised(names: Sequence[str], fields: Mapping[str, str], report: ImportReport) -> str:
    """The refusal of a table without judgements: which of the needed fields it lacks, and what it
    has instead, each name whole.
    """
    told = f"{report.filename} holds no judgements that can be recognised: its"
    if not names:
        return f"{told} rows are empty. {_NEEDED}"
    one_sided = {"chosen", "rejected"} & set(fields) and not {"a", "b"} <= set(fields)
    needed = ("chosen", "rejected") if one_sided else ("prompt", "a", "b", "choice")
    missing = [field for field in needed if field not in fields]
    spare = [name for name in names if name not in fields.values()]
    fit = len(", ".join(names)) <= MOST_NAMED or not spare
    told += f" {'' if fit else 'other '}fields are {_listed(names if fit else spare)}"
    if len(missing) > 2:
        return f"{told}. {_NEEDED}"
    told += f", and none is known as {' or '.join(_WANTED[field] for field in missing)}."
    if one_sided:
        return f"{told} {_NEEDED}"
    if missing == ["choice"]:
        return f"{told} Needed is one that names the better answer: call it choice."
    ones = "right one" if len(missing) == 1 else "right ones"
    todo = f"Rename the {ones} to" if len(spare) >= len(missing) else "Add"
    return f"{told} {todo} {' and '.join(missing)}."


def _listed(names: Sequence[str]) -> str:
    """Names with commas between, whole ones as far as there is room."""
    shown: list[str] = []
    for name in names:
        plain = excerpt(name, 100)
        if shown and len(", ".join([*shown, plain])) > MOST_NAMED:
            return f"{', '.join(shown)} and {len(names) - len(shown):,} more"
        shown.append(plain)
    return ", ".join(shown)


def say_spare(names: Sequence[str], used: Sequence[str], report: ImportReport) -> None:
    """Name the columns that nothing was read from."""
    spare = [name for name in names if name not in used and name]
    if spare:
        more = " and more" if len(spare) > 8 else ""
        report.say("lost", f"{_PLACELESS}: {', '.join(spare[:8])}{more}.")


def _numbered(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Noun -> number or letter -> column, of what can be answers."""
    sides: dict[str, dict[str, str]] = {}
    for name in names:
        if len(bare(name)) == 1 and bare(name) in "abcdefgh":
            sides.setdefault("", {})[bare(name)] = name  # a, b, c by themselves
        elif (found := _NUMBERED.fullmatch(bare(name))) and (
            FIELD_OF.get(f"{found[1]}_a") == "a" or FIELD_OF.get(f"{found[1]}a") == "a"
        ):
            sides.setdefault(found[1].rstrip("_"), {})[found[2]] = name
    letters = "".join(sorted(sides.get("", {})))
    if not letters.startswith("abc"):
        sides.pop("", None)
    return sides


def _from_nought(names: Sequence[str], report: ImportReport) -> dict[str, str]:
    """response_0 and response_1 are a and b. Raises ImportRefused: three answers in a row."""
    if several := answers_in(names):
        raise ImportRefused(
            f"{report.filename} has more than two answers a row"
            f" ({', '.join(map(repr, several[:3]))}); rows that compare two are needed, or a"
            " ranking (Label Studio, Argilla)."
        )
    for found in _numbered(names).values():
        if {"0", "1"} <= set(found):
            return {"a": found["0"], "b": found["1"]}
    return {}
