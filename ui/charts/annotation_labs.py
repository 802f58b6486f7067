"""Charts of the annotation labs: two briefs against each other, seconds against correctness, who
agrees with whom, which pairs split people.

Plain records in, a ``charts.Chart`` out; how it looks and reads is decided in ``ui.charts``.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from ui.charts import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    TEAL,
    VIOLET,
    Chart,
    error_bar,
    frame,
    interval,
    label,
    nothing_yet,
    number,
    percent,
    with_legend,
)

COLOURS, SYMBOLS = (
    (TEAL, ORANGE, VIOLET, BLUE, RED, GREY),
    ("circle", "square", "diamond", "cross", "triangle-up", "star"),
)
MOST_SPLITS = 12


def accuracies(
    rows: Sequence[dict], *, title: str, x_title: str, look_for: str, chance: float | None = 0.5
) -> Chart:
    """Shares with their intervals, one below the other. Rows {"name", "share", "low", "high",
    "note"}.
    """
    figure = frame(x_title, "", height=110 + 44 * max(1, len(rows)))
    figure.update_xaxes(range=[-2, 103], tickvals=[0, 25, 50, 75, 100])
    known = [row for row in rows if row.get("share") is not None]
    if not known:
        nothing_yet(figure, "Nothing to show yet")
        return Chart(figure, title, look_for, f"{title}: nothing to show yet.")
    places = list(range(len(known)))[::-1]
    bars = [error_bar(row["share"], [row["low"], row["high"]]) for row in known]
    figure.add_trace(
        go.Scatter(
            x=[100 * row["share"] for row in known],
            y=places,
            mode="markers",
            marker={
                "size": 14,
                "color": [COLOURS[i % 6] for i in range(len(known))],
                "symbol": "diamond",
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [up for _, up in bars],
                "arrayminus": [down for down, _ in bars],
                "color": GREY,
                "thickness": 2.5,
                "width": 7,
            },
            customdata=[
                [label(row["name"]), percent(row["share"]), interval([row["low"], row["high"]])]
                for row in known
            ],
            hovertemplate="%{customdata[0]}: %{customdata[1]} (%{customdata[2]})<extra></extra>",
            cliponaxis=False,
        )
    )
    figure.update_yaxes(
        tickvals=places,
        ticktext=[label(row["name"], 22) for row in known],
        range=[-0.6, len(known) - 0.4],
        showgrid=False,
    )
    figure.update_layout(hovermode="closest")
    if chance is not None:
        figure.add_vline(x=100 * chance, line={"color": GREY, "width": 1.5, "dash": "dash"})
    said = "; ".join(
        f"{row['name']} {percent(row['share'])}"
        + (f", 95% interval {bounds}" if (bounds := interval([row["low"], row["high"]])) else "")
        for row in known
    )
    return Chart(
        figure,
        title,
        look_for,
        f"{title}. {said}."
        + (f" Tossing a coin gives {percent(chance)}." if chance is not None else ""),
    )


def seconds_and_correctness(people: Sequence[dict]) -> Chart:
    """One line a person, from the relaxed block to the one against the clock. Rows {"who",
    "relaxed", "clock"}: ``speed_accuracy.block_of``.
    """
    title = "Seconds against correctness"
    look_for = (
        "a line that falls towards the left, from the dot (relaxed) to the cross (against the"
        " clock): faster, and more often wrong. A level line has lost nothing. The bars are 95%"
        " intervals, and with a dozen answers they are long."
    )
    figure = frame("Seconds an answer (median)", "Right answers (%)", height=420)
    figure.update_yaxes(range=[-3, 106], tickvals=[0, 25, 50, 75, 100])
    figure.update_layout(hovermode="closest")
    said, most = [], 0.0
    for i, person in enumerate(people):
        blocks = [
            (name, symbol, person[name])
            for name, symbol in (("relaxed", "circle"), ("clock", "x"))
            if person[name]["count"]
        ]
        colour = COLOURS[i % 6]
        bars = [error_bar(block["share"], [block["low"], block["high"]]) for _, _, block in blocks]
        figure.add_trace(
            go.Scatter(
                x=[block["seconds"] for _, _, block in blocks],
                y=[100 * block["share"] for _, _, block in blocks],
                name=label(person["who"], 20),
                mode="lines+markers",
                line={"color": colour, "width": 2.5, "dash": "dot"},
                marker={"size": 13, "color": colour, "symbol": [symbol for _, symbol, _ in blocks]},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [up for _, up in bars],
                    "arrayminus": [down for down, _ in bars],
                    "color": colour,
                    "thickness": 1.5,
                    "width": 6,
                },
                customdata=[
                    [
                        label(person["who"], 20),
                        "relaxed" if name == "relaxed" else "against the clock",
                        block["right"],
                        block["count"],
                    ]
                    for name, _, block in blocks
                ],
                hovertemplate=(
                    "%{customdata[0]}, %{customdata[1]}: %{x:.1f} s, %{customdata[2]} of"
                    " %{customdata[3]} right<extra></extra>"
                ),
                cliponaxis=False,
            )
        )
        most = max([most, *(block["seconds"] for _, _, block in blocks)])
        for name, _, block in blocks:
            where = "relaxed" if name == "relaxed" else "against the clock"
            said.append(
                f"{person['who']}, {where}: {number(block['seconds'], 1)} seconds, {block['right']}"
                f" of {block['count']} right ({interval([block['low'], block['high']])})"
            )
    if not said:
        nothing_yet(figure, "Nobody has answered yet")
        return Chart(figure, title, look_for, f"{title}: nobody has answered yet.")
    figure.update_xaxes(range=[0, 1.12 * most + 0.2], tickformat=None)
    figure.add_hline(
        y=50,
        line={"color": GREY, "width": 1.5, "dash": "dash"},
        name="Tossing a coin",
        showlegend=True,
    )
    with_legend(figure)
    return Chart(figure, title, look_for, f"{title}. {'; '.join(said)}.")


def every_answer(answers: Sequence[dict]) -> Chart:
    """Each answer of one run: how long it took, and whether it was right. Rows {"block", "seconds",
    "right"}.
    """
    title = "Every answer"
    look_for = "whether the wrong ones lie among the quick ones."
    figure = frame("Seconds for the answer", "", height=230)
    figure.update_yaxes(
        range=[-0.7, 1.7], tickvals=[0, 1], ticktext=["wrong", "right"], showgrid=False
    )
    figure.update_xaxes(tickformat=None)
    figure.update_layout(hovermode="closest")
    for block, colour, symbol, shift in (
        ("relaxed", TEAL, "circle", 0.14),
        ("clock", ORANGE, "x", -0.14),
    ):
        rows = [row for row in answers if row["block"] == block]
        name = "relaxed" if block == "relaxed" else "against the clock"
        figure.add_trace(
            go.Scatter(
                x=[row["seconds"] for row in rows],
                y=[row["right"] + shift for row in rows],
                mode="markers",
                name=name,
                marker={"size": 12, "color": colour, "symbol": symbol, "opacity": 0.8},
                hovertemplate=f"{name}: %{{x:.1f}} s<extra></extra>",
                cliponaxis=False,
            )
        )
    with_legend(figure)
    wrong = [row["seconds"] for row in answers if not row["right"]]
    right = [row["seconds"] for row in answers if row["right"]]
    said = f"{len(right)} right, {len(wrong)} wrong" + (
        f"; the wrong ones took {number(sum(wrong) / len(wrong), 1)} seconds on average"
        if wrong
        else ""
    )
    said += f", the right ones {number(sum(right) / len(right), 1)}" if right else ""
    return Chart(figure, title, look_for, f"{title}: {said}.")


def splits(rows: Sequence[dict]) -> Chart:
    """Which pairs split people, a bar for each one's votes. Rows: ``annotators.disagreements``."""
    title = "The pairs that split people"
    look_for = (
        "bars that are cut near the middle: there, a majority label hides almost half of the"
        " people."
    )
    rows = list(rows)[:MOST_SPLITS]
    figure = frame("Votes (people)", "Pair", height=130 + 34 * max(1, len(rows)))
    figure.update_layout(barmode="stack", hovermode="closest", bargap=0.35)
    if not rows:
        nothing_yet(figure, "No pair splits anybody")
        return Chart(
            figure, title, look_for, f"{title}: no pair was judged differently by two people."
        )
    places = list(range(len(rows)))[::-1]
    for key, name, colour, pattern in (
        ("first", "first text", TEAL, ""),
        ("second", "second text", ORANGE, "/"),
        ("tie", "tie", GREY, "."),
        ("both_bad", "both bad", RED, "x"),
    ):
        counts = [len(row["votes"].get(key, ())) for row in rows]
        if any(counts):
            people = [[label(", ".join(row["votes"].get(key, ())) or "nobody", 60)] for row in rows]
            figure.add_trace(
                go.Bar(
                    x=counts,
                    y=places,
                    orientation="h",
                    name=name,
                    marker={"color": colour, "pattern": {"shape": pattern}},
                    customdata=people,
                    hovertemplate=f"{name}: %{{customdata[0]}}<extra></extra>",
                )
            )
    figure.update_yaxes(
        tickvals=places,
        ticktext=[f"{n}. {label(row['prompt'], 20)}" for n, row in enumerate(rows, 1)],
        showgrid=False,
    )
    figure.update_xaxes(dtick=1 if max(row["of"] for row in rows) <= 10 else None)
    with_legend(figure)
    figure.update_layout(legend={"traceorder": "normal"})
    return Chart(
        figure,
        title,
        look_for,
        f"{title}. "
        + "; ".join(f"{n}. {row['prompt']}: {row['words']}" for n, row in enumerate(rows, 1))
        + ".",
    )
