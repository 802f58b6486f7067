"""One row of a table of judgements: which column means what, and the pair that its cells say.

Our own rows, TRL's, and what people type. What a cell says in an unusual way is repaired and
reported; what has two meanings is refused. Simplification: a prompt is one text here, so a
conversation of several turns becomes its transcript.

Sources: TRL's dataset formats (preference, with explicit or implicit prompt, standard or
conversational).
"""

from __future__ import annotations

import math
import re

from rlhf_core.exchange.choices import read_choice
from rlhf_core.exchange.import_report import ImportReport, excerpt
from rlhf_core.judging.preferences import MAX_NUMBER, MAX_TEXT, WEIGHTS, Pair, is_weight
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


class RowRefused(ValueError):
    """A row that cannot be used; the message says why."""


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
            annotator=clean_name(values.get("annotator")),
            brief=clean_name(values.get("brief")) if values.get("brief") else "",
            brief_version=max(1, int(version)),
        ),
        repairs,
    )


def check_text(name: str, text: object) -> str:
    """``text`` where a judgement can hold it. Raises RowRefused."""
    if not isinstance(text, str) or not text.strip():
        empty = text is None or isinstance(text, str)
        raise RowRefused(f"the {name} is empty" if empty else f"the {name} is no text")
    if len(text) > MAX_TEXT:
        raise RowRefused(f"the {name} has {len(text):,} characters; at most {MAX_TEXT:,} fit")
    if any((ord(c) < 32 and c not in "\n\r\t") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise RowRefused(f"the {name} has control characters in it")
    return text


def read_weight(value: object) -> float:
    """A pair's weight from a cell; 1 where there is none. Raises RowRefused: a guess could count
    for nothing, or more than all other rows.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
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
            # The space belongs to the answer.
            shared = max((i for i in range(shared) if chosen[i].isspace()), default=0)
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
