"""Charts of PPO, step by step: what it climbs, what it costs, and how the training feels.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    STANDARD_DEVIATIONS,
    TEAL,
    VIOLET,
    Chart,
    add_level,
    add_line,
    column,
    end_of,
    finite,
    frame,
    nothing_yet,
    number,
    points_of_100,
    small,
    story,
)


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
    most: float = 1.0,
) -> Chart:
    figure = frame("PPO step", y_title, x_end=end_of(metrics, "step", steps))
    if of_update:
        # Step 0 is the original model: nothing was updated there.
        metrics = [record for record in metrics if record.get("step") != 0]
    y = column(metrics, name, factor)
    if all(value is None for value in y):
        _room(figure, steps, 0.0, most)
        return Chart(
            figure, title, look_for, f"{title}: no step has run yet, so the chart is empty."
        )
    add_line(
        figure,
        [r.get("step") for r in metrics],
        y,
        name=title,
        colour=colour,
        hover=f"step %{{x}}: %{{y:.3~g}}{'%' if factor == 100 else ''} {unit}",
    )
    figure.update_yaxes(rangemode="tozero")
    if max(abs(value) for value in y if value is not None) < most / 100:
        figure.update_yaxes(range=[0.0, most])  # else what rounding leaves of a nought fills it
    alt = f"{title} by PPO step: " + story(
        metrics, name, x="step", word="step", unit=unit, show_number=show_number, factor=factor
    )
    return _mark_steered(Chart(figure, title, look_for, alt), metrics)


def _room(figure: go.Figure, steps: int | None, low: float, high: float) -> None:
    """Empty axes with room for the steps to come; no axes where nobody knows how many."""
    nothing_yet(figure, "No step yet")
    if steps:
        figure.update_xaxes(showticklabels=True, showgrid=True)
        figure.update_yaxes(showticklabels=True, showgrid=True, range=[low, high])


def refitted(metrics: Sequence[dict]) -> list[int]:
    """The steps that were the first to be scored by a newly trained reward model."""
    return [
        later["step"]
        for earlier, later in zip(metrics, metrics[1:])
        if earlier.get("reward_model") != later.get("reward_model")
    ]


_STEERED = {"beta": "β", "learning_rate": "learning rate"}  # a row's setting -> its short name
_ADAPTIVE = 0.1001  # adaptive KL moves beta by at most a tenth a step, a knob by more


def steered(metrics: Sequence[dict]) -> list[tuple[int, str]]:
    """Where a setting was moved in mid-run: (the first step made with it, "β 0.5").

    What adaptive KL itself does to beta is no such move. Before step 1 nothing was updated, so
    step 0 names no learning rate.
    """
    found: list[tuple[int, str]] = []
    updates = [row for row in metrics if row.get("step")]
    for earlier, later in zip(updates, updates[1:]):
        moved = []
        for name, short in _STEERED.items():
            was, now = finite(earlier.get(name)), finite(later.get(name))
            if was is None or now is None:
                continue
            least = _ADAPTIVE * was if name == "beta" else 1e-12
            if abs(now - was) > least:
                moved.append(f"{short} {now:g}")
        if moved:
            found.append((later["step"], ", ".join(moved)))
    return found


def _mark_steered(chart: Chart, metrics: Sequence[dict]) -> Chart:
    """``chart`` with a thin dotted line and a short label where a setting was moved."""
    alt, found = chart.alt, steered(metrics)
    end = max([row["step"] for row in metrics if finite(row.get("step")) is not None], default=0)
    end = max(end, (chart.figure.layout.xaxis.range or (0, 0))[1])
    for place, (step, words) in enumerate(found):
        right = step <= end / 2  # else its words would run out of the chart
        chart.figure.add_vline(
            x=step - 0.5,
            line={"color": GREY, "width": 1, "dash": "dot"},
            name="Setting moved",
            showlegend=False,
        )
        chart.figure.add_annotation(
            text=words,
            x=step - 0.5,
            y=1,
            yref="paper",
            xanchor="left" if right else "right",
            yanchor="top",
            xshift=3 if right else -3,
            yshift=-15 * (place % 2),  # two moves in a row stay legible
            showarrow=False,
            font={"size": 12},
        )
        alt += f" From step {step} on: {words}."
    return chart._replace(alt=alt)


def reward(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Mean score of a step's samples and the band of one standard deviation of them, in reference
    standard deviations, no KL penalty in it.
    """
    title = "Reward"
    look_for = (
        "the line should climb and then flatten; 0 is the original model's mean, and step 0, a"
        " small sample of it, lies near that. The band is the spread of the samples: when it"
        " shrinks to nothing, all outputs have become alike."
    )
    figure = frame(
        "PPO step", f"Reward ({STANDARD_DEVIATIONS})", x_end=end_of(metrics, "step", steps)
    )
    mean, spread = column(metrics, "reward_mean"), column(metrics, "reward_std")
    if all(value is None for value in mean):
        _room(figure, steps, -1.0, 1.0)
        return Chart(figure, title, look_for, "Reward: no step has run yet, so the chart is empty.")
    x = [record.get("step") for record in metrics]
    both = [
        (at, m, s)
        for at, m, s in zip(x, mean, spread, strict=True)
        if m is not None and s is not None
    ]
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
                name="Spread of the samples",
            )
        )
    add_line(figure, x, mean, name="Mean", colour=TEAL, hover="step %{x}: mean %{y:.2f}")
    if len(both) == 1:  # a band needs two points; one point gets a bar
        figure.data[-1].update(
            error_y={
                "type": "constant",
                "value": both[0][2],
                "color": TEAL,
                "thickness": 2,
                "width": 7,
            }
        )
    add_level(figure, 0, "Original model")
    alt = "Mean reward by PPO step: " + story(
        metrics, "reward_mean", x="step", word="step", unit=STANDARD_DEVIATIONS
    )
    for step in refitted(metrics):
        figure.add_vline(
            x=step - 0.5,
            line={"color": GREY, "width": 1.5, "dash": "dot"},
            name="New reward model",
            showlegend=step == refitted(metrics)[0],
        )
        look_for += (
            f" The reward model was trained anew before step {step}: rewards on the two sides of"
            " the dotted line are on different scales."
        )
        alt += f" From step {step} on, a newly trained reward model gives the scores."
    if both:
        alt += f" Spread of the samples: {number(both[0][2])} at step {both[0][0]}" + (
            f", {number(both[-1][2])} at step {both[-1][0]}." if len(both) > 1 else "."
        )
    return _mark_steered(Chart(figure, title, look_for, alt), metrics)


