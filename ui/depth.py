"""Depth on demand: for a number or a control, one press shows the sentence, the formula with this
session's numbers in it, the very lines that compute it, and the paper.

All of it comes from the glossary (``rlhf_core.common.glossary``) and from the engine's files as
they are now (``rlhf_core.common.source``): nothing is copied, and nothing is imported.
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
MOST_PILLS = 8  # terms; of more one is picked from a list


def shelf(
    names: Sequence[str], given: Numbers, *, key: str, label: str = "Behind the numbers"
) -> None:
    """One press that opens what is behind a page's numbers and knobs, one at a time."""
    # Made at once, not when it opens: what grows after that would hang below the window's edge.
    with st.popover(label, icon=":material/function:", key=key):
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
        judge = "" if isinstance(given, Mapping) else numbers.judge(given)
        counted = any(f"<{share}>" in "".join(one.worked) for share in numbers.OF_A_JUDGE)
        by = f", as counted by: **{text.plain(judge)}**" if judge and counted else ""
        st.markdown(f"With the numbers of this session{by}:")
        st.latex(worked)
    if one.source:
        lines = excerpt(one.source)
        place = text.plain(lines.path)
        st.caption(f"Computed by {place}, lines {lines.first} to {lines.last}:")
        st.code(lines.text, language="python", wrap_lines=True)
    if one.paper:
        title = text.plain(one.paper.title)
        link = f"[{title}]({one.paper.url})" if one.paper.url else title
        st.caption(f"Paper: {link}, {text.plain(one.paper.section)}.")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:] if len(words) > 2 else words
