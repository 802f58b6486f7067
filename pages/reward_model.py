"""Reward model: trains on the comparisons, live, and says how far its taste can be trusted."""

from __future__ import annotations

import time
from collections import Counter

import streamlit as st

from rlhf_core.common import settings
from rlhf_core.common.knob import describe
from rlhf_core.evaluation import conclusion
from rlhf_core.session import judged
from ui import charts, depth, monitor, next_step, state, terms, text
from ui.charts import scored_outputs as charts_outputs
from ui.labs import menu
from ui.reward_model import curves, fine_tuned, verdict

FEATURES = next(row for row in describe(settings.RewardModelSettings) if row["name"] == "features")
A_LOOK = 0.2  # seconds for an iteration in slow motion
LARGEST = 32  # of the slider; beyond it a few dozen comparisons teach nothing
KINDS = {"head": "Instant", "fine-tuned": "Fine-tuned"}
ROW = 36  # pixels of the chart for an output: a dozen fit the first screen of a laptop

BEHIND = (  # what one can look behind: every number of the page
    *("Bradley-Terry", "score", "SD", "support", "loss", "lowest possible loss", "accuracy"),
    *("held-out accuracy", "interval", "p", "doubt", "features", "prior"),
)

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


def chart(examples: list[dict]) -> None:
    """The outputs, best score first; before there are any, room for them."""
    charts.draw(
        charts_outputs.scores(examples, ROW),
        key="scores",
        brief="(best on top: it re-sorts)",
        height=None if examples else 100 + 12 * ROW,
    )


def more(records: list[dict], iterations: int | None = None) -> None:
    """The curves, one press away."""
    with st.expander("Loss and accuracy", icon=":material/show_chart:", key="fit_curves"):
        curves.draw(records, iterations)


def live(records: list[dict], view: dict) -> None:
    """While it trains: the outputs, sorted by what the reward model thinks of them at this moment,
    and the curves so far.
    """
    if view["status"] not in state.ALIVE:
        return
    rows = [record for record in records if "iteration" in record]
    chart(rows[-1].get("examples", []) if rows else [])
    more(rows, settings.RewardModelSettings().iterations)


def playback() -> None:
    """The iterations one after the other, at a pace that people can follow."""
    records = session.learned.fit_records
    began = st.session_state.setdefault("fit_began", time.monotonic())
    shown = st.session_state["fit_shown"] = 1 + int((time.monotonic() - began) / A_LOOK)
    st.caption(f"Iteration {min(shown, len(records))} of {len(records)}, in slow motion.")
    chart(records[:shown][-1].get("examples", []))
    more(records[:shown], len(records))
    if shown >= len(records):
        state.rerun()


def rewind() -> None:
    """From the next run of the page on, the fit is shown from its first iteration."""
    st.session_state["fit_shown"] = 0
    st.session_state.pop("fit_began", None)


def counted() -> str:
    """What it learns from, in words: clear choices and ties, as pairs."""
    made = Counter(pair.choice for pair in judged.learnable(session))
    count, ties = sum(made.values()), made["tie"]
    kinds = f": {count - ties} with a better answer, {ties} tied" if ties else ""
    idle = len(judged.pairs(session)) - count
    rest = f" {idle} more: skipped, both bad, or kept for the verdict." if idle else ""
    return f"It learns from {count} pair{'s' * (count != 1)}{kinds}.{rest}"


def how_it_scores() -> None:
    """The formula, and the unit of what is shown."""
    unit = session.learned.summary.get("unit")
    support = conclusion.support(session.learned.summary.get("chance"))
    terms.caption(
        "Chance that A beats B = 1 / (1 + e to the power of (score B − score A)): that is"
        " [[Bradley-Terry]]. Training moves the scores until it agrees with your choices."
        + (
            " What is shown above is measured in the [[SD|spread]] of the original model's answers,"
            f" times the votes' [[support]] (now {charts.number(support)}): there, a difference of"
            f" 1 is {charts.number(unit)} in the formula."
            if unit
            else ""
        )
    )


missing = judged.needs(session, "reward_model")
busy = state.alive("fit")
records = session.learned.fit_records
playing = bool(session.learned.head) and not busy
playing = playing and st.session_state.get("fit_shown", len(records)) < len(records)
done = bool(session.learned.head) and not busy and not playing

st.title("The reward model", anchor=False)
st.markdown(
    "It turns your choices into a score for any text. It only knows what your judgements tell it."
)
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

verdict.doubts(session)
if done and st.session_state["kind"] == "head":
    verdict.by_chance(session.learned.summary)
controls, picture = st.columns([1, 2.2])
with controls:
    st.segmented_control(
        "Which kind",
        list(KINDS),
        format_func=KINDS.get,
        default=st.session_state["kind"],
        required=True,
        key="kind_widget",
        on_change=keep_kind,
        label_visibility="collapsed",
        help=(
            "Instant: a few weights on what the original model already sees, in a second."
            " Fine-tuned: slower, a second opinion."
        ),
    )
if st.session_state["kind"] == "fine-tuned":
    fine_tuned.draw(session, disabled=bool(missing))
    st.stop()

with controls:
    if judged.pairs(session):
        st.caption(counted())
    with st.container(horizontal=True, vertical_alignment="bottom", key="fit_box"):
        st.button(
            "Train it again" if session.learned.head else "Train the reward model",
            key="fit",
            type="secondary" if session.learned.head or busy else "primary",
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
                "More features can tell more kinds of text apart, and need more pairs before"
                " they stop guessing."
            )
    if done:
        verdict.draw(session, session.learned.summary)
        next_step.draw(session, "reward_model")
        if next_step.now(session).box == "rank":
            st.page_link("pages/ppo.py", label="PPO all the same", icon=":material/trending_up:")
    elif not busy and not session.learned.head:
        st.caption(
            "Before the first time, the original model writes a few hundred answers: they set the"
            " zero and the unit of the score."
        )

with picture:
    if state.job("fit"):
        monitor.monitor("fit", controls=("stop",), draw=live, every=0.3, quiet=not busy)
    if playing:
        st.fragment(playback, run_every=A_LOOK, key="playback")()
    elif not busy:
        chart(session.learned.summary.get("examples", []))
        more(records)

if done:
    with st.expander("How far to trust it", icon=":material/balance:", key="fit_trust"):
        verdict.more(session.learned.summary)
    with st.expander("How it scores", icon=":material/function:", key="fit_formula"):
        how_it_scores()
    depth.shelf(BEHIND, session, key="fit_behind")
    with st.container(horizontal=True, key="fit_labs"):
        for lab in ("trust_it", "what_it_learned", "flip_a_vote"):
            menu.link(lab)
        menu.link("hack_reward_model", "Hack it")
        st.button(
            "Watch it learn again",
            key="watch_again",
            icon=":material/replay:",
            on_click=rewind,
            disabled=not records,
        )
