"""The charts say what they show: axes with names and units, numbers in the text alternative, gaps
where there is no number.
"""

from __future__ import annotations

import math

import plotly.graph_objects as go
import pytest

from ui import charts
from ui.charts import compare as charts_compare
from ui.charts import ppo as charts_ppo
from ui.charts import reward_model as charts_fit
from ui.charts import rounds as charts_rounds
from ui.charts import scored_outputs as charts_outputs

FIELDS = (
    "step",
    "reward_mean",
    "reward_std",
    "kl_to_reference",
    "entropy",
    "clip_fraction",
    "value_loss",
    "approx_kl_update",
)
METRICS = [
    dict(zip(FIELDS, row, strict=True))
    for row in (
        (0, 0.0, 1.0, 0.0, 2.5, 0.0, 0.0, 0.0),
        (1, 0.4, 0.9, 1.25, 2.2, 0.12, 0.5, 0.012),
        (2, 0.87, 0.6, 2.5, 1.9, 0.18, 0.03, 0.02),
    )
]
FIT = [
    {
        "iteration": 1,
        "loss": 0.66,
        "train_accuracy": 0.6,
        "heldout_accuracy": 0.5,
        "heldout_low": 0.3,
        "heldout_high": 0.7,
        "heldout_pairs": 20,
    },
    {
        "iteration": 2,
        "loss": 0.31,
        "train_accuracy": 0.95,
        "heldout_accuracy": 0.8,
        "heldout_low": 0.58,
        "heldout_high": 0.92,
        "heldout_pairs": 20,
    },
]
EXAMPLES = [
    {
        "prompt": "An opossum is",
        "text": " a great character for memes.",
        "before": 0.0,
        "after": -1.25,
    },
    {"prompt": "An opossum is", "text": " a marsupial.", "before": 0.0, "after": 1.5},
]
EVALUATION = {
    "win_rate": 0.86,
    "interval": [0.74, 0.93],
    "judge": "reward model",
    "wins": 33,
    "ties": 2,
    "losses": 5,
}
ROUNDS = [
    {
        "round": 1,
        "comparisons": 30,
        "heldout_accuracy": 0.8,
        "steps": 15,
        "reward": 0.85,
        "reward_gain": 0.85,
        "kl": 3.1,
        "win_rate": 0.8,
        "win_interval": [0.66, 0.89],
    },
    {
        "round": 2,
        "comparisons": 52,
        "heldout_accuracy": None,
        "steps": 15,
        "reward": 1.05,
        "reward_gain": 0.2,
        "kl": 4.2,
        "win_rate": None,
        "win_interval": None,
    },
]
STEP_CHARTS = {  # chart: title of its y axis, field it draws
    "reward": ("Reward (reference standard deviations)", "reward_mean"),
    "kl_to_reference": ("KL to reference (nats a response)", "kl_to_reference"),
    "entropy": ("Entropy (nats a token)", "entropy"),
    "clip_fraction": ("Clipped tokens (%)", "clip_fraction"),
    "value_loss": ("Value loss (squared reference s.d.)", "value_loss"),
    "approx_kl_update": ("Approx. KL this update (nats a token)", "approx_kl_update"),
}


def axes(chart: charts.Chart) -> list[str]:
    layout = chart.figure.layout
    return [
        layout[name].title.text for name in sorted(layout) if name.startswith(("xaxis", "yaxis"))
    ]


def line(chart: charts.Chart) -> go.Scatter:
    return next(trace for trace in chart.figure.data if trace.mode == "lines+markers")


@pytest.mark.parametrize("name", STEP_CHARTS)
def test_step_charts_name_their_axes_with_units(name):
    title, _ = STEP_CHARTS[name]
    assert axes(getattr(charts_ppo, name)(METRICS)) == ["PPO step", title]


@pytest.mark.parametrize(
    "name, said",
    [
        (
            "reward",
            [
                "0.00 at step 0",
                "last 0.87 at step 2",
                "reference standard deviations",
                "Spread of the samples: 1.00 at step 0, 0.60 at step 2",
            ],
        ),
        ("kl_to_reference", ["0.00 at step 0", "last 2.50 at step 2", "nats a response"]),
        ("entropy", ["2.50 at step 0", "lowest 1.90 at step 2", "nats a token"]),
        ("clip_fraction", ["12% at step 1", "highest 18% at step 2", "of tokens"]),
        ("value_loss", ["0.50 at step 1", "last 0.03 at step 2"]),
        ("approx_kl_update", ["0.012 at step 1", "last 0.02 at step 2"]),
    ],
)
def test_text_alternatives_state_the_numbers(name, said):
    alt = getattr(charts_ppo, name)(METRICS).alt
    assert [part for part in said if part not in alt] == []


