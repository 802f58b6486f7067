"""Charts of the reward lab: how clearly it agrees with the votes, how rightly it is sure, and how
much a taste needs.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    TEAL,
    VIOLET,
    Chart,
    add_level,
    add_line,
    column,
    error_bar,
    frame,
    interval,
    nothing_yet,
    number,
    percent,
    with_legend,
)


def margins(rows: Sequence[dict]) -> Chart:
    """How clearly the votes it learned from are got right: counts of votes by margin in log-odds,
    those on the wrong side in another colour and pattern.
    """
    title = "How clearly it agrees with the votes"
    look_for = (
        "bars right of 0 are votes that it repeats, the farther right the surer; bars left of 0 are"
        " votes that it would have cast the other way."
    )
    figure = frame("Margin in favour of the vote (log-odds)", "Votes")
    total = sum(row["count"] for row in rows)
    if not total:
        nothing_yet(figure, "No decided vote")
        return Chart(
            figure, title, look_for, "Margins: there is no decided vote, so the chart is empty."
        )
    for side, name, colour, pattern in (
        (False, "Would have voted otherwise", ORANGE, "/"),
        (True, "Agrees with the vote", TEAL, ""),
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
    figure = frame("Pairs it learned from", "Right on unseen prompts (%)", x_end=end)
    figure.update_yaxes(range=[0, 104], tickvals=[0, 25, 50, 75, 100])
    if not points:
        nothing_yet(figure, "Too few pairs yet")
        return Chart(
            figure,
            title,
            look_for,
            f"Learning curve: {curve.get('sentence', 'too few judgements.')}",
        )
    bars = [error_bar(row["accuracy"], [row["low"], row["high"]]) for row in points]
    add_line(
        figure,
        column(points, "comparisons"),
        column(points, "accuracy", 100),
        name="The votes, 95% interval",
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
    alt = f"Accuracy on unseen prompts by number of pairs, with 95% intervals. {said}."
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
