"""Judgements from tables that people and other tools make: our rows, TRL's, Argilla's, and the
spreadsheet somebody typed.

    bytes -> imports.records -> one of: a, b, choice | chosen, rejected | Argilla's answers -> Pair,
    with its repairs

Knows nothing about Label Studio (``label_studio``) and nothing about models. What a cell says in an
unusual way is repaired and reported; what has two meanings is left out and reported.
Simplification: a prompt is one text here, so a conversation of several turns becomes its
transcript.

Sources: TRL's dataset formats (preference, with explicit or implicit prompt, standard or
conversational); Argilla 2's ``to_list(flatten=True)`` and ``to_list()``, Argilla 1's
FeedbackDataset.
"""

from __future__ import annotations

import math
import re
from collections import Counter

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.choices import read_choice
from rlhf_core.exchange.import_report import (
    ImportRefused,
    ImportReport,
    Record,
    column_name,
    excerpt,
    records,
)
from rlhf_core.judging.preferences import MAX_NUMBER, MAX_TEXT, Pair, Ranking, pairs_from_rankings
from rlhf_core.judging.typed import clean_name

_SIDES = ("answer", "response", "option", "output", "completion", "text", "candidate")
ALIASES: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt", "instruction", "question", "input", "context", "query"),
    "a": ("a", "left", *(f"{noun}{end}" for noun in _SIDES for end in ("_a", "a", "_1", "1"))),
    "b": ("b", "right", *(f"{noun}{end}" for noun in _SIDES for end in ("_b", "b", "_2", "2"))),
    "choice": (
        "choice",
        "preference",
        "preferred",
        "winner",
        "judgement",
        "judgment",
        "vote",
        "better",
        "label",
    ),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "annotator": (
        "annotator",
        "rater",
        "labeller",
        "labeler",
        "user",
        "user_id",
        "who",
        "worker",
        "name",
    ),
    "seconds": ("seconds", "lead_time", "duration_seconds", "time_seconds", "secs"),
    "weight": ("weight",),
    "brief": ("brief",),
    "brief_version": ("brief_version",),
}
FIELD_OF = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
KNOWN = frozenset(FIELD_OF)
_ARGILLA = ("status", "_server_id", "id", "external_id", "inserted_at", "updated_at")


class RowRefused(ValueError):
    """A row that cannot be used; the message says why."""


