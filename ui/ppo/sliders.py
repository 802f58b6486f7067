"""The knobs of the PPO page: what each is called, three presets that set them all at once, and the
range in which each is safe.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import ppo_presets
from rlhf_core.session.state import Session
from ui import knobs

LABELS = {
    "steps": "Steps",
    "beta": "β: price of drift",
    "learning_rate": "Learning rate",
    "batch_size": "Answers a step",
    "max_new_tokens": "Longest answer",
    "epochs": "Epochs",
    "minibatch_size": "Minibatch",
    "clip": "Clip range ε",
    "value_clip": "Clip range of the value head",
    "value_coefficient": "Value coefficient",
    "value_rate": "Value head rate (times the learning rate)",
    "gamma": "Discount γ",
    "lam": "GAE λ",
    "kl_target": "KL target",
    "temperature": "Temperature",
    "score_clip": "Highest score that counts",
    "conservative": "Doubt taken off a score",
    "missing_end_penalty": "Penalty for not ending",
    "frozen_layers": "Frozen layers",
    "max_grad_norm": "Gradient clipping: largest norm",
    "seed": "Seed",
}
COCKPIT = ("beta",)
FIRST = ("steps", "learning_rate")
MORE = ("clip", "epochs", "batch_size", "temperature")
LADDERS = {  # settings whose useful values spread over powers of ten
    "learning_rate": (1e-5, 3e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    "beta": (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
    "max_grad_norm": (0.01, 0.1, 0.5, 1.0, 2.0, 10.0, 100.0),
    "value_clip": (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0),
    "value_coefficient": (0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0),
}


def preset_row(session: Session, chosen: dict, *, disabled: bool) -> None:
    """Three buttons that set the knobs at once; the one that is in force is marked."""

    def use(name: str) -> None:
        session.choose("ppo", ppo_presets.preset(name))

    now = ppo_presets.which(chosen)
    with st.container(horizontal=True, key="ppo_presets"):
        for name, (words, _) in ppo_presets.PRESETS.items():
            icon = ":material/check:" if name == now else None
            st.button(
                name.capitalize(),
                key=f"preset_{name}",
                icon=icon,
                help=words,
                on_click=use,
                args=(name,),
                disabled=disabled,
                type="secondary",
            )
    st.caption(ppo_presets.PRESETS[now][0] if now else "Your own settings: no preset.")


def knob_with_range(
    knob: knobs.Knobs, name: str, *, disabled: bool = False, quiet: bool = False
) -> None:
    """A knob, and below it where it is safe (``quiet``: only where it is not), or what to expect of
    where it stands.
    """
    knob.draw(name, disabled=disabled)
    if (safe := ppo_presets.SAFE.get(name)) is not None:
        expect = safe.says(knob.chosen()[name])
        words = f"Safe: {knobs.plainly(safe.low)} to {knobs.plainly(safe.high)}."
        if name == "beta" and knob.chosen()[name] == 0:
            expect = "nothing holds the model to its language; it may end in gibberish"
        if quiet and not expect:
            return
        st.caption(f":orange[:material/warning: {words} Here: {expect}.]" if expect else words)