@pytest.mark.parametrize("name", STEP_CHARTS)
def test_step_charts_survive_nothing_one_row_and_nan(name):
    chart, field = getattr(charts_ppo, name), STEP_CHARTS[name][1]
    assert "no step has run yet" in chart([]).alt
    assert chart(METRICS[:1]).figure.to_json()
    broken = [
        METRICS[0],
        METRICS[1] | {field: math.nan},
        METRICS[2] | {field: math.inf},
        METRICS[2] | {"step": 3},
    ]
    drawn = chart(broken)
    assert "2 steps have no number" in drawn.alt
    assert list(line(drawn).y).count(None) == 2
    assert "NaN" not in drawn.figure.to_json() and "Infinity" not in drawn.figure.to_json()
    assert chart([{"step": 0}, {"step": 1}]).figure.to_json()


def test_reward_band_is_one_standard_deviation_each_way():
    band = charts_ppo.reward(METRICS).figure.data[0]
    assert list(band.y) == pytest.approx([1.0, 1.3, 1.47, 0.27, -0.5, -1.0])
    assert list(line(charts_ppo.reward(METRICS)).y) == [0.0, 0.4, 0.87]
    # One point has no band, but its spread still shows.
    assert line(charts_ppo.reward(METRICS[:1])).error_y.value == 1.0


def test_charts_of_an_update_leave_out_the_step_without_one():
    for name in ("clip_fraction", "value_loss", "approx_kl_update"):
        assert list(line(getattr(charts_ppo, name)(METRICS)).x) == [1, 2]
    assert list(line(charts_ppo.clip_fraction(METRICS)).y) == pytest.approx([12.0, 18.0])


def test_the_two_kls_share_no_label():
    drift, step = (charts_ppo.kl_to_reference(METRICS), charts_ppo.approx_kl_update(METRICS))
    assert drift.title != step.title and not set(axes(drift)[1:]) & set(axes(step)[1:])
    assert "reference" not in axes(step)[1] and "update" not in axes(drift)[1]


def test_kl_target_is_drawn_and_said():
    chart = charts_ppo.kl_to_reference(METRICS, target=3.0)
    assert "target is 3.00" in chart.alt and [shape.y0 for shape in chart.figure.layout.shapes] == [
        3.0
    ]


def test_reward_model_loss():
    chart = charts_fit.reward_model_loss(FIT)
    assert axes(chart) == ["Iteration", "Loss (nats a pair)"]
    assert "0.66 at iteration 1" in chart.alt and "last 0.31 at iteration 2" in chart.alt
    assert [shape.y0 for shape in chart.figure.layout.shapes] == pytest.approx([math.log(2)])
    assert "not trained yet" in charts_fit.reward_model_loss([]).alt
    assert (
        "1 iteration has no number"
        in charts_fit.reward_model_loss([*FIT, {"iteration": 3, "loss": math.nan}]).alt
    )


def test_reward_model_loss_names_what_the_ties_cost_and_no_goal():
    chart = charts_fit.reward_model_loss([record | {"floor": 0.06} for record in FIT])
    assert "towards" not in chart.look_for and "your ties 0.06 is the least" in chart.look_for
    assert "cannot fall below 0.06" in chart.alt
    levels = [shape.y0 for shape in chart.figure.layout.shapes]
    assert levels == [math.log(2)], "few votes stay far above that bound, so no line asks for it"
    clear = charts_fit.reward_model_loss([record | {"floor": 0.0} for record in FIT])
    assert "tie" not in clear.look_for + clear.alt


def test_accuracy_has_its_interval():
    chart = charts_fit.accuracy(FIT)
    assert axes(chart) == ["Iteration", "Accuracy (% of pairs)"]
    assert "95% interval 58% to 92%" in chart.alt and "from 20 pairs" in chart.alt
    bar = chart.figure.data[-1]
    assert bar.y[0] + bar.error_y.array[0] == pytest.approx(92) and bar.y[
        0
    ] - bar.error_y.arrayminus[0] == pytest.approx(58)