def kl_to_reference(
    metrics: Sequence[dict], steps: int | None = None, target: float | None = None
) -> Chart:
    """Exact KL of the policy to the frozen original, in nats a response: the drift that the penalty
    is paid for.
    """
    chart = _step_chart(
        metrics,
        "kl_to_reference",
        title="KL to reference",
        y_title="KL to reference (nats a response)",
        unit="nats a response",
        colour=ORANGE,
        look_for=(
            "in the first round it starts at exactly 0; it climbs, and should level off; a climb"
            " that never slows says that it trades its language for the score."
        ),
        steps=steps,
        show_number=small,
        most=2.0,
    )
    if finite(target):
        add_level(chart.figure, float(target), "Target")
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
        look_for=(
            "a gentle fall is normal, the model grows surer; a fall towards 0 means that it writes"
            " the same thing again and again."
        ),
        steps=steps,
    )


def clip_fraction(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Share of tokens whose push the clip took away, in percent: the probability ratio is beyond
    the clip range on the side that the advantage pushes to. (Beyond the other side it counts on.)
    """
    return _step_chart(
        metrics,
        "clip_fraction",
        of_update=True,
        title="Clip fraction",
        y_title="Clipped tokens (%)",
        unit="of tokens",
        colour=BLUE,
        look_for=(
            "the brake at work. Up to about 30% is usual, and a small model that learns well may"
            " stay at 2%; a lasting share far above 30% says that the steps are too big."
        ),
        steps=steps,
        show_number=points_of_100,
        factor=100,
    )


def value_loss(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """Value loss, in squared reference standard deviations: half the squared error of the value
    head's guess of the reward to come, or of that guess kept near the old one, whichever is larger.
    """
    return _step_chart(
        metrics,
        "value_loss",
        of_update=True,
        title="Value loss",
        y_title="Value loss (squared reference s.d.)",
        unit="squared reference standard deviations",
        colour=RED,
        look_for=(
            "the value head guesses the reward to come, so in a long run this falls. In a run of 15"
            " steps it may stay up or jump about: every step brings new answers and a model that"
            " has changed. That alone is no failure; worry when it keeps growing."
        ),
        steps=steps,
        show_number=small,
    )


def approx_kl_update(metrics: Sequence[dict], steps: int | None = None) -> Chart:
    """How far one update moved the policy from itself a step before (an estimate): a step size, not
    the drift from the original.
    """
    return _step_chart(
        metrics,
        "approx_kl_update",
        of_update=True,
        title="Approx. KL this update",
        y_title="Approx. KL this update (nats a token)",
        unit="nats a token",
        colour=GREY,
        look_for=(
            "how far this one step moved the model from where it stood just before; small and even"
            " is good; a lasting rise says that the steps are too big. Measured on answers from"
            " before the step, so what it stopped saying counts most."
        ),
        steps=steps,
        show_number=small,
    )


def reward_against_drift(metrics: Sequence[dict]) -> Chart:
    """Mean reward against the square root of the exact KL: what each bit of drift has bought.
    Source of the axis: Gao et al. 2023 (arXiv 2210.10760).
    """
    title = "Reward against drift"
    look_for = (
        "up is better, right is further from the original. A good run rises steeply, then stops;"
        " when it goes right without going up, drift is wasted, and far to the right the score is"
        " no longer to be trusted."
    )
    figure = frame("√KL to reference (√nats a response)", f"Reward ({STANDARD_DEVIATIONS})")
    figure.update_xaxes(tickformat=None)
    figure.update_layout(hovermode="closest")
    rows = [
        (math.sqrt(max(0.0, kl)), mean, row.get("step"))
        for row in metrics
        if None
        not in (kl := finite(row.get("kl_to_reference")), mean := finite(row.get("reward_mean")))
    ]
    if not rows:
        nothing_yet(figure, "No step yet")
        return Chart(
            figure,
            title,
            look_for,
            "Reward against drift: no step has run yet, so the chart is empty.",
        )
    x, y = [at for at, _, _ in rows], [mean for _, mean, _ in rows]
    add_line(
        figure,
        x,
        y,
        name="Steps",
        colour=TEAL,
        hover="step %{customdata}: √KL %{x:.2f}, reward %{y:.2f}",
    )
    figure.data[-1].update(customdata=[step for _, _, step in rows])
    for at, mean, step in {rows[0], rows[-1]}:
        figure.add_annotation(
            text=f"step {step}", x=at, y=mean, showarrow=False, yshift=14, font={"size": 13}
        )
    ends = [
        f"step {step}: reward {number(mean, sign=True)} at √KL {number(at)}"
        for at, mean, step in (rows[0], *([rows[-1]] if len(rows) > 1 else []))
    ]
    return Chart(
        figure,
        title,
        look_for,
        f"Reward against drift, in {STANDARD_DEVIATIONS} by the square root of the KL:"
        f" {', then '.join(ends)}.",
    )
