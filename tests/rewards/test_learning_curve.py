"""The curve against heads refitted one by one, its interval against many worlds, and a forecast
that is honest about what it can't tell.
"""

import math

import pytest
import torch
from lab_data import general_optimum, judged, normal
from tiny_models import one_thread  # noqa: F401

from rlhf_core.rewards.learning_curve import (
    learning_curve,
    mean_and_error,
    shares_by_size,
    sizes_up_to,
)


def test_sizes():
    assert (
        sizes_up_to(2) == []
        and sizes_up_to(12) == [3, 5, 10]
        and sizes_up_to(13) == [3, 5, 10, 13]
        and sizes_up_to(40) == [3, 5, 10, 20, 40]
    )


def test_each_point_is_a_head_that_never_saw_the_prompts_it_is_tested_on():
    data, _ = judged(30, k=3, prompts=9)
    shares = shares_by_size(data, [5, 10], 1.0, repeats=4, seed=3)
    generator = torch.Generator().manual_seed(3)
    for repeat in range(4):
        held = torch.randperm(9, generator=generator)[:3]
        test = torch.isin(data.groups, held)
        order = (~test).nonzero().flatten()
        order = order[torch.randperm(len(order), generator=generator)]
        for column, size in enumerate((5, 10)):
            rows = order[:size]
            w = general_optimum(
                data.x[rows],
                data.targets[rows],
                data.weights[rows],
                torch.ones(3, dtype=torch.float64),
            )
            expected = ((data.x[test] @ w > 0) == (data.targets[test] > 0.5)).double().mean()
            assert shares[repeat, column].item() == pytest.approx(expected.item())


def test_the_error_of_a_mean_over_repeats_allows_for_shared_data():
    values = normal(40)
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(values.mean().item()) and error == pytest.approx(
        (values.var().item() * (1 / 40 + 0.5)) ** 0.5
    )
    assert error > 3 * values.std().item() / math.sqrt(40)


def test_a_learnable_taste_rises_and_the_interval_holds_the_truth():
    inside = rising = 0
    test = normal(2000, 4, seed=77)
    for world in range(12):
        data, truth = judged(
            60,
            k=4,
            prompts=20,
            seed=100 * world,
            truth=2 * normal(4, seed=world) / normal(4, seed=world).norm(),
        )
        curve = learning_curve(data, 1.0, seed=world)
        points = {row["comparisons"]: row for row in curve["points"]}
        rising += points[36]["accuracy"] > points[3]["accuracy"]
        # What a head from 36 such votes reaches on fresh *noisy* votes of this taste.
        fresh, _ = judged(36, k=4, prompts=18, seed=100 * world + 50, truth=truth)
        w = general_optimum(
            fresh.x, fresh.targets, fresh.weights, torch.ones(4, dtype=torch.float64)
        )
        p = torch.sigmoid(2**0.5 * (test @ truth))
        reached = torch.where(test @ w > 0, p, 1 - p).mean().item()
        inside += points[36]["low"] <= reached <= points[36]["high"]
    assert rising >= 11 and inside >= 9


def test_the_forecast_says_more_for_a_taste_that_still_rises():
    forecast = {}
    for name, count, noise in (("few", 18, False), ("many", 400, True)):
        curve = learning_curve(
            judged(
                count,
                k=8,
                prompts=count // 3,
                truth=[3.0, 2, 2, 1, 1, 1, 1, 1],
                noise=noise,
                seed=5,
            )[0],
            1.0,
        )
        forecast[name] = curve["forecast"]
        assert curve["forecast"]["comparisons"] == count + 20
        assert (
            0
            <= curve["forecast"]["gain_low"]
            <= curve["forecast"]["gain"]
            <= curve["forecast"]["gain_high"]
            <= 1 - curve["forecast"]["now"] + 1e-9
        )
    assert forecast["few"]["gain"] > 5 * forecast["many"]["gain"]


def test_votes_without_a_pattern_promise_nothing():
    curve = learning_curve(judged(60, k=4, prompts=20, truth=[0.0] * 4, seed=2)[0], 1.0)
    assert curve["forecast"]["gain_low"] == 0 and (
        "may bring nothing" in curve["sentence"] or "next to nothing" in curve["sentence"]
    )
    assert 0.3 < curve["points"][-1]["accuracy"] < 0.7


@pytest.mark.parametrize(("count", "prompts"), [(5, 5), (30, 1), (30, 2)])
def test_too_little_for_a_curve_is_said(count, prompts):
    curve = learning_curve(judged(count, prompts=prompts)[0], 1.0)
    assert curve["points"] == [] and curve["forecast"] is None
    assert (
        curve["sentence"]
        == f"A learning curve needs at least 9 pairs about 3 prompts; there are {count} about"
        f" {prompts}."
    )


def test_thousands_of_imported_rows_are_sampled():
    curve = learning_curve(judged(5000, k=4, prompts=500)[0], 1.0, repeats=8)
    assert (
        curve["sentence"].startswith("Drawn from 1,000 of the pairs.")
        and curve["points"][-1]["comparisons"] <= 1000
    )
