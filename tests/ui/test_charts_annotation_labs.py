"""Charts of the annotation labs: every one has words for its axes, a sentence, a text alternative
with the numbers, and something to show when there is nothing.
"""

from __future__ import annotations

import pytest

from rlhf_core.judging import annotators
from rlhf_core.judging.preferences import Pair
from ui.charts import annotation_labs as charts_labs

EVIL = "<b>Eve</b> $x$"
BLOCK = {
    "count": 12,
    "right": 9,
    "share": 0.75,
    "low": 0.47,
    "high": 0.91,
    "seconds": 4.2,
    "seconds_low": 3.0,
    "seconds_high": 5.0,
}
NONE = {
    "count": 0,
    "right": 0,
    "share": None,
    "low": 0.0,
    "high": 1.0,
    "seconds": None,
    "seconds_low": None,
    "seconds_high": None,
}
SHARE = {"name": EVIL, "share": 0.8, "low": 0.5, "high": 0.95}
PAIRS = [
    Pair("An owl is", " x.", " y.", choice, annotator=who)
    for who, choice in (("Ada", "a"), (EVIL, "b"), ("Ben", "tie"))
]

FULL = {
    "accuracies": charts_labs.accuracies(
        [SHARE, {**SHARE, "name": "Ada", "share": None}],
        title="Title",
        x_title="Right (%)",
        look_for="the bars.",
    ),
    "seconds": charts_labs.seconds_and_correctness(
        [
            {
                "who": EVIL,
                "relaxed": BLOCK,
                "clock": {**BLOCK, "seconds": 1.5, "right": 6, "share": 0.5},
            },
            {"who": "Ada", "relaxed": BLOCK, "clock": NONE},
        ]
    ),
    "answers": charts_labs.every_answer(
        [
            {"block": "relaxed", "seconds": 4.0, "right": True},
            {"block": "clock", "seconds": 1.0, "right": False},
        ]
    ),
    "splits": charts_labs.splits(annotators.disagreements(PAIRS)),
}
SAID = {
    "accuracies": ["80%", "50% to 95%", "Tossing a coin gives 50%"],
    "seconds": [
        "relaxed: 4.2 seconds, 9 of 12 right (47% to 91%)",
        "against the clock: 1.5 seconds, 6 of 12",
    ],
    "answers": ["1 right, 1 wrong; the wrong ones took 1.0 seconds on average, the right ones 4.0"],
    "splits": ["An owl is", "Ada", "a tie"],
}


@pytest.mark.parametrize("name", FULL)
def test_the_words_state_the_numbers(name):
    chart = FULL[name]
    assert (
        all(part in chart.alt for part in SAID[name])
        and chart.look_for.endswith(".")
        and chart.figure.layout.xaxis.title.text
    )
    drawn = chart.figure.to_json()
    assert "<b>Eve" not in drawn and "\\u003cb\\u003eEve" not in drawn, "a name is never HTML"


@pytest.mark.parametrize(
    "chart",
    [
        charts_labs.accuracies([], title="Title", x_title="Right (%)", look_for="the bars."),
        charts_labs.seconds_and_correctness([{"who": "Ada", "relaxed": NONE, "clock": NONE}]),
        charts_labs.splits([]),
    ],
)
def test_nothing_yet_is_said(chart):
    assert chart.figure.layout.annotations[0].text and (
        "nothing" in chart.alt or "nobody" in chart.alt or "no pair" in chart.alt
    )


def test_a_person_with_one_block_has_one_point():
    figure = FULL["seconds"].figure
    assert [len(trace.x) for trace in figure.data if trace.mode == "lines+markers"] == [2, 1]
    assert list(figure.data[0].x) == [4.2, 1.5] and list(figure.data[0].y) == [75.0, 50.0]


def test_a_split_pair_is_one_bar_of_all_votes():
    figure = FULL["splits"].figure
    assert sum(trace.x[0] for trace in figure.data) == 3 and {
        trace.name for trace in figure.data
    } == {"first text", "second text", "tie"}
