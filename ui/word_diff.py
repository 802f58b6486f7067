"""Two texts beside each other with the words that changed marked, for the eye and for the ear.

Both are untrusted text: everything in them is escaped. Knows nothing about models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import streamlit as st

from ui import text


def difference(before: str, after: str) -> tuple[str, str]:
    """Two texts as HTML, escaped: words that only the first has in <del>, words that only the
    second has in <ins>.
    """
    return _marked(before, after, ("<del>", "</del>"), ("<ins>", "</ins>"))


def spoken(before: str, after: str) -> tuple[str, str]:
    """As ``difference``, for people who listen too: each mark says that it begins and ends; what is
    new stands in <mark>.
    """
    gone = ('<del><span class="op-heard">[gone: </span>', '<span class="op-heard">]</span></del>')
    come = ('<mark><span class="op-heard">[new: </span>', '<span class="op-heard">]</span></mark>')
    return _marked(before, after, gone, come)


def _marked(
    before: str, after: str, gone: tuple[str, str], come: tuple[str, str]
) -> tuple[str, str]:
    one, other = (
        re.findall(r"\s*\S+", shown)
        for shown in (before[: text.MAX_SHOWN], after[: text.MAX_SHOWN])
    )
    left, right = [], []
    for tag, a, b, c, d in difflib.SequenceMatcher(a=one, b=other, autojunk=False).get_opcodes():
        old, new = text.escape("".join(one[a:b])), text.escape("".join(other[c:d]))
        left.append(old if tag == "equal" or not old else gone[0] + old + gone[1])
        right.append(new if tag == "equal" or not new else come[0] + new + come[1])
    return "".join(left), "".join(right)


def pair(
    prompt: str,
    before: str,
    after: str,
    *,
    tags: Sequence[str] = ("Before", "After"),
    feet: Sequence[str] = ("", ""),
) -> None:
    """One prompt, what was written before and after, with the changed words marked."""
    st.html(pair_html(prompt, before, after, tags=tags, feet=feet))


def pair_html(
    prompt: str,
    before: str,
    after: str,
    *,
    tags: Sequence[str] = ("Before", "After"),
    feet: Sequence[str] = ("", ""),
) -> str:
    cards = [
        text.card_html(prompt, written, tag=tag, foot=foot)
        for written, tag, foot in zip(spoken(before, after), tags, feet, strict=True)
    ]
    return f'<div class="op-answers op-pair">{"".join(cards)}</div>'
