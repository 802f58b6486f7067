"""Charts of runs that are told apart by how far they went for what they got: the Goodhart lab's,
and the algorithms side by side.

Plain records in (``session.labs``), a ``charts.Chart`` out; how it looks and reads is
decided in ``ui.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rlhf_core.evaluation import told_apart
from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    TEAL,
    VIOLET,
    Chart,
    add_line,
    finite,
    frame,
    nothing_yet,
    number,
    with_legend,
)

RUNS = {  # run -> (name, colour, dash, symbol)
    "free": ("No penalty", RED, "solid", "circle"),
    "penalty": ("KL penalty", TEAL, "dash", "square"),
    "conservative": ("Conservative reward", VIOLET, "dot", "diamond"),
}
ALGORITHMS = {
    "ppo": ("PPO", TEAL, "solid", "circle"),
    "rloo": ("RLOO", VIOLET, "dash", "square"),
    "grpo": ("GRPO", RED, "longdash", "star"),
    "dpo": ("DPO", ORANGE, "dot", "diamond"),
    "kto": ("KTO", GREY, "longdashdot", "cross"),
}
BEST_OF_N, FRONTIER = (
    ("Best-of-n", BLUE, "dashdot", "triangle-up"),
    ("Optimal frontier", GREY, "longdash", "x"),
)
_PANELS = (  # field, title, unit on the axis
    ("proxy", "Proxy: the reward model's score", "reference s.d."),
    ("gold", "Gold: an independent rule's rating", "reference s.d."),
    ("fluency", "Fluency under the original model", "nats a token"),
)


def _drawn(
    figure: go.Figure,
    rows: Sequence[dict],
    field: str,
    style: tuple,
    place: str,
    panel: int | None = None,
    root: bool = True,
) -> None:
    name, colour, dash, symbol = style
    x = [math.sqrt(row["kl"]) if root else row["kl"] for row in rows]
    words = [f"{place} {row[place]}: " if place in row else "" for row in rows]
    where = {} if panel is None else {"row": panel, "col": 1}
    y = [finite(row.get(field)) for row in rows]
    add_line(
        figure,
        x,
        y,
        name=name,
        colour=colour,
        dash=dash,
        symbol=symbol,
        hover=f"{name}, %{{text}}%{{y:+.2f}}",
        **where,
    )
    figure.data[-1].update(text=words, legendgroup=name, showlegend=panel in (None, 1))


def _told(rows: Sequence[dict], field: str, name: str, unit: str) -> str:
    """A line in words: its highest and its last value, and where they are."""
    rows = [row for row in rows if finite(row.get(field)) is not None]
    if not rows:
        return ""
    top, last = max(rows, key=lambda row: row[field]), rows[-1]
    return (
        f"{name}: highest {number(top[field], sign=True)} at KL {number(top['kl'])}, last"
        f" {number(last[field], sign=True)} at KL {number(last['kl'])} ({unit})."
    )


def over_optimisation(found: dict | None) -> Chart:
    """Proxy, gold and fluency of all runs against the square root of KL, each as the change from
    the original model.
    """
    title = "The measure and what it should measure"
    look_for = (
        "the red line keeps climbing in the upper panel; where its gold bends down below, the score"
        " has stopped meaning what it should."
    )
    points, found = (found or {}).get("points", {}), found or {}
    if not points:
        figure = frame("√KL to the original model (√nats)", "Change from the original")
        nothing_yet(figure, "No run yet")
        return Chart(
            figure, title, look_for, "Proxy, gold and fluency: no run yet, so the chart is empty."
        )
    figure = make_subplots(
        rows=len(_PANELS),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.08,
        subplot_titles=[panel[1] for panel in _PANELS],
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 14})
    figure.update_layout(
        height=720,
        margin={"l": 8, "r": 14, "t": 30, "b": 8},
        font={"size": 14},
        dragmode=False,
        hovermode="closest",
        uirevision="keep",
    )
    figure.update_layout(
        showlegend=True,
        legend={
            "orientation": "h",
            "x": 0,
            "y": -0.1,
            "xanchor": "left",
            "yanchor": "top",
            "font": {"size": 13},
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    said = []
    for number_, (field, panel, unit) in enumerate(_PANELS, start=1):
        for rows, style, place in (
            (found.get("best_of_n", []), BEST_OF_N, "n"),
            (found.get("frontier", []), FRONTIER, "beta"),
        ):
            if rows:
                _drawn(figure, rows, field, style, place, number_)
                said.append(_told(rows, field, f"{panel}, {style[0]}", unit))
        for run, style in RUNS.items():
            if points.get(run):
                _drawn(figure, points[run], field, style, "step", number_)
                said.append(_told(points[run], field, f"{panel}, {style[0]}", unit))
        axis = {
            "title": {"text": unit, "font": {"size": 13}, "standoff": 10},
            "fixedrange": True,
            "automargin": True,
            "tickfont": {"size": 13},
            "nticks": 5,
        }
        figure.update_yaxes(zeroline=False, **axis, row=number_, col=1)
        figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dash"}, row=number_, col=1)
    figure.update_xaxes(
        fixedrange=True, zeroline=False, rangemode="tozero", tickfont={"size": 13}, nticks=8
    )
    figure.update_xaxes(
        title={"text": "√KL to the original model (√nats)", "standoff": 8, "font": {"size": 14}},
        row=len(_PANELS),
        col=1,
    )
    return Chart(
        figure, title, look_for, "Changes from the original model. " + " ".join(filter(None, said))
    )


def algorithms(found: dict | None) -> Chart:
    """Gold of every algorithm against exact KL; best-of-n stands at the upper bound of its KL."""
    title = "What each algorithm got, and how far it went for it"
    look_for = (
        "high and to the left is best: better texts, little drift. Bars are 95% intervals over"
        " prompts."
    )
    points, found = (found or {}).get("points", {}), found or {}
    figure = frame("KL to the original model (nats an answer)", "Gold (reference s.d.)", height=400)
    figure.update_xaxes(tickformat=None)
    if not points:
        nothing_yet(figure, "No run yet")
        return Chart(
            figure,
            title,
            look_for,
            "The algorithms' gold rating against KL: no run yet, so the chart is empty.",
        )
    with_legend(figure)
    figure.update_layout(hovermode="closest")
    said = []
    if best := found.get("best_of_n"):
        style = (f"{BEST_OF_N[0]} (KL at most)", *BEST_OF_N[1:])
        _drawn(figure, best, "gold", style, "n", root=False)
        _bar(figure, len(best), told_apart.gain_of(best[-1]), style[1])
        said.append(
            _told(
                found["best_of_n"],
                "gold",
                "Best-of-n, at the upper bound of its KL",
                "reference s.d.",
            )
        )
    for run, style in ALGORITHMS.items():
        rows = points.get(run)
        if rows:
            _drawn(figure, rows, "gold", style, "step", root=False)
            _bar(figure, len(rows), told_apart.change_of(rows), style[1])
            said.append(_told(rows, "gold", style[0], "reference s.d."))
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dash"})
    return Chart(
        figure,
        title,
        look_for,
        "Gold as the change from the original model. " + " ".join(filter(None, said)),
    )


def _bar(figure: go.Figure, count: int, span: tuple[float, float] | None, colour: str) -> None:
    """The interval ``span`` at the last of the newest line's ``count`` points."""
    if span is not None:
        bar = [None] * (count - 1) + [(span[1] - span[0]) / 2]
        look = {"type": "data", "array": bar, "color": colour, "thickness": 2, "width": 7}
        figure.data[-1].update(error_y=look)
