"""Charts: plain records in, a Plotly figure with words around it out.

Every chart of the modules in here is a ``Chart``: a figure whose axes carry names and units, one
sentence on what to look for, and a text alternative that states the numbers for people who cannot
see the picture. Colours are of middle lightness (at least 3:1 on white and on
near-black), and lines differ by dash and marker too, so that one figure serves light, dark, a
projector, a 375 px phone and colour-blind eyes.

Knows nothing about models, jobs or sessions: it draws what the records say, and leaves a gap where
a number is missing or not finite.
"""

from __future__ import annotations

import html
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pandas  # noqa: F401 (plotly looks at it while it draws; the worker may be in the middle of importing it, and here we wait until it is whole)
import plotly.graph_objects as go
import streamlit as st

from rlhf_core.common.untrusted import straight
from ui import projector

TEAL, ORANGE, VIOLET, BLUE, RED, GREY = (
    "#1E8C7E",
    "#C8641B",
    "#8E6BBF",
    "#3D7DC8",
    "#C9504A",
    "#80868B",
)
HEIGHT, LEGEND = 320, 48  # pixels of a chart, and of the names below it
SHORT_LABEL = 44  # characters of an output that fit beside a score on a phone
CONFIG = {
    "displayModeBar": "hover",
    "modeBarButtons": [["toImage"]],  # pictures.js makes it two: SVG and PNG
    "displaylogo": False,
    "scrollZoom": False,
    "responsive": True,
}
STANDARD_DEVIATIONS = "reference standard deviations"


class Chart(NamedTuple):
    """A figure and the words that belong to it. ``alt`` states the numbers; ``look_for`` is one
    sentence.
    """

    figure: go.Figure
    title: str
    look_for: str
    alt: str


def show(
    figure: go.Figure,
    *,
    look_for: str,
    alt: str,
    title: str = "",
    key: str | None = None,
    brief: str = "",
) -> None:
    """Draws ``figure`` over the page's full width with its title above and what to look for below.
    Keep ``key`` the same from run to run.

    ``brief``: what to look for in a few words, beside the title; the whole sentence is then in the
    title's help.

    The colour of its words is in the page's style sheet (``whiteboard.CSS``), so that it changes
    with the theme, also while the page is open.
    """
    if projector.on():
        projector.enlarge(figure)
    with st.container(gap="xxsmall"):
        if brief:
            st.markdown(f"**{title}** {brief}", help=f"What to look for: {look_for}")
        elif title:
            st.markdown(f"**{title}**")
        picture = {"format": "svg", "filename": file_name(title), "scale": 3}
        config = {**CONFIG, "toImageButtonOptions": picture}
        st.plotly_chart(figure, width="stretch", key=key, config=config, alt=alt)
        if not brief:
            st.caption(f"**What to look for:** {look_for}")


def draw(chart: Chart, *, key: str, brief: str = "", height: int | None = None) -> None:
    """``show`` for a ``Chart``; ``height`` in pixels where it is not the chart's own."""
    if height:
        chart.figure.update_layout(height=height)
    show(
        chart.figure,
        look_for=chart.look_for,
        alt=chart.alt,
        title=chart.title,
        key=key,
        brief=brief,
    )


def file_name(title: str) -> str:
    """What a picture of the chart called ``title`` is called, without its ending."""
    return "-".join(re.findall("[a-z0-9]+", title.lower()))[:60] or "chart"


# Numbers and labels