@pytest.mark.parametrize(
    "records",
    [
        [],
        FIT[:1],
        [{"iteration": 1, "loss": 0.7, "train_accuracy": 1.0, "heldout_accuracy": None}],
        [{"iteration": 1, "train_accuracy": math.nan}],
    ],
)
def test_accuracy_survives_too_few(records):
    chart = charts_fit.accuracy(records)
    assert chart.figure.to_json()
    if records and records[0].get("train_accuracy") == 1.0:
        assert "too few prompts" in chart.alt and "100% at iteration 1" in chart.alt


def test_scores_are_sorted_and_said_best_first():
    chart = charts_outputs.scores(EXAMPLES)
    assert axes(chart) == ["Score (reference standard deviations)", "Outputs, best score first"]
    assert chart.alt.index("a marsupial.: +1.50") < chart.alt.index(
        "a great character for memes.: \N{MINUS SIGN}1.25"
    )
    labels = [note.text for note in chart.figure.layout.annotations]
    assert labels[0].endswith("An opossum is a marsupial.") and labels[1].endswith(
        "An opossum is a great character for memes."
    )
    assert "not trained yet" in charts_outputs.scores([]).alt
    last = charts_outputs.scores([*EXAMPLES, {"text": "broken", "before": 0.0, "after": math.nan}])
    assert (
        last.figure.layout.annotations[-1].text.startswith("no number")
        and "NaN" not in last.figure.to_json()
    )


def test_nothing_runs_through_the_names_of_lines_and_levels():
    for chart, names in (
        (charts_fit.reward_model_loss(FIT), {"Loss", "Tossing a coin: 0.69"}),
        (charts_fit.accuracy(FIT), {"Training", "Held out", "Tossing a coin: 50%"}),
        (charts_ppo.reward(METRICS), {"Mean", "Spread of the samples", "Original model"}),
        (charts_ppo.kl_to_reference(METRICS, target=3.0), {"KL to reference", "Target"}),
    ):
        layout = chart.figure.layout
        drawn = [
            item for item in (*chart.figure.data, *layout.shapes) if item.showlegend is not False
        ]
        assert (
            {item.name for item in drawn} == names and layout.showlegend and not layout.annotations
        )
        assert (
            layout.legend.y < 0 and layout.legend.yanchor == "top" and layout.height > charts.HEIGHT
        ), "below the x axis, with room of its own"
    scores = charts_outputs.scores(EXAMPLES).figure.layout
    assert not scores.xaxis.zeroline and scores.xaxis.showgrid is False, (
        "a line at 0 runs through the outputs' names"
    )


def test_labels_are_text_whatever_they_say():
    label = charts.label("<a href='http://x'>x</a> <script>\n$x^2$")
    assert "<" not in label and "$" not in label and "\n" not in label
    assert len(charts.label("word " * 40)) <= charts.SHORT_LABEL


def test_win_rate_has_its_interval_and_its_judge():
    chart = charts_compare.win_rate(EVALUATION)
    assert axes(chart) == ["Tuned model wins (% of pairs)", "Judged by"]
    assert all(
        part in chart.alt
        for part in ("86%", "74% to 93%", "reward model", "Wins 33, ties 2, losses 5")
    )
    bar, mark = chart.figure.data
    assert list(bar.x) == pytest.approx([74, 93]) and mark.x[0] == pytest.approx(86)


@pytest.mark.parametrize(
    "found",
    [
        None,
        {},
        {"win_rate": math.nan},
        {"win_rate": 0.5, "interval": None, "judge": "you"},
        {"win_rate": 0.5, "interval": [0.4, math.nan]},
    ],
)
def test_win_rate_survives_what_is_missing(found):
    chart = charts_compare.win_rate(found)
    assert chart.figure.to_json()
    assert ("50%" in chart.alt) == bool(found and found.get("win_rate") == 0.5)
    assert "interval" not in chart.alt


