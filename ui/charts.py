"""Charts: plain records in, a Plotly figure with words around it out.

Every chart is a ``Chart``: a figure whose axes carry names and units, one sentence on what to look for, and a text alternative that
states the numbers for people who cannot see the picture. Colours are of middle lightness (at least 3:1 on white and on near-black), and
lines differ by dash and marker too, so that one figure serves light, dark, a projector, a 375 px phone and colour-blind eyes.

Knows nothing about models, jobs or sessions: it draws what the records say, and leaves a gap where a number is missing or not finite.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

TEAL, ORANGE, VIOLET, BLUE, RED, GREY = "#1E8C7E", "#C8641B", "#8E6BBF", "#3D7DC8", "#C9504A", "#80868B"
INK = {"light": "#4A423C", "dark": "#D9D0C7"}  # axis words, 7:1 and better on the page's background
HEIGHT = 320
SHORT_LABEL = 44  # characters of an output that fit beside a score on a phone
CONFIG = {"displayModeBar": False, "displaylogo": False, "scrollZoom": False, "responsive": True}
STANDARD_DEVIATIONS = "reference standard deviations"


class Chart(NamedTuple):
    """A figure and the words that belong to it. ``alt`` states the numbers; ``look_for`` is one sentence."""

    figure: go.Figure
    title: str
    look_for: str
    alt: str


def show(figure: go.Figure, *, look_for: str, alt: str, title: str = "", key: str | None = None) -> None:
    """Draws ``figure`` over the page's full width with its title above and what to look for below. Keep ``key`` the same from run to run."""
    ink = INK.get(st.context.theme.type or "light", INK["light"])  # Streamlit's own axis grey is too faint for a projector
    figure.update_xaxes(tickfont={"color": ink}, title={"font": {"color": ink}})
    figure.update_yaxes(tickfont={"color": ink}, title={"font": {"color": ink}})
    figure.update_layout(legend={"font": {"color": ink, "size": 13}})
    for note in figure.layout.annotations:
        if note.font.color is None:
            note.font.color = ink
    with st.container(gap="xxsmall"):
        if title:
            st.markdown(f"**{title}**")
        st.plotly_chart(figure, width="stretch", key=key, config=CONFIG, alt=alt)
        st.caption(f"**What to look for:** {look_for}")


def draw(chart: Chart, *, key: str) -> None:
    """``show`` for a ``Chart``."""
    show(chart.figure, look_for=chart.look_for, alt=chart.alt, title=chart.title, key=key)


# Numbers and labels


def finite(value: object) -> float | None:
    """``value`` as a finite float, or None for None, NaN, infinities and anything that is not a number."""
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
    """``value`` with two significant digits where it is below 0.1 (step sizes, losses), else as ``number``."""
    value = finite(value)
    return f"{value:.2g}".replace("-", "\N{MINUS SIGN}") if value is not None and 0 < abs(value) < 0.1 else number(value)


def percent(share: object, digits: int = 0) -> str:
    """A share between 0 and 1 as "83%"."""
    share = finite(share)
    return "no number" if share is None else f"{100 * share:.{digits}f}%"


def points_of_100(value: object) -> str:
    """A number that is already in percent, as "83%"."""
    return "no number" if finite(value) is None else f"{number(value, 0)}%"


def interval(pair: object) -> str:
    """[low, high] shares as "70% to 92%", or "" where there is no interval."""
    if not isinstance(pair, list | tuple) or len(pair) != 2 or finite(pair[0]) is None or finite(pair[1]) is None:
        return ""
    return f"{percent(pair[0])} to {percent(pair[1])}"


def label(text: str, limit: int = SHORT_LABEL) -> str:
    """Untrusted ``text`` as one short line that Plotly, which reads some HTML and ``$…$`` as maths, shows as it is."""
    line = " ".join(str(text).split())
    line = line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
    return html.escape(line, quote=False).replace("$", "&#36;")


def _answer(example: dict) -> str:
    """Prompt and output as one line."""
    return " ".join(f"{example.get('prompt', '')} {example.get('text', '')}".split())


def _column(records: Sequence[dict], name: str, factor: float = 1.0) -> list[float | None]:
    values = [finite(record.get(name)) for record in records]
    return [None if value is None else value * factor for value in values]


def _error_bar(middle: object, bounds: object) -> tuple[float | None, float | None]:
    """How far, in percentage points, the interval of shares ``bounds`` reaches below and above ``middle``."""
    middle = finite(middle)
    if middle is None or not interval(bounds):
        return None, None
    return max(0.0, 100 * (middle - bounds[0])), max(0.0, 100 * (bounds[1] - middle))


