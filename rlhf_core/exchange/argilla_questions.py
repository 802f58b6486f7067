"""Which question of an Argilla project is the preference, and its answers, whichever export it is.

A ranking, or a label over the answers; not whichever question stands first. Two ratings of two
answers compare. Two questions that fit are refused by name. Knows nothing about pairs.

Sources: Argilla 2's ``to_list(flatten=True)`` and ``to_list()``, Argilla 1's FeedbackDataset, also
as older ``datasets`` wrote it (a struct of lists).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rlhf_core.exchange.choice_column import plain_name
from rlhf_core.exchange.choices import asks_for_the_worse, number_of, read_word
from rlhf_core.exchange.file_rows import Record
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.printed import NotPrinted, looks_printed, unprinted

_PARTS = ("", ".users", ".status")


def fields_of(value: dict) -> dict:
    """The texts of a record."""
    return value["fields"] if isinstance(value.get("fields"), dict) else value


def questions_of(value: dict) -> list[str]:
    """The names of a record's questions; none where it is no Argilla record."""
    found = [
        name.removesuffix(".responses")
        for name in value
        if isinstance(name, str) and name.endswith(".responses")
    ]
    if "fields" in value and (people := _people(value)) is not None:
        found += dict.fromkeys(str(name) for one in people for name in one["values"])
    elif "fields" in value and isinstance(value.get("responses"), dict):
        found += [name for name in value["responses"] if isinstance(name, str)]
    for name, item in value.items():
        answers = _unstructed(item)
        if isinstance(answers, list) and answers and isinstance(name, str):
            if all(isinstance(a, dict) and {"user_id", "value"} <= set(a) for a in answers):
                found.append(name)
    return found


def is_record(value: object) -> bool:
    """Is it a record of Argilla's, answered or not?"""
    if not isinstance(value, dict):
        return False
    nested = isinstance(value.get("fields"), dict) and {"responses", "suggestions"} & set(value)
    ends = (".suggestion", "-suggestion-metadata")
    flat = "_server_id" in value or any(str(name).endswith(ends) for name in value)
    return bool(nested or flat or questions_of(value))


def _people(value: dict) -> list[dict] | None:
    """Argilla 1's responses, a list of {"user_id", "status", "values"}; None where it is none."""
    responses = value.get("responses")
    if isinstance(responses, dict) and {"values", "status"} <= set(responses):
        responses = _unstructed(responses)
    if not isinstance(responses, list) or not all(isinstance(one, dict) for one in responses):
        return None
    return [{**one, "values": _dict_of(one.get("values"))} for one in responses]


def _inside(said: object) -> object:
    return said.get("value") if isinstance(said, dict) else said


def _dict_of(values: object) -> dict:
    return values if isinstance(values, dict) else {}


def _unstructed(item: object) -> object:
    """A list of objects, where a struct of lists stands: {"x": [1, 2]} -> [{"x": 1}, {"x": 2}]."""
    if not isinstance(item, dict) or not item:
        return item
    lists = list(item.values())
    if not all(isinstance(part, list) for part in lists) or len({len(p) for p in lists}) != 1:
        return item
    return [dict(zip(item, row)) for row in zip(*lists)]


def answers_of(value: dict, question: str) -> list[dict] | None:
    """[{"value", "user_id", "status"}] of one question; None where they are no such lists."""
    if "fields" in value and (people := _people(value)) is not None:
        # Argilla 1 keeps no values of a record that somebody discarded.
        answers: Any = [
            {
                "value": _inside(one["values"].get(question)),
                "user_id": one.get("user_id"),
                "status": one.get("status"),
            }
            for one in people
            if question in one["values"] or _status(one.get("status")) == "discarded"
        ]
    elif isinstance(value.get("responses"), dict):
        answers = _unstructed(value["responses"].get(question) or [])
    elif f"{question}.responses" in value:
        lists = [_listed(value.get(f"{question}.responses{end}")) for end in _PARTS]
        if not all(isinstance(items, list) for items in lists):
            return None
        count = max(map(len, lists))
        padded = [[*items, *[None] * (count - len(items))] for items in lists]
        return [{"value": v, "user_id": user, "status": _status(s)} for v, user, s in zip(*padded)]
    else:
        answers = _unstructed(value.get(question) or [])
    if not isinstance(answers, list) or not all(isinstance(item, dict) for item in answers):
        return None
    answers = [{**answer, "status": _status(answer.get("status"))} for answer in answers]
    return [
        {**answer, "value": _ranked(answer.get("value"))} if "value" in answer else answer
        for answer in answers
    ]


