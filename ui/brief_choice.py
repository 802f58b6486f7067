"""Another brief, chosen on whatever page: at once where nothing is lost by it, else after a
question that says what goes.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import asked
from rlhf_core.session.state import Session
from ui import state, text

WAITING = "brief_waiting"  # the brief that was picked, until the question is answered


def goes(session: Session) -> list[str]:
    """What was made under the present brief and would be put away, in words."""
    steps, rounds = session.tuned.steps_done, len(session.history.rounds)
    found = ["the reward model"] if session.learned.head else []
    found += [f"the model that {steps} PPO step{'s' * (steps > 1)} tuned"] * (steps > 0)
    return found + [f"{rounds} earlier round{'s' * (rounds > 1)}"] * (rounds > 0)


def pick(session: Session, slug: str | None) -> None:
    """A brief was chosen."""
    st.session_state.pop(WAITING, None)
    if not slug or slug == session.asked.brief.slug:
        return
    if goes(session):
        st.session_state[WAITING] = slug
    else:
        _change(session, slug)


def _change(session: Session, slug: str) -> None:
    st.session_state.pop(WAITING, None)
    state.stop_all()  # whatever runs was meant for the old brief
    asked.set_brief(session, asked.brief_called(session, slug))


def _stay(session: Session, widget: str) -> None:
    st.session_state.pop(WAITING, None)
    st.session_state[widget] = session.asked.brief.slug


def question(session: Session, widget: str) -> None:
    """Asks before anything goes. ``widget``: the key of what was picked with, which goes back to
    the present brief on "Stay".
    """
    slug, lost = st.session_state.get(WAITING), goes(session)
    if not slug or slug == session.asked.brief.slug:
        return
    title = text.plain(asked.brief_called(session, slug).title)
    with st.container(border=True, key="brief_question"):
        st.markdown(
            f"**Change the brief to “{title}”?** What was learned under the present one goes, since"
            f" it learned another taste: {', '.join(lost) or 'nothing'}. Your judgements stay,"
            " each under its own brief."
        )
        with st.container(horizontal=True):
            st.button(
                "Change the brief", key="brief_change", on_click=_change, args=(session, slug)
            )
            st.button(
                "Stay", key="brief_stay", type="primary", on_click=_stay, args=(session, widget)
            )
