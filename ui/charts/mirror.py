"""Charts of the labeller mirror: shares with their intervals, seconds against correctness, and pace
over the session.

Plain records in (``rlhf_core.judging.labeller_mirror``), a ``charts.Chart`` out; how it looks and
reads is decided in ``ui.charts``.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    HEIGHT,
    ORANGE,
    RED,
    TEAL,
    Chart,
    add_line,
    finite,
    frame,
    nothing_yet,
    number,
    percent,
    with_legend,
)

KINDS = {"repeat": ("Asked twice", TEAL, "circle"), "gold": ("Reference answer", ORANGE, "diamond")}


def shares(measures: Sequence[dict]) -> Chart:
    """Each share of the mirror as a dot with its 95% interval."""
    title = "Your shares, with their 95% intervals"
    rows = [row for row in measures if row["unit"] == "share" and finite(row["value"]) is not None][
        ::-1
    ]
    keys, told = {row.get("key") for row in rows}, []
    if keys & {"self_consistency", "gold_accuracy"}:
        told.append("the same answer again, and the reference answers: far to the right is best.")
    if keys & {"position_bias", "length_bias"}:
        told.append("what you preferred: fair has the dashed line, a half, inside its bar.")
    look_for = " ".join([*told, "A long bar means that it is too early to tell."])
    figure = frame("Share of the judgements it rests on (%)", "", x_end=100)
    if not rows:
        nothing_yet(figure, "Nothing to count yet")
        return Chart(
            figure, title, look_for, f"{title}: nothing to count yet, so the chart is empty."
        )
    figure.add_trace(
        go.Scatter(
            x=[100 * row["value"] for row in rows],
            y=[_two_lines(row["title"]) for row in rows],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (row["high"] - row["value"]) for row in rows],
                "arrayminus": [100 * (row["value"] - row["low"]) for row in rows],
                "color": TEAL,
                "thickness": 3,
                "width": 8,
            },
            mode="markers",
            marker={"size": 13, "color": TEAL},
            hovertemplate="%{x:.0f}%<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.add_vline(x=50, line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.update_layout(hovermode="closest", height=110 + 52 * len(rows))
    figure.update_yaxes(ticklabelstandoff=8)
    said = "; ".join(
        f"{row['title']}: {percent(row['value'])} of {row['count']}, interval {percent(row['low'])}"
        f" to {percent(row['high'])}"
        for row in rows[::-1]
    )
    return Chart(figure, title, look_for, f"{title}. {said}.")


def seconds_against(points: Sequence[dict]) -> Chart:
    """Every judgement that could be right or wrong: the seconds it took, and whether it was."""
    title = "Seconds against correctness"
    look_for = (
        "wrong ones that gather on the left say that haste costs; the same spread in both rows says"
        " that taking longer changes little."
    )
    figure = frame("Seconds until the verdict", "")
    figure.update_xaxes(tickformat="~g")  # quick people differ by tenths
    rows = [point for point in points if finite(point["seconds"]) is not None]
    if not rows:
        nothing_yet(figure, "No pair came twice yet, and none with a reference answer")
        return Chart(
            figure,
            title,
            look_for,
            f"{title}: no judgement could be right or wrong yet, so the chart is empty.",
        )
    for shift, (kind, (name, colour, symbol)) in zip((-0.14, 0.14), KINDS.items(), strict=True):
        mine = [row for row in rows if row["kind"] == kind]
        if mine:
            figure.add_trace(
                go.Scatter(
                    x=[row["seconds"] for row in mine],
                    y=[float(row["right"]) + shift for row in mine],
                    name=name,
                    mode="markers",
                    marker={"size": 12, "color": colour, "symbol": symbol, "opacity": 0.8},
                    hovertemplate="%{x:.1f} s<extra></extra>",
                    cliponaxis=False,
                )
            )
    figure.update_yaxes(tickvals=[0, 1], ticktext=["otherwise", "the same"], range=[-0.5, 1.5])
    figure.update_layout(hovermode="closest")
    with_legend(figure)
    said = []
    for right, words in ((True, "the same answer"), (False, "another answer")):
        times = [row["seconds"] for row in rows if row["right"] == right]
        said.append(
            f"{len(times)} with {words}"
            + (f", median {number(statistics.median(times), 1)} seconds" if times else "")
        )
    return Chart(figure, title, look_for, f"{title}: " + "; ".join(said) + ".")


def pace(seconds: Sequence[float | None]) -> Chart:
    """Seconds of each judgement in order, and the median of either half."""
    title, look_for = (
        "Your pace over the session",
        (
            "two levels that are far apart: you sped up or slowed down. Single peaks are pairs that"
            " took thinking, or a cup of tea."
        ),
    )
    figure = frame("Judgement, in order", "Seconds until the verdict", x_end=len(seconds) or None)
    rows = [
        (place, value) for place, value in enumerate(map(finite, seconds), 1) if value is not None
    ]
    if not rows:
        nothing_yet(figure, "No judgement with a time yet")
        return Chart(
            figure,
            title,
            look_for,
            f"{title}: no judgement with a time yet, so the chart is empty.",
        )
    add_line(
        figure,
        [x for x, _ in rows],
        [y for _, y in rows],
        name="Seconds",
        colour=BLUE,
        hover="no. %{x}: %{y:.1f} s",
    )
    said = []
    if len(rows) >= 2:
        middle = len(rows) // 2
        for half, part, dash, colour in (
            ("first", rows[:middle], "dash", GREY),
            ("second", rows[middle:], "dot", RED),
        ):
            level = statistics.median(value for _, value in part)
            figure.add_trace(
                go.Scatter(
                    x=[part[0][0], part[-1][0]],
                    y=[level, level],
                    name=f"Median, {half} half",
                    mode="lines",
                    line={"color": colour, "width": 3, "dash": dash},
                    hoverinfo="skip",
                )
            )
            said.append(f"median of the {half} half {number(level, 1)} seconds")
        with_legend(figure)
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(height=max(HEIGHT, figure.layout.height))
    return Chart(
        figure,
        title,
        look_for,
        f"{title}: {len(rows)} judgements with a time; " + "; ".join(said) + ".",
    )


def _two_lines(words: str) -> str:
    """A name of ours, broken in the middle so that it fits beside the bars on a phone."""
    parts = words.split()
    middle = (len(parts) + 1) // 2
    return " ".join(parts[:middle]) + "<br>" + " ".join(parts[middle:]) if len(parts) > 2 else words
