"""A brief is chosen by its name; one that has gone meanwhile is told, not an error."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session.state import Session
from ui import brief_choice


def test_a_brief_that_another_tab_has_done_away_with_is_told():
    session, st.session_state["note"] = Session(), ""
    before = session.asked.brief
    brief_choice.pick(session, "of-my-own")
    assert session.asked.brief is before
    assert st.session_state["note"].startswith("That brief is no longer in this session.")
