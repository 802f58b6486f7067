"""Argilla's records: every submitted answer of one, as a pair or a ranking in the report.

Knows nothing about files (``spreadsheets`` reads those). Sources: Argilla 2's
``to_list(flatten=True)`` and ``to_list()``, Argilla 1's FeedbackDataset.
"""

from __future__ import annotations

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.file_rows import Record, column_name
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.preference_rows import FIELD_OF, RowRefused, check_text, read_row
from rlhf_core.judging.preferences import Ranking, pairs_from_rankings
from rlhf_core.judging.typed import clean_name

# Fields of a record that no question asks about.
NOT_ASKED = ("status", "_server_id", "id", "external_id", "inserted_at", "updated_at")


def question_of(rows: list[Record]) -> str:
    """The name of the question that was answered, or "" where these are no Argilla records."""
    for row in rows[:200]:
        for name, value in row.value.items():
            if isinstance(name, str) and name.endswith(".responses"):
                return name.removesuffix(".responses")
            if name == "responses" and isinstance(value, dict) and "fields" in row.value and value:
                return next(iter(value))
            answers = value if isinstance(value, list) else []
            named = [
                isinstance(item, dict) and {"user_id", "value"} <= set(item) for item in answers
            ]
            if named and all(named):
                return name
    return ""


def take_record(row: Record, fields: dict[str, str], question: str, report: ImportReport) -> None:
    """Every submitted answer of one record, into the report."""
    value = row.value
    inner = value.get("fields") if isinstance(value.get("fields"), dict) else value
    if inner is not value:
        fields = {field: name for name in inner if (field := FIELD_OF.get(column_name(name)))}
    if "responses" in value and isinstance(value["responses"], dict):
        answers = value["responses"].get(question) or []
    elif f"{question}.responses" in value:
        lists = [value.get(f"{question}.responses{end}") or [] for end in ("", ".users", ".status")]
        if not all(isinstance(items, list) for items in lists):
            report.leave_out(
                row.row,
                value,
                f"the answers to {question!r}, their users and their status are not three lists",
            )
            return
        count = max(map(len, lists))
        padded = [[*items, *[None] * (count - len(items))] for items in lists]
        answers = [
            {"value": v, "user_id": user, "status": status} for v, user, status in zip(*padded)
        ]
    else:
        answers = value.get(question) or []
    asked = ("prompt", "a", "b", "brief", "brief_version")
    texts = {field: inner.get(name) for field, name in fields.items() if field in asked}
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        report.leave_out(row.row, value, f"the answers to {question!r} are no list of answers")
        return
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
            take_ranking(row, inner, answer, judged, texts.get("prompt"), report)
            continue
        try:
            pair, repairs = read_row(
                {**texts, "choice": judged, "annotator": answer.get("user_id")}, report
            )
        except RowRefused as error:
            report.leave_out(row.row, answer, str(error))
        else:
            if status == "discarded":
                repairs.append("a discarded record counts as skipped")
            report.take(row.row, answer, pair, [pair], [*row.repairs, *repairs])


def take_ranking(
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
    named = {column_name(str(name)): text for name, text in inner.items() if isinstance(text, str)}
    places: dict[int, list[str]] = {}
    for place, item in enumerate(items, 1):
        value, rank = (
            (item.get("value"), item.get("rank")) if isinstance(item, dict) else (item, place)
        )
        if not isinstance(rank, int) or column_name(str(value)) not in named:
            why = (
                f"the ranking names {str(value)[:40]!r}, which is no field of the record, so"
                " nothing says which text that is"
            )
            report.leave_out(row.row, answer, why)
            return
        places.setdefault(rank, []).append(named[column_name(str(value))])
    texts = [text for rank in sorted(places) for text in places[rank]]
    index = iter(range(len(texts)))
    try:
        groups = [[next(index) for _ in places[rank]] for rank in sorted(places)]
        made = Ranking(
            id=f"argilla-{row.row}-{report.read}",
            prompt=prompt,
            candidates=texts,
            shown=list(range(len(texts))),
            groups=groups,
            annotator=clean_name(answer.get("user_id")),
        )
        check_text("prompt", prompt)
        for n, text in enumerate(texts, 1):
            check_text(f"text {n}", text)
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
    report.take(row.row, answer, made, pairs_from_rankings([made]), list(row.repairs))
