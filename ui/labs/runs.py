"""What the labs share that run an experiment of a few minutes: settings, the row that starts it,
and the window on its run. (Context flip asks for two briefs instead of settings, and goes its own
way.)
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.common import errors
from rlhf_core.session.state import Session
from ui import knobs, monitor, state, text
from ui.labs import saved


def chosen(knob: knobs.Knobs, kind: type):
    """What the knobs say, as settings ready to run, and kept with the session; None where that is
    impossible, which ``start_row`` then says.
    """
    st.session_state.pop(f"{knob.stage}_error", None)
    try:
        settings = kind(**knob.chosen()).validate()
    except errors.SettingsError as error:
        st.session_state[f"{knob.stage}_error"] = str(error)
        return None
    knob.keep()
    return settings


def needs_a_rule(session: Session) -> None:
    """Which brief the lab uses where the session's has no rule."""
    if not session.asked.brief.wanted:
        st.info(
            "Your brief has no rule that could rate answers, so this lab uses the brief “Biology"
            " homework helper”.",
            icon=":material/info:",
        )


def start_row(
    knob: knobs.Knobs,
    start: Callable[[], None],
    *,
    first: str,
    again: bool,
    more: Callable[[bool], None] | None = None,
) -> None:
    """The button that starts the experiment, its settings, and what stood in the way.

    Args:
        first: what the button says before the first run; ``again``: whether there was one.
        more: draws what else belongs in the row; is told whether the experiment runs.
    """
    name, busy = knob.stage, state.alive(knob.stage)
    with st.container(horizontal=True, vertical_alignment="center", key=f"{name}_start"):
        st.button(
            "Run it again" if again else first,
            key=f"{name}_play",
            type="primary",
            icon=":material/play_arrow:",
            on_click=start,
            disabled=busy,
        )
        with st.popover("Change the experiment", icon=":material/tune:"):
            for row in knob.rows:
                knob.draw(row, disabled=busy)
        if more is not None:
            more(busy)
    st.caption(
        "It takes a few minutes and goes on while you look at other pages. It trains models of its"
        " own: yours are not touched."
    )
    if error := st.session_state.get(f"{name}_error"):
        st.error(text.plain(error), icon=":material/error:")


def window(name: str, draw: Callable[[list[dict], dict], None], *, kept: bool) -> None:
    """The run as it goes, or what an earlier one has left (``kept``: whether there is one), or the
    saved one.
    """
    if state.job(name):
        monitor.monitor(name, controls=("pause", "stop"), draw=draw)
    elif kept or saved.begin(name):
        draw([], {"status": "done"})
