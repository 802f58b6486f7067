"""Calibration, held-out prompts and effective numbers against hand-made cases and refits by a
general optimiser.
"""

import math
from dataclasses import replace

import pytest
import torch
from lab_data import general_optimum, judged, model_of, normal, plain
from tiny_models import one_thread  # noqa: F401

from rlhf_core.judging.preferences import Pair
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.diagnostics import (
    calibration_curve,
    confidence,
    diagnose,
    effective_comparisons,
    leave_one_prompt_out,
    margin_histogram,
)


def logit(p):
    return math.log(p / (1 - p))


def test_margin_histogram_counts_in_the_direction_of_the_vote():
    rows = margin_histogram(
        torch.tensor([2.0, -2.0, 1.5, -0.5, 9.0]), torch.tensor([1.0, 0.0, 0.0, 1.0, 0.5]), bins=4
    )
    assert [(row["low"], row["high"], row["count"]) for row in rows] == [
        (-2, -1, 1),
        (-1, 0, 1),
        (0, 1, 0),
        (1, 2, 2),
    ]
    assert sum(row["count"] for row in margin_histogram(torch.zeros(3), torch.ones(3))) == 3
    assert all(row["count"] == 0 for row in margin_histogram(torch.zeros(0), torch.zeros(0)))


def test_calibration_curve_by_hand():
    # 10 votes claimed at 95%, 7 of them right; 4 claimed at 55%, 3 right. Whichever side is meant
    # makes no difference.
    margins = torch.tensor([logit(0.95)] * 5 + [-logit(0.95)] * 5 + [logit(0.55)] * 4 + [9.0])
    targets = torch.tensor([1.0, 1, 1, 0, 0] + [0.0, 0, 0, 0, 1] + [1.0, 1, 1, 0] + [0.5])
    curve = calibration_curve(margins, targets)
    assert [
        (row["count"], round(row["confidence"], 6), row["accuracy"]) for row in curve["bins"]
    ] == [(4, 0.55, 0.75), (10, 0.95, 0.7)]
    assert curve["count"] == 14 and curve["error"] == pytest.approx((4 * 0.2 + 10 * 0.25) / 14)
    assert (
        "as far as so many votes can tell" in curve["sentence"]
        and "14 votes, 95% interval 42% to 90%" in curve["sentence"]
    ), "84% lies within"
    mean, high = curve["chance"]
    assert 0.03 < mean < high < 0.25
    assert calibration_curve(-margins, 1 - targets) == curve


@pytest.mark.parametrize(
    ("stretch", "verdict"), [(1.0, "about as sure"), (4.0, "surer than"), (0.2, "less sure")]
)
def test_a_calibrated_model_is_told_from_one_that_is_not(stretch, verdict):
    margins = 1.5 * normal(20_000)
    targets = (
        torch.rand(20_000, generator=torch.Generator().manual_seed(1)) < torch.sigmoid(margins)
    ).double()
    curve = calibration_curve(stretch * margins, targets)
    assert verdict in curve["sentence"] and (curve["error"] < 0.02) == (stretch == 1.0)
    assert (curve["error"] <= curve["chance"][1]) == (stretch == 1.0), (
        "only what is calibrated errs no more than luck makes it"
    )
    assert confidence(stretch * margins, targets, torch.ones(20_000)).slope == pytest.approx(
        1 / stretch, rel=0.1
    )


@pytest.mark.parametrize("slips", [0.03, 0.15])
def test_slips_are_told_from_doubt(slips):
    """Votes drawn with a known slope and a known rate of slips give both back, and so the
    probability of the preference.
    """
    margins, luck = (
        2 * normal(20_000),
        torch.rand(2, 20_000, generator=torch.Generator().manual_seed(1)),
    )
    votes = (luck[0] < torch.sigmoid(1.7 * margins)) != (luck[1] < slips)
    sure = confidence(margins, votes.double(), torch.ones(20_000))
    assert sure.slope == pytest.approx(1.7, rel=0.1) and sure.noise == pytest.approx(
        slips, abs=0.015
    )
    assert sure.preference(torch.tensor([1.0])).item() == pytest.approx(
        1 / (1 + math.exp(-sure.slope))
    )
    assert sure.vote(torch.tensor([9.0])).item() == pytest.approx(1 - sure.noise, abs=1e-3)


