"""Depth on demand: for a number or a control, one press shows the sentence, the formula with this
session's numbers in it, the very lines that compute it, and the paper.

All of it comes from the glossary (``rlhf_core.common.glossary``) and from the engine's files as
they are now (``rlhf_core.common.source``): nothing is copied, and nothing is imported. What is
behind the press is made when it is pressed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from rlhf_core.common import glossary
from rlhf_core.common.source import excerpt
from rlhf_core.session import numbers
from rlhf_core.session.state import Session
from ui import text

Numbers = Session | Mapping[str, object]  # a session: all of its own
MOST_PILLS = 8
TALL, HEIGHT = 16, 330  # lines of code, beyond which they scroll, and in how many pixels


def popover(name: str, given: Numbers, *, label: str = "", key: str = "") -> None:
    """A press that opens one term. ``label``: other words than its name; ``key``: where a page has
    it twice.
    """
    one = glossary.term(name)
    box = st.popover(
        label or _capital(one.name),
        icon=":material/function:",
        type="tertiary",
        key=key or f"depth_{one.name}",
        on_change="rerun",
    )
    if box.open:
        with box:
            body(name, given)


def shelf(
    names: Sequence[str], given: Numbers, *, key: str, label: str = "Behind the numbers"
) -> None:
    """One press that opens several terms, to be looked at one by one: where there is no room for a
    press beside each number.
    """
    box = st.popover(label, icon=":material/function:", key=key, on_change="rerun")
    if not box.open:
        return
    with box:
        options = [glossary.term(name).name for name in names]
        if len(options) > MOST_PILLS:
            chosen = st.selectbox("Number or knob", options, format_func=_capital, key=f"{key}_of")
        else:
            chosen = st.pills(
                "Number",
                options,
                format_func=_capital,
                default=options[0],
                required=True,
                key=f"{key}_of",
                label_visibility="collapsed",
            )
        body(chosen, given)


def body(name: str, given: Numbers, *, sentence: bool = True) -> None:
    """Sentence, formula, numbers, source and paper of a term."""
    one = glossary.term(name)
    if sentence:
        st.markdown(text.plain(one.sentence))
    if one.formula:
        st.latex(one.formula)
    if one.where:
        st.caption(text.plain(one.where) + ".")
    known = given if isinstance(given, Mapping) else numbers.of(given)
    if worked := glossary.with_numbers(one, known):
        st.markdown("With the numbers of this session:")
        st.latex(worked)
    if one.source:
        lines = excerpt(one.source)
        st.caption(f"Computed by `{lines.path}`, lines {lines.first} to {lines.last}:")
        tall = lines.last - lines.first >= TALL
        st.code(lines.text, language="python", height=HEIGHT if tall else "content")
    if one.paper:
        title = text.plain(one.paper.title)
        link = f"[{title}]({one.paper.url})" if one.paper.url else title
        st.caption(f"Paper: {link}, {text.plain(one.paper.section)}.")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:] if len(words) > 2 else words