# The shape all charts share


def _figure(x_title: str, y_title: str, *, x_end: float | None = None, height: int = HEIGHT) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 14, "t": 12, "b": 8},
        font={"size": 14},
        hovermode="x unified",
        dragmode=False,
        showlegend=False,
        legend={"orientation": "h", "x": 0, "y": 1.02, "xanchor": "left", "yanchor": "bottom"},
        uirevision="keep",
    )
    axis = {"fixedrange": True, "automargin": True, "zeroline": False, "tickfont": {"size": 13}}
    figure.update_xaxes(title={"text": x_title, "standoff": 8, "font": {"size": 14}}, rangemode="tozero", tickformat="d", nticks=9, **axis)
    figure.update_yaxes(title={"text": y_title, "standoff": 10, "font": {"size": 14}}, nticks=6, **axis)
    if x_end:
        figure.update_xaxes(range=[-0.02 * x_end, 1.02 * x_end])
        if x_end <= 10:
            figure.update_xaxes(dtick=1)  # else Plotly puts ticks between whole steps, and rounds their names
    return figure


def _end(records: Sequence[dict], name: str, planned: int | None) -> float | None:
    """Where the x axis ends: as planned, or at the last record."""
    return max((value for value in [planned, *_column(records, name)] if value), default=None)


def _nothing_yet(figure: go.Figure, words: str) -> None:
    figure.add_annotation(text=words, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 15, "color": GREY})
    figure.update_xaxes(showticklabels=False, showgrid=False)
    figure.update_yaxes(showticklabels=False, showgrid=False)


def _line(figure: go.Figure, x: Sequence, y: Sequence, *, name: str, colour: str, hover: str, dash: str = "solid", symbol: str = "circle", **more) -> None:
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


def _level(figure: go.Figure, y: float, words: str) -> None:
    """A dashed line at a level that means something, named at its right end."""
    figure.add_hline(y=y, line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.add_annotation(text=words, x=1, xref="paper", xanchor="right", y=y, yref="y", yanchor="bottom", showarrow=False, font={"size": 12, "color": GREY})


def _story(records: Sequence[dict], name: str, *, x: str, word: str, unit: str, show_number=number, factor: float = 1.0) -> str:
    """The curve in words: first, lowest, highest and last value, each with its place, and how many values are missing."""
    points = [(record.get(x), value * factor) for record in records if (value := finite(record.get(name))) is not None]
    missing = len(records) - len(points)
    if not points:
        return f"{len(records)} {word}s, none with a number."
    said = f"{show_number(points[0][1])} at {word} {points[0][0]}"
    if len(points) > 1:
        low, high = min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1])
        said += f", lowest {show_number(low[1])} at {word} {low[0]}, highest {show_number(high[1])} at {word} {high[0]}"
        said += f", last {show_number(points[-1][1])} at {word} {points[-1][0]}"
    return f"{said} ({unit})." + (f" {missing} {word}{'s have' if missing > 1 else ' has'} no number." if missing else "")


# PPO


def _step_chart(
    metrics: Sequence[dict],
    name: str,
    *,
    of_update: bool = False,
    title: str,
    y_title: str,
    unit: str,
    colour: str,
    look_for: str,
    steps: int | None,
    show_number=number,
    factor: float = 1.0,
) -> Chart:
    figure = _figure("PPO step", y_title, x_end=_end(metrics, "step", steps))
    if of_update:
        metrics = [record for record in metrics if record.get("step") != 0]  # step 0 is the original model: nothing was updated there
    y = _column(metrics, name, factor)
    if all(value is None for value in y):
        _nothing_yet(figure, "No step yet")
        return Chart(figure, title, look_for, f"{title}: no step has run yet, so the chart is empty.")
    _line(figure, [r.get("step") for r in metrics], y, name=title, colour=colour, hover=f"step %{{x}}: %{{y:.3~g}}{'%' if factor == 100 else ''} {unit}")
    figure.update_yaxes(rangemode="tozero")
    return Chart(
        figure, title, look_for, f"{title} by PPO step: " + _story(metrics, name, x="step", word="step", unit=unit, show_number=show_number, factor=factor)
    )


