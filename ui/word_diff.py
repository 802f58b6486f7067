"""Two texts beside each other with the words that changed marked, for the eye and for the ear.

Both are untrusted text: everything in them is escaped. Knows nothing about models.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import streamlit as st

from ui import text

SHORT = 2  # words: what both texts have in one place only counts as kept from so many on


def difference(before: str, after: str) -> tuple[str, str]:
    """Two texts as HTML, escaped: words that only the first has in <del>, words that only the
    second has in <ins>.
    """
    return _marked(before, after, ("<del>", "</del>"), ("<ins>", "</ins>"))


def spoken(before: str, after: str) -> tuple[str, str]:
    """As ``difference``, for people who listen too: each mark says that it begins and ends; what is
    new stands in <mark>. A single word that both happen to have amid others is marked as well: a
    text in shreds cannot be read.
    """
    gone = ('<del><span class="op-heard">[gone: </span>', '<span class="op-heard">]</span></del>')
    come = ('<mark><span class="op-heard">[new: </span>', '<span class="op-heard">]</span></mark>')
    return _marked(before, after, gone, come, SHORT)


def _marked(
    before: str, after: str, gone: tuple[str, str], come: tuple[str, str], least: int = 1
) -> tuple[str, str]:
    one, other = (
        re.findall(r"\s*\S+", shown)
        for shown in (before[: text.MAX_SHOWN], after[: text.MAX_SHOWN])
    )
    left, right = "", ""
    for kept, a, b, c, d in _parts(one, other, least):
        old, new = text.escape("".join(one[a:b])), text.escape("".join(other[c:d]))
        left += old if kept or not old else gone[0] + old + gone[1]
        right += new if kept or not new else come[0] + new + come[1]
    return left, right


def _parts(one: list[str], other: list[str], least: int) -> list[tuple[bool, int, int, int, int]]:
    """Stretches (kept?, from, to in ``one``, from, to in ``other``), kept and changed in turn."""
    parts: list[tuple[bool, int, int, int, int]] = []
    matcher = difflib.SequenceMatcher(a=one, b=other, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        # At the beginning and the end even one word is a place to hold on to.
        kept = tag == "equal" and (b - a >= least or a == c == 0)
        if parts and parts[-1][0] == kept:
            kept, a, _, c, _ = parts.pop()
        parts.append((kept, a, b, c, d))
    return parts


def new_words(rows: Sequence[tuple[str, str, str]], tag: str) -> None:
    """What is written now, a card a row of (prompt, what was written first, what is written now);
    words that were not in the first are marked.
    """
    cards = [text.card_html(prompt, spoken(first, now)[1], tag=tag) for prompt, first, now in rows]
    st.html(f'<div class="op-answers op-pair">{"".join(cards)}</div>')


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
