"""Another brief, chosen on whatever page: at once, since nothing is lost by it."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import asked
from rlhf_core.session.state import Session
from ui import state, text


def pick(session: Session, slug: str | None) -> None:
    """A brief was chosen."""
    if not slug or slug == session.asked.brief.slug:
        return
    try:
        brief = asked.brief_called(session, slug)
    except KeyError:  # started over in another tab, which this one has not heard of
        st.session_state["note"] = (
            "That brief is no longer in this session. Choose one of those that are here."
        )
        return
    state.stop_all()  # whatever runs was meant for the old brief
    former, left = session.asked.brief, learned(session)
    asked.set_brief(session, brief)
    back = learned(session)
    if left:
        st.session_state["note"] = (
            f"What you trained under “{text.plain(former.title)}” ({', '.join(left)}) is put away,"
            " and comes back with that brief."
        )
    elif back:
        st.session_state["note"] = f"Here is again what you trained under it: {', '.join(back)}."


def learned(session: Session) -> list[str]:
    """What was trained under the brief in force, in words."""
    steps, rounds = session.tuned.steps_done, len(session.history.rounds)
    found = ["the reward model"] if session.learned.head else []
    found += [f"the model that {steps} PPO step{'s' * (steps > 1)} tuned"] * (steps > 0)
    return found + [f"{rounds} earlier round{'s' * (rounds > 1)}"] * (rounds > 0)
