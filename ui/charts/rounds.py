"""Charts of the rounds: first what judges every round alike, then what each round's own reward
model says of it.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from rlhf_core.evaluation.conclusion import GRADED, RULE, YOU
from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    STANDARD_DEVIATIONS,
    TEAL,
    VIOLET,
    Chart,
    add_line,
    column,
    error_bar,
    finite,
    frame,
    interval,
    nothing_yet,
    number,
    percent,
)

BESIDE = 0.12  # of a round: how far its reward's two marks stand from its middle
_JUDGES = {GRADED: BLUE, RULE: ORANGE, YOU: VIOLET}  # in the colours of Before / after


class _Panel(NamedTuple):
    """``joined``: whether a line may run from round to round, which says that they compare."""

    field: str
    title: str
    unit: str
    factor: float
    colour: str
    digits: int
    bounds: str = ""
    joined: bool = True


_KL = _Panel("kl", "KL to reference", "nats a response", 1.0, RED, 2)
_OWN_WIN_RATE = _Panel(
    *("win_rate", "Win rate by each round's own reward model", "% of pairs", 100.0, TEAL, 0),
    *("win_interval", False),
)
_REWARD = _Panel(
    *("reward", "Reward by its own reward model (open: step 0)"),
    *("reference s.d.", 1.0, TEAL, 2, "reward_interval", False),
)
_OWN = (
    _REWARD,
    _Panel(
        *("heldout_accuracy", "Held-out accuracy of the reward model", "% of pairs", 100.0),
        *(GREY, 0, "heldout_interval"),
    ),
    _Panel("learned_from", "Pairs that its reward model learned from", "count", 1.0, GREY, 0),
)


def _panels(rounds: Sequence[dict]) -> list[_Panel]:
    """What can be compared from round to round comes first; the reward models' own win rate stands
    in only where nobody else judged.
    """
    who = {judge["name"] for row in rounds for judge in row.get("judges") or []}
    judged = [
        _Panel(name, f"Win rate by the {name}", "% of pairs", 100.0, colour, 0, f"{name} interval")
        for name, colour in _JUDGES.items()
        if name in who
    ]
    judged = [
        one._replace(title="Win rate by you, blind") if one.field == YOU else one for one in judged
    ]
    return [*judged, _KL, *(() if judged else (_OWN_WIN_RATE,)), *_OWN]


def _flat(record: dict) -> dict:
    """``record`` with each judge's win rate and interval as fields of its own."""
    row = {"learned_from": record.get("comparisons"), **record}
    for judge in record.get("judges") or []:
        row |= {judge["name"]: judge["win_rate"], f"{judge['name']} interval": judge["interval"]}
    return row


def began(record: dict) -> float | None:
    """The mean reward at a round's step 0, where its last one is by the same reward model."""
    start, end, gain = (
        finite(record.get(name)) for name in ("reward_start", "reward", "reward_gain")
    )
    if None in (start, end, gain) or abs(end - gain - start) > 1e-6:
        return None
    return start


def _bars(up: Sequence, down: Sequence, colour: str) -> dict:
    return {
        "type": "data",
        "symmetric": False,
        "array": up,
        "arrayminus": down,
        "color": colour,
        "thickness": 2,
        "width": 7,
    }


def _add_rewards(figure: go.Figure, rounds: Sequence[dict], row: int) -> None:
    """Each round's change alone: an open mark at its step 0, a full one at its end."""
    x, y, halves, symbols = [], [], [], []
    for record in rounds:
        at = finite(record.get("round"))
        if at is None:
            continue
        x += [at - BESIDE, at + BESIDE, at + BESIDE]
        y += [began(record), finite(record.get("reward")), None]  # None: the line ends here
        halves += [None, _half(record), None]
        symbols += ["circle-open", "circle", "circle"]
    hover, place = ("%{y:.2f} reference s.d., by its own reward model", {"row": row, "col": 1})
    add_line(figure, x, y, name=_REWARD.title, colour=TEAL, hover=hover, **place)
    figure.data[-1].marker.symbol = symbols
    figure.data[-1].update(error_y=_bars(halves, halves, TEAL))


def _half(record: dict) -> float | None:
    """Half of the interval of a round's mean reward, or None."""
    bounds = record.get("reward_interval")
    if (
        not isinstance(bounds, list | tuple)
        or len(bounds) != 2
        or None in (finite(bounds[0]), finite(bounds[1]))
    ):
        return None
    return (bounds[1] - bounds[0]) / 2


def _give_or_take(record: dict) -> str:
    half = _half(record)
    return "" if half is None else f", give or take {number(half)}"


def _learned_from(record: dict) -> str:
    """How many its reward model learned from, where that is not all of them."""
    used = record.get("learned_from")
    same = used in (None, record.get("comparisons", 0))
    return "" if same else f" (learned from {used})"


