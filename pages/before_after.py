"""Before / after: the original and the tuned model on the same prompts with the same seeds, read,
voted on blind, and counted.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import judged
from ui import monitor, state, text
from ui.before_after import blind_vote, closely, measuring, side_by_side

session = state.session()

st.title("Before and after", anchor=False)
st.markdown("Same prompt, same seed, both models: what changed, and was it your votes?")

missing = judged.needs(session, "before_after")
if missing and not session.tuned.evaluation:
    with st.container(border=True, key="before_after_missing"):
        st.markdown(
            "**Not yet.** There is nothing to compare: this page still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        st.page_link("pages/ppo.py", label="Go to PPO", icon=":material/arrow_forward:")
    st.stop()

# Above the tabs, since two of them can begin it; always there, or the tabs would jump back to the
# first.
with st.container(key="measuring"):
    if state.job("evaluate"):
        monitor.monitor(
            "evaluate",
            controls=("stop",),
            draw=lambda records, view: None,
            every=0.4,
            quiet=not state.alive("evaluate"),
        )
see, vote_tab, verdict_tab = st.tabs(
    [
        ":material/compare: Side by side",
        ":material/how_to_vote: Vote blind",
        ":material/gavel: Verdict",
    ]
)
with see:
    side_by_side.draw(session)
    closely.draw(session)
with vote_tab:
    blind_vote.draw(session)  # no fragment: each vote also changes the verdict beside it
with verdict_tab:
    measuring.draw(session)

if session.tuned.evaluation and st.button(
    "On to the next round", key="to_rounds", icon=":material/arrow_forward:", icon_position="right"
):
    st.switch_page("pages/rounds.py")
