"""Lists and objects that stand in a cell as text: JSON, Python's print, NumPy's print.

``["a", "b"]``, ``[{'role': 'user'}]``, ``['a' 'b']`` (NumPy leaves the commas out), ``array([...],
dtype=object)``. Read by a small scanner of our own: Python's ``literal_eval`` joins NumPy's
neighbours into one text, and deep nesting can end the process. Knows nothing about what they mean.
"""

from __future__ import annotations

import json
import re
from typing import Any, TypeGuard

from rlhf_core.common.known import known

DEEPEST, MOST_PARTS = 40, 20_000
_STRING = re.compile(r"""[bru]{0,2}("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_BYTES = re.compile(r"""[bB](?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_SPACE = re.compile(r"[\s,]*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf|nan)(?![\w.])")
_WORDS: dict[str, bool | None] = {"None": None, "null": None, "NaN": None, "nan": None}
_WORDS |= {"True": True, "true": True, "False": False, "false": False}
_WORD = re.compile(rf"(?:{'|'.join(_WORDS)})(?!\w)")
_BEGINS = re.compile(r"""\s*(?:\[\s*(?:b?["'\[{\]]|None|null|nan|np\.)|\{\s*["'}]|array\(\[)""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "a": "\a"}


class NotPrinted(ValueError):
    """Text that looks like a printed list and is none that can be read."""


def looks_printed(text: object) -> TypeGuard[str]:
    """Does this text look like a list or an object that was printed into a cell?"""
    if not isinstance(text, str) or not _BEGINS.match(text):
        return False
    return text.rstrip()[-1] in "]})"


def unprinted(text: str) -> list | dict:
    """The list or object that was printed. Raises NotPrinted."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list | dict):
        value = _scan(text.strip())
    return value


def looks_like_bytes(value: object) -> TypeGuard[str]:
    """Does this text look like Python's print of bytes: b'...'?"""
    return isinstance(value, str) and bool(_BYTES.fullmatch(value.strip()))


def unprinted_bytes(text: str) -> str:
    """The UTF-8 text in printed bytes. Raises NotPrinted."""
    try:
        return _unescaped(text.strip()[2:-1]).encode("latin-1").decode("utf-8")
    except UnicodeError as error:
        raise NotPrinted from error


def _scan(text: str) -> list | dict:
    """One list or object, without recursion: open ones wait on a stack."""
    waiting: list[tuple[Any, str, list]] = []  # (what is open, how it closes, loose keys)
    at, count, done = 0, 0, None
    while at < len(text):
        at = known(_SPACE.match(text, at)).end()
        if at >= len(text):
            break
        count += 1
        if done is not None or count > MOST_PARTS or len(waiting) > DEEPEST:
            raise NotPrinted
        opened = re.compile(r"array\(\[|[\[({]").match(text, at)
        if opened:
            sign = opened[0][-1]
            closing = {"[": "]", "(": ")", "{": "}"}[sign]
            waiting.append(({} if sign == "{" else [], closing, []))
            at = opened.end()
            continue
        if waiting and text[at] == waiting[-1][1]:
            value, _, keys = waiting.pop()
            if keys:
                raise NotPrinted
            at += 1
            tail = re.compile(r"\s*,?\s*(?:dtype=\w+\s*)?\)").match(text, at)
            if tail and isinstance(value, list) and not (waiting and waiting[-1][1] == ")"):
                at = tail.end()  # the end of array([...], dtype=object)
        else:
            value, at = _leaf(text, at)
        if not waiting:
            done = value
            continue
        holder, _, keys = waiting[-1]
        if isinstance(holder, list):
            holder.append(value)
            continue
        if not keys:
            colon = re.compile(r"\s*:").match(text, at)
            if not colon or not isinstance(value, str):
                raise NotPrinted
            keys.append(value)
            at = colon.end()
        else:
            holder[keys.pop()] = value
    if not isinstance(done, list | dict):
        raise NotPrinted
    return done


def _leaf(text: str, at: int) -> tuple[object, int]:
    if found := _STRING.match(text, at):
        if text[at] in "bB":
            return unprinted_bytes(found[0]), found.end()
        return _unescaped(found[1][1:-1]), found.end()
    if found := _WORD.match(text, at):
        return _WORDS[found[0]], found.end()
    if found := _NUMBER.match(text, at):
        return float(found[0]), found.end()
    raise NotPrinted


def _unescaped(text: str) -> str:
    def one(found: re.Match) -> str:
        sign = found[1]
        if sign[0] in "xuU" and len(sign) > 1:
            code = int(sign[1:], 16)
            return chr(code) if code < 0x110000 else "\ufffd"
        return _ESCAPES.get(sign, "" if sign == "\n" else sign)

    pattern = r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"
    return re.sub(pattern, one, text, flags=re.DOTALL)