def reward(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Mean score of a step's samples and the band of one standard deviation of them, in reference standard deviations, no KL penalty in it."""
    title = "Reward"
    look_for = (
        "the line should climb and then flatten; 0 is what the original model gets. The band is the spread of the samples: "
        "when it shrinks to nothing, all outputs have become alike."
    )
    figure = _figure("PPO step", f"Reward ({STANDARD_DEVIATIONS})", x_end=_end(metrics, "step", steps))
    mean, spread = _column(metrics, "reward_mean"), _column(metrics, "reward_std")
    if all(value is None for value in mean):
        _nothing_yet(figure, "No step yet")
        return Chart(figure, title, look_for, "Reward: no step has run yet, so the chart is empty.")
    x = [record.get("step") for record in metrics]
    both = [(at, m, s) for at, m, s in zip(x, mean, spread, strict=True) if m is not None and s is not None]
    if both:
        figure.add_trace(
            go.Scatter(
                x=[at for at, _, _ in both] + [at for at, _, _ in reversed(both)],
                y=[m + s for _, m, s in both] + [m - s for _, m, s in reversed(both)],
                fill="toself",
                fillcolor="rgba(30, 140, 126, 0.18)",
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
                name="Spread of the samples (one standard deviation each way)",
            )
        )
    _line(figure, x, mean, name="Mean", colour=TEAL, hover="step %{x}: mean %{y:.2f}")
    if len(both) == 1:  # a band needs two points; one point gets a bar
        figure.data[-1].update(error_y={"type": "constant", "value": both[0][2], "color": TEAL, "thickness": 2, "width": 7})
    _level(figure, 0, "original model")
    alt = "Mean reward by PPO step: " + _story(metrics, "reward_mean", x="step", word="step", unit=STANDARD_DEVIATIONS)
    if both:
        alt += f" Spread of the samples: {number(both[0][2])} at step {both[0][0]}" + (
            f", {number(both[-1][2])} at step {both[-1][0]}." if len(both) > 1 else "."
        )
    return Chart(figure, title, look_for, alt)


def kl_to_reference(metrics: Sequence[dict], steps: int | None = None, target: float | None = None) -> Chart:
    """Exact KL of the policy to the frozen original, in nats a response: the drift that the penalty is paid for."""
    chart = _step_chart(
        metrics,
        "kl_to_reference",
        title="KL to reference",
        y_title="KL to reference (nats a response)",
        unit="nats a response",
        colour=ORANGE,
        look_for="in the first round it starts at exactly 0; it climbs, and should level off; a climb that never slows says that it trades its language for the score.",
        steps=steps,
        show_number=small,
    )
    if finite(target):
        _level(chart.figure, float(target), "target")
        return chart._replace(alt=f"{chart.alt} The target is {number(target)}.")
    return chart


def entropy(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """How undecided the model is before each token, in nats a token."""
    return _step_chart(
        metrics,
        "entropy",
        title="Entropy",
        y_title="Entropy (nats a token)",
        unit="nats a token",
        colour=VIOLET,
        look_for="a gentle fall is normal, the model grows surer; a fall towards 0 means that it writes the same thing again and again.",
        steps=steps,
    )


def clip_fraction(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Share of tokens whose probability ratio left the clip range, in percent."""
    return _step_chart(
        metrics,
        "clip_fraction",
        of_update=True,
        title="Clip fraction",
        y_title="Clipped tokens (%)",
        unit="of tokens",
        colour=BLUE,
        look_for="a rule of thumb is 5 to 30%; near 0 the steps are timid, far above 30% they are too big (lower the learning rate).",
        steps=steps,
        show_number=points_of_100,
        factor=100,
    )


def value_loss(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Squared error of the value head's guess of the reward to come, in squared reference standard deviations."""
    return _step_chart(
        metrics,
        "value_loss",
        of_update=True,
        title="Value loss",
        y_title="Value loss (squared reference s.d.)",
        unit="squared reference standard deviations",
        colour=RED,
        look_for="it should fall as the value head learns which reward to expect; a jump says that the reward changed faster than it could follow.",
        steps=steps,
        show_number=small,
    )


def approx_kl_update(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """How far one update moved the policy from itself a step before (an estimate): a step size, not the drift from the original."""
    return _step_chart(
        metrics,
        "approx_kl_update",
        of_update=True,
        title="Approx. KL this update",
        y_title="Approx. KL this update (nats a token)",
        unit="nats a token",
        colour=GREY,
        look_for="how far this one step moved the model from where it stood just before; small and even is good, a spike is too big a step.",
        steps=steps,
        show_number=small,
    )


# Reward model


def reward_model_loss(records: Sequence[dict], iterations: int | None = None) -> Chart:
    """Bradley-Terry loss per comparison; tossing a coin scores ln 2."""
    title = "Reward-model loss"
    look_for = "it should fall below 0.69, which is what tossing a coin scores, and flatten out."
    figure = _figure("Iteration", "Loss (nats a comparison)", x_end=_end(records, "iteration", iterations))
    loss = _column(records, "loss")
    if all(value is None for value in loss):
        _nothing_yet(figure, "Not trained yet")
        return Chart(figure, title, look_for, "Reward-model loss: not trained yet, so the chart is empty.")
    _line(figure, [r.get("iteration") for r in records], loss, name="Loss", colour=RED, hover="iteration %{x}: %{y:.3f}")
    _level(figure, math.log(2), "tossing a coin: 0.69")
    figure.update_yaxes(rangemode="tozero")
    story = _story(records, "loss", x="iteration", word="iteration", unit="nats a comparison; tossing a coin scores 0.69")
    return Chart(figure, title, look_for, "Reward-model loss by iteration: " + story)


def accuracy(records: Sequence[dict], iterations: int | None = None) -> Chart:
    """Accuracy on the comparisons it trains on and on held-out prompts, in percent; the last held-out point carries its interval."""
    title = "Accuracy"
    look_for = (
        "the held-out line is the honest one, it is about prompts that the fit did not see. "
        "A wide bar at its end means too few comparisons to be sure; 50% is tossing a coin."
    )
    figure = _figure("Iteration", "Accuracy (% of comparisons)", x_end=_end(records, "iteration", iterations))
    figure.update_yaxes(range=[0, 104], tickvals=[0, 25, 50, 75, 100])
    x = [record.get("iteration") for record in records]
    train, heldout = _column(records, "train_accuracy", 100), _column(records, "heldout_accuracy", 100)
    if all(value is None for value in train + heldout):
        _nothing_yet(figure, "Not trained yet")
        return Chart(figure, title, look_for, "Accuracy: not trained yet, so the chart is empty.")
    figure.update_layout(showlegend=True)
    _line(figure, x, train, name="Training", colour=BLUE, dash="dot", symbol="square", hover="training %{y:.0f}%")
    alt = "Accuracy by iteration. Training: " + _story(
        records, "train_accuracy", x="iteration", word="iteration", unit="of comparisons", show_number=points_of_100, factor=100
    )
    points = [record for record in records if finite(record.get("heldout_accuracy")) is not None]
    if not points:
        figure.add_annotation(
            text="No held-out accuracy: too few prompts", x=0.5, y=0.08, xref="paper", yref="paper", showarrow=False, font={"size": 13, "color": GREY}
        )
        look_for = "this line is about comparisons that it learned from, so it flatters; rank answers to several prompts, and a held-out line joins it."
        return Chart(figure, title, look_for, alt + " No held-out accuracy: there are too few prompts to hold one out.")
    _line(figure, x, heldout, name="Held out", colour=ORANGE, hover="held out %{y:.0f}%")
    last = points[-1]
    bounds = [last.get("heldout_low"), last.get("heldout_high")]
    alt += " Held out: " + _story(records, "heldout_accuracy", x="iteration", word="iteration", unit="of comparisons", show_number=points_of_100, factor=100)
    if interval(bounds):
        down, up = _error_bar(last["heldout_accuracy"], bounds)
        figure.add_trace(
            go.Scatter(
                x=[last.get("iteration")],
                y=[100 * last["heldout_accuracy"]],
                error_y={"type": "data", "symmetric": False, "array": [up], "arrayminus": [down], "color": ORANGE, "thickness": 2.5, "width": 9},
                mode="markers",
                marker={"color": ORANGE, "size": 9},
                name="95% interval",
                showlegend=False,
                hovertemplate=f"held out: {interval(bounds)}<extra></extra>",
            )
        )
        alt += f" The last held-out value has the 95% interval {interval(bounds)}"
        pairs = finite(last.get("heldout_pairs"))
        alt += f", from {pairs:.0f} comparisons." if pairs else "."
    _level(figure, 50, "tossing a coin")
    return Chart(figure, title, look_for, alt)


def scores(examples: Sequence[dict]) -> Chart:
    """Outputs sorted by what the trained reward model gives them (``after``), each with where it stood before training (``before``)."""
    title = "Scores of the outputs, before and after training"
    look_for = "before training every output has the same score; afterwards the kind of text you preferred should be at the top."
    ordered = sorted(examples, key=lambda e: (finite(e.get("after")) is None, -(finite(e.get("after")) or 0.0)))
    figure = _figure(f"Score ({STANDARD_DEVIATIONS})", "Outputs, best score first", height=max(HEIGHT, 100 + 48 * len(ordered)))
    if not ordered:
        _nothing_yet(figure, "Not trained yet")
        return Chart(figure, title, look_for, "Scores of the outputs: not trained yet, so the chart is empty.")
    rows = list(range(len(ordered)))
    before, after = _column(ordered, "before"), _column(ordered, "after")
    figure.update_layout(showlegend=True, hovermode="closest", margin={"t": 44})
    figure.update_xaxes(rangemode="normal", tickformat=None, zeroline=True, zerolinecolor=GREY, zerolinewidth=1)
    figure.update_yaxes(autorange=False, range=[len(ordered) - 0.4, -0.75], tickvals=[], showgrid=False)
    for row, start, end in zip(rows, before, after, strict=True):
        if start is not None and end is not None:
            figure.add_trace(
                go.Scatter(x=[start, end], y=[row, row], mode="lines", line={"color": GREY, "width": 3}, hoverinfo="skip", showlegend=False, opacity=0.6)
            )
    for name, values, colour, symbol in (("Before", before, GREY, "circle-open"), ("After", after, TEAL, "circle")):
        figure.add_trace(
            go.Scatter(
                x=values,
                y=rows,
                mode="markers",
                name=name,
                marker={"size": 13, "color": colour, "symbol": symbol, "line": {"width": 2, "color": colour}},
                hovertemplate=f"{name.lower()}: %{{x:.2f}}<extra></extra>",
            )
        )
    for row, example in zip(rows, ordered, strict=True):
        figure.add_annotation(
            text=f"{number(example.get('after'), sign=True)}  {label(_answer(example))}",
            x=0, xref="paper", xanchor="left", y=row, yref="y", yanchor="bottom", yshift=8, showarrow=False, font={"size": 13}, align="left",
        )  # fmt: skip
    said = "; ".join(f"{_answer(e)}: {number(e.get('after'), sign=True)}, before {number(e.get('before'))}" for e in ordered)
    return Chart(figure, title, look_for, f"Scores of {len(ordered)} outputs, in {STANDARD_DEVIATIONS}, best first. {said}.")


# Before and after


def win_rate(evaluation: dict | None) -> Chart:
    """How often the tuned model's output was judged better than the original's (a tie counts half), with its interval."""
    title = "Win rate of the tuned model"
    look_for = (
        "a bar wholly to the right of 50% is a difference that chance alone hardly explains; "
        "a bar across 50% means that none could be shown. A tie counts half."
    )
    figure = _figure("Tuned model wins (% of pairs)", "Judged by", height=190)
    figure.update_xaxes(range=[0, 100], tickvals=[0, 25, 50, 75, 100])
    figure.update_yaxes(range=[-0.6, 0.6], tickvals=[], showgrid=False, title={"standoff": 18})
    rate = finite((evaluation or {}).get("win_rate"))
    if rate is None:
        _nothing_yet(figure, "Not measured yet")
        return Chart(figure, title, look_for, "Win rate: not measured yet, so the chart is empty.")
    judge = str(evaluation.get("judge") or "judge not stated")
    bounds = evaluation.get("interval")
    said = interval(bounds)
    figure.update_yaxes(tickvals=[0], ticktext=["<br>".join(label(part) for part in textwrap.wrap(judge, 12)[:3])])
    figure.update_layout(hovermode="closest")
    if said:
        figure.add_trace(
            go.Scatter(x=[100 * bounds[0], 100 * bounds[1]], y=[0, 0], mode="lines", line={"color": TEAL, "width": 16}, opacity=0.35, hoverinfo="skip")
        )
    hover = f"{percent(rate)}" + (f", {said}" if said else "") + "<extra></extra>"
    marker = {"size": 18, "color": TEAL, "symbol": "diamond"}
    figure.add_trace(go.Scatter(x=[100 * rate], y=[0], mode="markers", marker=marker, cliponaxis=False, hovertemplate=hover))
    low, high = (100 * bounds[0], 100 * bounds[1]) if said else (100 * rate - 3, 100 * rate + 3)
    beside = {"x": high, "xanchor": "left", "xshift": 8} if high < 80 else {"x": low, "xanchor": "right", "xshift": -8}
    figure.add_annotation(text=f"<b>{percent(rate)}</b>", y=0, showarrow=False, font={"size": 20, "color": TEAL}, **beside)
    figure.add_vline(x=50, line={"color": GREY, "width": 1.5, "dash": "dash"})
    figure.add_annotation(text="no difference", x=50, y=1, yref="paper", yanchor="bottom", showarrow=False, font={"size": 13, "color": GREY})
    figure.update_layout(margin={"t": 28})
    alt = f"The tuned model wins {percent(rate)}" + (f", 95% interval {said}" if said else "") + f", judged by: {judge}."
    counts = [finite(evaluation.get(name)) for name in ("wins", "ties", "losses")]
    if None not in counts:
        alt += f" Wins {counts[0]:.0f}, ties {counts[1]:.0f}, losses {counts[2]:.0f}."
    return Chart(figure, title, look_for, alt)


# Rounds

_ROUND_PANELS = (  # field, title, unit on the axis, factor, colour, digits
    ("comparisons", "Comparisons so far", "count", 1.0, BLUE, 0),
    ("heldout_accuracy", "Held-out accuracy of the reward model", "% of comparisons", 100.0, ORANGE, 0),
    ("reward", "Reward (0: the original model)", "reference s.d.", 1.0, TEAL, 2),
    ("kl", "KL to reference", "nats a response", 1.0, VIOLET, 2),
    ("win_rate", "Win rate and its interval", "% of pairs", 100.0, RED, 0),
)


def rounds_timeline(rounds: Sequence[dict]) -> Chart:
    """One small panel a measure over the rounds; all are measured against the original model, so that they can be compared."""
    title = "Round by round"
    look_for = "reward and win rate should go up while held-out accuracy holds; when KL climbs and the win rate does not, another round only costs language."
    if not rounds:
        figure = _figure("Round", "Measures")
        _nothing_yet(figure, "No finished round yet")
        return Chart(figure, title, look_for, "Rounds: no round is finished yet, so the chart is empty.")
    figure = make_subplots(rows=len(_ROUND_PANELS), cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=[panel[1] for panel in _ROUND_PANELS])
    figure.update_annotations(x=0, xanchor="left", font={"size": 14})
    height = 150 * len(_ROUND_PANELS) + 40
    figure.update_layout(height=height, margin={"l": 8, "r": 20, "t": 30, "b": 8}, font={"size": 14}, showlegend=False, dragmode=False, hovermode="closest")
    x = [record.get("round") for record in rounds]
    for row, (name, panel, unit, factor, colour, digits) in enumerate(_ROUND_PANELS, start=1):
        _line(figure, x, _column(rounds, name, factor), name=panel, colour=colour, hover=f"round %{{x}}: %{{y:.{digits}f}} {unit}", row=row, col=1)
        if name == "win_rate":
            bars = [_error_bar(record.get("win_rate"), record.get("win_interval")) for record in rounds]
            down, up = [bar[0] for bar in bars], [bar[1] for bar in bars]
            figure.data[-1].update(error_y={"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": colour, "thickness": 2, "width": 7})
        axis = {
            "title": {"text": unit, "font": {"size": 13}, "standoff": 10},
            "fixedrange": True,
            "automargin": True,
            "zeroline": False,
            "tickfont": {"size": 13},
        }
        scale = {"range": [0, 104], "tickvals": [0, 50, 100]} if factor == 100.0 else {"rangemode": "tozero", "nticks": 4}
        figure.update_yaxes(**axis, **scale, row=row, col=1)
    figure.update_xaxes(fixedrange=True, zeroline=False, tickvals=x, tickformat="d", tickfont={"size": 13})
    known = [at for at in x if finite(at) is not None]
    if known:
        figure.update_xaxes(range=[min(known) - 0.3, max(known) + 0.3])
    figure.update_xaxes(title={"text": "Round", "standoff": 8, "font": {"size": 14}}, row=len(_ROUND_PANELS), col=1)
    said = []
    for record in rounds:
        bounds, gain = interval(record.get("win_interval")), number(record.get("reward_gain"), sign=True)
        said.append(
            f"Round {record.get('round')}: {record.get('comparisons', 0)} comparisons, held-out accuracy {percent(record.get('heldout_accuracy'))}, "
            f"reward {number(record.get('reward'), sign=True)} {STANDARD_DEVIATIONS} (this round {gain}), "
            f"KL to reference {number(record.get('kl'))} nats a response, "
            f"win rate {percent(record.get('win_rate'))}" + (f" (95% interval {bounds})." if bounds else ".")
        )
    return Chart(figure, title, look_for, " ".join(said))
