"""Conversations as files hold them, and the prompt and the two answers in them.

TRL's messages (role, content), ShareGPT's (from, value), Label Studio's turns (author, text), a
message instead of a list, lists of texts, transcripts ("Human: ... Assistant: ..."), and all of
these printed into a cell. Simplification: a prompt is one text here, so several turns become a
transcript. Knows nothing about columns.

Sources: TRL's ``extract_prompt`` and ``maybe_extract_prompt``; hh-rlhf's own format, where the
prompt ends at the last "Assistant:" that both texts share (Bai et al. 2022, arXiv 2204.05862).
"""

from __future__ import annotations

import re
from typing import Any

from rlhf_core.exchange.choices import shown
from rlhf_core.exchange.import_report import ImportReport
from rlhf_core.exchange.printed import NotPrinted, looks_printed, unprinted

_ROLES = ("role", "from", "author", "speaker", "user", "sender", "who")
_CONTENTS = ("content", "value", "text", "message", "body", "utterance")
_ABOUT = ("full_text", "text", "content", "post", "article")
_CALLED = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_CALLED |= {"chatgpt": "assistant", "ai": "assistant", "prompter": "user", "chosen": "assistant"}
_CALLED |= {"rejected": "assistant"}
_TURN = re.compile(
    r"(?:^|\n)[ \t]*(?:#{2,3} ?)?(Human|User|Assistant|Prompter|AI)[ \t]*:", re.IGNORECASE
)
_ANSWERS = ("assistant", "ai")


class RowRefused(ValueError):
    """A row that cannot be used; the message says why."""


def unpack(name: str, value: object, printed: bool = True) -> Any:
    """A text, or messages as TRL writes them, from whatever stands in a cell. Raises RowRefused.

    Args:
        name: the field, for the sentence.
        printed: the file is a table, in which a list can only be printed. In JSON, where it could
            be a list, a text that looks like a list or an object and is no message is a text.
    """
    if looks_printed(value):
        cell: str = value
        try:
            value = unprinted(value)
            if isinstance(value, dict) and not printed and not _is_message(value):
                return cell
            if isinstance(value, list) and not printed and _all_texts(value):
                return cell
        except NotPrinted as error:
            if not printed or not set(cell) & set("\"'"):
                return cell  # [[a link]]: where texts are printed, they stand in quotation marks
            raise RowRefused(
                f"{name} looks like a printed list that cannot be read: {shown(value)}"
            ) from error
    if isinstance(value, dict):
        inner = value.get("messages")
        if isinstance(text := _named_text(value), str):
            return text
        value = inner if isinstance(inner, list) else [value]
    if not isinstance(value, list):
        return value
    if len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if _all_texts(value):
        if len(value) == 1:
            return value[0]
        raise RowRefused(f"{name} is a list of {len(value)} texts; which of them counts?")
    return [_message(name, item) for item in value]


def _all_texts(value: list) -> bool:
    return bool(value) and all(isinstance(item, str) for item in value)


def as_text(name: str, value: object, printed: bool = True) -> Any:
    """A text, or the transcript of a conversation. Raises RowRefused."""
    value = unpack(name, value, printed)
    return transcript(value) if isinstance(value, list) and value else value


def _named_text(item: dict) -> object:
    """The text of an object that is about one (WebGPT: {"id", "full_text"}; OpenAI's summaries:
    {"post", "subreddit"}); None of others.
    """
    names = [name for name in _ABOUT if isinstance(item.get(name), str)]
    return item[names[0]] if len(names) == 1 and not set(_ROLES) & set(item) else None


def _is_message(item: dict) -> bool:
    return any(key in item for key in _ROLES) and any(key in item for key in _CONTENTS)


def _message(name: str, item: object) -> dict:
    role = content = None
    if isinstance(item, dict):
        role = next((item[key] for key in _ROLES if isinstance(item.get(key), str)), None)
        content = next((item[key] for key in _CONTENTS if key in item), None)
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        content = "".join(part["text"] for part in content)
    if role is None or not isinstance(content, str):
        raise RowRefused(
            f"{name} looks like a conversation, but {shown(item)} in it lacks a role or a text"
        )
    return {"role": _CALLED.get(role.casefold(), role), "content": content}