def _accuracy(record: dict) -> str:
    bounds, pairs = interval(record.get("heldout_interval")), record.get("heldout_pairs")
    told = f" (of {pairs}, 95% interval {bounds})" if bounds and pairs else ""
    return percent(record.get("heldout_accuracy")) + told


def win_rates(record: dict) -> list[tuple[str, float, str]]:
    """Who judges a round, the win rate, its interval in words: the independent judges first, the
    round's own reward model last.
    """
    found = [
        (
            "you, blind" if judge["name"] == YOU else f"the {judge['name']}",
            judge["win_rate"],
            interval(judge["interval"]),
        )
        for judge in record.get("judges") or []
    ]
    if (own := finite(record.get("win_rate"))) is not None:
        found.append(("its own reward model", own, interval(record.get("win_interval"))))
    return found


def _said(record: dict) -> str:
    """A round in words, in the order of the panels."""
    rates = ", ".join(
        f"win rate by {who} {percent(rate)}" + (f" (95% interval {bounds})" if bounds else "")
        for who, rate, bounds in win_rates(record)
    )
    start = began(record)
    moved = f"from {number(start, sign=True)} to " if start is not None else ""
    return (
        f"Round {record.get('round')}: {rates or 'win rate not measured'}, KL to reference"
        f" {number(record.get('kl'))} nats a response, reward by its own reward model"
        f" {moved}{number(record.get('reward'), sign=True)} {STANDARD_DEVIATIONS}"
        f"{_give_or_take(record)} (this round {number(record.get('reward_gain'), sign=True)}),"
        f" held-out accuracy {_accuracy(record)}, {record.get('comparisons', 0)} pairs"
        f"{_learned_from(record)}."
    )


def rounds_timeline(rounds: Sequence[dict]) -> Chart:
    """One small panel a measure over the rounds. A line joins rounds only where it is the same
    measure in all of them: never for what each round's own reward model says.
    """
    title = "Round by round"
    look_for = (
        "bars are 95% intervals: where those of two rounds overlap widely, nothing can be told from"
        " them. The win rate by judges that no reward model taught should go up; when KL climbs and"
        " it does not, another round only costs language. Read rewards within a round only."
    )
    if not rounds:
        figure = frame("Round", "Measures")
        nothing_yet(figure, "No finished round yet")
        return Chart(
            figure, title, look_for, "Rounds: no round is finished yet, so the chart is empty."
        )
    panels = _panels(rounds)
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.3 / len(panels),
        subplot_titles=[panel.title for panel in panels],
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 14})
    figure.update_layout(
        height=150 * len(panels) + 40,
        margin={"l": 8, "r": 20, "t": 30, "b": 8},
        font={"size": 14},
        showlegend=False,
        dragmode=False,
        hovermode="closest",
    )
    x = [record.get("round") for record in rounds]
    flat = [_flat(record) for record in rounds]
    for place, panel in enumerate(panels, start=1):
        values = column(flat, panel.field, panel.factor)
        if panel is _REWARD:
            _add_rewards(figure, flat, place)
        else:
            hover = f"round %{{x}}: %{{y:.{panel.digits}f}} {panel.unit}"
            look = {"name": panel.title, "colour": panel.colour, "hover": hover}
            add_line(figure, x, values, **look, row=place, col=1)
            if not panel.joined:
                figure.data[-1].mode = "markers"
            if panel.bounds:
                bars = [error_bar(row.get(panel.field), row.get(panel.bounds)) for row in flat]
                down, up = [bar[0] for bar in bars], [bar[1] for bar in bars]
                figure.data[-1].update(error_y=_bars(up, down, panel.colour))
        axis = {
            "title": {"text": panel.unit, "font": {"size": 13}, "standoff": 10},
            "fixedrange": True,
            "automargin": True,
            "zeroline": False,
            "tickfont": {"size": 13},
        }
        scale = (
            {"range": [0, 104], "tickvals": [0, 50, 100]}
            if panel.factor == 100.0
            else {"rangemode": "tozero", "nticks": 4}
        )
        figure.update_yaxes(**axis, **scale, row=place, col=1)
    figure.update_xaxes(
        fixedrange=True, zeroline=False, tickvals=x, tickformat="d", tickfont={"size": 13}
    )
    known = [at for at in x if finite(at) is not None]
    if known:
        figure.update_xaxes(range=[min(known) - 0.3, max(known) + 0.3])
    figure.update_xaxes(
        title={"text": "Round", "standoff": 8, "font": {"size": 14}}, row=len(panels), col=1
    )
    return Chart(figure, title, look_for, " ".join(_said(record) for record in flat))