def test_rounds_timeline_has_a_panel_a_measure():
    chart = charts_rounds.rounds_timeline(ROUNDS)
    titles = axes(chart)
    assert [
        title
        for title in titles
        if title
        in ("count", "% of pairs", "reference s.d.", "nats a response", "% of pairs", "Round")
    ]
    assert titles.count("Round") == 1 and len([title for title in titles if title]) == 6
    one, two = chart.alt.split(" Round 2: ")
    assert one.startswith("Round 1: win rate by its own reward model 80% (95% interval 66% to 89%)")
    assert "held-out accuracy 80%, 30 pairs." in one
    assert two.startswith("win rate not measured") and "held-out accuracy no number" in two
    assert "reward model +1.05 reference standard deviations (this round +0.20)" in two
    few = {**ROUNDS[0], "learned_from": 10, "heldout_accuracy": 1.0}
    few |= {"heldout_pairs": 4, "heldout_interval": [0.4, 1.0]}
    chart = charts_rounds.rounds_timeline([few, ROUNDS[1]])
    assert "accuracy 100% (of 4, 95% interval 40% to 100%), 30 pairs (learned from 10)" in chart.alt
    *_, accuracy, learned = chart.figure.data
    assert list(learned.y) == [10, 52] and accuracy.error_y.arrayminus[0] == pytest.approx(60)
    assert "no round is finished yet" in charts_rounds.rounds_timeline([]).alt
    assert charts_rounds.rounds_timeline(ROUNDS[:1]).figure.to_json()
    assert charts_rounds.rounds_timeline([{"round": 1, "kl": math.nan}]).figure.to_json()


def test_rounds_are_joined_only_where_one_judge_saw_them_all():
    """Two rounds' rewards come from two reward models: no line from one to the other."""
    graded = {"name": "graded rule", "win_rate": 0.6, "interval": [0.5, 0.7], "pairs": 200}
    rounds = [
        ROUNDS[0] | {"reward_start": 0.0, "judges": [graded]},
        ROUNDS[1] | {"reward_start": 0.85, "judges": [graded | {"win_rate": 0.7}]},
    ]
    chart = charts_rounds.rounds_timeline(rounds)
    found = {trace.name: trace for trace in chart.figure.data}
    first, *_ = chart.figure.data
    assert first.name == "Win rate by the graded rule" and list(first.y) == [60.0, 70.0]
    assert first.mode == "lines+markers"
    assert "Win rate by each round's own reward model" not in found
    reward = found["Reward by its own reward model (open: step 0)"]
    assert list(reward.y) == [0.0, 0.85, None, 0.85, 1.05, None] and reward.connectgaps is False
    assert list(reward.x)[:2] == [0.88, 1.12] and list(reward.marker.symbol[:2]) == [
        "circle-open",
        "circle",
    ]
    assert "win rate by the graded rule 70% (95% interval 50% to 70%)" in chart.alt
    assert "from +0.85 to +1.05" in chart.alt
    (own,) = [t for t in charts_rounds.rounds_timeline(ROUNDS).figure.data if "Win rate" in t.name]
    assert own.mode == "markers", "each by another reward model"
    anew = ROUNDS[1] | {"reward_start": 3.0}  # the reward model was trained anew in mid-round
    assert charts_rounds.began(anew) is None


@pytest.mark.parametrize(
    "number, said",
    [
        (0.004, "0.00"),
        (-0.004, "0.00"),
        (-1.5, "\N{MINUS SIGN}1.50"),
        (math.nan, "no number"),
        (None, "no number"),
        (True, "no number"),
    ],
)
def test_numbers_for_people(number, said):
    assert charts.number(number) == said


def test_every_chart_says_what_to_look_for():
    made = [getattr(charts_ppo, name)(METRICS) for name in STEP_CHARTS]
    made += [
        charts_fit.reward_model_loss(FIT),
        charts_fit.accuracy(FIT),
        charts_outputs.scores(EXAMPLES),
        charts_compare.win_rate(EVALUATION),
        charts_rounds.rounds_timeline(ROUNDS),
    ]
    assert all(
        chart.look_for.endswith(".") and len(chart.look_for) > 40 and chart.title for chart in made
    )


