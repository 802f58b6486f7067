"""What somebody typed into a choice column, as one of our choices: a, b, tie, both_bad, skip.

Every reading but the exact word is a repair, with a sentence that says so; what has two meanings is
refused. Used for spreadsheets, Argilla's answers and Label Studio's buttons alike. Imports nothing
heavy.
"""

from __future__ import annotations

import re

from rlhf_core.judging.preferences import CHOICES

IN_WORDS = {
    "a": "a (the left one)",
    "b": "b (the right one)",
    "tie": "a tie",
    "both_bad": "both bad",
    "skip": "skipped",
}
_SIDES = {"a": ("a", "1", "left", "first", "one"), "b": ("b", "2", "right", "second", "two")}
_NOUNS = (
    "answer",
    "response",
    "option",
    "output",
    "completion",
    "text",
    "model",
    "candidate",
    "choice",
    "item",
)
_WORDS = {
    "tie": ("tie", "tied", "equal", "same", "draw", "both equal", "no preference", "no difference"),
    "both_bad": (
        "both bad",
        "bothbad",
        "bad both",
        "neither",
        "both are bad",
        "tie bothbad",
        "tie both bad",
    ),
    "skip": ("skip", "skipped", "cancelled", "canceled", "unsure skip"),
}
MEANINGS: dict[str, str] = {word: choice for choice, words in _WORDS.items() for word in words}
for _choice, _names in _SIDES.items():
    for _name in _names:
        MEANINGS[_name] = _choice
        MEANINGS.update(
            {f"{noun} {_name}": _choice for noun in _NOUNS}
            | {f"{noun}{_name}": _choice for noun in _NOUNS if len(_name) == 1}
        )
        MEANINGS.update(
            {f"{_name} {noun}": _choice for noun in _NOUNS if len(_name) > 2}
            | {f"{_name} better": _choice, f"{_name} wins": _choice}
        )
MEANINGS |= {"l": "a", "r": "b", "left hand": "a", "right hand": "b"}


def read_choice(value: object, a: str = "", b: str = "") -> tuple[str | None, str]:
    """The choice that ``value`` names, and a sentence.

    Args:
        a, b: the two texts: some tables repeat the better text instead of naming its side.

    Returns:
        (choice, "") where it stood there as we write it; (choice, how it was read) after a repair;
        (None, why not).
    """
    if isinstance(value, str) and value in CHOICES:
        return value, ""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None, "the choice is empty; an empty cell is no tie and no skip"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, f"the choice is {str(value)[:40]!r}, which is no word"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value)
    if a != b and text.strip() and text.strip() in (a.strip(), b.strip()):
        choice = "a" if text.strip() == a.strip() else "b"
        return choice, f"the choice repeats a text; read as {IN_WORDS[choice]}"
    cleaned = " ".join(re.sub(r"[^\w]+|_", " ", text.casefold().strip("\ufeff")).split())
    if number := re.fullmatch(r"\s*([+-]?\d+)([.,]0*)?\s*", text):  # 1.0: a spreadsheet's idea of 1
        cleaned = number[1]
    if cleaned in CHOICES or cleaned in MEANINGS:
        choice = cleaned if cleaned in CHOICES else MEANINGS[cleaned]
        return choice, f"the choice {_shown(text)} was read as {IN_WORDS[choice]}"
    near = {
        MEANINGS[word]
        for word in MEANINGS
        if len(word) >= 3
        and not word[-1].isdigit()
        and len(cleaned) >= 3
        and one_slip_apart(cleaned, word)
    }
    if len(near) == 1:
        choice = near.pop()
        return (
            choice,
            (
                f"the choice {_shown(text)} was taken for a slip of the keys and read as"
                f" {IN_WORDS[choice]}"
            ),
        )
    if cleaned == "0":
        return (
            None,
            "the choice is 0: the file does not say whether that is the left one or the right one",
        )
    return None, f"the choice is {_shown(text)}; it must be one of {', '.join(CHOICES)}"


def one_slip_apart(x: str, y: str) -> bool:
    """Does one slip of the keys turn ``x`` into ``y``?

    A letter too much, too few, another one, or two neighbours swapped?

    Source: Damerau 1964, the four errors that make up over 80% of misspellings.
    """
    if x == y or abs(len(x) - len(y)) > 1:
        return False
    if len(x) > len(y):
        x, y = y, x
    start = next((i for i, (p, q) in enumerate(zip(x, y)) if p != q), len(x))
    if len(x) < len(y):
        return x[start:] == y[start + 1 :]
    swapped = (
        x[start : start + 2] == y[start : start + 2][::-1] and x[start + 2 :] == y[start + 2 :]
    )
    return swapped or x[start + 1 :] == y[start + 1 :]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
