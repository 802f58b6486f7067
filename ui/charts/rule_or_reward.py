"""The chart of the lab “Rule or reward model?”: how far two climbs satisfy the rule.

Plain records in (``session.labs``), a ``charts.Chart`` out; how it looks and reads is decided in
``ui.charts``.
"""

from __future__ import annotations

from ui.charts import (
    ORANGE,
    TEAL,
    Chart,
    column,
    end_of,
    error_bar,
    frame,
    interval,
    lines_of_runs,
    nothing_yet,
    percent,
    with_legend,
)

RUNS = {  # run -> (name, colour, dash, symbol)
    "rule": ("Climbs the rule", TEAL, "solid", "circle"),
    "learned": ("Climbs the reward model", ORANGE, "dash", "square"),
}


def satisfied(found: dict | None) -> Chart:
    """Share of the answers that fulfil the whole rule against the step, with 95% intervals."""
    title = "How many answers fulfil the whole rule"
    look_for = (
        "how high the dashed line gets: it climbs an imitation of the rule, so whatever the"
        " imitation missed is what it leaves out. The bars are 95% intervals; lines closer than"
        " they are long cannot be told apart. High is not the same as good: read the answers below."
    )
    points, settings = (found or {}).get("points", {}), (found or {}).get("settings", {})
    rows_of_all = [row for rows in points.values() for row in rows]
    end = end_of(rows_of_all, "step", settings.get("steps")) if rows_of_all else None
    figure = frame("Training step", "Whole rule (% of answers)", x_end=end)
    figure.update_yaxes(range=[-3, 103], ticksuffix="%")
    if not rows_of_all:
        nothing_yet(figure, "No run yet")
        return Chart(
            figure, title, look_for, "The rule over the steps: no run yet, so it is empty."
        )
    with_legend(figure)
    said = [
        f"{name}: {percent(rows[0].get('satisfied'))} at step {rows[0]['step']},"
        f" {percent(rows[-1].get('satisfied'))} at step {rows[-1]['step']}"
        f" (95% interval {interval(rows[-1].get('interval'))})."
        for name, rows in lines_of_runs(
            figure, RUNS, points, lambda rows: column(rows, "satisfied", 100), _bars, "%{y:.0f}%"
        )
    ]
    return Chart(figure, title, look_for, "Answers that fulfil the whole rule. " + " ".join(said))


def _bars(rows: list[dict]) -> dict:
    low, high = zip(
        *(error_bar(row.get("satisfied"), row.get("interval")) for row in rows), strict=True
    )
    return {"symmetric": False, "array": list(high), "arrayminus": list(low)}