def test_a_reward_model_trained_anew_is_marked_in_the_reward_chart():
    rows = [
        {"step": n, "reward_mean": 0.1 * n, "reward_std": 1.0, "reward_model": 1 if n < 3 else 2}
        for n in range(6)
    ]
    chart = charts_ppo.reward(rows, 10)
    (line,) = [shape for shape in chart.figure.layout.shapes if shape.name == "New reward model"]
    assert line.x0 == line.x1 == 2.5
    assert "before step 3" in chart.look_for and "From step 3 on" in chart.alt
    plain = charts_ppo.reward([{**row, "reward_model": 1} for row in rows], 10)
    assert (
        all(shape.name != "New reward model" for shape in plain.figure.layout.shapes)
        and "anew" not in plain.look_for + plain.alt
    )


@pytest.mark.parametrize("name", STEP_CHARTS)
def test_a_setting_moved_in_mid_run_is_marked_in_every_chart(name):
    row = {field: 0.5 for _, field in STEP_CHARTS.values()} | {"reward_std": 1.0}
    rate, beta = [0.0, 2e-4, 2e-4, 2e-4, 1e-4], [0.25, 0.25, 0.25, 0.5, 0.5]
    rows = [row | {"step": n, "learning_rate": rate[n], "beta": beta[n]} for n in range(len(rate))]
    chart = getattr(charts_ppo, name)(rows, 10)
    layout = chart.figure.layout
    marks = [shape.x0 for shape in layout.shapes if shape.name == "Setting moved"]
    assert marks == [2.5, 3.5] and [note.text for note in layout.annotations] == [
        "β 0.5",
        "learning rate 0.0001",
    ]
    assert "From step 3 on: β 0.5. From step 4 on: learning rate 0.0001." in chart.alt


def test_what_adaptive_kl_does_to_beta_is_no_move():
    betas = [0.25, 0.275, 0.2475, 0.22275, 0.0, 0.0, 0.02]
    rows = [{"step": n + 1, "beta": beta} for n, beta in enumerate(betas)]
    assert charts_ppo.steered(rows) == [(5, "β 0"), (7, "β 0.02")]
    both = [{"step": 1, "beta": 0.2, "learning_rate": 1.0}, {"step": 2, "beta": 0.5}]
    assert charts_ppo.steered([*both, {"step": 3}, {"step": 4, "beta": None}]) == [(2, "β 0.5")]


def test_before_the_first_step_the_axes_have_room_for_all_of_them():
    for make in (charts_ppo.reward, charts_ppo.kl_to_reference):
        axes = make([], 15).figure.layout
        assert axes.xaxis.range[1] >= 15 and axes.xaxis.showticklabels and axes.yaxis.range
        assert make([]).figure.layout.xaxis.showticklabels is False, "nobody knows how many"


# --- labels that are cut --------------------------------------------------------------------------


def test_labels_that_a_cut_would_make_alike_show_where_they_part():
    start = "An opossum is a small animal that eats apples and"
    texts = [f"{start} pears", f"{start} cats", "A cat is a cat.", f"{start} cats"]
    found = charts.labels(texts)
    assert len(set(found)) == 4 and max(map(len, found)) <= charts.SHORT_LABEL
    assert found[0].endswith("pears") and found[1].endswith("cats") and found[0][:10] == start[:10]
    assert found[2] == charts.label(texts[2]) and found[3].endswith("(2)"), "the same text twice"
    assert len(set(charts.labels(["a" * 60 + end for end in "123"]))) == 3
    assert charts.labels(["<b>$x$</b>"]) == [charts.label("<b>$x$</b>")]
    assert charts.labels([]) == []


def test_outputs_that_begin_alike_stay_tellable_apart_on_the_chart():
    start = " a creature that lives in the trees behind our house and eats"
    rows = [
        {"prompt": "An opossum is", "text": f"{start} {what}.", "before": 0.0, "after": score}
        for what, score in (("apples", 1.0), ("pizza", 0.5))
    ]
    shown = [note.text for note in charts_outputs.scores(rows).figure.layout.annotations]
    assert "apples" in shown[0] and "pizza" in shown[1]


@pytest.mark.parametrize("name", STEP_CHARTS)
def test_plotly_finds_no_fault_in_charts_that_it_was_not_asked_to_check(name):
    """``frame`` leaves the check out, for it takes longer than the drawing."""
    chart = getattr(charts_ppo, name)(METRICS, 5)

    go.Figure(chart.figure.to_dict())  # ValueError where a name or a value is none of Plotly's
    with pytest.raises(ValueError):
        go.Figure({"data": [], "layout": {"heigth": 3}})
