"""Charts of a workshop room: how fast judgements come in, which pairs split it, who reads and who
only taps, and how the vote went.

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
    frame,
    label,
    nothing_yet,
    number,
    with_legend,
)

MOST_PAIRS = 10
_STEPS = [first * 10**power for power in range(9) for first in (1, 2, 5)]
FEW = 3  # known answers, below which a share says nothing


def by_minute(rows: Sequence[dict]) -> Chart:
    """Judgements in each minute of the act. Rows {"minute", "judged"}."""
    title = "Judgements a minute"
    look_for = "a level row of bars; when they fall, people are through, or tired."
    figure = frame("Minute, from the first judgement on", "Judgements", height=230)
    figure.update_layout(bargap=0.25)
    if not rows:
        nothing_yet(figure, "No judgement yet")
        return Chart(figure, title, look_for, f"{title}: none yet.")
    minutes, judged = [row["minute"] for row in rows], [row["judged"] for row in rows]
    figure.add_trace(
        go.Bar(
            x=minutes,
            y=judged,
            marker={"color": TEAL},
            hovertemplate="minute %{x}: %{y} judgements<extra></extra>",
        )
    )
    figure.update_yaxes(rangemode="tozero", dtick=_whole(max(judged)))
    figure.update_xaxes(range=[-0.6, max(4, *minutes) + 0.6], dtick=_whole(max(minutes)))
    best = max(rows, key=lambda row: row["judged"])
    return Chart(
        figure,
        title,
        look_for,
        f"{title}: {sum(judged)} in {len(rows)} minutes, most in minute {best['minute']}"
        f" ({best['judged']}), {judged[-1]} in the last.",
    )


def disputed(rows: Sequence[dict]) -> Chart:
    """The pairs that split the room most, a bar each. Rows {"prompt", "a", "b", "first", "second",
    "tie", "of"}, the most split first.
    """
    title = "Disputed pairs"
    look_for = "bars that are cut near the middle: there the room has two opinions, not one."
    rows = [row for row in rows if row["of"]][:MOST_PAIRS]
    figure = frame("Judgements", "Pair", height=120 + 34 * max(1, len(rows)))
    figure.update_layout(barmode="stack", hovermode="closest", bargap=0.35)
    if not rows:
        nothing_yet(figure, "No pair was judged twice yet")
        return Chart(figure, title, look_for, f"{title}: no pair was judged by two people yet.")
    sides = (
        ("first", "first answer", TEAL, ""),
        ("tie", "tie", GREY, "."),
        ("second", "second answer", ORANGE, "/"),
    )
    names = [f"{n}. {label(row['prompt'], 20)}" for n, row in enumerate(rows, 1)]
    _stacked(figure, rows, names, sides)
    said = "; ".join(
        f"{n}. {row['prompt']}: {row['first']} for the first, {row['second']} for the second,"
        f" {row['tie']} ties"
        for n, row in enumerate(rows, 1)
    )
    return Chart(figure, title, look_for, f"{title}. {said}.")


def _stacked(figure: go.Figure, rows: Sequence[dict], names: list[str], sides: Sequence) -> None:
    """A bar a row, the first on top, in as many parts as there are ``sides``: (key of the row,
    name, colour, pattern).
    """
    places = list(range(len(rows)))[::-1]
    for key, name, colour, pattern in sides:
        figure.add_trace(
            go.Bar(
                x=[row[key] for row in rows],
                y=places,
                orientation="h",
                name=name,
                marker={"color": colour, "pattern": {"shape": pattern}},
                hovertemplate=f"{name}: %{{x}}<extra></extra>",
            )
        )
    most = max(sum(row[key] for key, *_ in sides) for row in rows)
    figure.update_xaxes(dtick=_whole(most))
    figure.update_yaxes(tickvals=places, ticktext=names, showgrid=False)
    with_legend(figure)
    figure.update_layout(legend={"traceorder": "normal"})


def _whole(most: int) -> int:
    """How far apart the ticks of an axis of counts stand: whole numbers, ten at most."""
    return next(step for step in _STEPS if most <= 10 * step)


def fast_or_careful(rows: Sequence[dict]) -> Chart:
    """A dot a person: how long a judgement took, and how many of the known answers were right. Rows
    {"called", "seconds", "gold_right", "gold_of", "judged"}.
    """
    title = "Fast or careful?"
    look_for = (
        "dots at the lower left: quick, and often wrong. With a handful of known answers each, a"
        " dot may lie 20 points off by luck."
    )
    figure = frame("Seconds a judgement (median)", "Known answers right (%)", height=360)
    figure.update_yaxes(range=[-4, 106], tickvals=[0, 25, 50, 75, 100])
    figure.update_xaxes(tickformat=None)
    figure.update_layout(hovermode="closest")
    known = [row for row in rows if row["gold_of"] >= FEW and row["seconds"] is not None]
    if not known:
        nothing_yet(figure, f"Nobody has {FEW} known answers yet")
        return Chart(figure, title, look_for, f"{title} Nobody has {FEW} known answers yet.")
    figure.add_trace(
        go.Scatter(
            x=[row["seconds"] for row in known],
            y=[100 * row["gold_right"] / row["gold_of"] for row in known],
            mode="markers",
            marker={
                "size": [9 + min(16, row["judged"] / 4) for row in known],
                "color": VIOLET,
                "opacity": 0.75,
            },
            customdata=[
                [label(row["called"], 28), row["gold_right"], row["gold_of"]] for row in known
            ],
            hovertemplate=(
                "%{customdata[0]}: %{x:.1f} s, %{customdata[1]} of %{customdata[2]}"
                " right<extra></extra>"
            ),
            cliponaxis=False,
        )
    )
    figure.update_xaxes(range=[0, 1.1 * max(row["seconds"] for row in known) + 0.2])
    figure.add_hline(y=50, line={"color": GREY, "width": 1.5, "dash": "dash"})
    said = "; ".join(
        f"{row['called']} {number(row['seconds'], 1)} seconds, {row['gold_right']} of"
        f" {row['gold_of']} right"
        for row in known
    )
    return Chart(figure, title, look_for, f"{title} {said}.")


def votes(rows: Sequence[dict]) -> Chart:
    """How the room voted, a bar a prompt. Rows {"prompt", "for_before", "tie", "for_after"}."""
    title = "The blind vote, prompt by prompt"
    look_for = "bars that are mostly “after”: there the room likes what training did."
    rows = list(rows)
    figure = frame("Votes", "Prompt", height=120 + 34 * max(1, len(rows)))
    figure.update_layout(barmode="stack", hovermode="closest", bargap=0.35)
    if not rows:
        nothing_yet(figure, "No vote yet")
        return Chart(figure, title, look_for, f"{title}: no vote yet.")
    sides = (
        ("for_before", "before", BLUE, "/"),
        ("tie", "no difference", GREY, "."),
        ("for_after", "after", TEAL, ""),
    )
    _stacked(figure, rows, [label(row["prompt"], 24) for row in rows], sides)
    said = "; ".join(
        f"{row['prompt']}: {row['for_after']} for after, {row['for_before']} for before,"
        f" {row['tie']} ties"
        for row in rows
    )
    return Chart(figure, title, look_for, f"{title}. {said}.")
