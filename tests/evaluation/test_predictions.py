"""A guess about a run: kept as it was made, scored when there is something to score it by."""

import math

import pytest

from rlhf_core.evaluation import predictions

ROWS = [
    {"step": step, "kl_to_reference": 0.4 * step, "reward_mean": 0.1 * step} for step in range(6)
]


def guess(**changed) -> dict:
    values = {
        "kl": 2.5,
        "reward": 0.1,
        "winner": "tuned",
        "round": 1,
        "step": 0,
        "steps": 5,
    } | changed
    return predictions.predict(
        values.pop("kl"), values.pop("reward"), values.pop("winner"), **values
    )


def test_a_guess_is_scored_against_what_came_out():
    found = predictions.score(guess(), ROWS, {"step": 5, "interval": [0.6, 0.9]})
    assert (found["step"], found["early"]) == (5, False)
    assert [(row["real"], row["close"]) for row in found["rows"]] == [
        (2.0, True),
        (0.5, False),
        ("the tuned model", True),
    ]


@pytest.mark.parametrize(
    ("interval", "winner"),
    [([0.6, 0.9], "tuned"), ([0.1, 0.4], "original"), ([0.4, 0.7], "none"), (None, None)],
)
def test_the_winner_is_told_by_the_interval(interval, winner):
    assert predictions.outcome(interval) == winner
    row = predictions.score(guess(winner="none"), ROWS, {"step": 5, "interval": interval})["rows"][
        2
    ]
    assert row["close"] == (winner == "none") and (row["real"] is None) == (winner is None)


def test_nothing_is_scored_too_early_nor_by_another_steps_verdict():
    assert (
        predictions.score(guess(), ROWS[:1], None) is None
        and predictions.score(guess(), [], None) is None
    )
    half_way = predictions.score(guess(), ROWS[:3], {"step": 5, "interval": [0.6, 0.9]})
    assert half_way["early"] and half_way["rows"][2]["real"] is None
    assert [row["close"] for row in half_way["rows"]] == [None] * 3, "no guess was about step 2"
    assert [row["real"] for row in half_way["rows"][:2]] == [0.8, 0.2]
    at_hand = predictions.score(guess(), ROWS[:3], {"step": 2, "interval": [0.6, 0.9]})
    assert at_hand["rows"][2]["close"] is None, "measured, but before the step of the guess"
    beyond = predictions.score(guess(steps=2), ROWS, None)
    assert (beyond["step"], beyond["early"]) == (2, False), (
        "what a later run did is not what was guessed about"
    )


def test_numbers_that_are_none_are_not_close():
    broken = [*ROWS[:5], {"step": 5, "kl_to_reference": math.nan, "reward_mean": None}]
    assert [row["real"] for row in predictions.score(guess(), broken, None)["rows"]] == [
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    "changed",
    [{"kl": math.nan}, {"kl": "2"}, {"reward": math.inf}, {"reward": True}, {"winner": "me"}],
)
def test_impossible_guesses_are_refused(changed):
    with pytest.raises(ValueError, match="must be"):
        guess(**changed)
