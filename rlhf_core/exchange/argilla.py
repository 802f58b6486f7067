"""Argilla's records: every submitted answer of one, as a pair or a ranking in the report.

Which question it is that counts, ``argilla_questions`` decides for the whole file. Knows nothing
about files (``spreadsheets`` reads those).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.argilla_questions import (
    answers_of,
    fields_of,
    is_record,
    preference_of,
    questions_of,
)
from rlhf_core.exchange.choice_column import Cell, Reading, plain_name, read_column
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.exchange.preference_rows import check_text, read_row, who
from rlhf_core.exchange.table_shapes import higher
from rlhf_core.judging.preferences import Ranking

# Fields of a record that no question asks about.
NOT_ASKED = ("status", "_server_id", "id", "external_id", "inserted_at", "updated_at", "metadata")
_ASKED = ("prompt", "a", "b", "brief", "brief_version")


def is_argilla(rows: list[Record]) -> bool:
    return any(is_record(row.value) for row in rows[:200])


def take_records(
    rows: list[Record],
    report: ImportReport,
    choice_map: Mapping[str, str] | None = None,
    question: str = "",
    told: Sequence[str] = (),
) -> None:
    """Every submitted answer of every record, into the report. Raises ImportRefused."""
    report.format = "Argilla records"
    report.say(
        "lost",
        "Argilla's suggestions, metadata, vectors and drafts have no place in a preference row;"
        " submitted answers are what is taken.",
    )
    objects = [row for row in rows if isinstance(row.value, dict)]
    questions = preference_of(objects, report, question)
    every = {name for row in objects for name in questions_of(row.value)}
    if others := sorted(every - set(questions)):
        report.say("lost", f"Other questions: {', '.join(others)[:200]}.")
        if not report.question:
            report.say("notes", f"{' and '.join(map(repr, questions))} was read as the preference.")
    inner = list(dict.fromkeys(name for row in objects for name in fields_of(row.value)))
    about = tuple(f"{name}." for name in every)
    inner = [
        name
        for name in inner
        if isinstance(name, str)
        and name not in every
        and name not in NOT_ASKED
        and not name.startswith(about)
    ]
    fields = _fields(objects, inner, questions, report, told)
    if len(questions) == 2:
        report.say(
            "notes",
            f"The ratings {questions[0]!r} and {questions[1]!r} were compared: the answer rated"
            " higher is better.",
        )
        for row in rows:
            _take(row, fields, questions, None, report)
        return
    cells = []
    for row in objects:
        beside = [fields_of(row.value).get(fields.get(side)) for side in ("a", "b")]
        a, b = (text if isinstance(text, str) else "" for text in beside)
        for answer in answers_of(row.value, questions[0]) or []:
            judged = answer.get("value")
            if answer.get("status") not in ("draft", "pending", "discarded") and not isinstance(
                judged, list | dict
            ):
                cells.append(Cell(judged, a, b))
    where = f"{report.filename}: the question {questions[0]!r}"
    sides = {plain_name(fields[side]): side for side in ("a", "b") if side in fields}
    reading = read_column(questions[0], cells, where, choice_map, sides=sides)
    report.choices = reading.table(cells)
    for sentence in reading.notes:
        report.say("notes", sentence)
    for row in rows:
        _take(row, fields, questions, reading, report)


def _fields(
    objects: list[Record],
    inner: list[str],
    questions: tuple[str, ...],
    report: ImportReport,
    told: Sequence[str],
) -> dict[str, str]:
    """Prompt, a and b -> field; of a ranking, whose texts are named in it, the prompt alone."""
    if told:
        missing = [name for name in told if name not in inner]
        if missing:
            raise ImportRefused(
                f"{report.filename} has no field {missing[0]!r}; it has"
                f" {excerpt(', '.join(inner))}."
            )
        return dict(zip(("prompt", "a", "b"), told))
    ranked = {
        plain_name(item.get("value") if isinstance(item, dict) else item)
        for row in objects
        for answer in answers_of(row.value, questions[0]) or []
        if isinstance(items := answer.get("value"), list | dict)
        for item in (items if isinstance(items, list) else [items])
    }
    left = [name for name in inner if plain_name(name) not in ranked]
    only = tuple(part for part in _ASKED if part not in ("a", "b")) if ranked else _ASKED
    fields = find_fields(left if ranked else inner, report, only=only)
    if "prompt" not in fields:
        raise ImportRefused(
            f"{report.filename} has no field that is the prompt by its name: it has"
            f" {excerpt(', '.join(inner))}. Say which are prompt, left and right: --fields"
            " PROMPT,LEFT,RIGHT."
        )
    return fields


def _take(
    row: Record,
    fields: dict[str, str],
    questions: tuple[str, ...],
    reading: Reading | None,
    report: ImportReport,
) -> None:
    """Every submitted answer of one record, into the report."""
    if not isinstance(row.value, dict):
        report.leave_out(row.row, row.value, "it is no object with named fields")
        return
    inner = fields_of(row.value)
    found: list[list[dict]] = []
    for question in questions:
        answers = answers_of(row.value, question)
        if answers is None:
            report.leave_out(
                row.row,
                row.value,
                f"the answers to {question!r}, their users and status are no lists of answers",
            )
            return
        found.append(answers)
    answers = _compared(*found) if len(questions) == 2 else found[0]
    texts = {field: inner.get(name) for field, name in fields.items()}
    if not answers:
        report.unjudged.append(
            {"prompt": texts.get("prompt"), "texts": [texts.get("a"), texts.get("b")]}
        )
    for answer in answers:
        status, judged = answer.get("status"), answer.get("value")
        if status in ("draft", "pending"):
            report.leave_out(row.row, answer, f"this answer is a {status}: it was never submitted")
            continue
        if status == "discarded":
            judged = "skip"
        if isinstance(judged, list | dict):
            _take_ranking(row, inner, answer, judged, texts.get("prompt"), report)
            continue
        try:
            pair, repairs = read_row(
                {**texts, "choice": judged, "annotator": answer.get("user_id")},
                report,
                None if status == "discarded" else reading,
                fields,
            )
        except RowRefused as error:
            report.leave_out(row.row, answer, str(error))
        else:
            if status == "discarded":
                repairs.append("a discarded record counts as skipped")
            report.take(row.row, answer, pair, [pair], [*row.repairs, *repairs])


def _compared(one: list[dict], other: list[dict]) -> list[dict]:
    """One answer for each person who rated both: the side that got more."""
    theirs = {str(answer.get("user_id")): answer for answer in other}
    made = []
    for answer in one:
        second = theirs.get(str(answer.get("user_id")))
        value = higher(answer.get("value"), second.get("value")) if second else ""
        made.append({**answer, "value": value})
    return made


def _take_ranking(
    row: Record,
    inner: dict,
    answer: dict,
    judged: list | dict,
    prompt: object,
    report: ImportReport,
) -> None:
    """A ranking: values in order, best first, or {"value", "rank"} rows with ties.

    The values must be names of fields, else nothing says which text they are.
    """
    items = judged if isinstance(judged, list) else [judged]
    named = {plain_name(name): text for name, text in inner.items() if isinstance(text, str | list)}
    places: dict[int, list[object]] = {}
    for place, item in enumerate(items, 1):
        value, rank = (
            (item.get("value"), item.get("rank")) if isinstance(item, dict) else (item, place)
        )
        rank = int(rank) if isinstance(rank, float) and rank.is_integer() else rank
        if not isinstance(rank, int):
            why = f"the rank of {str(value)[:40]!r} is {str(rank)[:20]!r}, which is no place"
            report.leave_out(row.row, answer, why)
            return
        if plain_name(value) not in named:
            why = (
                f"the ranking names {str(value)[:40]!r}, which is no field of the record, so"
                " nothing says which text that is"
            )
            report.leave_out(row.row, answer, why)
            return
        places.setdefault(rank, []).append(named[plain_name(value)])
    index = iter(range(len(items)))
    try:
        texts = [as_text("a text", text, False) for rank in sorted(places) for text in places[rank]]
        groups = [[next(index) for _ in places[rank]] for rank in sorted(places)]
        prompt = check_text("the prompt", as_text("the prompt", prompt, False))
        for n, text in enumerate(texts, 1):
            check_text(f"text {n}", text)
        made = Ranking(
            id=f"argilla-{row.row}-{report.read}",
            prompt=prompt,
            candidates=texts,
            shown=list(range(len(texts))),
            groups=groups,
            annotator=who(answer.get("user_id")),
        )
        if len(set(texts)) < 2:
            raise RowRefused("fewer than two different texts were ranked")
    except (PreferenceError, RowRefused) as error:
        report.leave_out(row.row, answer, str(error).rstrip("."))
        return
    report.say(
        "lost",
        "Rankings: the file gives them best first and not in the order on screen, so nothing can be"
        " said about position bias.",
    )
    report.take_judgement(row.row, answer, made, list(row.repairs))
