"""Judgements from tables: our rows, TRL's, Argilla's, and the spreadsheet somebody typed.

    bytes -> file_rows.records -> columns (which is which) -> choice_column (what a value means)
    -> one of: a, b, choice | chosen, rejected (``preference_rows``) | Argilla's answers
    (``argilla``) | scored completions (``scored``) -> Pair, with its repairs

Knows nothing about Label Studio (``label_studio``) and nothing about models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlhf_core.exchange import argilla, formulas, scored, table_shapes
from rlhf_core.exchange.boxed_choices import unboxed
from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.choices import is_blank, number_of, read_word
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.file_rows import Record, bare, records
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.preference_rows import BY, KNOWN, LATE_PROMPTS, RowRefused, read_row
from rlhf_core.exchange.ranking_rows import looks_like_rankings, take_rankings
from rlhf_core.judging.preferences import Pair

COLUMNS = frozenset(
    {*KNOWN, *LATE_PROMPTS, *table_shapes.COLUMNS, "completions", "responses", "generations"}
)
_OWN = frozenset(Pair.__dataclass_fields__)
_PLACELESS = "A preference row has no place for"


def import_preferences(
    data: bytes,
    filename: str,
    *,
    fields: Sequence[str] = (),
    choice_map: Mapping[str, str] | None = None,
    question: str = "",
) -> ImportReport:
    """Judgements from CSV, TSV, JSONL, JSON, .xlsx or Parquet bytes.

    Args:
        fields: the columns of prompt, left and right text, where their names do not say so; two
            names with a + between them are joined.
        choice_map: what values of the choice column mean (``choice_column.parse_map``).
        question: Argilla's, that counts, where several could.

    Raises ImportRefused: not readable at all; ChoiceUnclear where the choice column has to be
    explained. The report may hold no judgement that can be used; ``ImportReport.checked`` refuses
    that.
    """
    report = ImportReport(filename)
    told = {plain_name(name) for field in fields for name in field.split("+")}
    rows = formulas.armed(records(data, report, COLUMNS | told))
    if looks_like_rankings(rows):
        return take_rankings(rows, report)
    objects = [row for row in rows if isinstance(row.value, dict)]
    names = list(
        dict.fromkeys(name for row in objects for name in row.value if isinstance(name, str))
    )
    if any("annotation_id" in row.value or _annotated(row.value) for row in objects):
        raise ImportRefused(
            f"{filename} is a Label Studio export, which holds tasks and not rows: use"
            " import-label-studio."
        )
    if argilla.is_argilla(objects):
        argilla.take_records(rows, report, choice_map, question, fields)
        return report
    if question:
        raise ImportRefused(
            f"{filename} asks no questions that --question could pick from: it is no file of"
            " Argilla's or Label Studio's."
        )
    if scored.is_scored(objects):
        scored.take_records(rows, names, report)
        return report
    _take_table(rows, objects, names, report, fields, choice_map)
    return report


def _annotated(value: dict) -> bool:
    found = value.get("annotations")
    return (
        isinstance(found, list)
        and all(isinstance(item, dict) for item in found)
        and (isinstance(value.get("data"), dict) or any("result" in item for item in found))
    )


def _take_table(
    rows: list[Record],
    objects: list[Record],
    names: list[str],
    report: ImportReport,
    told: Sequence[str],
    choice_map: Mapping[str, str] | None,
) -> None:
    """Every row of a table of judgements, into the report."""

    def blank(name: str) -> bool:
        return all(is_blank(row.value.get(name)) for row in objects)

    own = set(names) == _OWN
    names = [name for name in names if name]
    if told:
        objects, names = _joined(objects, names, told, report)
    fields = find_fields(
        [name for name in names if name not in told],
        report,
        blank=blank,
        only=("choice", "annotator", "seconds", "weight", "brief", "brief_version") if told else (),
    )
    listed = None
    if told:
        sides = ("a", "b") if "choice" in fields else ("chosen", "rejected")
        fields |= dict(zip(("prompt", *sides), told))
    elif "a" not in fields and "chosen" not in fields:
        if listed := table_shapes.two_in_a_list(objects, names, report):
            objects, fields = listed, {**fields, "a": "a", "b": "b"}
    same = _chosen_may_name_a_side(objects, names, fields, report)
    made = None
    if {"a", "b"} <= set(fields) and not {"chosen", "rejected"} <= set(fields):
        made = table_shapes.one_hot(objects, names, report)
        if made and "choice" in fields:
            raise ImportRefused(
                f"{report.filename} says who won both in {fields['choice']!r} and in columns of"
                " noughts and ones. Keep one of them."
            )
        if "choice" not in fields:
            made = made or table_shapes.two_ratings(objects, names, report)
        if made:
            objects, fields = made, {**fields, "choice": "choice"}
    if {"chosen", "rejected"} <= set(fields):
        whole = next((row.value.get(fields["chosen"]) for row in objects), None)
        if fields.get("prompt") in LATE_PROMPTS and isinstance(whole, list) and len(whole) > 1:
            del fields["prompt"]  # it stands in the conversations themselves
        for field in ("a", "b", "choice"):
            fields.pop(field, None)
        report.format = "preference rows with chosen and rejected"
        _say_what_such_rows_lack(fields, report)
    elif {"a", "b", "choice"} <= set(fields) and (
        "prompt" in fields or _conversed(objects, fields)
    ):
        report.format = "preference rows with a, b and choice"
    elif objects:
        raise ImportRefused(
            f"{report.filename} holds no judgements that can be recognised: its fields are"
            f" {excerpt(', '.join(names))}. Needed are prompt, a, b, choice, or prompt, chosen,"
            " rejected."
        )
    by = table_shapes.authors(names) or ()
    fields |= dict(zip(BY, by))
    reading = None
    if "choice" in fields:
        objects = unboxed(objects, fields["choice"])
        reading = _read_choices(
            objects, names, fields, report, choice_map, bool(listed), bool(made)
        )
    elif choice_map:
        raise ImportRefused(
            f"{report.filename} has no choice column that --choice-map could explain: chosen and"
            " rejected say it by themselves."
        )
    _say_what_has_no_place(names, fields, report)
    _take_rows(rows, objects, fields, report, reading, own, same)


def _joined(
    objects: list[Record], names: list[str], told: Sequence[str], report: ImportReport
) -> tuple[list[Record], list[str]]:
    """The rows with the columns that ``told`` joins ("instruction+input") as one more."""
    for one in told:
        parts = [one] if one in names else one.split("+")
        missing = [part for part in parts if part not in names]
        if missing:
            raise ImportRefused(
                f"{report.filename} has no column {missing[0]!r}; it has"
                f" {excerpt(', '.join(map(str, names)))}."
            )
        if len(parts) > 1:
            objects = [
                replace(
                    row,
                    value={
                        **row.value,
                        one: "\n\n".join(
                            str(row.value[p]) for p in parts if not is_blank(row.value.get(p))
                        ),
                    },
                )
                for row in objects
            ]
            names = [name for name in names if name not in parts]
            report.say("notes", f"{' and '.join(map(repr, parts))} were joined, as was said.")
    return objects, names


def _chosen_may_name_a_side(
    objects: list[Record], names: list[str], fields: dict[str, str], report: ImportReport
) -> set[int]:
    """chosen = "B" beside columns with the texts is a choice, not a text; then ``fields`` say so.

    Returns the numbers of the rows whose rejected names the same side.
    """
    if not {"a", "b", "chosen"} <= set(fields):
        return set()
    by = table_shapes.authors(names) or ()
    columns = {plain_name(fields[side]): side for side in ("a", "b")}

    def named_by(value: object, row: Record) -> object:
        """What a cell names: a side, a number; None where it is a text."""
        if not isinstance(value, str | int | float) or len(str(value)) > 60:
            return None
        written = [str(row.value.get(name)).strip().casefold() for name in by]
        if str(value).strip().casefold() in written:
            return "ab"[written.index(str(value).strip().casefold())]
        return columns.get(plain_name(value)) or read_word(value)[0] or number_of(value)

    named = whole = 0
    same = set()
    for row in objects:
        value = row.value.get(fields["chosen"])
        texts = [str(row.value.get(fields[side]) or "").strip() for side in ("a", "b")]
        if is_blank(value) or (isinstance(value, str) and value.strip() in texts):
            continue
        side = named_by(value, row)
        named, whole = named + (side is not None), whole + (side is None)
        if "rejected" in fields and side is not None:
            if named_by(row.value.get(fields["rejected"]), row) == side:
                same.add(row.row)
    if named and whole:
        raise ImportRefused(
            f"{report.filename}: {fields['chosen']!r} names a side in {named:,} rows and holds a"
            f" text in {whole:,}. One of the two is needed throughout."
        )
    if named:
        fields["choice"] = fields.pop("chosen")
        fields.pop("rejected", None)
        report.say("notes", f"{fields['choice']!r} names the side that was chosen, not its text.")
    return same


def _conversed(objects: list[Record], fields: dict[str, str]) -> bool:
    """Do a and b hold whole conversations, with the prompt in them?"""
    first = next((row.value.get(fields["a"]) for row in objects), None)
    return isinstance(first, list) or (isinstance(first, str) and first.lstrip()[:1] in "[\n")


def _read_choices(
    objects: list[Record],
    names: list[str],
    fields: dict[str, str],
    report: ImportReport,
    choice_map: Mapping[str, str] | None,
    listed: bool,
    made: bool,
) -> Reading:
    column = fields["choice"]
    cells = []
    for row in objects:
        parts = [row.value.get(fields.get(name)) for name in ("choice", "a", "b", *BY)]
        cells.append(Cell(parts[0], *(part if isinstance(part, str) else "" for part in parts[1:])))
    known = table_shapes.convention(names, fields, listed) or table_shapes.index_convention(
        column, {n for cell in cells if (n := number_of(cell.value)) is not None}
    )
    sides = {} if listed else {plain_name(fields[side]): side for side in ("a", "b")}
    sides = {name: side for name, side in sides.items() if len(name) > 1}
    where = f"{report.filename}: the column {column!r}"
    reading = read_column(column, cells, where, choice_map, known, sides)
    if not made:
        report.choices = reading.table(cells)
    for sentence in reading.notes:
        report.say("notes", sentence)
    return reading


def _say_what_such_rows_lack(fields: dict[str, str], report: ImportReport) -> None:
    lacks = [
        words
        for field, words in (("annotator", "who judged"), ("seconds", "how long it took"))
        if field not in fields
    ]
    lacks.append("on which side a text was shown")
    listed = lacks[0] if len(lacks) == 1 else f"{', '.join(lacks[:-1])}, or {lacks[-1]}"
    report.say("lost", f"Such rows do not say {listed}, and hold no ties: chosen counts as a.")


def _say_what_has_no_place(names: list[str], fields: dict[str, str], report: ImportReport) -> None:
    spare = [name for name in names if name not in fields.values() and name]
    if spare:
        more = " and more" if len(spare) > 8 else ""
        report.say("lost", f"{_PLACELESS}: {', '.join(spare[:8])}{more}.")


def _take_rows(
    rows: list[Record],
    objects: list[Record],
    fields: dict[str, str],
    report: ImportReport,
    reading: Reading | None,
    own: bool,
    same: set[int],
) -> None:
    made = {row.row: row for row in objects}
    status = next(
        (n for row in objects for n in row.value if bare(str(n)) == "assignmentstatus"), None
    )
    seen: Counter = Counter()
    for row in rows:
        if not isinstance(row.value, dict):
            report.leave_out(row.row, row.value, "it is no object with named fields")
            continue
        row = made[row.row]
        what = row.value
        if "choice" in fields and fields["choice"] in row.value:
            what = f"{what.get(fields['choice'])} | {what.get(fields.get('prompt'))}"
        if status and str(row.value.get(status)).strip().casefold() == "rejected":
            report.leave_out(row.row, what, f"{status} says that this work was rejected")
            continue
        if row.row in same:
            report.leave_out(row.row, what, "chosen and rejected name the same side")
            continue
        if "rejected" in fields and (why := scored.chosen_against_scores(row.value)):
            report.leave_out(row.row, what, why)
            continue
        try:
            pair, repairs = read_row(
                {field: row.value.get(name) for field, name in fields.items()},
                report,
                reading,
                fields,
                own,
            )
        except RowRefused as error:
            report.leave_out(row.row, what, str(error))
        else:
            seen[pair] += 1
            report.take(row.row, what, pair, [pair], [*row.repairs, *repairs])
    again = sum(count - 1 for count in seen.values())
    if again:
        report.say(
            "notes",
            f"{again:,} rows say the same as an earlier row, word for word. They were kept: nothing"
            " says that they are copies.",
        )
