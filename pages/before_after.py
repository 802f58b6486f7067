"""Before / after: the original and the tuned model on the same prompts with the same seeds, read,
voted on blind, and counted. It fills itself on arrival.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import judged
from ui import monitor, next_step, state, text
from ui.before_after import blind_vote, closely, measuring, side_by_side

session = state.session()

st.title("Before and after", anchor=False)
st.markdown(
    "The original model (before) and the tuned one (after): same prompt, same seed. What changed,"
    " and was it your votes?"
)

missing = judged.needs(session, "before_after")
training = state.alive("ppo") or state.alive("run_once")
if missing and not session.tuned.evaluation and not training:
    number = session.history.current_round
    where = f" In round {number}, n" if number > 1 else " N"
    with st.container(border=True, key="before_after_missing"):
        st.markdown(
            f"**Not yet.**{where}othing is there to compare: this page still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        st.page_link("pages/ppo.py", label="Go to PPO", icon=":material/arrow_forward:")
    next_step.draw(session, "before_after")
    st.stop()
if training and not session.tuned.evaluation:
    st.info(
        "PPO is still changing the model. Come back when it is done, or stop it: then this page"
        " fills itself.",
        icon=":material/hourglass_top:",
    )
    next_step.draw(session, "before_after")
    st.stop()

side_by_side.fill(session)
side_by_side.own(session)
with st.container(key="measuring"):
    if state.job("evaluate"):
        monitor.monitor(
            "evaluate",
            controls=("stop",),
            draw=lambda records, view: None,
            every=0.4,
            quiet=not state.alive("evaluate"),
        )
if session.tuned.evaluation:
    side_by_side.held_out(session)
    with st.container(key="blind_vote"):
        blind_vote.draw(session)  # no fragment: each vote also changes the verdict below it
measuring.draw(session)
closely.draw(session)
next_step.draw(session, "before_after")
