"""A chart as SVG without a browser: what of Plotly's figures ours use, drawn by hand.

Knows lines, markers, bands, error bars, levels, boxes and words on linear axes; ``ui.charts`` says
what is in them. It refuses anything else, so that no chart is drawn half. Every size is in
pixels of a drawing 440 wide, which a phone shows at four fifths and a slide at any size.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from ui.charts import Chart, finite
from ui.export.words import safe

WIDTH, LEFT, RIGHT, TOP, LINE = 440, 64, 14, 14, 18
LETTER = 0.52  # mean width of a letter, of its size
MOST_MARKERS = 200  # of a line; of more, the line alone is drawn
DASHES = {"dash": "7 5", "dot": "2 4", "dashdot": "7 4 2 4", "longdash": "11 5"}
ANCHORS = {"left": "start", "right": "end", "center": "middle", "auto": "middle", None: "middle"}


class Axis(NamedTuple):
    """From ``low`` to ``high`` in the data, from ``start`` to ``end`` in pixels."""

    low: float
    high: float
    start: float
    end: float
    ticks: list[tuple[float, str]]

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def share(self, part: float) -> float:
        """Where a part of the axis (0 to 1) lies, in pixels."""
        return round(self.start + part * (self.end - self.start), 1)


def svg(chart: Chart, name: str, *, follow: bool = False) -> str:
    """``chart`` as one svg element, its words in ``title`` and ``desc``.

    Args:
        name: for ids; unlike any other in the same document, letters and digits.
        follow: with a line, hidden, that a script can move to a step: class "now", and on the
            element data-start (pixel of 0) and data-step (pixels a step).
    """
    figure, layout = chart.figure, chart.figure.layout
    legend = _legend(figure) if layout.showlegend else []
    rows = _legend_rows(legend)
    height = int(layout.height or 320) - 48 * bool(legend) + LINE * len(rows)
    bottom = height - 46 - LINE * len(rows)
    wide = _tick_width(layout.yaxis)
    x = _axis(layout.xaxis, _values(figure, "x"), LEFT + wide, WIDTH - RIGHT, 6)
    y = _axis(layout.yaxis, _values(figure, "y"), bottom, TOP + (layout.margin.t or 12) - 12, 6)
    parts = [_grid(layout, x, y)]
    parts += [_shape(shape, x, y) for shape in layout.shapes]
    parts += [_trace(trace, x, y) for trace in figure.data]
    if follow:
        parts.append(f'<line class="now" x1="0" x2="0" y1="{y.end}" y2="{y.start}" hidden=""/>')
    parts += [_note(note, x, y) for note in layout.annotations]
    parts.append(_titles(layout, x, y, bottom))
    parts += [_legend_line(row, height - LINE * (len(rows) - at)) for at, row in enumerate(rows)]
    moves = ""
    if follow:
        moves = f' data-start="{x.at(0)}" data-step="{round(x.at(1) - x.at(0), 3)}"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{name}-t {name}-d"'
        f'{moves}><title id="{name}-t">{safe(chart.title)}</title>'
        f'<desc id="{name}-d">{safe(chart.alt, 6_000)}</desc>{"".join(parts)}</svg>'
    )


# --- axes -----------------------------------------------------------------------------------------


def _values(figure: go.Figure, side: str) -> list[float]:
    found = [finite(v) for trace in figure.data for v in (trace[side] or ())]
    if side == "y":
        for trace in figure.data:
            for low, high in _bars(trace):
                found += [low, high]
    for shape in figure.layout.shapes:
        if shape[f"{side}ref"] in (None, side):
            found += [finite(shape[f"{side}0"]), finite(shape[f"{side}1"])]
    return [value for value in found if value is not None]


def _axis(axis, values: Sequence[float], start: float, end: float, most: int) -> Axis:
    if axis.range:
        low, high = map(float, axis.range)
    else:
        low, high = (min(values), max(values)) if values else (0.0, 1.0)
        if axis.rangemode == "tozero":
            low, high = min(low, 0.0), max(high, 0.0)
        if high - low < 1e-12:
            low, high = (low - 1, high + 1) if low else (0.0, 1.0)
        room = 0.05 * (high - low)
        low, high = low - room * (low != 0), high + room * (high != 0)
    ticks: list[tuple[float, str]] = []
    if axis.showticklabels is not False:
        if axis.tickvals is not None:
            words = axis.ticktext or [_number(v) for v in axis.tickvals]
            ticks = list(zip(map(float, axis.tickvals), map(str, words)))
        else:
            whole = axis.tickformat == "d"
            ticks = _nice(low, high, most, whole)
    return Axis(low, high, start, end, ticks)


def _nice(low: float, high: float, most: int, whole: bool) -> list[tuple[float, str]]:
    """Ticks at 1, 2 or 5 times a power of ten. Source: Heckbert 1990, "Nice numbers for graph
    labels" (Graphics Gems).
    """
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough * 0.75)
    if whole:
        step = max(1.0, step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(n * step, _number(n * step, digits)) for n in range(first, last + 1)]


def _number(value: float, digits: int | None = None) -> str:
    text = f"{value:g}" if digits is None else f"{value + 0.0:.{digits}f}"
    return ("0" if float(text) == 0 else text).replace("-", "\N{MINUS SIGN}")


def _tick_width(axis) -> float:
    """What the names of the y axis need beyond the usual."""
    lines = [line for words in axis.ticktext or () for line in _lines(str(words))]
    return max(0.0, max((len(line) for line in lines), default=0) * LETTER * 13 - 26)


def _grid(layout, x: Axis, y: Axis) -> str:
    parts = []
    for value, words in x.ticks:
        if not _inside(x, value):
            continue
        at = x.at(value)
        if layout.xaxis.showgrid is not False:
            parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{y.end}" y2="{y.start}"/>')
        parts.append(_text(words, at, y.start + 17, 13, "middle"))
    for value, words in y.ticks:
        if not _inside(y, value):
            continue
        at = y.at(value)
        if layout.yaxis.showgrid is not False:
            parts.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{at}" y2="{at}"/>')
        parts.append(_text(words, x.start - 7, at + 4.5, 13, "end"))
    return "".join(parts)


def _inside(axis: Axis, value: float) -> bool:
    slack = 1e-9 * abs(axis.high - axis.low)
    return min(axis.low, axis.high) - slack <= value <= max(axis.low, axis.high) + slack


def _titles(layout, x: Axis, y: Axis, bottom: float) -> str:
    middle = (y.start + y.end) / 2
    size = min(14.0, (y.start - y.end + 24) / (max(1, len(layout.yaxis.title.text)) * LETTER))
    return _text(layout.xaxis.title.text, (x.start + x.end) / 2, bottom + 38, 14, "middle") + (
        f'<text x="14" y="{middle}" font-size="{size:.1f}" text-anchor="middle"'
        f' transform="rotate(-90 14 {middle})">{_words(layout.yaxis.title.text)}</text>'
    )


# --- what is drawn --------------------------------------------------------------------------------


def _trace(trace, x: Axis, y: Axis) -> str:
    if not isinstance(trace, go.Scatter):
        raise NotImplementedError(f"A {trace.type} has no drawing yet.")
    runs: list[list[tuple[float, float]]] = [[]]
    for one, other in zip(trace.x if trace.x is not None else (), trace.y or ()):
        one, other = finite(one), finite(other)
        if one is None or other is None:
            runs.append([])
        else:
            runs[-1].append((x.at(one), y.at(other)))
    mode, parts = trace.mode or "lines", []
    colour = trace.line.color or trace.marker.color or "currentColor"
    faint = "" if trace.opacity is None else f' opacity="{trace.opacity}"'
    for run in filter(None, runs):
        points = " ".join(f"{a},{b}" for a, b in run)
        if trace.fill == "toself":
            parts.append(f'<polygon points="{points}" fill="{_colour(trace.fillcolor)}"/>')
        elif "lines" in mode and len(run) > 1:
            dash = DASHES.get(trace.line.dash)
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="{_colour(colour)}"'
                f' stroke-width="{trace.line.width or 2}"{dashes}{faint}/>'
            )
    for low, high, at in _bar_places(trace, x, y):
        parts.append(
            f'<path d="M{at - 4} {low}H{at + 4}M{at} {low}V{high}M{at - 4} {high}H{at + 4}"'
            f' fill="none" stroke="{_colour(colour)}" stroke-width="2"/>'
        )
    if "markers" in mode and not ("lines" in mode and len(trace.x) > MOST_MARKERS):
        size = (trace.marker.size or 6) / 2
        parts += [
            _marker(trace.marker.symbol, a, b, size, _colour(trace.marker.color or colour))
            for run in runs
            for a, b in run
        ]
    return "".join(parts)


def _marker(symbol: str | None, x: float, y: float, half: float, colour: str) -> str:
    if symbol == "square":
        side = round(2 * half, 1)
        place = f'x="{x - half:.1f}" y="{y - half:.1f}" width="{side}" height="{side}"'
        return f'<rect {place} fill="{colour}"/>'
    if symbol == "diamond":
        h = half * 1.15
        return f'<path d="M{x} {y - h:.1f}l{h:.1f} {h:.1f}l-{h:.1f} {h:.1f}l-{h:.1f} -{h:.1f}z"' + (
            f' fill="{colour}"/>'
        )
    return f'<circle cx="{x}" cy="{y}" r="{half:g}" fill="{colour}"/>'


def _bars(trace) -> list[tuple[float, float]]:
    """From where to where each point's error bar reaches, in the data."""
    return [(low, high) for low, high, _ in _ends(trace)]


