"""Prompts with a list of completions and a score for each (UltraFeedback): rankings by score.

Knows nothing about files. Source: UltraFeedback's raw rows (Cui et al. 2023, arXiv 2310.01377).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.choices import is_blank, number_of, shown
from rlhf_core.exchange.columns import find_fields
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.preference_rows import check_text, label, who
from rlhf_core.judging.preferences import Pair, Ranking

_LISTS = ("completions", "responses", "answers", "candidates", "outputs")
_TEXTS = ("response", "text", "content", "completion", "answer", "output")
_SCORES = ("overall_score", "score", "rating", "reward", "rank")  # of a rank, 1 is the best
_BESIDE = {f"{name}s": name for name in _SCORES} | {name: name for name in _SCORES}


def _with_scores(value: dict) -> dict:
    """Lists side by side (distilabel: generations, ratings) as one list of objects."""
    for name in ("generations", *_LISTS):
        texts = value.get(name)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            continue
        beside = {
            kind: value[other]
            for other, kind in _BESIDE.items()
            if isinstance(value.get(other), list) and len(value[other]) == len(texts)
        }
        if beside:
            rows = [{"text": text} for text in texts]
            for kind, column in beside.items():
                rows = [{**row, kind: cell} for row, cell in zip(rows, column)]
            return {**value, "completions": rows}
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


def _by(items: list[dict]) -> str:
    """The one field by which a list is ranked. Raises RowRefused: none that all items have, or a
    score and a rank that say different things.
    """
    have = [{n for n in _SCORES if n in i and not is_blank(i[n])} for i in items]
    shared = set.intersection(*have)
    if not shared:
        some = " and ".join(repr(name) for name in _SCORES if any(name in one for one in have))
        raise RowRefused(
            f"its texts have {some or 'no score'}, each in some of them only: one of them is needed"
            " in all"
        )
    by, *others = [name for name in _SCORES if name in shared]
    for other in others:
        pairs = [(_number(item, by), _number(item, other)) for item in items]
        pairs = [(x, -y if other == "rank" else y) for x, y in pairs]
        if any(s > t and p < q for s, p in pairs for t, q in pairs):
            best = " (rank 1 is the best)" if other == "rank" else ""
            raise RowRefused(
                f"{by!r} and {other!r} say different things{best}: leave one of them out"
            )
    return by


def chosen_against_scores(value: dict) -> str:
    """Why chosen cannot be what was preferred, where the row also scores or ranks both texts, and
    the other way round; else "".
    """
    for name in _SCORES:
        for ours in ("{0}_{1}", "{1}_{0}"):
            one, other = (ours.format(side, name) for side in ("chosen", "rejected"))
            x, y = number_of(value.get(one)), number_of(value.get(other))
            if x is not None and y is not None and (x > y if name == "rank" else x < y):
                return f"{one} is {x:g} and {other} is {y:g}, which says that rejected is better"
    return ""


def _number(item: dict, name: str) -> float:
    """Raises RowRefused."""
    if (number := number_of(item.get(name))) is None:
        raise RowRefused(f"its {name} {shown(item.get(name))} is no number")
    return number


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
        try:
            by = _by(items)
            made = _judgement(row, items, fields, by)
        except (RowRefused, PreferenceError) as error:
            report.leave_out(row.row, row.value, str(error).rstrip("."))
            continue
        report.say(
            "notes",
            f"{name!r} was ranked by {by!r}: the"
            f" {'lower' if by == 'rank' else 'higher'} {by} is better, the same a tie.",
        )
        report.take_judgement(row.row, row.value, made, list(row.repairs))


def _judgement(row: Record, items: list[dict], fields: dict[str, str], by: str) -> Pair | Ranking:
    prompt = as_text("the prompt", row.value.get(fields.get("prompt")), False)
    check_text(label("prompt", fields), prompt)
    texts, scores = [], []
    for number, item in enumerate(items, 1):
        texts.append(
            check_text(f"text {number}", as_text("a text", item[_of(item, _TEXTS)], False))
        )
        score = _number(item, by)
        scores.append(-score if by == "rank" else score)
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
