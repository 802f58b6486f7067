"""Judgements from tables: our rows, TRL's, Argilla's, and the spreadsheet somebody typed.

    bytes -> file_rows.records -> columns (which is which) -> choice_column (what a value means)
    -> one of: a, b, choice | chosen, rejected (``preference_rows``) | Argilla's answers
    (``argilla``) | scored completions (``scored``) -> Pair, with its repairs

Knows nothing about Label Studio (``label_studio``) and nothing about models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from rlhf_core.exchange import (
    agreement,
    argilla,
    cells,
    formulas,
    scored,
    several_answers,
    table_shapes,
)
from rlhf_core.exchange.boxed_choices import unboxed
from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.choices import asks_for_the_worse, is_blank, number_of, read_word
from rlhf_core.exchange.column_order import turned
from rlhf_core.exchange.columns import answers_in, find_fields, rejected, say_spare, unrecognised
from rlhf_core.exchange.conversations import RowRefused
from rlhf_core.exchange.file_rows import Record, bare, records
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.not_whole import NotWhole
from rlhf_core.exchange.preference_rows import (
    BY,
    FIELD_OF,
    KNOWN,
    LATE_PROMPTS,
    author_in,
    read_row,
)
from rlhf_core.exchange.ranking_rows import looks_like_rankings, take_rankings
from rlhf_core.exchange.shown_order import check_order
from rlhf_core.exchange.told_fields import joined, told_pair
from rlhf_core.judging.preferences import Pair

COLUMNS = frozenset(
    {*KNOWN, *LATE_PROMPTS, *table_shapes.COLUMNS, "completions", "responses", "generations"}
)
_OWN = frozenset(Pair.__dataclass_fields__)


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
        choice_map: what values of the choice column mean (``choice_map.parse_map``).
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
    if not rows and not report.read:
        raise ImportRefused(f"{filename} has no row of judgements in it: nobody has judged yet.")
    if not all(isinstance(row.value, dict) and set(row.value) == _OWN for row in rows):
        rows = cells.with_task_answers(cells.without_bytes(rows, report))
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
        argilla.take_records(_whole(rows, report), report, choice_map, question, fields)
        return report
    if question:
        raise ImportRefused(
            f"{filename} asks no questions that --question could pick from: it is no file of"
            " Argilla's or Label Studio's."
        )
    if scored.is_scored(objects):
        scored.take_records(_whole(rows, report), names, report)
        return report
    _take_table(rows, objects, names, report, fields, choice_map)
    return report


def _whole(rows: list[Record], report: ImportReport) -> list[Record]:
    """The rows of which no field is cut off; the others are left out."""
    for row in rows:
        if why := cells.cut_off(row.value):
            report.leave_out(row.row, row.value, why)
    return [row for row in rows if not cells.cut_off(row.value)]


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
        objects, names = joined(objects, names, told, report)
    answers = [] if told else answers_in(names)
    empty = [name for name in answers if blank(name)]
    pairs = {FIELD_OF.get(bare(name)) for name in names} >= {"chosen", "rejected"}
    if pairs and len(answers) > 2:  # what was chosen, and of which texts
        names = [name for name in names if name not in answers]
    elif len(answers) - len(empty) > 2:
        several_answers.take_records(rows, names, answers, report, choice_map)
        return
    elif answers:  # of three columns the last may be empty
        names = [name for name in names if name not in empty]
    fields = find_fields(
        [name for name in names if name not in told],
        report,
        blank=blank,
        only=("choice", "annotator", "seconds", "weight", "brief", "brief_version") if told else (),
    )
    listed = None
    if told:
        sides = ("a", "b") if "choice" in fields else told_pair(names, told, report)
        fields |= dict(zip(("prompt", *sides), told))
    elif "a" not in fields and "chosen" not in fields:
        if listed := table_shapes.two_in_a_list(objects, names, report):
            objects, fields = listed[0], {**fields, "a": "a", "b": "b"}
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
            objects, fields = made[0], {**fields, "choice": "choice"}
            order = turned(names, fields["a"], fields["b"], bool(told))
            if order and not order.from_nought and not all(map(order.fits, made[1])):
                raise ImportRefused(
                    f"{report.filename} says by {' and '.join(map(repr, made[1]))} who won, but"
                    f" {order.said} Give all of them the same names, a and b."
                )
    if {"chosen", "rejected"} <= set(fields):
        agreement.check_chosen(objects, fields, report)
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
        if worse := [n for n in names if asks_for_the_worse(n) and "choice" not in fields]:
            raise ImportRefused(
                f"{report.filename} says in {worse[0]!r} which text is worse; needed is which is"
                " better: turn its values round, and call it choice."
            )
        raise ImportRefused(unrecognised(names, fields, report))
    by = table_shapes.authors(names) or ()
    fields |= dict(zip(BY, by))
    reading = None
    if "choice" in fields:
        objects = unboxed(objects, fields["choice"])
        reading = _read_choices(
            objects,
            names,
            fields,
            report,
            choice_map,
            bool(listed),
            made[1] if made else [],
            bool(told),
        )
    elif choice_map:
        raise ImportRefused(
            f"{report.filename} has no choice column that --choice-map could explain: chosen and"
            " rejected say it by themselves."
        )
    used = [*(made[2] if made else ()), *(listed[1:] if listed else ())]
    say_spare(names, [*fields.values(), *used], report)
    _take_rows(rows, objects, fields, report, reading, own, same)


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
    made: list[str],
    told: bool,
) -> Reading:
    column = fields["choice"]
    found = []
    for row in objects:
        parts = [row.value.get(fields.get(name)) for name in ("choice", "a", "b", *BY)]
        if isinstance(parts[0], NotWhole) or (not made and any(map(is_blank, parts[1:3]))):
            parts[0] = ""  # a sum below the table is no choice
        if isinstance(parts[0], list) and len(parts[0]) == 1:
            parts[0] = parts[0][0]
        texts = [part if isinstance(part, str) else "" for part in parts[1:3]]
        found.append(Cell(parts[0], *texts, *map(author_in, parts[3:])))
    numbers = {n for cell in found if (n := number_of(cell.value)) is not None}
    counted = listed and numbers != {1.0}  # the second from 0, or the first from 1?
    known = table_shapes.convention(
        names, fields, numbers, counted
    ) or table_shapes.index_convention(column, numbers)
    sides = {} if listed else {plain_name(fields[side]): side for side in ("a", "b")}
    sides = {name: side for name, side in sides.items() if len(name) > 1}
    where = f"{report.filename}: the column {column!r}"
    order = None if listed or made else turned(names, fields["a"], fields["b"], told)
    reading = read_column(column, found, where, choice_map, known, sides, order)
    agreement.check_others(objects, names, fields, found, reading, choice_map, report)
    if not made or any(re.search("left|right|first|second", bare(name)) for name in made):
        used = {**fields, **({"choice": made[0], "other": made[-1]} if made else {})}
        check_order([row.value for row in objects], names, used, found, reading, report.filename)
    if not made:
        agreement.say_ratings(objects, names, fields, [reading.of(c)[0] for c in found], report)
        report.choices = reading.table(found)
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
    status = rejected(objects)
    seen: Counter = Counter()
    for row in rows:
        if not isinstance(row.value, dict):
            report.leave_out(row.row, row.value, "it is no object with named fields")
            continue
        row = made[row.row]
        what = row.value
        if "choice" in fields and fields["choice"] in row.value:
            what = f"{what.get(fields['choice'])} | {what.get(fields.get('prompt'))}"
        if why := status(row.value):
            report.leave_out(row.row, what, why)
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
