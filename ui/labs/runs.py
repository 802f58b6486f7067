"""What the labs share that run an experiment of a few minutes: settings, the row that starts it,
and the window on its run. (Context flip asks for two briefs instead of settings, and goes its own
way.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    st.caption("A few minutes, also while you read other pages. Your own models stay as they are.")
    if error := st.session_state.get(f"{name}_error"):
        st.error(text.plain(error), icon=":material/error:")


def one_prompt(
    name: str, prompts: Sequence[str], label: str = "What they write: prompt, held out"
) -> int:
    """Which of the prompts' answers are read now: its place among them."""
    return st.selectbox(
        label, range(len(prompts)), format_func=lambda place: prompts[place], key=f"{name}_prompt"
    )


def how_it_ran(name: str, words: str) -> None:
    """Brief, data, settings and seed of what is shown, one press away."""
    with st.expander(
        "How it was run: one seed, one story", icon=":material/receipt_long:", key=f"{name}_ran"
    ):
        st.markdown(words)


def where(records: list[dict], order: Sequence[str], names: dict[str, str], steps: int) -> str:
    """How far an experiment of several trainings is, in words: "PPO, step 8 of 16 (1 of 5)"; ""
    before the first of them stands at its step 0.

    Args:
        records: the job's; those with a "run" say which and at which "step".
        order: the trainings, first to last. names: what the page calls them.
        steps: of each.
    """
    last = next((row for row in reversed(records) if row.get("run") in order), None)
    if last is None:
        return ""
    place, step = list(order).index(last["run"]), last.get("step", 0)
    if step >= steps and place + 1 < len(order):
        place, step = place + 1, 0
    run = names.get(order[place], order[place])
    several = f" ({place + 1} of {len(order)})" if len(order) > 1 else ""
    return f"{run}, step {step} of {steps}{several}"


def window(
    name: str, draw: Callable[[list[dict], dict], None], *, kept: bool, names: dict[str, str]
) -> None:
    """The run as it goes, or what an earlier one has left (``kept``: whether there is one), or the
    saved one. ``names``: its trainings, in their order, as the page calls them.
    """

    def so_far(records: list[dict]) -> str:
        found = state.session().labs.get(name, {})
        steps = found.get("settings", {}).get("steps", 0)
        return where(records, found.get("runs") or list(names), names, steps)

    if state.job(name):
        monitor.monitor(name, controls=("pause", "stop"), draw=draw, where=so_far)
    elif kept or saved.begin(name):
        draw([], {"status": "done"})
