"""Prompts with a list of completions and a score or a rank for each: rankings by it.

Knows nothing about files. Sources: UltraFeedback's raw rows (Cui et al. 2023, arXiv 2310.01377),
Nectar, distilabel, Open Assistant's trees (Köpf et al. 2023, arXiv 2304.07327; rank 0 is the best).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.choices import is_blank, number_of, read_word, shown
from rlhf_core.exchange.columns import check_thousands, find_fields
from rlhf_core.exchange.conversations import RowRefused, as_text
from rlhf_core.exchange.file_rows import Record, bare
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.preference_rows import FIELD_OF, check_text, label, who
from rlhf_core.judging.preferences import MOST_CANDIDATES, Pair, Ranking

_LISTS = ("completions", "generations", "responses", "answers", "candidates", "outputs")
_TEXTS = ("response", "text", "content", "completion", "answer", "output")
_KINDS = ("overall_score", "score", "rating", "reward", "pm_score", "rank")
_SCORES = (*_KINDS, *(f"{kind}s" for kind in _KINDS))


def _lower_is_better(name: str) -> bool:
    return name in ("rank", "ranks")


def _with_scores(value: dict) -> dict:
    """Lists side by side (distilabel: generations, ratings) as one list of objects."""
    for name in _LISTS:
        texts = value.get(name)
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            continue
        rows = [{"text": text} for text in texts]
        for other in _SCORES:
            column = value.get(other)
            if isinstance(column, list) and len(column) == len(texts):
                rows = [{**row, other: cell} for row, cell in zip(rows, column)]
        if rows and len(rows[0]) > 1:
            return {**value, name: rows}
    return value


def _trees(rows: list[Record]) -> list[Record]:
    """Trees of messages (Open Assistant) as a row for each message that got ranked replies."""
    made = []
    for row in rows:
        root = row.value.get("prompt") if isinstance(row.value, dict) else None
        if not isinstance(root, dict) or not isinstance(root.get("replies"), list):
            made.append(row)
            continue
        waiting: list[tuple[dict, list]] = [(root, [])]
        before_it = len(made)
        while waiting:
            message, before = waiting.pop(0)
            replies = message.get("replies")
            replies = (
                [r for r in replies if isinstance(r, dict)] if isinstance(replies, list) else []
            )
            role = message.get("role") or ("prompter", "assistant")[len(before) % 2]
            said = [*before, {"role": role, "content": message.get("text")}]
            waiting += [(reply, said) for reply in replies]
            ranked = [r for r in replies if not is_blank(r.get("rank"))]
            if len(ranked) > 1:
                texts = [{"text": r.get("text"), "rank": r["rank"]} for r in ranked]
                made.append(replace(row, value={"prompt": said, "completions": texts}))
        if len(made) == before_it:
            made.append(row)  # no message of it has two ranked replies: it is left out, and counted
    return made


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
    return any(_list_of(_joined(row)) for row in _trees(rows[:50]) if isinstance(row.value, dict))


def _joined(row: Record) -> Record:
    return replace(row, value=_with_scores(row.value)) if isinstance(row.value, dict) else row


def _by(items: list[dict]) -> str:
    """The one field by which a list is ranked. Raises RowRefused: none that all items have, or a
    score and a rank that say different things.
    """
    have = [{n for n in _SCORES if n in i and not is_blank(i[n])} for i in items]
    shared = set.intersection(*have)
    if not shared:
        some = [name for name in _SCORES if any(name in one for one in have)]
        raise RowRefused(
            f"{' and '.join(map(repr, some)) or 'a score'} {'stand' if some[1:] else 'stands'} in"
            " some of its texts only: one that all of them have is needed"
        )
    by, *others = [name for name in _SCORES if name in shared]
    for other in others:
        pairs = [(_number(item, by), _number(item, other)) for item in items]
        if _lower_is_better(by) != _lower_is_better(other):
            pairs = [(x, -y) for x, y in pairs]
        if _disagree(pairs):
            best = " (the lowest rank is the best)" if _lower_is_better(other) else ""
            raise RowRefused(
                f"{by!r} and {other!r} say different things{best}: leave one of them out"
            )
    # A score may be the same where a rank is not.
    return max((by, *others), key=lambda name: len({_number(item, name) for item in items}))


def _disagree(pairs: list[tuple[float, float]]) -> bool:
    """Is one text above another by the first number, and below it by the second?"""
    highest = before = -math.inf  # of the second, among all that are lower by the first
    last = None
    for first, second in sorted(pairs):
        if first != last:
            highest, last = before, first
        if second < highest:
            return True
        before = max(before, second)
    return False


def _choices_beside(rows: list[Record], names: Sequence[str]) -> str:
    """A column that names a side, beside the scores; "" where there is none."""
    for name in names:
        cells = [row.value.get(name) for row in rows if isinstance(row.value, dict)]
        if FIELD_OF.get(bare(name)) == "choice" and any(
            number_of(cell) in (0, 1, 2) or read_word(cell)[0] in ("a", "b") for cell in cells
        ):
            return name
    return ""


def chosen_against_scores(value: dict) -> str:
    """Why chosen cannot be what was preferred, where the row also scores or ranks both texts, and
    the other way round; else "".
    """
    inside = {
        f"{side}.{key}": cell
        for side in ("chosen", "rejected")
        if isinstance(value.get(side), dict)
        for key, cell in value[side].items()
    }
    value = {**value, **inside}
    for name in _KINDS:
        for ours in ("{0}_{1}", "{1}_{0}", "{0}.{1}"):
            one, other = (ours.format(side, name) for side in ("chosen", "rejected"))
            x, y = number_of(value.get(one)), number_of(value.get(other))
            if x is not None and y is not None and (x > y if _lower_is_better(name) else x < y):
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
    choices = _choices_beside(rows, names)
    if choices:
        raise ImportRefused(
            f"{report.filename} says what is better both in {choices!r} and by scores of a list of"
            " texts. Keep one of them."
        )
    for row in map(_joined, _trees(rows)):
        name = _list_of(row) if isinstance(row.value, dict) else ""
        if not name:
            report.leave_out(row.row, row.value, "it holds no list of completions with scores")
            continue
        items = row.value[name]
        if len(items) > MOST_CANDIDATES:
            why = f"it holds {len(items):,} texts; at most {MOST_CANDIDATES} fit"
            report.leave_out(row.row, row.value, why)
            continue
        for kind in _SCORES:
            check_thousands(items, [kind], report)
        try:
            by = _by(items)
            made = _judgement(row, items, fields, by)
        except (RowRefused, PreferenceError) as error:
            report.leave_out(row.row, row.value, str(error).rstrip("."))
            continue
        report.say(
            "notes",
            f"{name!r} was ranked by {by!r}: the"
            f" {'lowest' if _lower_is_better(by) else 'highest'} is the best, the same a tie.",
        )
        report.take_judgement(row.row, row.value, made, list(row.repairs))


def _is_conversation(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[-1], dict)


def _judgement(row: Record, items: list[dict], fields: dict[str, str], by: str) -> Pair | Ranking:
    prompt = as_text("the prompt", row.value.get(fields.get("prompt")), False)
    check_text(label("prompt", fields), prompt)
    texts, scores = [], []
    for number, item in enumerate(items, 1):
        texts.append(
            check_text(f"text {number}", as_text("a text", item[_of(item, _TEXTS)], False))
        )
        score = _number(item, by)
        scores.append(-score if _lower_is_better(by) else score)
    if len(set(texts)) < 2:
        raise RowRefused("both texts are the same, so nothing was preferred")
    name = who(row.value.get(fields.get("annotator")))
    chosen = row.value.get("chosen")
    chosen = chosen[-1].get("content") if _is_conversation(chosen) else chosen
    if chosen in texts and scores[texts.index(chosen)] < max(scores):
        raise RowRefused("chosen is not the text with the best score: which of the two counts?")
    if len(texts) == 2:
        choice = "tie" if scores[0] == scores[1] else "a" if scores[0] > scores[1] else "b"
        return Pair(prompt, texts[0], texts[1], choice, annotator=name)
    order = sorted(set(scores), reverse=True)
    return Ranking(
        id=f"scored-{row.row}",
        prompt=prompt,
        candidates=texts,
        shown=list(range(len(texts))),
        groups=[[i for i, score in enumerate(scores) if score == one] for one in order],
        annotator=name,
    )
