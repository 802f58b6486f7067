"""Charts of the reward model while it learns: its loss, and how often it is right.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    ORANGE,
    RED,
    Chart,
    add_level,
    add_line,
    column,
    end_of,
    error_bar,
    finite,
    frame,
    interval,
    nothing_yet,
    number,
    points_of_100,
    story,
    with_legend,
)


def reward_model_loss(records: Sequence[dict], iterations: int | None = None) -> Chart:
    """Bradley-Terry loss per comparison; tossing a coin scores ln 2."""
    title = "Reward-model loss"
    look_for = "it should fall below 0.69, which is what tossing a coin scores, and flatten out."
    figure = frame(
        "Iteration", "Loss (nats a pair)", x_end=end_of(records, "iteration", iterations)
    )
    loss = column(records, "loss")
    if all(value is None for value in loss):
        nothing_yet(figure, "Not trained yet")
        return Chart(
            figure, title, look_for, "Reward-model loss: not trained yet, so the chart is empty."
        )
    add_line(
        figure,
        [r.get("iteration") for r in records],
        loss,
        name="Loss",
        colour=RED,
        hover="iteration %{x}: %{y:.3f}",
    )
    add_level(figure, math.log(2), "Tossing a coin: 0.69")
    figure.update_yaxes(rangemode="tozero")
    said = story(
        records,
        "loss",
        x="iteration",
        word="iteration",
        unit="nats a pair; tossing a coin scores 0.69",
    )
    floor = finite(records[-1].get("floor"))
    if floor:
        # A bound, and no goal: a cautious fit to few votes stays well above it.
        look_for += f" (A tie costs 0.69 at least, so with your ties {number(floor)} is the least.)"
        said += f" With the ties among the pairs it cannot fall below {number(floor)}."
    return Chart(figure, title, look_for, "Reward-model loss by iteration: " + said)


def accuracy(records: Sequence[dict], iterations: int | None = None) -> Chart:
    """Accuracy on the comparisons it trains on and on held-out prompts, in percent; the last
    held-out point carries its interval.
    """
    title = "Accuracy"
    look_for = (
        "the held-out line is the honest one, it is about prompts that the fit did not see. "
        "A wide bar at its end means too few pairs to be sure; 50% is tossing a coin."
    )
    figure = frame(
        "Iteration", "Accuracy (% of pairs)", x_end=end_of(records, "iteration", iterations)
    )
    figure.update_yaxes(range=[0, 104], tickvals=[0, 25, 50, 75, 100])
    x = [record.get("iteration") for record in records]
    train, heldout = (
        column(records, "train_accuracy", 100),
        column(records, "heldout_accuracy", 100),
    )
    if all(value is None for value in train + heldout):
        nothing_yet(figure, "Not trained yet")
        return Chart(figure, title, look_for, "Accuracy: not trained yet, so the chart is empty.")
    with_legend(figure)
    add_line(
        figure,
        x,
        train,
        name="Training",
        colour=BLUE,
        dash="dot",
        symbol="square",
        hover="training %{y:.0f}%",
    )
    alt = "Accuracy by iteration. Training: " + story(
        records,
        "train_accuracy",
        x="iteration",
        word="iteration",
        unit="of pairs",
        show_number=points_of_100,
        factor=100,
    )
    points = [record for record in records if finite(record.get("heldout_accuracy")) is not None]
    if not points:
        figure.add_annotation(
            text="No held-out accuracy: too few prompts",
            x=0.5,
            y=0.08,
            xref="paper",
            yref="paper",
            showarrow=False,
            font={"size": 13},
        )
        look_for = (
            "this line is about pairs that it learned from, so it flatters; rank answers to"
            " several prompts, and a held-out line joins it."
        )
        return Chart(
            figure,
            title,
            look_for,
            alt + " No held-out accuracy: there are too few prompts to hold one out.",
        )
    add_line(figure, x, heldout, name="Held out", colour=ORANGE, hover="held out %{y:.0f}%")
    last = points[-1]
    bounds = [last.get("heldout_low"), last.get("heldout_high")]
    alt += " Held out: " + story(
        records,
        "heldout_accuracy",
        x="iteration",
        word="iteration",
        unit="of pairs",
        show_number=points_of_100,
        factor=100,
    )
    if interval(bounds):
        down, up = error_bar(last["heldout_accuracy"], bounds)
        figure.add_trace(
            go.Scatter(
                x=[last.get("iteration")],
                y=[100 * last["heldout_accuracy"]],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [up],
                    "arrayminus": [down],
                    "color": ORANGE,
                    "thickness": 2.5,
                    "width": 9,
                },
                mode="markers",
                marker={"color": ORANGE, "size": 9},
                name="95% interval",
                showlegend=False,
                hovertemplate=f"held out: {interval(bounds)}<extra></extra>",
            )
        )
        alt += f" The last held-out value has the 95% interval {interval(bounds)}"
        pairs = finite(last.get("heldout_pairs"))
        alt += f", from {pairs:.0f} pairs." if pairs else "."
    add_level(figure, 50, "Tossing a coin: 50%")
    return Chart(figure, title, look_for, alt)
