"""Challenges on the page: the one that belongs to it, with a tick when it is done, and a word when
a new tick comes.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.labs import challenges
from rlhf_core.session.state import Session
from ui import state


def take_note(session: Session) -> None:
    """Keep what the session shows newly done, and say so; the router calls it on every run."""
    for one in challenges.take_note(session):
        st.toast(f"Challenge done: **{one.title}**", icon=":material/check_circle:")


def draw(page: str) -> None:
    """The challenges of ``page``, one line each."""
    done = challenges.earned(state.session())
    for one in challenges.of_page(page):
        ticked = one.name in done
        mark = ":green[:material/check_circle:] " if ticked else ":material/flag: "
        st.markdown(
            f"{mark}**{'Challenge, done' if ticked else 'Challenge'}:** {one.task}",
            help="All challenges, and yours so far, are on the page My RLHF.",
        )