def two_answers(
    prompt: Any,
    one: Any,
    other: Any,
    report: ImportReport,
    repairs: list[str],
    names: tuple[str, str, str] = ("the prompt", "chosen", "rejected"),
) -> tuple[Any, Any, Any]:
    """(prompt, one, other) as texts. Raises RowRefused.

    A prompt that is not named is what both answers begin with: in whole messages, up to the last
    "Assistant:", or (other than TRL, which cuts at a letter) in whole words.
    """
    named, first, second = names
    if isinstance(turns := _texts(prompt, one, other), tuple):
        prompt, one, other = turns
    # A table written as JSON may keep its cells as they were printed: then all of them are lists.
    cells = (prompt, one, other)
    printed = report.counted == "row" or all(
        looks_printed(cell) and cell.lstrip()[0] == "[" for cell in cells
    )
    prompt = unpack(named, prompt, printed)
    one, other = unpack(first, one, printed), unpack(second, other, printed)
    if isinstance(one, list) != isinstance(other, list):
        talk, plain = (first, second) if isinstance(one, list) else (second, first)
        raise RowRefused(f"{talk} looks like a conversation, and {plain} does not")
    if isinstance(one, list):
        shared = 0
        if not isinstance(prompt, list) or max(len(one), len(other)) > 1:
            shared = _shared(one, other)
        for name, messages in ((first, one[shared:]), (second, other[shared:])):
            if len(messages) != 1 or messages[0]["role"] != "assistant":
                raise RowRefused(f"{name} is not one answer by the assistant after what both share")
        if (
            shared
            and isinstance(prompt, str)
            and prompt.strip() not in ("", transcript(one[:shared]).strip())
        ):
            repairs.append(
                "the prompt was taken from the conversation, which differs from the prompt field"
            )
        prompt = one[:shared] if shared else prompt
        one, other = one[-1]["content"], other[-1]["content"]
        report.say("lost", "Roles of a conversation: a prompt and an answer are plain texts here.")
    elif isinstance(one, str) and isinstance(other, str):
        if prompt is None:
            prompt, one, other = _implied(one, other, names, repairs)
        elif isinstance(prompt, str):
            prompt, one, other = _repeated(prompt, one, other, names, repairs)
    if isinstance(prompt, list):
        if len(prompt) > 1:
            repairs.append(
                f"a conversation of {len(prompt)} messages became one prompt, as a transcript"
            )
        prompt = transcript(prompt)
    return prompt, one, other


def _repeated(
    prompt: str, one: str, other: str, names: tuple[str, str, str], repairs: list[str]
) -> tuple[str, str, str]:
    """The answers alone, where both texts are whole transcripts in which the prompt stands again;
    all three as they are where not.
    """
    if not prompt.strip() or not all(_TURN.match(text.lstrip()) for text in (one, other)):
        return prompt, one, other
    said: list[str] = []
    try:
        found = _implied(one, other, names, said)
    except RowRefused:
        return prompt, one, other
    if prompt.strip() not in found[0]:
        return prompt, one, other
    repairs += said
    return found


def _texts(prompt: object, one: object, other: object) -> tuple | None:
    """Turns as lists of texts (arena votes: prompts, and each side's answers) as messages."""
    lists = []
    for value in (prompt, one, other):
        if looks_printed(value):
            try:
                value = unprinted(value)
            except NotPrinted:
                return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return None
        lists.append(value)
    if len({len(item) for item in lists}) != 1 or len(lists[0]) < 2:
        return None
    said = [
        [
            {"role": role, "content": text}
            for turn in zip(lists[0], answers)
            for role, text in zip(("user", "assistant"), turn)
        ]
        for answers in lists[1:]
    ]
    return None, said[0], said[1]


def _implied(
    one: str, other: str, names: tuple[str, str, str], repairs: list[str]
) -> tuple[str, str, str]:
    """The prompt that two texts begin with, and what is left of each. Raises RowRefused."""
    _, first, second = names
    shared = _shared(one, other)
    turns = [found for found in _TURN.finditer(one) if found[1].casefold() in _ANSWERS]
    if turns and _TURN.search(other):
        ends = [found.end() for found in turns if found.end() <= shared]
        if not ends:
            raise RowRefused(f"{first} and {second} share no turn of the assistant")
        cut = ends[-1]
        for name, rest in ((first, one[cut:]), (second, other[cut:])):
            if _TURN.search(rest):
                raise RowRefused(
                    f"{first} and {second} part before the last answer: what is left of {name}"
                    " holds more turns"
                )
        repairs.append('the prompt is what both texts begin with, up to the last "Assistant:"')
        return one[:cut], one[cut:], other[cut:]
    if shared in (len(one), len(other)) and one != other:
        raise RowRefused(
            "there is no prompt, and one of the texts begins with the whole other one: where the"
            " prompt ends, nothing says"
        )
    if one[shared : shared + 1].isalnum() or other[shared : shared + 1].isalnum():
        # The space belongs to the answer.
        shared = max((i for i in range(shared) if one[i].isspace()), default=0)
    if not one[:shared].strip():
        raise RowRefused(f"the prompt is empty: {first} and {second} do not begin alike")
    repairs.append("the prompt is what both texts begin with")
    return one[:shared], one[shared:], other[shared:]


def _shared(x: list | str, y: list | str) -> int:
    """How many messages, or letters, both begin with."""
    return next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), min(len(x), len(y)))


def transcript(messages: list[dict]) -> str:
    """One message as it is; several as "role: text" lines."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
