"""The measured answer: both models on prompts that no training ever saw, every pair judged and
counted.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import state, verdict


def draw(session: Session) -> None:
    """The verdict; the button that has it counted, where that was stopped or failed."""
    if not session.tuned.evaluation:
        if not state.alive("evaluate"):
            st.markdown(
                "Both models answer prompts that no training ever saw, with the same seeds. Then"
                " every pair is judged and counted."
            )
            button(session, "evaluate", "Measure it")
        return
    st.subheader("The verdict", anchor=False)
    verdict.draw(session)
    button(session, "evaluate_again", "Measure again, with fresh answers", primary=False)


def measure(session: Session) -> None:
    st.session_state["vote_sides"] = {}
    # Again: fresh answers, not the same count once more.
    seed = (session.tuned.evaluation or {}).get("seed", 0) + 1
    state.submit("evaluate", seed=seed)


def button(session: Session, key: str, label: str, primary: bool = True) -> None:
    kind = "primary" if primary else "secondary"
    st.button(
        label,
        key=key,
        type=kind,
        icon=":material/query_stats:",
        on_click=measure,
        args=(session,),
        disabled=state.alive("evaluate") or bool(judged.needs(session, "before_after")),
    )
