"""Charts of the context flip lab: one sentence under two briefs, and two runs from the same start.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    GREY,
    HEIGHT,
    ORANGE,
    STANDARD_DEVIATIONS,
    TEAL,
    Chart,
    add_line,
    column,
    end_of,
    frame,
    label,
    labels,
    nothing_yet,
    number,
    one_line,
    story,
    with_legend,
)

COLOURS, SYMBOLS, DASHES = (TEAL, ORANGE), ("circle", "diamond"), ("solid", "dash")


def two_scores(sentences: Sequence[dict], names: Sequence[str]) -> Chart:
    """Each sentence with its score under either brief, joined by a line; a line that crosses 0 is a
    flip.
    """
    title = "The same sentence, two scores"
    look_for = (
        "a line that crosses 0 is one text, rewarded by one brief and punished by the other; 0 is"
        " an average output of the original model."
    )
    figure = frame(
        f"Score ({STANDARD_DEVIATIONS})",
        "Sentences, written once",
        height=max(HEIGHT, 130 + 48 * len(sentences)),
    )
    if not sentences:
        nothing_yet(figure, "Not scored yet")
        return Chart(figure, title, look_for, f"{title}: not scored yet, so the chart is empty.")
    figure.update_layout(
        showlegend=True,
        hovermode="closest",
        margin={"t": 70},
        legend={"y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(rangemode="normal", tickformat=None, showgrid=False, nticks=5)
    figure.update_yaxes(
        autorange=False, range=[len(sentences) - 0.4, -0.75], tickvals=[], showgrid=False
    )
    figure.add_vline(
        x=0, line={"color": GREY, "width": 1, "dash": "dot"}, opacity=0.6, layer="below"
    )
    rows = list(range(len(sentences)))
    shown = labels([one_line(row) for row in sentences])
    for y, row in zip(rows, sentences, strict=True):
        figure.add_trace(
            go.Scatter(
                x=row["scores"],
                y=[y, y],
                mode="lines",
                line={"color": GREY, "width": 3},
                opacity=0.6,
                hoverinfo="skip",
                showlegend=False,
            )
        )
        figure.add_annotation(
            text=shown[y],
            x=0,
            xref="paper",
            xanchor="left",
            y=y,
            yref="y",
            yanchor="bottom",
            yshift=8,
            showarrow=False,
            font={"size": 13},
            align="left",
        )
    for side, name in enumerate(names):
        figure.add_trace(
            go.Scatter(
                x=[row["scores"][side] for row in sentences],
                y=rows,
                mode="markers",
                name=label(name),
                marker={"size": 13, "color": COLOURS[side], "symbol": SYMBOLS[side]},
                hovertemplate=f"{label(name)}: %{{x:.2f}}<extra></extra>",
            )
        )
    said = "; ".join(
        f"{one_line(row)}: "
        + ", ".join(
            f"{name} {number(score, sign=True)}"
            for name, score in zip(names, row["scores"], strict=True)
        )
        for row in sentences
    )
    return Chart(
        figure,
        title,
        look_for,
        f"Scores of {len(sentences)} sentences under two briefs, in {STANDARD_DEVIATIONS}. {said}.",
    )


def two_runs(metrics: Sequence[Sequence[dict]], names: Sequence[str], steps: int) -> Chart:
    """Mean reward by PPO step, each run by its own reward model."""
    title = "Two runs from the same model"
    look_for = (
        "both lines climb, each on its own brief's score: the same machine serves either taste."
    )
    figure = frame(
        "PPO step", f"Own reward ({STANDARD_DEVIATIONS})", x_end=end_of([], "step", steps)
    )
    if not any(metrics):
        nothing_yet(figure, "No step yet")
        return Chart(
            figure, title, look_for, f"{title}: no step has run yet, so the chart is empty."
        )
    said = []
    for side, (rows, name) in enumerate(zip(metrics, names, strict=True)):
        if rows:
            add_line(
                figure,
                [row["step"] for row in rows],
                column(rows, "reward_mean"),
                name=label(name),
                colour=COLOURS[side],
                dash=DASHES[side],
                symbol=SYMBOLS[side],
                hover=f"{label(name)}, step %{{x}}: %{{y:.2f}}",
            )
            curve = story(rows, "reward_mean", x="step", word="step", unit=STANDARD_DEVIATIONS)
            said.append(f"{name}: {curve}")
    with_legend(figure)
    return Chart(
        figure,
        title,
        look_for,
        "Mean reward by PPO step, each by its own reward model. " + " ".join(said),
    )
