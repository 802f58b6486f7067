"""The two charts of the lab “What would noise have done?”: each run's own reward, and gold.

Plain records in (``session.labs``), a ``charts.Chart`` out; how it looks and reads is decided in
``ui.charts``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rlhf_core.evaluation.before_after import FEWEST_PROMPTS
from rlhf_core.evaluation.overoptimisation import both, mean
from ui.charts import (
    GREY,
    ORANGE,
    TEAL,
    VIOLET,
    Chart,
    column,
    end_of,
    frame,
    lines_of_runs,
    nothing_yet,
    number,
    with_legend,
)

RUNS = {  # run -> (name, colour, dash, symbol)
    "votes": ("Votes", TEAL, "solid", "circle"),
    "noise": ("Coin flips", ORANGE, "dash", "square"),
    "turned": ("Turned over", VIOLET, "dot", "diamond"),
}


def reward(found: dict | None) -> Chart:
    """Each run's own reward, from the model that it learns from, against the step."""
    return _over_steps(
        found,
        "proxy",
        lambda point: point["proxies"],
        "Its own reward",
        "Own reward (SD of its scores)",
        "how far each line climbs: PPO raises whatever score it is given. This chart alone cannot"
        " tell votes from coins.",
    )


def gold(found: dict | None) -> Chart:
    """The gold rule's rating of each run's answers against the step."""
    return _over_steps(
        found,
        "gold",
        both,
        "Gold, by a rule that none learned from",
        "Gold (SD of the original's)",
        "do the dashed and the dotted line part? The dotted one's coins are the dashed one's,"
        " turned over. Bars are 95% intervals of the change since step 0; a bar that reaches 0"
        " shows no detectable change.",
    )


def _over_steps(
    found: dict | None,
    field: str,
    by_prompt: Callable[[dict], list[float]],
    title: str,
    unit: str,
    look_for: str,
) -> Chart:
    points, settings = (found or {}).get("points", {}), (found or {}).get("settings", {})
    everything = [row for rows in points.values() for row in rows]
    end = end_of(everything, "step", settings.get("steps")) if everything else None
    figure = frame("PPO step", unit, x_end=end)
    if not everything:
        nothing_yet(figure, "No run yet")
        return Chart(figure, title, look_for, f"{title}: no run yet, so the chart is empty.")
    with_legend(figure)
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dash"})
    said = []
    for name, rows in lines_of_runs(
        figure,
        RUNS,
        points,
        lambda rows: column(rows, field),
        lambda rows: {"array": [_reach(by_prompt(rows[0]), by_prompt(row)) for row in rows]},
        "%{y:+.2f}",
    ):
        first, last = rows[0], rows[-1]
        reach = _reach(by_prompt(first), by_prompt(last))
        sure = "" if reach is None else f", give or take {number(reach)}"
        said.append(
            f"{name}: {number(first[field], sign=True)} at step {first['step']},"
            f" {number(last[field], sign=True)} at step {last['step']}{sure}."
        )
    return Chart(figure, title, look_for, f"{title}; {unit}. " + " ".join(said))


def _reach(start: list[float], now: list[float]) -> float | None:
    """How far the 95% interval of the mean change reaches, normal, over prompts; None where too few
    prompts say nothing, and at the start.
    """
    changes = [b - a for a, b in zip(start, now, strict=True)]
    if len(changes) < FEWEST_PROMPTS or not any(changes):
        return None
    middle = mean(changes)
    spread = sum((one - middle) ** 2 for one in changes) / (len(changes) - 1)
    return 1.96 * math.sqrt(spread / len(changes))
