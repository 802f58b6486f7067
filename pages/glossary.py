"""Glossary: every term in one sentence; behind it the formula with the session's own numbers, the
lines that compute it, and the paper.
"""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from rlhf_core.common import glossary
from rlhf_core.session import numbers
from ui import depth, state, text

session = state.session()
known = numbers.of(session)


def entry(one: glossary.Term) -> None:
    """A term: its sentence in sight, the rest made when it is opened."""
    box = st.expander(
        f"**{text.plain(one.name)}**: {text.plain(one.sentence)}",
        key=f"term_{one.name}",
        on_change="rerun",
        type="compact",
    )
    if box.open:
        with box:
            if one.also:
                st.caption(f"Also: {text.plain(', '.join(one.also))}.")
            depth.body(one.name, known, sentence=False)


st.title("Glossary", anchor=False)
st.markdown(
    "Open a term for its formula with your own numbers, the lines of code behind it, and the paper."
)
words = st.text_input(
    "Search", key="glossary_search", placeholder="for example: drift, tie, beta", max_chars=60
)
found = glossary.find(words)
if not found:
    st.info("No term here says that. Try a shorter word.", icon=":material/search_off:")
with st.container(key="glossary", gap="xxsmall"):
    if words.strip():
        for one in found:
            entry(one)
    else:
        for group, rows in groupby(found, key=lambda one: one.group):
            st.subheader(group, anchor=False)
            for one in rows:
                entry(one)
