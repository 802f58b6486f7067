"""The two curves of a reward model that learns, side by side."""

from __future__ import annotations

import streamlit as st

from ui import charts
from ui.charts import reward_model as charts_fit


def draw(records: list[dict], iterations: int | None = None, key: str = "fit") -> None:
    left, right = st.columns(2)
    with left:
        charts.draw(charts_fit.reward_model_loss(records, iterations), key=f"{key}_loss")
    with right:
        charts.draw(charts_fit.accuracy(records, iterations), key=f"{key}_accuracy")
