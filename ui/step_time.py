"""How long a PPO step of a big model takes on this machine, shown before it starts, and the
settings that fit a workshop.

Measured by the worker as soon as somebody looks. The bundled model's step takes about a second:
nothing is shown for it.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm import model_list
from rlhf_core.session.state import Session
from ui import monitor, state, text

JOB = "step_time"
WORDS = {  # what differs in workshop settings, in words; the lambda gets all values
    "frozen_layers": lambda value, layers: (
        f"only the top {layers - value} of {layers} layers learn"
        if layers - value > 1
        else f"only the top one of {layers} layers learns"
    ),
    "batch_size": lambda value, layers: f"{value} answers a step",
    "max_new_tokens": lambda value, layers: f"at most {value} tokens an answer",
    "epochs": lambda value, layers: f"{value} epochs",
}


def known(session: Session, chosen: dict) -> dict | None:
    """What was measured for these settings, or None."""
    return session.step_times.get(
        model_list.settings_key(session.model_name, PPOSettings(**chosen))
    )


def panel(session: Session, chosen: dict, *, busy: bool = False) -> bool:
    """Draw it for the settings ``chosen``; whether a run may start now (not before its time is
    known).
    """
    if session.model_name == model_list.BUNDLED:
        return True
    try:
        settings = PPOSettings(**chosen).validate()
    except SettingsError:
        return True  # said when it is started
    found = known(session, chosen)
    with st.container(border=True, key="step_time"):
        if found is None:
            _measure(session, settings)
            return False
        steps = settings.steps
        st.markdown(
            f"**About {monitor.duration(found['seconds'])} a step** on this machine, just measured"
            f" with {text.plain(model_list.title(session.model_name))} and these settings: {steps}"
            f" steps take about {monitor.duration(found['seconds'] * steps)}, longer where others"
            " use it too."
        )
        offer = found["workshop"]
        if offer and any(chosen[name] != value for name, value in offer["settings"].items()):
            words = ", ".join(
                WORDS[name](value, found["layers"])
                for name, value in offer["settings"].items()
                if name in WORDS
            )
            st.markdown(
                f"Settings that fit a workshop: **about {monitor.duration(offer['seconds'])} a"
                f" step**. With them {words}."
            )
            st.button(
                "Take the workshop settings",
                key="take_workshop",
                icon=":material/speed:",
                on_click=_take,
                args=(session, offer["settings"]),
                disabled=busy,
            )
    return True


def _take(session: Session, values: dict) -> None:
    session.choose("ppo", values)


def _measure(session: Session, settings: PPOSettings) -> None:
    """Have it measured, once for every choice of settings; where that was stopped or failed, on
    request.
    """
    key = model_list.settings_key(session.model_name, settings)
    if st.session_state.get("timed_for") != key and not state.alive(JOB):
        st.session_state["timed_for"] = key
        state.submit(JOB, settings)
    st.caption(
        f"How long does a step take with {text.plain(model_list.title(session.model_name))} on this"
        " machine? Measured before it starts."
    )
    monitor.monitor(JOB, controls=("stop",), draw=lambda records, view: None)
    if not state.alive(JOB):
        # It was known to another session, so it was quick.
        if model_list.settings_key(session.model_name, settings) in session.step_times:
            state.rerun()
        st.button(
            "Measure again",
            key="measure_again",
            on_click=lambda: st.session_state.pop("timed_for", None),
        )