def test_few_votes_leave_the_confidence_as_it_is():
    sure = confidence(torch.tensor([0.1]), torch.tensor([1.0]), torch.ones(1))
    assert sure.slope == pytest.approx(1, abs=0.1) and sure.noise == pytest.approx(0.1, abs=0.02)


def test_leave_one_prompt_out_is_a_refit_without_each_prompt():
    data, _ = judged(
        30, k=4, prompts=6, choices=[("a", "b", "a", "tie", "b")[i % 5] for i in range(30)]
    )
    found = leave_one_prompt_out(data, 0.8)
    prior, right = torch.full((4,), 0.8, dtype=torch.float64), {}
    for prompt in sorted(set(data.prompts)):
        held = torch.tensor([p == prompt for p in data.prompts])
        w = general_optimum(data.x[~held], data.targets[~held], data.weights[~held], prior)
        torch.testing.assert_close(found["margins"][held], data.x[held] @ w, atol=1e-4, rtol=1e-4)
        decided = held & (data.targets != 0.5)
        right[prompt] = (
            int(((data.x[decided] @ w > 0) == (data.targets[decided] > 0.5)).sum()),
            int(decided.sum()),
        )
    assert {row["prompt"]: (row["right"], row["count"]) for row in found["prompts"]} == right
    assert (
        found["accuracy"] == sum(r for r, _ in right.values()) / 24
        and found["count"] == 24
        and found["low"] < found["accuracy"] < found["high"]
    )


def test_with_many_prompts_whole_prompts_are_left_out_in_groups():
    data, _ = judged(120, k=3, prompts=100)
    found = leave_one_prompt_out(data, 1.0)
    parts = data.groups % 40
    held = parts == parts[5]
    w = general_optimum(
        data.x[~held], data.targets[~held], data.weights[~held], torch.ones(3, dtype=torch.float64)
    )
    torch.testing.assert_close(found["margins"][5], data.x[5] @ w, atol=1e-4, rtol=1e-4)
    assert len(found["prompts"]) == 100


def test_repeating_one_comparison_tells_less_than_asking_something_else():
    k, n = 4, 40
    different, _ = judged(n, k=k, truth=[0.0] * k)
    pairs = [Pair("p", "x", "y", "a" if i % 2 else "b") for i in range(n - 1)] + [
        Pair("p", "x", "z", "a")
    ]
    rows = comparisons.rows_of(pairs)
    repeated = comparisons.from_states(plain(k), pairs, rows, normal(len(rows), k).float())
    zero = torch.zeros(k)
    many, few = (
        effective_comparisons(different, zero, 1.0),
        effective_comparisons(repeated, zero, 1.0),
    )
    assert many["effective"] == pytest.approx(
        n, rel=0.25
    )  # at even odds, independent: what the definition says, up to sampling
    apart = replace(different, features=2 * different.features)  # farther than usual
    larger = effective_comparisons(apart, zero, 1.0)
    assert few["effective"] < n / 4 and few["directions"] < 2 < many["directions"] < k
    # What is said stays believable: no more than there are.
    assert few["sentence"].startswith(f"{n} pairs tell as much as {few['effective']:.0f} indep")
    assert larger["effective"] > n
    assert larger["sentence"].startswith(f"{n} pairs tell as much as independent ones would,")
    # The definition itself, checked by the determinant.
    expected = torch.logdet(
        (repeated.x * repeated.weights[:, None] / 4).T @ repeated.x + torch.eye(k)
    ).item()
    assert k * math.log(1 + few["effective"] / 2) == pytest.approx(expected, abs=1e-6)


def test_the_whole_report():
    data, _ = judged(60, k=4, prompts=12, truth=[2.0, 0, 0, 0])
    found = diagnose(data, model_of(data).weights, 1.0)
    assert (
        found["held_out"]["accuracy"] > 0.7
        and sum(row["count"] for row in found["histogram"]) == 60
    )
    assert (
        found["calibration"]["count"] == 60
        and 0 <= found["calibration"]["error"] <= 0.5
        and "margins" not in found["held_out"]
    )
