"""What one turn of the loop changed: pairs with the new words marked, one sentence, and the rest
one press away.

Draws a measured session or the precomputed example. Knows nothing about how either came about.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui import charts, text, word_diff
from ui import verdict as verdict_card
from ui.charts import ppo as charts_ppo

SHOWN = 3
LOOK_FOR = {
    "reward": "it should climb, then flatten.",
    "kl_to_reference": "its drift; it should level off.",
}


def pairs(rows: Sequence[dict], key: str) -> None:
    """The first pairs that differ, one a prompt, with the words that changed marked."""
    different = {row["prompt"]: row for row in reversed(rows) if row["before"] != row["after"]}
    first = list(reversed(different.values()))[:SHOWN]
    with st.container(key=f"pairs_{key}", gap="small"):
        for row in first:
            word_diff.pair(str(row["prompt"]), str(row["before"]), str(row["after"]))
        if not first and rows:
            st.info(
                "Word for word the same, before and after: this run changed nothing.",
                icon=":material/drag_handle:",
            )


def curves(metrics: list[dict], key: str, steps: int | None = None) -> None:
    """Reward and drift, side by side, each with a short sentence."""
    draw_curves(charts_of(metrics, steps), key)


def charts_of(
    metrics: list[dict], steps: int | None = None, whole: Sequence[dict] = ()
) -> list[charts.Chart]:
    """Reward and drift. ``whole``: the run that ``metrics`` is the beginning of; drift keeps its
    axis.
    """
    found = []
    for name, words in LOOK_FOR.items():
        chart = getattr(charts_ppo, name)(metrics, steps)
        drift = [value for value in charts.column(whole, "kl_to_reference") if value]
        if drift and name == "kl_to_reference":
            chart.figure.update_yaxes(range=[0, 1.1 * max(drift)])
        found.append(chart._replace(look_for=words))
    return found


def draw_curves(found: Sequence[charts.Chart], key: str) -> None:
    for column, name, chart in zip(st.columns(2), LOOK_FOR, found, strict=True):
        with column:
            charts.draw(chart, key=f"{key}_{name}")


def verdict(evaluation: dict, rater: str, key: str) -> None:
    """What the numbers say, and what they do not. ``rater``: who judged the comparisons; the
    scripted one judges by the very rule that counts here.
    """
    scripted = "scripted" in rater
    if evaluation.get("verdict") and evaluation.get("judges"):
        verdict_card.sentence(evaluation["conclusion"], f"{key}_")
        verdict_card.how_sure(evaluation["judges"], evaluation.get("chance"), f"{key}_how_sure")
        return
    if evaluation.get("sentence"):
        st.markdown(
            text.plain(evaluation["sentence"])
            + " PPO trained on that very score, so read a few yourself."
        )
    elif evaluation.get("win_rate") is not None:
        low, high = evaluation.get("interval") or (None, None)
        span = (
            f" (95% interval {text.percent(low)} to {text.percent(high)})"
            if low is not None
            else ""
        )
        st.markdown(
            "By the reward model, **after** has a win rate, ties counted half, of"
            f" **{text.percent(evaluation['win_rate'])}**{span}. PPO trained on that very score, so"
            " read a few yourself."
        )
    if rule := evaluation.get("rule"):
        kind = text.REGISTERS.get(rule["name"], rule["name"])
        st.markdown(
            (
                "The rule that the scripted rater judged by, so the teacher's own yardstick and no"
                " second opinion,"
                if scripted
                else "A separate rule that only looks at words"
            )
            + f" finds {kind} in **{text.percent(rule['before'])}** of the answers before and"
            f" **{text.percent(rule['after'])}** after."
        )
