"""Where a PPO step is: its five stages, numbered as the engine's file numbers them."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.ppo_stages import STAGES

WORDS = (
    ("Generate", "the model writes a batch of answers"),
    ("Score", "the reward model scores each of them"),
    ("KL penalty", "each token pays for its drift"),
    ("Advantages", "was the rest better than expected?"),
    ("Clipped update", "likelier what was better, within limits"),
)
LEARNING = (2, 3, 4)  # what step 0, the model before any update, does without


def draw(stage: str, *, learning: bool) -> None:
    """The five stages of a PPO step, numbered as the engine's file numbers them; the one at work is
    lit. ``learning``: a step that updates, not step 0, which only looks.
    """
    at = STAGES.index(stage) if stage in STAGES else None
    rows = []
    for i, (title, what) in enumerate(WORDS):
        if i in LEARNING and not learning:
            continue
        mark = ' class="op-here" aria-current="step"' if i == at else ""
        rows.append(f'<li{mark} title="{what}"><b>{i + 1}</b> {title}</li>')
    st.html(f'<ol class="op-stages" aria-label="Stages of a PPO step">{"".join(rows)}</ol>')
