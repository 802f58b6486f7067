"""The slower kind of reward model: a second opinion, beside the instant one on votes that neither
saw. PPO climbs the instant one.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import settings
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from ui import charts, knobs, monitor, state, text
from ui.charts import scored_outputs as charts_outputs
from ui.reward_model import curves

TUNING = {
    "unfrozen_layers": "Layers that learn",
    "epochs": "Epochs",
    "learning_rate": "Learning rate",
}
# Processor seconds, measured with the bundled model: to wake TRL, and a gradient step with its
# share of the measuring.
WAKING, A_STEP = 4.0, 0.08


def its_knobs(session: Session) -> knobs.Knobs:
    return knobs.Knobs(
        session,
        "fine_tuned",
        settings.FineTunedSettings,
        labels=TUNING,
        ladders={"learning_rate": (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
    )


def draw(session: Session, *, disabled: bool) -> None:
    """Train the fine-tuned kind, and compare it with the instant one on votes that neither saw."""
    knob = its_knobs(session)
    steps = (
        -(-len(judged.learnable(session)) // settings.FineTunedSettings.batch_size)
        * knob.chosen()["epochs"]
    )
    st.markdown(
        "**Fine-tuned** lets the language model's own top layers learn your taste (TRL's"
        " `RewardTrainer`). More can be learned, and more can be learned by heart. Your"
        f" {len(judged.learnable(session))} pairs take about"
        f" {monitor.duration(WAKING + A_STEP * steps)} on a machine that does nothing else."
    )
    st.info(
        "A second opinion: **PPO climbs the instant one**, which reads states that PPO has at hand"
        " anyway, and knows its own doubt.",
        icon=":material/info:",
    )
    tuning_now = state.alive("fine_tune")
    with st.container(horizontal=True, vertical_alignment="bottom", key="tune_box"):
        found = session.labs.get("reward_model", {}).get("fine_tuned")
        st.button(
            "Fine-tune it again" if found else "Fine-tune a reward model",
            key="fine_tune",
            type="primary",
            icon=":material/model_training:",
            on_click=start,
            args=(session, knob),
            disabled=tuning_now or disabled,
        )
        with st.popover("Settings", icon=":material/tune:"):
            for name in TUNING:
                knob.draw(name, disabled=tuning_now)
    if state.job("fine_tune"):
        monitor.monitor(
            "fine_tune",
            controls=("stop",),
            draw=lambda records, view: learning(records, view, knob),
            every=0.6,
            quiet=not tuning_now,
        )
    if not found or tuning_now:
        return
    with st.container(horizontal=True, key="tune_numbers"):
        st.metric(
            "Fine-tuned, on held-out prompts",
            charts.percent(found["heldout_accuracy"]) if found["heldout_pairs"] else "unknown",
            delta=(
                f"95% interval {charts.interval(found['heldout_interval'])}"
                if found["heldout_pairs"]
                else None
            ),
            delta_color="off",
            delta_arrow="off",
            help=(
                "One part of the prompts was held out and never trained on. Few votes: a wide"
                " interval."
            ),
        )
        st.metric(
            "Instant, on the same votes",
            (
                charts.percent(found["head_accuracy"])
                if found["head_accuracy"] is not None
                else "unknown"
            ),
            delta=(
                f"95% interval {charts.interval(found['head_interval'])}"
                if found.get("head_interval")
                else None
            ),
            delta_color="off",
            delta_arrow="off",
        )
        st.metric("Pairs", found["comparisons"])
    st.markdown(text.plain(found["sentence"]))
    count = len(judged.learnable(session))
    if found["comparisons"] != count:
        st.caption(f"Made from {found['comparisons']} pairs; there are {count} now.")
    charts.draw(second_opinion(found["examples"], "Fine-tuned"), key="tune_scores")
    curves.draw(found["records"], key="tune")


def start(session: Session, knob: knobs.Knobs) -> None:
    chosen = settings.FineTunedSettings(**knob.chosen())
    knob.keep()
    state.submit("fine_tune", chosen)


def learning(records: list[dict], view: dict, knob: knobs.Knobs) -> None:
    """While the slower kind learns: its curves, and the outputs as it sorts them."""
    if view["status"] not in state.ALIVE:
        return
    rows = [record for record in records if "iteration" in record]
    if rows:
        curves.draw(rows, knob.chosen()["epochs"], key="tune")
        charts.draw(
            second_opinion(rows[-1]["examples"], "So far (its own unit)"), key="tune_scores"
        )


def second_opinion(examples: list[dict], now: str) -> charts.Chart:
    return charts_outputs.moves(
        examples,
        title="The same outputs, two reward models",
        before="Instant",
        after=now,
        look_for=(
            "where the two dots of an output lie far apart, the two kinds disagree: read that"
            " output yourself."
        ),
    )