def import_preferences(data: bytes, filename: str) -> ImportReport:
    """Judgements from CSV, TSV, JSONL or JSON bytes. Raises ImportRefused where the file as a whole
    cannot be read.

    The report may hold no judgement that can be used; ``ImportReport.checked`` refuses that.
    """
    report = ImportReport(filename)
    rows = records(data, report, KNOWN)
    objects = [row for row in rows if isinstance(row.value, dict)]
    names = dict.fromkeys(name for row in objects for name in row.value if isinstance(name, str))
    if any("annotations" in row.value or "annotation_id" in row.value for row in objects):
        raise ImportRefused(
            f"{filename} is a Label Studio export, which holds tasks and not rows: use"
            " import-label-studio."
        )
    question = _argilla_question(objects)
    fields = _fields(
        [name for name in names if name not in _ARGILLA] if question else list(names),
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
            _take_argilla(row, fields, question, report)
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
    """Which column holds which field. An exact name goes before its aliases; two aliases of one
    field are refused.
    """
    fields: dict[str, str] = {}
    for field in ALIASES:
        exact = [name for name in names if name == field]
        likely = exact or [name for name in names if FIELD_OF.get(column_name(name)) == field]
        if (
            field in ("annotator", "choice") and not exact and len(likely) > 1
        ):  # the first alias in our list is the likeliest
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


# --- one row --------------------------------------------------------------------------------------


def read_row(values: dict[str, object], report: ImportReport) -> tuple[Pair, list[str]]:
    """A Pair from one row's fields, and its repairs. Raises RowRefused."""
    repairs: list[str] = []
    if "chosen" in values and "rejected" in values:
        prompt, a, b = read_preference(
            values.get("prompt"), values["chosen"], values["rejected"], report, repairs
        )
        choice, said = "a", ""
    else:
        prompt, a, b = values.get("prompt"), values.get("a"), values.get("b")
        choice, said = read_choice(
            values.get("choice"), a if isinstance(a, str) else "", b if isinstance(b, str) else ""
        )
    for name, text in (("prompt", prompt), ("a", a), ("b", b)):
        check_text(name, text)
    if choice is None:
        raise RowRefused(said)
    if a == b:
        raise RowRefused("both texts are the same, so nothing was preferred")
    repairs += [said] if said else []
    seconds = read_number(values.get("seconds"), "seconds", None, repairs)
    weight = read_number(values.get("weight"), "weight", 1.0, repairs)
    version = read_number(values.get("brief_version"), "brief_version", 1, repairs)
    return (
        Pair(
            prompt,
            a,
            b,
            choice,
            weight=weight,
            seconds=seconds,
            annotator=clean_name(values.get("annotator")),
            brief=clean_name(values.get("brief")) if values.get("brief") else "",
            brief_version=max(1, int(version)),
        ),
        repairs,
    )


def check_text(name: str, text: object) -> str:
    """``text`` where a judgement can hold it. Raises RowRefused."""
    if not isinstance(text, str) or not text.strip():
        raise RowRefused(
            f"the {name} is empty"
            if text is None or isinstance(text, str)
            else f"the {name} is no text"
        )
    if len(text) > MAX_TEXT:
        raise RowRefused(f"the {name} has {len(text):,} characters; at most {MAX_TEXT:,} fit")
    if any((ord(c) < 32 and c not in "\n\r\t") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise RowRefused(f"the {name} has control characters in it")
    return text


def read_number(
    value: object, name: str, default: float | None, repairs: list[str]
) -> float | None:
    """A number from 0, from a cell; ``default`` where there is none, or where it is no such number,
    which is then a repair.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return default
    number, how = None, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str):
        found = re.fullmatch(
            r"(\d+)([.,]\d+)?\s*(s|sec|secs|seconds)?\.?", value.strip(), re.IGNORECASE
        )
        if found:
            number = float(found[1] + (found[2] or "").replace(",", "."))
            how = (
                f"the {name} {value!r} were read as {number:g}" if found[3] or "," in value else ""
            )
    if number is None or not math.isfinite(number) or not 0 <= number <= MAX_NUMBER:
        repairs.append(f"the {name} {excerpt(value)!r} is no number from 0, so it was left empty")
        return default
    if how:
        repairs.append(how)
    return number


# --- TRL's formats --------------------------------------------------------------------------------


def read_preference(
    prompt: object, chosen: object, rejected: object, report: ImportReport, repairs: list[str]
) -> tuple[object, object, object]:
    """(prompt, chosen, rejected) as texts, from TRL's four preference formats. Raises RowRefused.

    Standard or conversational (lists of {"role", "content"}), with the prompt named or implied:
    then it is what both answers begin with, in whole messages or (other than TRL, which cuts at a
    letter) in whole words. Source: TRL's ``extract_prompt`` and ``maybe_extract_prompt``.
    """
    if isinstance(chosen, list) != isinstance(rejected, list):
        raise RowRefused("one of chosen and rejected is a conversation, the other is not")
    for name, messages in (("prompt", prompt), ("chosen", chosen), ("rejected", rejected)):
        if isinstance(messages, list) and not all(
            isinstance(m, dict)
            and isinstance(m.get("role"), str)
            and isinstance(m.get("content"), str)
            for m in messages
        ):
            raise RowRefused(
                f"the conversation in {name} has a message without a role or without text"
            )
    if isinstance(chosen, list):
        shared = 0 if isinstance(prompt, list) else _shared(chosen, rejected)
        for name, messages in (("chosen", chosen[shared:]), ("rejected", rejected[shared:])):
            if len(messages) != 1 or messages[0]["role"] != "assistant":
                raise RowRefused(f"{name} is not one answer by the assistant after what both share")
        if (
            shared
            and isinstance(prompt, str)
            and prompt.strip() not in ("", transcript(chosen[:shared]).strip())
        ):
            repairs.append(
                "the prompt was taken from the conversation, which differs from the prompt field"
            )
        prompt = chosen[:shared] if shared else prompt
        chosen, rejected = chosen[-1]["content"], rejected[-1]["content"]
        report.say("lost", "Roles of a conversation: a prompt and an answer are plain texts here.")
    elif prompt is None and isinstance(chosen, str) and isinstance(rejected, str):
        shared = _shared(chosen, rejected)
        if chosen[shared : shared + 1].isalnum() or rejected[shared : shared + 1].isalnum():
            shared = max(
                (i for i in range(shared) if chosen[i].isspace()), default=0
            )  # the space belongs to the answer
        repairs.append("the prompt is what both texts begin with")
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    if isinstance(prompt, list):
        if len(prompt) > 1:
            repairs.append(
                f"a conversation of {len(prompt)} messages became one prompt, as a transcript"
            )
        prompt = transcript(prompt)
    return prompt, chosen, rejected


def _shared(x: list | str, y: list | str) -> int:
    """How many messages, or letters, both begin with."""
    return next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))


def transcript(messages: list[dict]) -> str:
    """One message as it is; several as "role: text" lines."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)


# --- Argilla --------------------------------------------------------------------------------------


def _argilla_question(rows: list[Record]) -> str:
    """The name of the question that was answered, or "" where these are no Argilla records."""
    for row in rows[:200]:
        for name, value in row.value.items():
            if isinstance(name, str) and name.endswith(".responses"):
                return name.removesuffix(".responses")
            if name == "responses" and isinstance(value, dict) and "fields" in row.value and value:
                return next(iter(value))
            if (
                isinstance(value, list)
                and value
                and all(
                    isinstance(item, dict) and {"user_id", "value"} <= set(item) for item in value
                )
            ):
                return name
    return ""


def _take_argilla(row: Record, fields: dict[str, str], question: str, report: ImportReport) -> None:
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
    texts = {
        field: inner.get(name)
        for field, name in fields.items()
        if field in ("prompt", "a", "b", "brief", "brief_version")
    }
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
            _take_argilla_ranking(row, inner, answer, judged, texts.get("prompt"), report)
            continue
        try:
            pair, repairs = read_row(
                {**texts, "choice": judged, "annotator": answer.get("user_id")}, report
            )
        except RowRefused as error:
            report.leave_out(row.row, answer, str(error))
        else:
            report.take(
                row.row,
                answer,
                pair,
                [pair],
                [
                    *row.repairs,
                    *repairs,
                    *(["a discarded record counts as skipped"] if status == "discarded" else []),
                ],
            )


def _take_argilla_ranking(
    row: Record,
    inner: dict,
    answer: dict,
    judged: list | dict,
    prompt: object,
    report: ImportReport,
) -> None:
    """A ranking: values in order, best first, or {"value", "rank"} rows with ties. The values must
    be names of fields, else nothing says which text they are.
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
        for name, text in (
            ("prompt", prompt),
            *((f"text {n}", text) for n, text in enumerate(texts, 1)),
        ):
            check_text(name, text)
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
