"""Prompts with a list of completions and a score for each (UltraFeedback): rankings by score.

Knows nothing about files. Source: UltraFeedback's raw rows (Cui et al. 2023, arXiv 2310.01377).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.choices import number_of
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.preference_rows import check_text, label, who
from rlhf_core.judging.preferences import Pair, Ranking

_LISTS = ("completions", "responses", "answers", "candidates", "outputs")
_TEXTS = ("response", "text", "content", "completion", "answer", "output")
_SCORES = ("overall_score", "score", "rating", "reward", "rank")  # of a rank, 1 is the best
_BESIDE = (("generations", "ratings"), ("responses", "scores"), ("completions", "scores"))


def _with_scores(value: dict) -> dict:
    """distilabel's two lists, texts and ratings, as one list of both."""
    for texts, scores in _BESIDE:
        one, other = value.get(texts), value.get(scores)
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            if all(isinstance(text, str) for text in one):
                pairs = [{"text": t, "score": s} for t, s in zip(one, other)]
                return {**value, "completions": pairs}
    return value


def _list_of(row: Record) -> str:
    """The field that holds scored texts; "" where there is none."""
    for name in _LISTS:
        items = row.value.get(name)
        if isinstance(items, list) and len(items) > 1:
            if all(isinstance(i, dict) and _of(i, _TEXTS) and _of(i, _SCORES) for i in items):
                return name
    return ""


def _of(item: dict, names: Sequence[str]) -> str:
    return next((name for name in names if name in item), "")


def is_scored(rows: list[Record]) -> bool:
    return any(_list_of(_joined(row)) for row in rows[:50])


def _joined(row: Record) -> Record:
    return replace(row, value=_with_scores(row.value)) if isinstance(row.value, dict) else row


def take_records(rows: list[Record], names: Sequence[str], report: ImportReport) -> None:
    """Every row as a pair, or a ranking, by its scores, into the report."""
    report.format = "scored completions"
    fields = find_fields(names, report, only=("prompt", "annotator"))
    for row in map(_joined, rows):
        name = _list_of(row) if isinstance(row.value, dict) else ""
        if not name:
            report.leave_out(row.row, row.value, "it holds no list of completions with scores")
            continue
        items = row.value[name]
        report.say(
            "notes",
            f"{name!r} was ranked by {(by := _of(items[0], _SCORES))!r}: the"
            f" {'lower' if by == 'rank' else 'higher'} {by} is better, the same a tie.",
        )
        try:
            made = _judgement(row, items, fields)
        except (RowRefused, PreferenceError) as error:
            report.leave_out(row.row, row.value, str(error).rstrip("."))
            continue
        report.take_judgement(row.row, row.value, made, list(row.repairs))


def _judgement(row: Record, items: list[dict], fields: dict[str, str]) -> Pair | Ranking:
    prompt = as_text("the prompt", row.value.get(fields.get("prompt")), False)
    check_text(label("prompt", fields), prompt)
    texts, scores = [], []
    for number, item in enumerate(items, 1):
        texts.append(
            check_text(f"text {number}", as_text("a text", item[_of(item, _TEXTS)], False))
        )
        score = number_of(item[_of(item, _SCORES)])
        if score is None:
            raise RowRefused(f"text {number} has no score")
        scores.append(-score if _of(item, _SCORES) == "rank" else score)
    if len(set(texts)) < 2:
        raise RowRefused("both texts are the same, so nothing was preferred")
    name = who(row.value.get(fields.get("annotator")))
    if len(texts) == 2:
        choice = "tie" if scores[0] == scores[1] else "a" if scores[0] > scores[1] else "b"
        return Pair(prompt, *texts, choice, annotator=name)
    order = sorted(set(scores), reverse=True)
    return Ranking(
        id=f"scored-{row.row}",
        prompt=prompt,
        candidates=texts,
        shown=list(range(len(texts))),
        groups=[[i for i, score in enumerate(scores) if score == one] for one in order],
        annotator=name,
    )