def _status(value: object) -> object:
    """Python prints it as ResponseStatus.draft."""
    return value.rpartition(".")[2].casefold() if isinstance(value, str) else value


def _listed(value: object) -> Any:
    """A list, also where it was printed into a cell."""
    if looks_printed(value):
        try:
            return unprinted(value)
        except NotPrinted:
            return value
    return [] if value is None or value == "" else value


def _ranked(value: object) -> object:
    """{"rank": [1, 2], "value": ["x", "y"]} as a list of {"rank", "value"}."""
    if isinstance(value, dict) and isinstance(value.get("value"), list):
        return _unstructed(value)
    return value


def _kind(values: Sequence[object], texts: set[str]) -> str:
    """What a question asked for: "ranking", "label", "rating", "text", or "" (nobody answered)."""
    values = [value for value in values if value not in (None, "", [])]
    if not values:
        return ""
    if all(isinstance(value, list | dict) for value in values):
        flat = [i for value in values for i in (value if isinstance(value, list) else [value])]
        named = [i.get("value") if isinstance(i, dict) else i for i in flat]
        if len({len(value) for value in values if isinstance(value, list)}) > 1 and not any(
            isinstance(item, dict) for item in flat
        ):
            return "labels"  # some of the answers were marked: that is no order
        if any(plain_name(name) in texts for name in named):
            return "ranking"
        return "list" if any(isinstance(i, dict) and "rank" in i for i in flat) else "labels"
    if all(number_of(value) is not None for value in values):
        return "rating"
    read = [plain_name(value) in texts or read_word(value)[0] in ("a", "b") for value in values]
    # A text may begin with "A": a label says one of few words, each often.
    short = [isinstance(value, str) and len(value) <= 40 for value in values]
    return "label" if any(read) and all(short) else "text"


def preference_of(rows: list[Record], report: ImportReport, question: str = "") -> tuple[str, ...]:
    """The question that is the preference; or two, whose ratings are compared.

    ``question``: the one that a person named. Raises SeveralFit; ImportRefused where none fits;
    each by name.
    """
    filename = report.filename
    names = list(dict.fromkeys(name for row in rows for name in questions_of(row.value)))
    if not names:
        raise ImportRefused(
            f"{filename} holds Argilla records that nobody has answered: suggestions are no"
            " judgements."
        )
    texts = {
        plain_name(name)
        for row in rows
        for name, text in fields_of(row.value).items()
        if isinstance(text, str | list) and name not in names
    }
    kinds = {}
    for name in names:
        answers = [a for row in rows for a in answers_of(row.value, name) or []]
        kinds[name] = _kind([answer.get("value") for answer in answers], texts)
    for wanted in (("ranking", "label"), ("list",)):
        fit = [name for name, kind in kinds.items() if kind in wanted]
        if question in names and question not in fit:
            continue
        if fit:
            one = report.pick("questions", fit, question)
            if asks_for_the_worse(one):
                raise ImportRefused(
                    f"The question {one!r} of {filename} seems to ask which answer is worse."
                    " Here an answer says which is better, so it would count the wrong way round."
                    " Turn the answers round, and give the question another name."
                )
            return (one,)
    if question:
        return (report.pick("questions", [n for n in names if n == question] or names, question),)
    ratings = [name for name, kind in kinds.items() if kind == "rating"]
    sided = {re.sub(r"[012](?=\D*$)|(?<=_)[ab](?=_|$)", "*", plain_name(name)) for name in ratings}
    if len(ratings) == 2 and len(sided) == 1 and sided != {plain_name(ratings[0])}:
        return tuple(sorted(ratings, key=plain_name))
    if len(ratings) == 1:
        return (ratings[0],)
    if len(names) == 1 and kinds[names[0]] != "labels":
        return (names[0],)
    if not any(kinds.values()):
        return (names[0],)  # nobody answered anything
    listed = ", ".join(f"{name!r} ({kind or 'no answers'})" for name, kind in kinds.items())
    raise ImportRefused(
        f"{filename} has no question that says which answer is better: {listed[:200]}. If one"
        " does, name it: --question NAME."
    )
