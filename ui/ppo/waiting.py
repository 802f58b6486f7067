"""What is set for PPO before it can run: a link's settings, brief and prompt, kept until it can."""

from __future__ import annotations

import streamlit as st

from ui import knobs, text
from ui.ppo import sliders
from ui.ppo.steering import Steering


def draw(run: Steering) -> None:
    """The knobs that differ from their defaults, and whom and what the run is for; nothing where
    nothing was set.
    """
    session, chosen = run.session, run.knob.chosen()
    if not session.settings.get(run.knob.next):
        return
    words = [
        f"{sliders.LABELS[name]} {knobs.plainly(chosen[name])}"
        for name, row in run.knob.rows.items()
        if chosen[name] != row["default"] or name == "seed"
    ]
    words.append(f"brief “{text.plain(session.asked.brief.title)}”")
    if session.asked.user_prompts:
        words.append(f"prompt “{text.plain(session.asked.user_prompts[-1])}”")
    st.markdown(f":material/inventory_2: **Set, and kept for PPO:** {', '.join(words)}.")
