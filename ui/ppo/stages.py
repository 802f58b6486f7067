"""Where a PPO step is: its five stages, numbered as the engine's file numbers them."""

from __future__ import annotations

import streamlit as st

STAGES = (  # what the engine calls it (ppo.STAGES), what it is called here
    ("writing answers", "Generate", "the model writes a batch of answers"),
    ("scoring", "Score", "the reward model scores each of them"),
    ("pricing the drift", "KL penalty", "each token pays for its drift"),
    ("judging each token", "Advantages", "was the rest better than expected?"),
    ("updating the model", "Clipped update", "likelier what was better, within limits"),
)


# Of one step: it learns from the batch at hand, then writes and scores the next.
ORDER = (2, 3, 4, 0, 1)


def draw(stage: str) -> None:
    """The five stages of a PPO step, numbered as the engine's file numbers them; the one at work is
    lit.
    """
    at = next((i for i, (name, _, _) in enumerate(STAGES) if name == stage), None)
    done = set(ORDER[: ORDER.index(at)]) if at is not None else set()
    rows = []
    for i, (_, title, what) in enumerate(STAGES):
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
