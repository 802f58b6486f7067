"""Rankings as they were made, read back from a bundle's ``rankings.jsonl``: reasons, ideal answers
and all.

    file_rows.records -> looks_like_rankings -> take_rankings -> Ranking and its pairs

A row is checked as a stranger's: what no ranking can be is left out, with the reason. Knows nothing
about models.
"""

from __future__ import annotations

from dataclasses import replace

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.conversations import RowRefused
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.preference_rows import check_text, read_number
from rlhf_core.judging.measure import counted
from rlhf_core.judging.preferences import MAX_NUMBER, Ranking
from rlhf_core.judging.typed import clean_name

FORMAT = "Opossum's rankings"
_NEEDED = frozenset(("candidates", "shown", "prompt"))


def looks_like_rankings(rows: list[Record]) -> bool:
    """Whether the first of these rows that are objects are rankings of ours."""
    objects = [row.value for row in rows[:50] if isinstance(row.value, dict)]
    return bool(objects) and all(
        _NEEDED <= set(value) and ("groups" in value or "verdict" in value) for value in objects
    )


def take_rankings(rows: list[Record], report: ImportReport) -> ImportReport:
    """Every ranking in ``rows``, into ``report``."""
    report.format = FORMAT
    for row in rows:
        repairs = list(row.repairs)
        try:
            made = read_ranking(row.value, row.row, repairs)
        except (RowRefused, PreferenceError) as error:
            report.leave_out(row.row, _shown(row.value), str(error).rstrip("."))
        else:
            report.take_judgement(row.row, _shown(row.value), made, repairs)
    beside = said_beside(report.rankings)
    if beside:
        report.say(
            "lost",
            f"A comparison has no place for what the rankings say beside it: {', '.join(beside)}."
            " The ideal answers are in it, as the better side of their comparisons; on the command"
            " line --rankings keeps everything.",
        )
    return report


def said_beside(rankings: list[Ranking], *names: str) -> list[str]:
    """What rankings hold beside the order, with how often; ``names`` of fields: only those."""
    ideal = [ranking for ranking in rankings if ranking.ideal]
    made = sum(len(set(ranking.candidates)) for ranking in ideal)
    kinds = {
        "reason": (sum(bool(ranking.reason) for ranking in rankings), "reason", ""),
        "ideal": (len(ideal), "ideal answer", f" ({counted(made, 'training pair')})"),
        "first": (sum(r.first is not None for r in rankings), "answer before a change", ""),
        "good": (sum(r.good is not None for r in rankings), "good-or-bad set", ""),
        "asked": (sum(r.asked in ("repeat", "gold") for r in rankings), "hidden check", ""),
    }
    return [
        f"{counted(count, words)}{more}"
        for name, (count, words, more) in kinds.items()
        if count and (name in names or not names)
    ]


def read_ranking(value: object, row: int, repairs: list[str]) -> Ranking:
    """A Ranking from one row. Raises RowRefused, PreferenceError."""
    if not isinstance(value, dict):
        raise RowRefused("it is no object with named fields")
    value = {"id": f"row-{row}", "shown": [], **value}
    texts = value.get("candidates")
    if not isinstance(texts, list):
        raise RowRefused("candidates is no list of texts")
    check_text("prompt", value.get("prompt"), literal=True)
    for number, text in enumerate(texts, 1):
        check_text(f"text {number} of candidates", text, literal=True)
    for name in ("reason", "ideal"):
        if value.get(name):
            check_text(name, value[name], literal=True)
    for name in ("shown", "good"):
        if value.get(name) is not None and not _numbers(value[name], len(texts)):
            raise RowRefused(f"{name} does not name the outputs by their numbers, from 0")
    _check_groups(value.get("groups") or [], len(texts), "groups")
    finished = value.get("finished")
    if finished is not None and not (
        isinstance(finished, list)
        and len(finished) == len(texts)
        and all(isinstance(one, bool) for one in finished)
    ):
        raise RowRefused("finished does not say of every output whether the model ended it")
    for name in ("round", "brief_version"):
        number = value.get(name, 1)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_NUMBER:
            raise RowRefused(f"{name} is no whole number from 1")
    made = Ranking.from_dict(
        {
            **value,
            "id": clean_name(value["id"]),
            "seconds": read_number(value.get("seconds"), "seconds", None, repairs),
            "annotator": clean_name(value.get("annotator")),
            "brief": clean_name(value["brief"]) if value.get("brief") else "",
        }
    )
    if len(set(texts)) < 2 and not made.ideal:
        raise RowRefused("fewer than two different texts were ranked")
    if made.first is not None:
        _check_first(made, made.first)
    return made


def _check_first(made: Ranking, first: dict) -> None:
    """What was said first must be an answer to the same texts."""
    unknown = set(first) - {"groups", "verdict", "seconds", "good"}
    if unknown:
        raise RowRefused(f"its first answer has a field that is not known: {min(unknown)!r}")
    _check_groups(first.get("groups") or [], len(made.candidates), "its first answer")
    if first.get("good") is not None and not _numbers(first["good"], len(made.candidates)):
        raise RowRefused("its first answer does not name the outputs by their numbers, from 0")
    try:
        replace(made, first=None, **({"good": None} | first))
    except TypeError as error:
        raise RowRefused("its first answer is no answer to these outputs") from error


def _check_groups(groups: object, count: int, name: str) -> None:
    if not isinstance(groups, list) or not all(_numbers(group, count) for group in groups):
        raise RowRefused(f"{name} does not name the outputs by their numbers, from 0")


def _numbers(value: object, count: int) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < count for one in value
    )


def _shown(value: object) -> object:
    return value.get("prompt") if isinstance(value, dict) else value
