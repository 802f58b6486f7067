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
ORDER = (2, 3, 4, 0, 1)  # of one step: it learns from the batch at hand, then writes the next


def draw(stage: str) -> None:
    """The five stages of a PPO step, numbered as the engine's file numbers them; the one at work is
    lit.
    """
    at = STAGES.index(stage) if stage in STAGES else None
    done = set(ORDER[: ORDER.index(at)]) if at is not None else set()
    rows = []
    for i, (title, what) in enumerate(WORDS):
        mark = (
            ' class="op-here" aria-current="step"'
            if i == at
            else ' class="op-done"'
            if i in done
            else ""
        )
        rows.append(
            f'<li{mark} title="{what}"><b>{i + 1}</b> {title}{" ✓" if i in done else ""}</li>'
        )
    st.html(f'<ol class="op-stages" aria-label="Stages of a PPO step">{"".join(rows)}</ol>')
    st.caption(
        "A step begins at 3: it learns from the batch at hand, then writes (1) and scores (2) the"
        " next one."
    )