def _ends(trace) -> list[tuple[float, float, float]]:
    bar = trace.error_y
    if bar is None or not (bar.array is not None or bar.value is not None):
        return []
    found = []
    for place, (at, middle) in enumerate(zip(trace.x, trace.y)):
        at, middle = finite(at), finite(middle)
        up = finite(bar.value if bar.type == "constant" else bar.array[place])
        down = up if bar.arrayminus is None else finite(bar.arrayminus[place])
        if None not in (at, middle, up, down):
            found.append((middle - down, middle + up, at))
    return found


def _bar_places(trace, x: Axis, y: Axis) -> list[tuple[float, float, float]]:
    return [(y.at(low), y.at(high), x.at(at)) for low, high, at in _ends(trace)]


def _shape(shape, x: Axis, y: Axis) -> str:
    x0, x1 = (_place(x, v, shape.xref) for v in (shape.x0, shape.x1))
    y0, y1 = (_place(y, v, shape.yref) for v in (shape.y0, shape.y1))
    faint = "" if shape.opacity is None else f' opacity="{shape.opacity}"'
    if shape.type == "rect":
        place = f'x="{min(x0, x1)}" y="{min(y0, y1)}"'
        size = f'width="{abs(x1 - x0):.1f}" height="{abs(y1 - y0):.1f}"'
        return f'<rect {place} {size} fill="{_colour(shape.fillcolor)}"{faint}/>'
    if shape.type != "line":
        raise NotImplementedError(f"A shape {shape.type} has no drawing yet.")
    dash = DASHES.get(shape.line.dash)
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x0}" x2="{x1}" y1="{y0}" y2="{y1}" stroke="{_colour(shape.line.color)}"'
        f' stroke-width="{shape.line.width or 2}"{dashes}{faint}/>'
    )


