"""What a PPO run shows: its newest numbers, its other charts, what the model wrote at each step."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session.state import Session
from ui import charts, terms, text, whiteboard
from ui.charts import ppo as charts_ppo

SAMPLES_SHOWN = 6  # of a step, before "show all"


def numbers(session: Session, settings: dict) -> None:
    """The newest numbers; dashes before there are any."""
    row = session.tuned.metrics[-1] if session.tuned.metrics else {}
    with st.container(horizontal=True, key="ppo_numbers", width="content"):
        st.metric(
            f"Reward {whiteboard.since(session)}",
            whiteboard.gain(session) if row else "–",
            width="content",
            help=(
                "Mean score of the newest step's answers minus that of step 0, in"
                f" {charts.STANDARD_DEVIATIONS} (SD): 1 SD is how much two answers of the original"
                " model typically differ, where the votes support the score in full. The chart"
                " below shows the score itself; its 0 is the original's mean over many more answers"
                " than one step has."
            ),
        )
        st.metric(
            "KL to reference",
            charts.small(row.get("kl_to_reference")) if row else "–",
            width="content",
            help=terms.help("KL"),
        )
        if settings["kl_target"] and row:
            st.metric(
                "β now",
                charts.small(row.get("beta")),
                width="content",
                help="What a nat of drift costs at this step: the KL target steers it.",
            )
        if (doubt := charts.finite(row.get("doubt_mean"))) is not None:
            k = settings["conservative"]
            st.metric(
                "Doubt",
                f"{charts.number(doubt)} SD",
                width="content",
                help=(
                    f"How unsure the reward model is about this step's answers, on average; {k:g}"
                    " times that is taken off."
                ),
            )


def more_charts(session: Session, end: int | None) -> None:
    """The charts that the cockpit has no room for: what the drift bought, and how the training
    feels.
    """
    metrics = list(session.tuned.metrics)
    side_by_side(charts_ppo.reward_against_drift(metrics), charts_ppo.entropy(metrics, end))
    side_by_side(charts_ppo.clip_fraction(metrics, end), charts_ppo.approx_kl_update(metrics, end))
    side_by_side(charts_ppo.value_loss(metrics, end))


def side_by_side(*row: charts.Chart) -> None:
    for column, chart in zip(st.columns(len(row)), row, strict=True):
        with column:
            charts.draw(chart, key=f"ppo_{chart.title}")


def samples(session: Session) -> None:
    """What the model wrote at any step; follows the newest until a step is picked."""
    rows = list(session.tuned.samples)
    steps = sorted({row["step"] for row in rows})
    if not steps:
        st.caption("There is no step yet.")
        return
    with st.container(horizontal=True, vertical_alignment="center", key="ppo_samples_bar"):
        follow = st.toggle("Follow the newest step", value=True, key="ppo_follow")
        everything = st.toggle("Show all of a step", key="ppo_all")
    step = steps[-1]
    if not follow and len(steps) > 1:
        if st.session_state.get("ppo_sample_step") not in steps:
            st.session_state["ppo_sample_step"] = steps[-1]
        step = st.select_slider(
            "Samples of step", steps, st.session_state["ppo_sample_step"], key="ppo_sample_step"
        )
    of_step = [row for row in rows if row["step"] == step]
    shown = of_step if everything else of_step[:SAMPLES_SHOWN]
    st.caption(
        f"Step {step}: {len(shown)} of its {len(of_step)} answers."
        + (" Before this round's first update." if step == 0 else "")
    )
    columns = st.columns(2)
    for number, row in enumerate(shown):
        with columns[number % 2]:
            words = [
                f"reward {charts.number(row.get('reward'), sign=True)}",
                f"KL {charts.number(row.get('kl'))} nats",
            ]
            words += ["breaks off"] * (not row.get("ended", True)) + ["wrote nothing"] * (
                not row["text"].strip()
            )
            text.answer(row["prompt"], row["text"], foot=" · ".join(words))
