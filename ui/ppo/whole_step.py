"""The whole step as code, behind one press."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.common.source import function_lines, function_source

MODULE, NAME = "algorithms.ppo_step", "ppo_step"


def draw(above: Callable[[], None] | None = None) -> None:
    """A press that opens it; the file is read when the page is drawn, so it is what it says.

    ``above``: draws what comes before the code.
    """
    lines = function_lines(MODULE, NAME)
    with st.expander(
        f"The whole step in {lines} lines of code", icon=":material/code:", key="ppo_code"
    ):
        if above:
            above()
        st.caption(
            "One step of PPO, as Python: write, score, price, judge, update. The formulas it calls"
            " are in rlhf_core/algorithms/ppo.py, each with its source. What this page runs adds"
            " progress bars, a way back, kept activations of frozen layers, the reward model's"
            " doubt taken off a score, and a β that moves towards a KL target. Without the last"
            " two (their knobs at 0) a test holds both to the same numbers."
        )
        st.code(function_source(MODULE, NAME), language="python", line_numbers=True)
