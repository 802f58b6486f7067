"""Two places of a table that both say who won: said where they agree, refused where they do not.

A ``winner`` beside a ``choice``, a ``label`` beside ``chosen`` and ``rejected``, ratings beside a
choice. What a column means, ``choice_column`` decides. Knows nothing about files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from rlhf_core.exchange import table_shapes
from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.choice_map import fits
from rlhf_core.exchange.choices import is_blank, read_word, shown
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.preference_rows import FIELD_OF
from rlhf_core.judging.measure import counted


def others(names: Sequence[str], fields: Mapping[str, str]) -> list[str]:
    """The columns that could be the choice as well, beside the one that was taken."""
    copy = re.compile(re.escape(bare(fields["choice"])) + r"_?\(?[0-9]{1,2}\)?")  # "choice.1"
    return [
        name
        for name in names
        if name not in fields.values()
        and (FIELD_OF.get(bare(name)) == "choice" or copy.fullmatch(bare(name)))
    ]


def check_others(
    rows: Sequence[Record],
    names: Sequence[str],
    fields: Mapping[str, str],
    cells: Sequence[Cell],
    reading: Reading,
    choice_map: Mapping[str, str] | None,
    report: ImportReport,
) -> None:
    """Compare every other choice column, row by row. Raises ImportRefused where one contradicts."""
    said = [reading.of(cell)[0] for cell in cells]
    for name in others(names, fields):
        there = [Cell(row.value.get(name), *_beside(cell)) for row, cell in zip(rows, cells)]
        asked = {
            key: choice
            for key, choice in (choice_map or {}).items()
            if any(fits(key, cell.value) for cell in there)
        }
        second = None
        with suppress(ImportRefused):
            second = read_column(name, there, "", asked, None, reading.sides)
        both = [
            (row, one, other)
            for row, one, cell in zip(rows, said, there)
            if second and one and (other := second.of(cell)[0])
        ]
        column = fields["choice"]
        if not both:
            if any(not is_blank(cell.value) for cell in there):
                report.say("notes", f"{name!r} says nothing that was read; {column!r} counts.")
            continue
        against = [row for row, one, other in both if one != other]
        if against:
            first = against[0]
            raise ImportRefused(
                f"{report.filename}: {column!r} and {name!r} contradict each other in"
                f" {len(against):,} of {len(both):,} rows ({report.counted} {first.row}:"
                f" {shown(first.value.get(column))} and {shown(first.value.get(name))}). Remove the"
                " one that does not count."
            )
        report.say("notes", f"{name!r} says the same as {column!r} in all {len(both):,} rows.")


def check_chosen(rows: Sequence[Record], fields: Mapping[str, str], report: ImportReport) -> None:
    """A choice beside chosen and rejected. Raises ImportRefused where it says otherwise."""
    for name in [fields["choice"]] if "choice" in fields else []:
        against, agree = [], 0
        for row in rows:
            value = row.value.get(name)
            said = read_word(value)[0]
            texts = {side: row.value.get(fields.get(side)) for side in ("a", "b")}
            chosen, rejected = (row.value.get(fields[f]) for f in ("chosen", "rejected"))
            if isinstance(value, str) and plain_name(value) in ("chosen", "rejected"):
                said = "a" if plain_name(value) == "chosen" else "b"
                texts = {"a": chosen, "b": rejected}
            elif "a" not in fields or "b" not in fields:
                texts = {"a": chosen, "b": rejected}
            if said in ("a", "b"):
                same = texts[said] == chosen and chosen != rejected
                agree += same
                against += [] if same else [row]
            elif said in ("tie", "both_bad"):
                against.append(row)
        if against:
            raise ImportRefused(
                f"{report.filename} has {fields['chosen']!r} and {fields['rejected']!r}, and"
                f" {name!r} says otherwise in {counted(len(against), 'row')} ({report.counted}"
                f" {against[0].row}: {shown(against[0].value.get(name))}). Remove what does not"
                " count."
            )
        if agree:
            report.say("notes", f"{name!r} says the same as {fields['chosen']!r}.")
    _say_scores(rows, fields, report)


def _say_scores(rows: Sequence[Record], fields: Mapping[str, str], report: ImportReport) -> None:
    """Where the rejected text is rated higher than the chosen one, that is worth a look."""
    names = {bare(name): name for row in rows[:1] for name in row.value if isinstance(name, str)}
    nouns = ("score", "rating", "reward")
    pairs = [(f"chosen_{noun}", f"rejected_{noun}") for noun in nouns]
    pairs += [(f"{noun}_chosen", f"{noun}_rejected") for noun in nouns]
    for better, worse in pairs:
        if not {better, worse} <= set(names):
            continue
        one, other = names[better], names[worse]
        against = sum(
            table_shapes.higher(row.value.get(one), row.value.get(other)) == "b" for row in rows
        )
        if against:
            report.say(
                "notes",
                f"In {counted(against, 'row')} {other!r} is higher than {one!r};"
                f" {fields['chosen']!r} counts all the same.",
            )


def say_ratings(
    rows: Sequence[Record],
    names: Sequence[str],
    fields: Mapping[str, str],
    said: Sequence[str | None],
    report: ImportReport,
) -> None:
    """How often the answer that is rated higher is the one that was chosen."""
    made = None
    with suppress(ImportRefused):
        made = table_shapes.two_ratings(list(rows), names, ImportReport(""))
    rows_made, columns, _ = made or ([], [], [])
    rated = [row.value["choice"] for row in rows_made]
    both = [(one, other) for one, other in zip(said, rated) if {one, other} <= {"a", "b"}]
    if both:
        agree = sum(one == other for one, other in both)
        report.say(
            "notes",
            f"{fields['choice']!r} counts; {' and '.join(map(repr, columns))} agree with it in"
            f" {agree:,} of {len(both):,} rows.",
        )


def _beside(cell: Cell) -> tuple[str, str, str, str]:
    return cell.a, cell.b, cell.by_a, cell.by_b
