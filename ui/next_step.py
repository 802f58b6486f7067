"""The one primary button at the end of a page of Steps: it does the next thing, whatever that is.

Where the next thing is done on the page itself, nothing is drawn: that page's own button is the
primary one (``here``). What is next is said by ``rlhf_core.session.next_step``; here only comes in
what is being worked on at the moment.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import ppo_presets, settings
from rlhf_core.common.errors import SettingsError
from rlhf_core.common.knob import within
from rlhf_core.lm import model_list
from rlhf_core.session import next_step as engine
from rlhf_core.session.next_step import NextStep
from rlhf_core.session.state import Session
from ui import state

GOING = "next_page"  # in the session's state: where a press leads
WORKING = {  # a job under way -> where it can be watched
    "fit": NextStep(engine.REWARD_MODEL, "Watch it learn"),
    "ppo": NextStep(engine.PPO, "Watch PPO"),
    "evaluate": NextStep(engine.BEFORE_AFTER, "Watch both models answer"),
}


def now(session: Session) -> NextStep:
    """What waits for the learner, or what is being worked on."""
    for job, step in WORKING.items():
        if state.alive(job):
            return step
    return engine.next_step(session)


def untouched(session: Session) -> bool:
    """Was nothing done in this session yet?"""
    return now(session).box == engine.PROMPT and not session.learned.head


def whole_loop_first(session: Session) -> bool:
    """On Home, does the whole loop in a minute come first, before any of its stations?"""
    return untouched(session) and bool(session.asked.brief.wanted)


def here(session: Session, page: str) -> bool:
    """Is the next thing done on ``page`` itself? Then its own button is the primary one."""
    return now(session).box == page


def draw(session: Session, page: str) -> None:
    """The button, at the end of ``page``; it starts what is next and goes there."""
    follow(page)
    step = now(session)
    if step.box == page or state.alive("run_once"):
        return
    st.button(
        step.label,
        key=f"to_{step.box}",
        type="primary",
        icon=":material/arrow_forward:",
        icon_position="right",
        on_click=go,
        args=(session, step),
    )


def go(session: Session, step: NextStep) -> None:
    """Start what is next; the page changes when the script runs again (``follow``)."""
    start(session, step)
    st.session_state[GOING] = step.box


def follow(page: str) -> None:
    """Change to the page that a press asked for, if ``page`` is another one.

    The wish stays until its page is drawn: a poll of the page that comes in at the same moment can
    make Streamlit forget a change of page. A press in a fragment runs that alone, so not only the
    router asks here.
    """
    wished = st.session_state.get(GOING)
    if wished == (page or "loop"):  # home answers at the empty address
        del st.session_state[GOING]
    elif wished:
        st.switch_page(f"pages/{wished}.py")


def start(session: Session, step: NextStep) -> None:
    """Submit the job of ``step``, as the button of its own page would."""
    if step.job == "fit":
        values = within(settings.RewardModelSettings, session.settings.get("reward_model", {}))
        chosen = st.session_state.get("features", values["features"])
        # The page shows the fit from its first iteration, in slow motion.
        st.session_state["fit_shown"] = 0
        st.session_state.pop("fit_began", None)
        state.submit("fit", settings.RewardModelSettings(features=chosen))
    elif step.job == "ppo" and session.model_name == model_list.BUNDLED:
        # A big model's step is timed on its page first.
        moved = {**session.settings.get("ppo", {}), **session.settings.get("ppo_next", {})}
        values = ppo_presets.fitting(within(settings.PPOSettings, moved))
        try:
            steps = settings.PPOSettings(**values).validate().steps
        except SettingsError:
            return  # the page says why
        first = 0 if session.tuned.metrics else 1  # step 0, before any update, is a record too
        state.submit("ppo", total=steps + first)
