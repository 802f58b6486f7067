"""One row of a table of judgements: which column means what, and the pair that its cells say.

Our own rows, TRL's, and what people type. What a cell says in an unusual way is repaired and
reported; what has two meanings is refused. Conversations are ``conversations``' business, a choice
column is ``choice_column``'s.

Source: TRL's dataset formats (preference, with explicit or implicit prompt, standard or
conversational).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from rlhf_core.exchange.choice_column import Cell, Reading
from rlhf_core.exchange.choices import is_blank, shown
from rlhf_core.exchange.conversations import RowRefused, two_answers
from rlhf_core.exchange.import_report import ImportReport, excerpt
from rlhf_core.exchange.not_whole import NotWhole, Unsaid
from rlhf_core.judging.preferences import MAX_NUMBER, MAX_TEXT, WEIGHTS, Pair, is_weight
from rlhf_core.judging.typed import clean_name

_SIDES = (
    *("answer", "response", "option", "output", "completion", "text", "candidate"),
    *("conversation", "summary", "generation", "reply", "human_ref", "continuation"),
)
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
        "labels",
        "overall_preference",
        "preference_strength",
        "better_response_id",
        "preferred_index",
        "choice_index",
        "best",
        "verdict",
        "which_is_better",
        "which_one_is_better",
        "which_answer_is_better",
        "which_response_is_better",
        "which_do_you_prefer",
        "better_answer",
        "better_response",
        "preferredresponse",
        "betterresponse",
        "preferred_response",
        "preferred_answer",
        "answer",
        "selection",
        "selected",
    ),
    "chosen": (
        "chosen",
        "chosen_response",
        "chosen_answer",
        "chosen_text",
        "chosen_output",
        "preferred_output",
        "accepted",
        "accepted_response",
        "better_response",
        "better_answer",
        "y_w",
    ),
    "rejected": (
        "rejected",
        "rejected_response",
        "rejected_answer",
        "rejected_text",
        "rejected_output",
        "non_preferred_output",
        "worse_response",
        "worse_answer",
        "y_l",
    ),
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
        "worker_id",
        "workerid",
        "annotator_id",
        "rater_id",
        "judge",
        "participant",
        "participant_id",
        "prolific_pid",
        "respondent",
        "respondent_id",
        "evaluator",
        "email_address",
        "created_by",
    ),
    "seconds": (
        "seconds",
        "lead_time",
        "duration_seconds",
        "time_seconds",
        "secs",
        "worktimeinseconds",
        "work_time_in_seconds",
        "time_taken",
    ),
    "weight": ("weight",),
    "brief": ("brief",),
    "brief_version": ("brief_version",),
}
FIELD_OF = {alias: field for field, aliases in ALIASES.items() for alias in aliases}
KNOWN = frozenset(FIELD_OF)


# What may be a prompt where no column has a better name for it.
LATE_PROMPTS = (
    "conversations",
    "conversation",
    "dialogue",
    "dialog",
    "history",
    "messages",
    "chat",
    "post",
    "info",
)


def label(field: str, names: Mapping[str, str]) -> str:
    """A field as a sentence names it: as the file does."""
    name = names.get(field)
    if not name:
        return f"the {field}"
    return name if name.isidentifier() else repr(name)


def read_row(
    values: dict[str, Any],
    report: ImportReport,
    reading: Reading | None = None,
    names: Mapping[str, str] | None = None,
    literal: bool = False,
) -> tuple[Pair, list[str]]:
    """A Pair from one row's fields, and its repairs. Raises RowRefused.

    Args:
        reading: of the whole choice column; None: the choice is a word.
        names: field -> what the file calls it, for the sentences.
        literal: our own file, whose texts mean themselves, brackets and all.
    """
    repairs: list[str] = []
    names = names or {}
    for field, cell in values.items():
        if isinstance(cell, NotWhole):
            raise RowRefused(f"{label(field, names)} {cell.why}")
    preference = "chosen" in values and "rejected" in values
    first, second = ("chosen", "rejected") if preference else ("a", "b")
    found: list[Any] = [values.get(field) for field in ("prompt", first, second)]
    prompt, a, b = found
    said_of = (label("prompt", names), label(first, names), label(second, names))
    if not literal:
        prompt, a, b = (None if is_float_nan(text) else text for text in (prompt, a, b))
        # A table that has a prompt has none to be found in its answers.
        if "prompt" in values and prompt is None and not preference:
            prompt = ""
        prompt, a, b = two_answers(prompt, a, b, report, repairs, said_of)
    for name, text in zip(said_of, (prompt, a, b)):
        check_text(name, text, literal or report.counted != "row")
    choice: str | None = "a"
    said = ""
    if not preference:
        said_by = values.get("choice")
        if isinstance(said_by, list) and len(said_by) == 1:
            said_by = said_by[0]
        if isinstance(said_by, Unsaid):
            raise RowRefused(said_by.why)
        cell = Cell(said_by, a, b, *(author_in(values.get(by)) for by in BY))
        choice, said = (reading or Reading("choice")).of(cell)
        texts = {"a": str(a).strip(), "b": str(b).strip()}
        if reading and not literal and choice in texts and choice == said_by != texts[choice]:
            if said_by in texts.values():
                raise RowRefused(f"the choice {said_by!r} names one text and repeats the other")
    if choice is None:
        raise RowRefused(said)
    if a == b:
        read = "" if values.get(first) == values.get(second) else f" as they were read ({shown(a)})"
        raise RowRefused(f"both texts are the same{read}, so nothing was preferred")
    if preference and len(a) < 30 and len(b) < 30 and not literal:
        sides = [Reading("chosen").of(Cell(text))[0] for text in (a, b)]
        if set(sides) == {"a", "b"} and a.strip() == a:
            raise RowRefused(
                f"{said_of[1]} and {said_of[2]} name sides ({a!r}, {b!r}), and no column has their"
                " texts"
            )
    repairs += [said] if said else []
    seconds = read_number(values.get("seconds"), "seconds", None, repairs)
    weight = read_weight(values.get("weight"))
    version = read_number(values.get("brief_version"), "brief_version", 1, repairs)
    return (
        Pair(
            prompt,
            a,
            b,
            choice,
            weight=weight,
            seconds=seconds,
            annotator=who(values.get("annotator")),
            brief="" if is_blank(values.get("brief")) else clean_name(values.get("brief")),
            brief_version=max(1, int(version or 1)),
        ),
        repairs,
    )


BY = ("by_a", "by_b")  # who wrote the texts, where a table says so


def author_in(value: object) -> str:
    """A model's name or number, as a choice may repeat it; "" where there is none."""
    return "" if is_blank(value) else str(value)


