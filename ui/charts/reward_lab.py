"""Charts of the reward lab: how clearly, how rightly, how surely, from how much, and what one vote
moves.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    HEIGHT,
    ORANGE,
    RED,
    SHORT_LABEL,
    STANDARD_DEVIATIONS,
    TEAL,
    VIOLET,
    Chart,
    add_level,
    add_line,
    column,
    error_bar,
    finite,
    frame,
    interval,
    label,
    nothing_yet,
    number,
    one_line,
    percent,
    with_legend,
)

SAME = "circle-open"


def margins(rows: Sequence[dict]) -> Chart:
    """How clearly the votes it learned from are got right: counts of votes by margin in log-odds,
    those on the wrong side in another colour and pattern.
    """
    title = "How clearly it agrees with your votes"
    look_for = (
        "bars right of 0 are votes that it repeats, the farther right the surer; bars left of 0 are"
        " votes that it would have cast the other way."
    )
    figure = frame("Margin in favour of your vote (log-odds)", "Votes")
    total = sum(row["count"] for row in rows)
    if not total:
        nothing_yet(figure, "No decided vote")
        return Chart(
            figure, title, look_for, "Margins: there is no decided vote, so the chart is empty."
        )
    for side, name, colour, pattern in (
        (False, "Would have voted otherwise", ORANGE, "/"),
        (True, "Agrees with you", TEAL, ""),
    ):
        shown = [row for row in rows if (row["low"] >= 0) == side]
        figure.add_trace(
            go.Bar(
                x=[(row["low"] + row["high"]) / 2 for row in shown],
                y=[row["count"] for row in shown],
                width=[0.94 * (row["high"] - row["low"]) for row in shown],
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate="%{y} votes near %{x:.2f}<extra></extra>",
            )
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 2})
    figure.update_xaxes(rangemode="normal", tickformat=None)
    figure.update_yaxes(rangemode="tozero", tickformat="d")
    figure.update_layout(hovermode="closest", bargap=0)
    with_legend(figure)
    wrong = sum(row["count"] for row in rows if row["high"] <= 0)
    filled = "; ".join(
        f"{number(row['low'])} to {number(row['high'])}: {row['count']}"
        for row in rows
        if row["count"]
    )
    return Chart(
        figure,
        title,
        look_for,
        f"Margins of {total} decided votes; it would have cast {wrong} the other way. Votes by"
        f" margin in log-odds: {filled}.",
    )


def calibration(curve: dict) -> Chart:
    """Does 80% mean 80%? Share of held-out votes got right against the confidence that it claimed,
    with 95% intervals.
    """
    title = "Does 80% mean 80%?"
    look_for = (
        "points on the dashed line are honest; below it, it is surer than it should be. A bar that"
        " reaches the line says: no difference could be shown."
    )
    figure = frame("What it claims (%)", "How often it is right (%)")
    figure.update_xaxes(range=[48, 102], tickvals=[50, 60, 70, 80, 90, 100], rangemode="normal")
    figure.update_yaxes(range=[0, 104], tickvals=[0, 25, 50, 75, 100])
    rows = curve.get("bins") or []
    figure.add_trace(
        go.Scatter(
            x=[50, 100],
            y=[50, 100],
            mode="lines",
            name="Claims and is right alike",
            line={"color": GREY, "width": 2, "dash": "dash"},
            hoverinfo="skip",
        )
    )
    if not rows:
        nothing_yet(figure, "Nothing could be held out")
        return Chart(
            figure,
            title,
            look_for,
            "Calibration: no vote could be held out, so the chart is empty.",
        )
    bars = [error_bar(row["accuracy"], [row["accuracy_low"], row["accuracy_high"]]) for row in rows]
    figure.add_trace(
        go.Scatter(
            x=column(rows, "confidence", 100),
            y=column(rows, "accuracy", 100),
            mode="markers",
            name="Held-out votes and their 95% interval",
            marker={"size": 11, "color": ORANGE},
            customdata=[row["count"] for row in rows],
            hovertemplate="claims %{x:.0f}%, right %{y:.0f}%, %{customdata} votes<extra></extra>",
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [up for _, up in bars],
                "arrayminus": [down for down, _ in bars],
                "color": ORANGE,
                "thickness": 2,
                "width": 8,
            },
        )
    )
    figure.update_layout(hovermode="closest")
    with_legend(figure)
    said = "; ".join(
        f"claims {percent(row['confidence'])}, right {percent(row['accuracy'])} (95% interval"
        f" {interval([row['accuracy_low'], row['accuracy_high']])}, {row['count']} votes)"
        for row in rows
    )
    return Chart(
        figure, title, look_for, f"Calibration on {curve['count']} held-out votes. {said}."
    )


def learning_curve(curve: dict) -> Chart:
    """Held-out accuracy against the number of votes learned from, with 95% intervals, and the
    forecast as an open point.
    """
    title = "How much data does this taste need?"
    look_for = (
        "a curve that still climbs says that more votes would help; one that has gone flat says"
        " that this reward model has learned what it can."
    )
    points, forecast = curve.get("points") or [], curve.get("forecast")
    end = (forecast or {}).get("comparisons") or max(
        (row["comparisons"] for row in points), default=None
    )
    figure = frame("Comparisons it learned from", "Right on unseen prompts (%)", x_end=end)
    figure.update_yaxes(range=[0, 104], tickvals=[0, 25, 50, 75, 100])
    if not points:
        nothing_yet(figure, "Too few comparisons yet")
        return Chart(
            figure,
            title,
            look_for,
            f"Learning curve: {curve.get('sentence', 'too few comparisons.')}",
        )
    bars = [error_bar(row["accuracy"], [row["low"], row["high"]]) for row in points]
    add_line(
        figure,
        column(points, "comparisons"),
        column(points, "accuracy", 100),
        name="Your votes, 95% interval",
        colour=BLUE,
        hover="after %{x}: %{y:.0f}%",
    )
    figure.data[-1].update(
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [up for _, up in bars],
            "arrayminus": [down for down, _ in bars],
            "color": BLUE,
            "thickness": 2,
            "width": 7,
        }
    )
    said = "; ".join(
        f"{row['comparisons']}: {percent(row['accuracy'])} ({interval([row['low'], row['high']])})"
        for row in points
    )
    alt = f"Accuracy on unseen prompts by number of comparisons, with 95% intervals. {said}."
    if forecast:
        low, high = forecast["then_interval"]
        down, up = error_bar(forecast["then"], [low, high])
        figure.add_trace(
            go.Scatter(
                x=[forecast["comparisons"]],
                y=[100 * forecast["then"]],
                mode="markers",
                name="Forecast, 95% interval",
                marker={
                    "size": 12,
                    "symbol": "diamond-open",
                    "color": VIOLET,
                    "line": {"width": 3, "color": VIOLET},
                },
                cliponaxis=False,
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [up],
                    "arrayminus": [down],
                    "color": VIOLET,
                    "thickness": 2,
                    "width": 9,
                },
                hovertemplate="forecast at %{x}: %{y:.0f}%<extra></extra>",
            )
        )
        alt += (
            f" Forecast at {forecast['comparisons']}: {percent(forecast['then'])}"
            f" ({interval([low, high])})."
        )
    add_level(figure, 50, "Tossing a coin: 50%")
    return Chart(figure, title, look_for, alt)


def doubts(rows: Sequence[dict], conservative: float) -> Chart:
    """Scores with both uncertainties: the Laplace bar, the five bootstrap heads' span, and where
    the conservative score lies.
    """
    title = "Scores with their doubt"
    look_for = (
        "where two bars overlap a lot, do not rely on the order of the two texts (a rough guide"
        " only); where the two kinds of doubt differ much, trust the wider one."
    )
    figure = _ranked(
        rows,
        f"Score ({STANDARD_DEVIATIONS})",
        lambda row: (
            f"{number(row['score'], sign=True)} ± {number(row['laplace'])} "
            f" {label(one_line(row), SHORT_LABEL - 8)}"
        ),
    )
    if not rows:
        nothing_yet(figure, "No text scored yet")
        return Chart(
            figure,
            title,
            look_for,
            "Scores with their doubt: no text was scored yet, so the chart is empty.",
        )
    at = list(range(len(rows)))
    for y, row in zip(at, rows, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[row["lowest"], row["highest"]],
                y=[y + 0.16] * 2,
                mode="lines",
                line={"color": VIOLET, "width": 7},
                opacity=0.6,
                name="Five heads, each on votes drawn anew",
                showlegend=y == 0,
                hovertemplate="five heads: %{x:.2f}<extra></extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=column(rows, "score"),
            y=at,
            mode="markers",
            name="Score ± one standard deviation (Laplace)",
            marker={"size": 12, "color": TEAL},
            error_x={
                "type": "data",
                "array": column(rows, "laplace"),
                "color": TEAL,
                "thickness": 2.5,
                "width": 8,
            },
            hovertemplate="score %{x:.2f}<extra></extra>",
        )
    )
    if conservative:
        figure.add_trace(
            go.Scatter(
                x=column(rows, "conservative"),
                y=at,
                mode="markers",
                name=f"Conservative, k = {number(conservative, 1)}",
                marker={
                    "size": 12,
                    "color": RED,
                    "symbol": "diamond-open",
                    "line": {"width": 2.5, "color": RED},
                },
                hovertemplate="conservative %{x:.2f}<extra></extra>",
            )
        )
    said = "; ".join(
        f"{one_line(row)}: {number(row['score'], sign=True)}, Laplace {number(row['laplace'])},"
        f" five heads from {number(row['lowest'], sign=True)} to"
        f" {number(row['highest'], sign=True)}, conservative"
        f" {number(row['conservative'], sign=True)}"
        for row in rows
    )
    return Chart(
        figure, title, look_for, f"Scores of {len(rows)} texts in {STANDARD_DEVIATIONS}. {said}."
    )


def moves(rows: Sequence[dict], *, title: str, look_for: str, before: str, after: str) -> Chart:
    """Outputs by a second score (``after``), each with its first (``before``): what a vote, or
    another kind of reward model, moves.
    """
    ordered = sorted(
        rows, key=lambda row: (finite(row.get("after")) is None, -(finite(row.get("after")) or 0.0))
    )
    figure = _ranked(
        ordered,
        f"Score ({STANDARD_DEVIATIONS})",
        lambda row: f"{_places(row)}{number(row['after'], sign=True)}  {label(one_line(row))}",
    )
    if not ordered:
        nothing_yet(figure, "Nothing to show")
        return Chart(figure, title, look_for, f"{title}: nothing to show.")
    at = list(range(len(ordered)))
    for y, row in zip(at, ordered, strict=True):
        figure.add_trace(
            go.Scatter(
                x=[row["before"], row["after"]],
                y=[y, y],
                mode="lines",
                line={"color": GREY, "width": 3},
                opacity=0.6,
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for name, key, colour, symbol in (
        (before, "before", GREY, SAME),
        (after, "after", TEAL, "circle"),
    ):
        figure.add_trace(
            go.Scatter(
                x=column(ordered, key),
                y=at,
                mode="markers",
                name=name,
                marker={
                    "size": 13,
                    "color": colour,
                    "symbol": symbol,
                    "line": {"width": 2, "color": colour},
                },
                hovertemplate=f"{name}: %{{x:.2f}}<extra></extra>",
            )
        )
    said = "; ".join(
        f"{one_line(row)}: {after} {number(row['after'], sign=True)}, {before}"
        f" {number(row['before'], sign=True)}"
        for row in ordered
    )
    return Chart(
        figure,
        title,
        look_for,
        f"{title}: {len(ordered)} outputs in {STANDARD_DEVIATIONS}, best first. {said}.",
    )


def _places(row: dict) -> str:
    """ "▲ " or "▼ " where the output changed its place, else nothing."""
    change = row.get("places", 0)
    return (
        ""
        if not change
        else (
            f"\N{BLACK UP-POINTING TRIANGLE}{change} "
            if change > 0
            else f"\N{BLACK DOWN-POINTING TRIANGLE}{-change} "
        )
    )


def _ranked(rows: Sequence[dict], x_title: str, words) -> go.Figure:
    """An empty chart with a row for each output, its words above its place."""
    figure = frame(x_title, "Outputs, best score first", height=max(HEIGHT, 120 + 48 * len(rows)))
    figure.update_layout(
        showlegend=True,
        hovermode="closest",
        margin={"t": 70},
        legend={"y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(rangemode="normal", tickformat=None, showgrid=False)
    figure.update_yaxes(
        autorange=False, range=[max(1, len(rows)) - 0.4, -0.75], tickvals=[], showgrid=False
    )
    for y, row in enumerate(rows):
        figure.add_annotation(
            text=words(row),
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
    return figure
