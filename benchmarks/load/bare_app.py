"""The least that a Streamlit app can be: one button that counts. What it costs is the floor."""

from __future__ import annotations

import streamlit as st

st.session_state.setdefault("count", 0)


def one_more() -> None:
    st.session_state["count"] += 1


st.button("One more", key="more", on_click=one_more)
st.text(f"count {st.session_state['count']}")
