"""Charts with a row for each output, best score first: what training, a vote or another kind of
reward model moved, and how sure the scores are.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from ui.charts import (
    GREY,
    HEIGHT,
    RED,
    SHORT_LABEL,
    STANDARD_DEVIATIONS,
    TEAL,
    VIOLET,
    Chart,
    column,
    finite,
    frame,
    labels,
    nothing_yet,
    number,
    one_line,
)


def scores(examples: Sequence[dict], row_height: int = 48) -> Chart:
    """Outputs sorted by what the trained reward model gives them (``after``), each with where it
    stood before training (``before``). ``row_height`` in pixels.
    """
    title = "Scores of the outputs, before and after training"
    look_for = (
        "before training every output has the same score; afterwards the kind of text you preferred"
        " should be at the top."
    )
    ordered = sorted(
        examples, key=lambda e: (finite(e.get("after")) is None, -(finite(e.get("after")) or 0.0))
    )
    figure = frame(
        f"Score ({STANDARD_DEVIATIONS})",
        "Outputs, best score first",
        height=max(HEIGHT, 100 + row_height * len(ordered)),
    )
    if not ordered:
        nothing_yet(figure, "Not trained yet")
        return Chart(
            figure,
            title,
            look_for,
            "Scores of the outputs: not trained yet, so the chart is empty.",
        )
    rows = list(range(len(ordered)))
    before, after = column(ordered, "before"), column(ordered, "after")
    figure.update_layout(
        showlegend=True,
        hovermode="closest",
        margin={"t": 44},
        legend={"y": 1.02, "yanchor": "bottom"},
    )
    # The open circles mark 0; a line there would run through the labels.
    figure.update_xaxes(rangemode="normal", tickformat=None, showgrid=False)
    figure.update_yaxes(
        autorange=False, range=[len(ordered) - 0.4, -0.75], tickvals=[], showgrid=False
    )
    for row, start, end in zip(rows, before, after, strict=True):
        if start is not None and end is not None:
            figure.add_trace(
                go.Scatter(
                    x=[start, end],
                    y=[row, row],
                    mode="lines",
                    line={"color": GREY, "width": 3},
                    hoverinfo="skip",
                    showlegend=False,
                    opacity=0.6,
                )
            )
    for name, values, colour, symbol in (
        ("Before", before, GREY, "circle-open"),
        ("After", after, TEAL, "circle"),
    ):
        figure.add_trace(
            go.Scatter(
                x=values,
                y=rows,
                mode="markers",
                name=name,
                marker={
                    "size": 13,
                    "color": colour,
                    "symbol": symbol,
                    "line": {"width": 2, "color": colour},
                },
                hovertemplate=f"{name.lower()}: %{{x:.2f}}<extra></extra>",
            )
        )
    doubt = column(ordered, "laplace")
    if any(value is not None for value in doubt):
        look_for += (
            " The bars are its doubt, one standard deviation each way: where two bars overlap a"
            " lot, do not rely on their order (a rough guide: the doubt about a difference is not"
            " the sum of two doubts)."
        )
        figure.data[-1].update(
            error_x={"type": "data", "array": doubt, "color": TEAL, "thickness": 2, "width": 6}
        )
    limit = SHORT_LABEL - (8 if any("laplace" in example for example in ordered) else 0)
    named = labels([one_line(example) for example in ordered], limit)
    for row, example, name in zip(rows, ordered, named, strict=True):
        figure.add_annotation(
            text=f"{_with_doubt(example)}  {name}",
            x=0,
            xref="paper",
            xanchor="left",
            y=row,
            yref="y",
            yanchor="bottom",
            yshift=8,
            showarrow=False,
            font={"size": 13},
            align="left",
        )
    said = "; ".join(
        f"{one_line(e)}: {_with_doubt(e)}, before {number(e.get('before'))}" for e in ordered
    )
    return Chart(
        figure,
        title,
        look_for,
        f"Scores of {len(ordered)} outputs, in {STANDARD_DEVIATIONS}, best first. {said}.",
    )


def _with_doubt(example: dict) -> str:
    """A score and, where it is known, its standard deviation (Laplace)."""
    doubt = finite(example.get("laplace"))
    return number(example.get("after"), sign=True) + (
        f" ± {number(doubt)}" if doubt is not None else ""
    )


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
        lambda row, name: f"{number(row['score'], sign=True)} ± {number(row['laplace'])}  {name}",
        SHORT_LABEL - 8,
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
        lambda row, name: f"{_places(row)}{number(row['after'], sign=True)}  {name}",
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
        (before, "before", GREY, "circle-open"),
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


def _ranked(
    rows: Sequence[dict], x_title: str, words: Callable[[dict, str], str], limit: int = SHORT_LABEL
) -> go.Figure:
    """An empty chart with a row for each output, above its place what ``words`` makes of it and of
    its text, cut to ``limit`` characters.
    """
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
    named = labels([one_line(row) for row in rows], limit)
    for y, (row, name) in enumerate(zip(rows, named, strict=True)):
        figure.add_annotation(
            text=words(row, name),
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