def finite(value: object) -> float | None:
    """``value`` as a finite float, or None for None, NaN, infinities and anything that is not a
    number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: object, digits: int = 2, sign: bool = False) -> str:
    """``value`` for people: fixed digits, a real minus sign, "no number" for what is not finite."""
    value = finite(value)
    if value is None:
        return "no number"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def small(value: object) -> str:
    """``value`` with two significant digits where it is below 0.1 (step sizes, losses), else as
    ``number``. What only rounding has left of a nought is one.
    """
    value = finite(value)
    value = 0.0 if value is not None and abs(value) < 1e-6 else value
    return (
        f"{value:.2g}".replace("-", "\N{MINUS SIGN}")
        if value is not None and 0 < abs(value) < 0.1
        else number(value)
    )


def percent(share: object, digits: int = 0) -> str:
    """A share between 0 and 1 as "83%"."""
    share = finite(share)
    return "no number" if share is None else f"{100 * share:.{digits}f}%"


def points_of_100(value: object) -> str:
    """A number that is already in percent, as "83%"."""
    return "no number" if finite(value) is None else f"{number(value, 0)}%"


def interval(pair: object) -> str:
    """[low, high] shares as "70% to 92%", or "" where there is no interval."""
    if (
        not isinstance(pair, list | tuple)
        or len(pair) != 2
        or finite(pair[0]) is None
        or finite(pair[1]) is None
    ):
        return ""
    return f"{percent(pair[0])} to {percent(pair[1])}"


def label(text: str, limit: int = SHORT_LABEL) -> str:
    """Untrusted ``text`` as one short line that Plotly, which reads some HTML and ``$…$`` as maths,
    shows as it is.
    """
    return _harmless(_cut(_line(text), limit))


def labels(texts: Sequence[str], limit: int = SHORT_LABEL) -> list[str]:
    """``label`` of each text; those that the cut would make alike show where they part, and equal
    texts get a number.
    """
    lines = [_line(text) for text in texts]
    found = {line: _cut(line, limit) for line in lines}
    for _ in lines:
        alike = next((group for group in _alike(found) if len(group) > 1), [])
        parts = len(os.path.commonprefix(alike))
        for line in alike:
            head = line[: limit // 3].rsplit(" ", 1)[0]
            room = limit - len(head) - 3
            begin = min(line.rfind(" ", 0, parts), max(len(head), len(line) - room))
            begin = max(begin, line.find(" ", begin, parts))  # no half word
            found[line] = _cut(f"{head} … {line[begin:].strip()}", limit)
    named, count = [], Counter()
    for shown in (found[line] for line in lines):
        count[shown] += 1
        again = count[shown] > 1
        named.append(_harmless(f"{_cut(shown, limit - 4)} ({count[shown]})" if again else shown))
    return named


def _line(text: str) -> str:
    return " ".join(straight(str(text)).split())


def _alike(found: dict[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for line, shown in found.items():
        groups.setdefault(shown, []).append(line)
    return list(groups.values())


def _cut(line: str, limit: int) -> str:
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _harmless(line: str) -> str:
    return html.escape(line, quote=False).replace("$", "&#36;")


def one_line(example: dict) -> str:
    """Prompt and output as one line."""
    return " ".join(f"{example.get('prompt', '')} {example.get('text', '')}".split())


def column(records: Sequence[dict], name: str, factor: float = 1.0) -> list[float | None]:
    values = [finite(record.get(name)) for record in records]
    return [None if value is None else value * factor for value in values]


def error_bar(middle: object, bounds: object) -> tuple[float | None, float | None]:
    """How far, in percentage points, the interval of shares ``bounds`` reaches below and above
    ``middle``.
    """
    middle = finite(middle)
    if middle is None or not interval(bounds):
        return None, None
    return max(0.0, 100 * (middle - bounds[0])), max(0.0, 100 * (bounds[1] - middle))


# The shape all charts share


def frame(
    x_title: str, y_title: str, *, x_end: float | None = None, height: int = HEIGHT
) -> go.Figure:
    """Empty axes. Given to Plotly whole: piece by piece they took 22 ms of the server's one
    interpreter, at each look of each page that follows a run; and unchecked, which takes another
    7 ms (tests/ui/test_charts.py does).
    """
    x_axis = {**_axis(x_title, 8), "rangemode": "tozero", "tickformat": "d", "nticks": 9}
    y_axis = {**_axis(y_title, 10), "nticks": 6}
    if x_end:
        x_axis["range"] = [-0.02 * x_end, 1.02 * x_end]
        if x_end <= 10:
            # Else Plotly puts ticks between whole steps, and rounds their names.
            x_axis["dtick"] = 1
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 14, "t": 12, "b": 8},
        "font": {"size": 14},
        "hovermode": "x unified",
        "dragmode": False,
        "showlegend": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": -0.26,
            "xanchor": "left",
            "yanchor": "top",
            "font": {"size": 13},
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "uirevision": "keep",
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
    return go.Figure(layout=layout, _validate=False)


def _axis(title: str, away: int) -> dict:
    """Anew for each axis: unchecked, Plotly copies nothing, and two would share their letters."""
    words = {"text": title, "standoff": away, "font": {"size": 14}}
    still = {"fixedrange": True, "automargin": True, "zeroline": False}
    return {"title": words, "tickfont": {"size": 13}, **still}


def end_of(records: Sequence[dict], name: str, planned: int | None) -> float | None:
    """Where the x axis ends: as planned, or at the last record."""
    known = [value for value in [planned, *column(records, name)] if value is not None]
    return max(known) or 1 if known else None  # step 0 alone still gets an axis of whole steps


def nothing_yet(figure: go.Figure, words: str) -> None:
    figure.add_annotation(
        text=words, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 15}
    )
    figure.update_xaxes(showticklabels=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, showgrid=False)


def add_line(
    figure: go.Figure,
    x: Sequence,
    y: Sequence,
    *,
    name: str,
    colour: str,
    hover: str,
    dash: str = "solid",
    symbol: str = "circle",
    **more,
) -> None:
    figure.add_trace(
        go.Scatter(
            x=list(x),
            y=list(y),
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 3, "dash": dash},
            marker={"size": 7 if len(x) <= 40 else 4, "symbol": symbol, "color": colour},
            hovertemplate=hover + "<extra></extra>",
            connectgaps=False,
            cliponaxis=False,
        ),
        **more,
    )


def lines_of_runs(
    figure: go.Figure,
    runs: dict[str, tuple[str, str, str, str]],
    points: dict[str, list[dict]],
    values: Callable[[list[dict]], Sequence],
    bars: Callable[[list[dict]], dict],
    hover: str,
) -> Iterator[tuple[str, list[dict]]]:
    """Add a line over the steps for each of a lab's ``runs`` (run -> (name, colour, dash, symbol))
    that has points; yields (name, its points).

    ``values``, ``bars``: of a run's points, what is drawn and the arrays of its error bars;
    ``hover``: how a value shows.
    """
    for run, (name, colour, dash, symbol) in runs.items():
        if not (rows := points.get(run)):
            continue
        style = {"name": name, "colour": colour, "dash": dash, "symbol": symbol}
        add_line(figure, column(rows, "step"), values(rows), **style, hover=f"{name}: {hover}")
        look = {"type": "data", "color": colour, "thickness": 1.5, "width": 5}
        figure.data[-1].update(error_y={**look, **bars(rows)})
        yield name, rows


def add_level(figure: go.Figure, y: float, words: str) -> None:
    """A dashed line at a level that means something, named in the legend: beside the line, a curve
    would run through its name.
    """
    figure.add_hline(
        y=y, line={"color": GREY, "width": 1.5, "dash": "dash"}, name=words, showlegend=True
    )
    with_legend(figure)


def with_legend(figure: go.Figure) -> None:
    """Names the lines below the x axis, where nothing crosses them."""
    figure.update_layout(showlegend=True, height=max(figure.layout.height, HEIGHT + LEGEND))


def story(
    records: Sequence[dict],
    name: str,
    *,
    x: str,
    word: str,
    unit: str,
    show_number=number,
    factor: float = 1.0,
) -> str:
    """The curve in words: first, lowest, highest and last value, each with its place, and how many
    values are missing.
    """
    points = [
        (record.get(x), value * factor)
        for record in records
        if (value := finite(record.get(name))) is not None
    ]
    missing = len(records) - len(points)
    if not points:
        return f"{len(records)} {word}s, none with a number."
    said = f"{show_number(points[0][1])} at {word} {points[0][0]}"
    if len(points) > 1:
        low, high = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
        said += (
            f", lowest {show_number(low[1])} at {word} {low[0]}, highest {show_number(high[1])} at"
            f" {word} {high[0]}"
        )
        said += f", last {show_number(points[-1][1])} at {word} {points[-1][0]}"
    return f"{said} ({unit})." + (
        f" {missing} {word}{'s have' if missing > 1 else ' has'} no number." if missing else ""
    )
