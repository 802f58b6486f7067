"""Reward model: trains on the comparisons, live, and says how far its taste can be trusted."""

from __future__ import annotations

import time
from collections import Counter

import streamlit as st

from rlhf_core.common import settings
from rlhf_core.common.knob import describe
from rlhf_core.evaluation import conclusion
from rlhf_core.session import judged
from ui import charts, monitor, next_step, state, text
from ui.charts import scored_outputs as charts_outputs
from ui.labs import menu
from ui.reward_model import curves, fine_tuned, verdict

FEATURES = next(row for row in describe(settings.RewardModelSettings) if row["name"] == "features")
A_LOOK = 0.2  # seconds for an iteration in slow motion
LARGEST = 32  # of the slider; beyond it a few dozen comparisons teach nothing
KINDS = {"head": "Instant", "fine-tuned": "Fine-tuned"}
CHOICES = {
    "a": "left better",
    "b": "right better",
    "tie": "ties",
    "both_bad": "both bad",
    "skip": "skipped",
}

session = state.session()
last = session.settings.get("reward_model", {}).get("features", FEATURES["default"])
# Our own key: a widget's value is lost when the page changes.
st.session_state.setdefault("features", min(LARGEST, last))
st.session_state.setdefault("kind", "fine-tuned" if state.alive("fine_tune") else "head")


def keep() -> None:
    st.session_state["features"] = st.session_state["features_widget"]


def keep_kind() -> None:
    st.session_state["kind"] = st.session_state["kind_widget"]


def train() -> None:
    chosen = settings.RewardModelSettings(features=st.session_state["features"])
    rewind()
    state.submit("fit", chosen)


def live(records: list[dict], view: dict) -> None:
    """While it trains: the curves so far, and the outputs, sorted by what the reward model thinks
    of them at this moment.
    """
    if view["status"] not in state.ALIVE:
        return
    rows = [record for record in records if "iteration" in record]
    curves.draw(rows, settings.RewardModelSettings().iterations)
    if rows and rows[-1].get("examples"):
        charts.draw(charts_outputs.scores(rows[-1]["examples"]), key="fit_scores")


def playback() -> None:
    """The iterations one after the other, at a pace that people can follow."""
    records = session.learned.fit_records
    began = st.session_state.setdefault("fit_began", time.monotonic())
    shown = st.session_state["fit_shown"] = 1 + int((time.monotonic() - began) / A_LOOK)
    st.caption(
        f"Iteration {min(shown, len(records))} of {len(records)}, in slow motion: the fit itself is"
        " much faster."
    )
    curves.draw(records[:shown], len(records))
    charts.draw(charts_outputs.scores(records[:shown][-1].get("examples", [])), key="fit_scores")
    if shown >= len(records):
        state.rerun()


def rewind() -> None:
    """From the next run of the page on, the fit is shown from its first iteration."""
    st.session_state["fit_shown"] = 0
    st.session_state.pop("fit_began", None)


st.title("The reward model", anchor=False)
st.markdown(
    "It turns your choices into a score for any text, so that PPO has something to climb. It only"
    " knows what your comparisons tell it."
)
unit = session.learned.summary.get("unit")
support = conclusion.support(session.learned.summary.get("chance"))
st.caption(
    "Chance that A beats B = 1 / (1 + e to the power of (score B − score A)). Training moves the"
    " scores until that agrees with your choices."
    + (
        " What is shown below is measured in the spread of the original model's answers, and made"
        f" smaller the less your votes support it (now times {charts.number(support)}): there, a"
        f" difference of 1 is {charts.number(unit)} in the formula."
        if unit
        else ""
    )
)

missing = judged.needs(session, "reward_model")
busy = state.alive("fit")

if missing and not session.learned.head and not busy:
    with st.container(border=True, key="fit_missing"):
        st.markdown(
            "**Not yet.** The reward model still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        verdict.doubts(session)
        st.page_link(
            "pages/rank.py", label="Go and rank some answers", icon=":material/arrow_forward:"
        )
    st.stop()

if judged.pairs(session):
    made = Counter(pair.choice for pair in judged.learnable(session))
    named = [
        f"{made[choice]} {'tie' if (choice, made[choice]) == ('tie', 1) else words}"
        for choice, words in CHOICES.items()
        if made[choice]
    ]
    idle = len(judged.pairs(session)) - sum(made.values())
    rest = (
        f" {idle} more {'teaches' if idle == 1 else 'teach'} nothing (skipped, both bad) or"
        f" {'is' if idle == 1 else 'are'} about prompts kept for the verdict." * bool(idle)
    )
    count = sum(made.values())
    kinds = f": {', '.join(named)}" if named else ""
    st.caption(f"It learns from {count} pair{'s' * (count != 1)}{kinds}.{rest}")
verdict.doubts(session)
st.segmented_control(
    "Which kind",
    list(KINDS),
    format_func=KINDS.get,
    default=st.session_state["kind"],
    required=True,
    key="kind_widget",
    on_change=keep_kind,
    help=(
        "Instant: a few weights on what the original model already sees, in a second. Fine-tuned:"
        " slower, a second opinion."
    ),
)
if st.session_state["kind"] == "fine-tuned":
    fine_tuned.draw(session, disabled=bool(missing))
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom", key="fit_box"):
    label = "Train it again" if session.learned.head else "Train the reward model"
    st.button(
        label,
        key="fit",
        type="primary" if not session.learned.head else "secondary",
        icon=":material/model_training:",
        on_click=train,
        disabled=busy or bool(missing),
    )
    with st.popover("How fine a taste", icon=":material/tune:"):
        st.slider(
            "Features",
            FEATURES["low"],
            LARGEST,
            st.session_state["features"],
            1,
            key="features_widget",
            help=FEATURES["help"],
            on_change=keep,
            disabled=busy,
        )
        st.caption(
            "More features can tell more kinds of text apart, and need more comparisons before they"
            " stop guessing."
        )

if state.job("fit"):
    monitor.monitor("fit", controls=("stop",), draw=live, every=0.3, quiet=not busy)

slow_motion = st.session_state.get("fit_shown", len(session.learned.fit_records)) < len(
    session.learned.fit_records
)
if session.learned.head and not busy and slow_motion:
    st.fragment(playback, run_every=A_LOOK, key="playback")()
elif session.learned.head and not busy:
    verdict.draw(session, session.learned.summary)
    if session.learned.summary.get("examples"):
        charts.draw(charts_outputs.scores(session.learned.summary["examples"]), key="scores")
    curves.draw(session.learned.fit_records)
    with st.container(horizontal=True, key="fit_labs"):
        for lab in ("trust_it", "what_it_learned", "flip_a_vote"):
            menu.link(lab)
        menu.link("hack_reward_model", "Hack it")
    with st.container(horizontal=True, key="fit_next"):
        st.button(
            "Watch it learn again",
            key="watch_again",
            icon=":material/replay:",
            on_click=rewind,
            disabled=not session.learned.fit_records,
        )
    next_step.draw(session, "reward_model")
elif not busy:
    st.caption(
        "It learns in a second or two. The first time takes a little longer: "
        "the original model writes a few hundred answers to set the zero and the unit of the score."
    )
