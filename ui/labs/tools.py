"""What the pages of the reward lab share: the results of its jobs, found again while they are
fresh, and the door for a session without votes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

import streamlit as st

from rlhf_core.session import asked, judged
from rlhf_core.session.state import Session
from ui import monitor, state, text
from ui.labs import saved

# seconds that a page waits for a quick answer before it draws without: less flicker than a second
# run of the page
PATIENCE = 0.4


def learned_from(session: Session) -> int:
    """One number for everything that the lab's results depend on: two of them differ where the
    results may.
    """
    settings = tuple(sorted(session.settings.get("reward_model", {}).items()))
    return hash(
        (
            tuple(judged.learnable(session)),
            settings,
            tuple(asked.training_prompts(session)),
            session.asked.brief.slug,
            session.model_name,
        )
    )


def door(session: Session, page: str = "", example: Callable[[dict], None] | None = None) -> None:
    """Stops the page where the votes teach nothing yet: has ``example`` draw the saved result of
    ``page``, then says what is missing for one of the learner's own.
    """
    missing = judged.needs(session, "reward_model")
    if not missing:
        return
    kept = saved.begin(page) if example is not None else None
    if kept and example is not None:
        example(kept)
    lead = "**For a result of your own**" if kept else "**Not yet.** Here"
    with st.container(border=True, key="lab_missing"):
        st.markdown(
            f"{lead} there has to be a taste first. Still needed: "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        st.page_link(
            "pages/rank.py", label="Go and rank some answers", icon=":material/arrow_forward:"
        )
    st.stop()


def about_the_votes(session: Session) -> None:
    """What the lab works on, and where that differs from the session's reward model."""
    count, used = len(judged.learnable(session)), session.learned.summary.get("pairs_used")
    words = (
        f"The lab refits the instant reward model to the {count}"
        f" {'pair' if count == 1 else 'pairs'} as they are now, judged by:"
        f" {text.plain(judged.rater(session))}."
    )
    if session.learned.head and used is not None and used != count:
        words += (
            f" The one that PPO climbs was trained on {used}: train it again on the Reward model"
            " page to bring it up to date."
        )
    st.caption(words)


def fresh(name: str, key: Hashable, *args, **more) -> list[dict] | None:
    """The records of job ``name`` with these arguments; it is started where ``key`` is not what
    they were made for. None while it works, or where it failed (the page is told).
    """
    key_name = f"{name}_made_for"
    if not state.working(name) and (
        state.job(name) is None or st.session_state.get(key_name) != key
    ):
        began = time.perf_counter()
        st.session_state[key_name] = key
        state.submit(name, *args, **more)
        settle(name)
        st.session_state[f"{name}_seconds"] = time.perf_counter() - began
    view = state.job(name)
    if view is None:
        st.warning(
            "The server is busy with other people's work. Wait a moment and reload the page.",
            icon=":material/hourglass_top:",
        )
    elif view["status"] in state.ALIVE:
        monitor.monitor(name, controls=("stop",), draw=lambda records, view: None, every=0.3)
    elif view["status"] == "done":
        return state.records(name)
    else:
        st.warning(
            text.plain(view["error"] or "Stopped before it was done."), icon=":material/info:"
        )
        st.button(
            "Try again", key=f"{name}_again", on_click=lambda: st.session_state.pop(key_name, None)
        )
    return None


def settle(name: str) -> None:
    """Give a quick job the moment that it needs."""
    state.settle(name, PATIENCE)


def of_kind(records: list[dict] | None, kind: str) -> dict | None:
    """The record called ``kind``."""
    return next((record for record in records or [] if record.get("kind") == kind), None)


def prompts(session: Session) -> list[str]:
    """The prompts that the lab offers: the learner's own first, then the brief's."""
    own = [
        prompt for prompt in asked.training_prompts(session) if prompt in session.asked.user_prompts
    ]
    return [*own, *(prompt for prompt in asked.training_prompts(session) if prompt not in own)]


def outputs_of(session: Session, prompt: str) -> list[str]:
    """The outputs of ``prompt`` that were judged, each once, without the space before them."""
    return list(
        dict.fromkeys(
            one.strip()
            for pair in judged.learnable(session)
            if pair.prompt == prompt
            for one in (pair.a, pair.b)
        )
    )


def as_written(session: Session, prompt: str, typed: str) -> str:
    """What was typed, as the model would have written it: the judged output it is, or with a space
    before it (without one it reads other tokens).
    """
    typed = typed.strip()
    outputs = (
        one
        for pair in judged.learnable(session)
        if pair.prompt == prompt
        for one in (pair.a, pair.b)
    )
    return next((one for one in outputs if one.strip() == typed), " " + typed)