def is_float_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def who(value: object) -> str:
    """An annotator's name; "unknown" where nobody is named, in whatever words."""
    return "unknown" if is_blank(value) else clean_name(value)


def check_text(name: str, text: object, literal: bool = True) -> str:
    """``text`` where a judgement can hold it. Raises RowRefused; ``name`` begins its sentence.

    ``literal``: "nan" is a text, and not an empty cell that a program printed into a table.
    """
    if not isinstance(text, str) or not text.strip():
        empty = text is None or isinstance(text, str) or is_float_nan(text)
        raise RowRefused(f"{name} is empty" if empty else f"{name} is no text")
    if not literal and text.strip() in ("nan", "NaN", "None", "null", "<NA>", "N/A", "n/a"):
        raise RowRefused(f"{name} is empty: {text.strip()!r} is how programs print an empty cell")
    if not literal and re.fullmatch(r"#(N/A|REF!|NAME\?|DIV/0!|VALUE!|NUM!|NULL!)", text.strip()):
        raise RowRefused(f"{name} is a spreadsheet's error, {text.strip()}, and no text")
    if len(text) > MAX_TEXT:
        raise RowRefused(f"{name} has {len(text):,} characters; at most {MAX_TEXT:,} fit")
    if any((ord(c) < 32 and c not in "\n\r\t") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise RowRefused(f"{name} has control characters in it")
    return text


def read_weight(value: Any) -> float:
    """A pair's weight from a cell; 1 where there is none. Raises RowRefused: a guess could count
    for nothing, or more than all other rows.
    """
    # A cell of pandas is empty; a weight that somebody wrote as "nan" is none.
    if value is None or is_float_nan(value) or (isinstance(value, str) and not value.strip()):
        return 1.0
    number = value
    if isinstance(value, str):
        try:
            number = float(value.strip().replace(",", "."))
        except ValueError:
            number = None
    if not is_weight(number):
        raise RowRefused(f"the weight is {excerpt(value)!r}; it must be {WEIGHTS}")
    return float(number)


def read_number(
    value: object, name: str, default: float | None, repairs: list[str]
) -> float | None:
    """A number from 0, from a cell; ``default`` where there is none, or, as a repair, no such."""
    if is_blank(value):
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
    # In this order: an integer of 400 digits is no float.
    if number is None or not 0 <= number <= MAX_NUMBER or not math.isfinite(number):
        repairs.append(f"the {name} {excerpt(value)!r} is no number from 0, so it was left empty")
        return default
    if how:
        repairs.append(how)
    return number
