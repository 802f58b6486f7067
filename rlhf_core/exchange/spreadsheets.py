"""Judgements from tables: our rows, TRL's, Argilla's, and the spreadsheet somebody typed.

    bytes -> file_rows.records -> one of: a, b, choice | chosen, rejected (``preference_rows``) |
    Argilla's answers (``argilla``) -> Pair, with its repairs

Knows nothing about Label Studio (``label_studio``) and nothing about models.
"""

from __future__ import annotations

from collections import Counter

from rlhf_core.exchange import argilla, formulas
from rlhf_core.exchange.file_rows import Record, column_name, records
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.preference_rows import ALIASES, FIELD_OF, KNOWN, RowRefused, read_row
from rlhf_core.exchange.ranking_rows import looks_like_rankings, take_rankings


def import_preferences(data: bytes, filename: str) -> ImportReport:
    """Judgements from CSV, TSV, JSONL or JSON bytes. Raises ImportRefused: not readable at all.

    The report may hold no judgement that can be used; ``ImportReport.checked`` refuses that.
    """
    report = ImportReport(filename)
    rows = formulas.armed(records(data, report, KNOWN))
    if looks_like_rankings(rows):
        return take_rankings(rows, report)
    objects = [row for row in rows if isinstance(row.value, dict)]
    names = dict.fromkeys(name for row in objects for name in row.value if isinstance(name, str))
    if any("annotations" in row.value or "annotation_id" in row.value for row in objects):
        raise ImportRefused(
            f"{filename} is a Label Studio export, which holds tasks and not rows: use"
            " import-label-studio."
        )
    question = argilla.question_of(objects)
    fields = _fields(
        [name for name in names if name not in argilla.NOT_ASKED] if question else list(names),
        report,
        question,
    )
    if question:
        report.format = "Argilla records"
        report.say(
            "lost",
            "Argilla's suggestions, metadata, vectors and drafts have no place in a preference row;"
            " submitted answers are what is taken.",
        )
    elif {"chosen", "rejected"} <= set(fields):
        report.format = "preference rows with chosen and rejected"
        if "seconds" not in fields:
            report.say(
                "lost",
                "Such rows do not say who judged, how long it took, or on which side a text was"
                " shown, and hold no ties: chosen counts as a.",
            )
    elif {"prompt", "a", "b", "choice"} <= set(fields):
        report.format = "preference rows with a, b and choice"
    elif objects:
        raise ImportRefused(
            f"{filename} holds no judgements that can be recognised: its fields are"
            f" {excerpt(', '.join(names))}. Needed are prompt, a, b, choice, or prompt, chosen,"
            " rejected."
        )
    seen: Counter = Counter()
    for row in rows:
        if not isinstance(row.value, dict):
            report.leave_out(row.row, row.value, "it is no object with named fields")
            continue
        if question:
            argilla.take_record(row, fields, question, report)
            continue
        try:
            pair, repairs = read_row(
                {field: row.value.get(name) for field, name in fields.items()}, report
            )
        except RowRefused as error:
            report.leave_out(row.row, _shown(row, fields), str(error))
        else:
            seen[pair] += 1
            report.take(row.row, _shown(row, fields), pair, [pair], [*row.repairs, *repairs])
    again = sum(count - 1 for count in seen.values())
    if again:
        report.say(
            "notes",
            f"{again:,} rows say the same as an earlier row, word for word. They were kept: nothing"
            " says that they are copies.",
        )
    return report


def _shown(row: Record, fields: dict[str, str]) -> object:
    """What of a row is worth showing in the report."""
    if "choice" in fields:
        return f"{row.value.get(fields['choice'])} | {row.value.get(fields['prompt'])}"
    return row.value


def _fields(names: list[str], report: ImportReport, question: str = "") -> dict[str, str]:
    """Which column holds which field: an exact name first; two aliases of one field are refused."""
    fields: dict[str, str] = {}
    for field in ALIASES:
        exact = [name for name in names if name == field]
        likely = exact or [name for name in names if FIELD_OF.get(column_name(name)) == field]
        if field in ("annotator", "choice") and not exact and len(likely) > 1:
            # The first alias in our list is the likeliest.
            ranked = sorted(likely, key=lambda name: ALIASES[field].index(column_name(name)))
            report.say(
                "notes",
                f"The columns {', '.join(map(repr, likely))} could all be the {field};"
                f" {ranked[0]!r} was taken.",
            )
            likely = ranked[:1]
        if len(likely) > 1:
            raise ImportRefused(
                f"{report.filename} has several columns that could be {field}:"
                f" {', '.join(map(repr, likely))}. Rename the right one to {field}."
            )
        if likely:
            fields[field] = likely[0]
            if likely[0] != field:
                report.say("notes", f"The column {likely[0]!r} was read as {field}.")
    spare = [
        name
        for name in names
        if name not in fields.values() and name and not name.startswith(question or "\0")
    ]
    if spare and not question:
        report.say(
            "lost",
            "A preference row has no place for:"
            f" {', '.join(spare[:8])}{' and more' if len(spare) > 8 else ''}.",
        )
    return fields