def _place(axis: Axis, value: float, reference: str | None) -> float:
    whole = reference is not None and (reference == "paper" or reference.endswith("domain"))
    return axis.share(float(value)) if whole else axis.at(float(value))


# --- words ----------------------------------------------------------------------------------------


def _note(note, x: Axis, y: Axis) -> str:
    at = _place(x, note.x, note.xref) + (note.xshift or 0)
    height = _place(y, note.y, note.yref) - (note.yshift or 0)
    size = note.font.size or 14
    height += {"top": 0.8 * size, "bottom": -3}.get(note.yanchor, 0.35 * size)
    return _text(note.text, at, round(height, 1), size, ANCHORS[note.xanchor])


def _text(words: str, x: float, y: float, size: float, anchor: str) -> str:
    lines = _lines(words)
    bold = ' font-weight="700"' if "<b>" in words else ""
    head = f'<text font-size="{size:g}" text-anchor="{anchor}"{bold}'
    first = y - (len(lines) - 1) * 0.55 * size
    return "".join(
        f'{head} x="{x:.1f}" y="{first + at * 1.1 * size:.1f}">{safe(line)}</text>'
        for at, line in enumerate(lines)
    )


def _lines(words: str) -> list[str]:
    """Plotly's little HTML as plain lines: <br> parts them, <b> is the whole's, entities are
    characters.
    """
    parts = re.split(r"<br\s*/?>", words)
    return [html.unescape(re.sub(r"</?[bi]>", "", part)) for part in parts]


def _words(words: str) -> str:
    return safe(" ".join(_lines(words or "")))


def _legend(figure: go.Figure) -> list[tuple[str, str, str | None, str | None]]:
    """(name, colour, dash, symbol) of what has a name and is to be named."""
    found = []
    for trace in figure.data:
        if trace.name and trace.showlegend is not False:
            colour = trace.line.color or trace.fillcolor
            filled = trace.fill == "toself"
            symbol = "band" if filled else trace.marker.symbol or "circle"
            found.append((trace.name, _colour(colour), trace.line.dash, symbol))
    for shape in figure.layout.shapes:
        if shape.showlegend and shape.name:
            found.append((shape.name, _colour(shape.line.color), shape.line.dash, None))
    return found


def _legend_rows(entries: list) -> list[list]:
    rows, room = [], 0.0
    for entry in entries:
        width = 40 + len(entry[0]) * LETTER * 13
        if not rows or width > room:
            rows.append([])
            room = WIDTH - 8.0
        rows[-1].append((WIDTH - 8 - room, *entry))
        room -= width
    return rows


def _legend_line(row: list, y: float) -> str:
    parts = []
    for at, name, colour, dash, symbol in row:
        x, middle = at + 6, y + LINE / 2
        if symbol == "band":
            parts.append(f'<rect x="{x}" y="{middle - 5}" width="20" height="10" fill="{colour}"/>')
        else:
            dashes = f' stroke-dasharray="{DASHES[dash]}"' if dash in DASHES else ""
            parts.append(
                f'<line x1="{x}" x2="{x + 20}" y1="{middle}" y2="{middle}" stroke="{colour}"'
                f' stroke-width="2.5"{dashes}/>'
            )
            if symbol:
                parts.append(_marker(symbol, x + 10, middle, 3.5, colour))
        parts.append(_text(name, x + 25, middle + 4.5, 13, "start"))
    return "".join(parts)


def _colour(value: str | None) -> str:
    """Only what a colour of ours looks like; it stands in an attribute."""
    value = str(value or "")
    known = re.fullmatch(r"#[0-9A-Fa-f]{3,8}|rgba?\([0-9., ]+\)", value)
    return value if known else "currentColor"
