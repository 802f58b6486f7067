"""Charts that compare: before with after, and round with round.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    TEAL,
    VIOLET,
    Chart,
    finite,
    frame,
    interval,
    label,
    nothing_yet,
    percent,
)

# Before and after


def win_rate(evaluation: dict | None) -> Chart:
    """How often the tuned model's output was judged better than the original's (a tie counts half),
    with its interval.
    """
    title = "Win rate of the tuned model"
    look_for = (
        "a bar wholly to the right of 50% is a difference that chance alone hardly explains; "
        "a bar across 50% means that none could be shown. A tie counts half."
    )
    figure = frame("Tuned model wins (% of pairs)", "Judged by", height=190)
    figure.update_xaxes(range=[0, 100], tickvals=[0, 25, 50, 75, 100])
    figure.update_yaxes(range=[-0.6, 0.6], tickvals=[], showgrid=False, title={"standoff": 18})
    rate = finite((evaluation or {}).get("win_rate"))
    if rate is None:
        nothing_yet(figure, "Not measured yet")
        return Chart(figure, title, look_for, "Win rate: not measured yet, so the chart is empty.")
    judge = str(evaluation.get("judge") or "judge not stated")
    bounds = evaluation.get("interval")
    said = interval(bounds)
    figure.update_yaxes(
        tickvals=[0], ticktext=["<br>".join(label(part) for part in textwrap.wrap(judge, 12)[:3])]
    )
    figure.update_layout(hovermode="closest")
    if said:
        figure.add_trace(
            go.Scatter(
                x=[100 * bounds[0], 100 * bounds[1]],
                y=[0, 0],
                mode="lines",
                line={"color": TEAL, "width": 16},
                opacity=0.35,
                hoverinfo="skip",
            )
        )
    hover = f"{percent(rate)}" + (f", {said}" if said else "") + "<extra></extra>"
    marker = {"size": 18, "color": TEAL, "symbol": "diamond"}
    figure.add_trace(
        go.Scatter(
            x=[100 * rate],
            y=[0],
            mode="markers",
            marker=marker,
            cliponaxis=False,
            hovertemplate=hover,
        )
    )
    low, high = (100 * bounds[0], 100 * bounds[1]) if said else (100 * rate - 3, 100 * rate + 3)
    figure.add_annotation(
        text=f"<b>{percent(rate)}</b>",
        y=0,
        showarrow=False,
        font={"size": 20},
        **_beside(low, high, 100 * rate),
    )
    figure.add_vline(x=50, line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        text="no difference",
        x=50,
        y=1,
        yref="paper",
        yanchor="bottom",
        showarrow=False,
        font={"size": 13},
    )
    figure.update_layout(margin={"t": 28})
    alt = (
        f"The tuned model wins {percent(rate)}"
        + (f", 95% interval {said}" if said else "")
        + f", judged by: {judge}."
    )
    counts = [finite(evaluation.get(name)) for name in ("wins", "ties", "losses")]
    if None not in counts:
        alt += f" Wins {counts[0]:.0f}, ties {counts[1]:.0f}, losses {counts[2]:.0f}."
    return Chart(figure, title, look_for, alt)


def _beside(low: float, high: float, rate: float) -> dict:
    """Where a rate is written: right or left of its bar, below it where neither has room."""
    if high < 82:
        return {"x": high, "xanchor": "left", "xshift": 8}
    if low > 18:
        return {"x": low, "xanchor": "right", "xshift": -8}
    return {"x": rate, "yshift": -26}


JUDGES = {  # name of a judge's row -> as the axis says it, on lines that fit a phone
    "reward model": "Reward<br>model",
    "the rater's own rule": "Rater's<br>own rule",
    "word rule": "Word<br>rule",
    "graded rule": "Graded<br>rule",
    "you, blind": "You,<br>blind",
}


def judges(rows: Sequence[dict]) -> Chart:
    """The win rate by each judge: interval, and behind it the band that shuffled labels give, which
    is what luck alone would do.
    """
    title = "Win rate of the tuned model, by judge"
    look_for = (
        "a diamond outside the grey band, its bar clear of the dashed line, is more than luck;"
        " otherwise nothing is shown. The grey band is the control: the same pairs with the labels"
        " “before” and “after” shuffled. A tie counts half."
    )
    rows = [row for row in rows if row.get("pairs")]
    figure = frame(
        "Tuned model wins (% of pairs)", "Judged by", height=120 + 80 * max(1, len(rows))
    )
    figure.update_xaxes(range=[0, 100], tickvals=[0, 25, 50, 75, 100])
    figure.update_layout(hovermode="closest")
    if not rows:
        figure.update_yaxes(tickvals=[])
        nothing_yet(figure, "Not measured yet")
        return Chart(figure, title, look_for, "Win rates: not measured yet, so the chart is empty.")
    places, said = [], []
    for place, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):  # the first on top
        colour = {"reward model": TEAL, "graded rule": BLUE, "you, blind": VIOLET}.get(
            row["name"], ORANGE
        )
        (low, high), (luck_low, luck_high), rate = (
            [100 * value for value in pair]
            for pair in (row["interval"], row["luck"], (row["win_rate"],) * 2)
        )
        figure.add_shape(
            type="rect",
            x0=luck_low,
            x1=luck_high,
            y0=place - 0.36,
            y1=place + 0.36,
            fillcolor=GREY,
            opacity=0.28,
            line={"width": 0},
            layer="below",
        )
        figure.add_trace(
            go.Scatter(
                x=[low, high],
                y=[place, place],
                mode="lines",
                line={"color": colour, "width": 14},
                opacity=0.45,
                hoverinfo="skip",
            )
        )
        hover = (
            f"{percent(row['win_rate'])}, 95% interval {interval(row['interval'])}; luck alone"
            f" {interval(row['luck'])}<extra></extra>"
        )
        marker = {"size": 16, "color": colour, "symbol": "diamond"}
        figure.add_trace(
            go.Scatter(
                x=rate[:1],
                y=[place],
                mode="markers",
                marker=marker,
                cliponaxis=False,
                hovertemplate=hover,
            )
        )
        figure.add_annotation(
            text=f"<b>{percent(row['win_rate'])}</b>",
            y=place,
            showarrow=False,
            font={"size": 18},
            **_beside(low, high, rate[0]),
        )
        places.append((place, JUDGES.get(row["name"], label(row["name"], 14))))
        said.append(
            f"{row['name']}: {percent(row['win_rate'])} of {row['pairs']}, 95% interval"
            f" {interval(row['interval'])}; shuffled labels {interval(row['luck'])}; wins"
            f" {row['wins']}, ties {row['ties']}, losses {row['losses']}"
        )
    figure.update_yaxes(
        range=[-0.6, len(rows) - 0.4],
        tickvals=[place for place, _ in places],
        ticktext=[words for _, words in places],
        showgrid=False,
    )
    figure.add_vline(x=50, line={"color": GREY, "width": 1.5, "dash": "dash"})
    return Chart(figure, title, look_for, "Win rate of the tuned model. " + ". ".join(said) + ".")
