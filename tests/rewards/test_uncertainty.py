"""Bootstrap heads against fresh data; the choice of the next pair against chance."""

import numpy as np
import pytest
import torch
from lab_data import general_optimum, judged, model_of, normal
from tiny_models import one_thread  # noqa: F401

from rlhf_core.judging.next_pair import information_gain
from rlhf_core.rewards.comparisons import solve
from rlhf_core.rewards.uncertainty import (
    bootstrap_heads,
    exploring_posterior,
    score_with_uncertainty,
)


def test_bootstrap_heads_vary_as_fresh_data_would():
    """The spread over heads estimates the spread over data sets: compare with heads fitted to fresh
    votes of the same taste.
    """
    truth = [1.0, -0.5, 0.3]
    data, _ = judged(300, k=3, prompts=100, truth=truth)
    spread = bootstrap_heads(data, 1.0, heads=200).std(0)
    fresh = (
        torch.stack(
            [
                model_of(judged(300, k=3, prompts=100, truth=truth, seed=1000 + 10 * s)[0]).weights
                for s in range(60)
            ]
        )
        .double()
        .std(0)
    )
    torch.testing.assert_close(spread, fresh, atol=0, rtol=0.4)


def test_a_bootstrap_head_is_a_fit_to_drawn_prompts_and_seeded():
    data, _ = judged(24, k=3, prompts=6)
    heads = bootstrap_heads(data, 1.0, heads=5, seed=7)
    assert (
        heads.shape == (5, 3)
        and torch.equal(heads, bootstrap_heads(data, 1.0, heads=5, seed=7))
        and not torch.equal(heads, bootstrap_heads(data, 1.0, seed=8))
    )
    drawn = torch.randint(6, (5, 6), generator=torch.Generator().manual_seed(7))
    for head, prompts in zip(heads, drawn):
        rows = torch.cat([(data.groups == p).nonzero().flatten() for p in prompts])
        w = general_optimum(
            data.x[rows], data.targets[rows], data.weights[rows], torch.ones(3, dtype=torch.float64)
        )
        torch.testing.assert_close(head, w, atol=1e-4, rtol=1e-4)


def test_scores_come_with_both_uncertainties_in_one_unit():
    data, _ = judged(40, k=3)
    model, outputs = model_of(data, center=0.4, scale=2.5), normal(6, 3, seed=9).float()
    heads = bootstrap_heads(data, 1.0)
    rows = score_with_uncertainty(model, heads, outputs, conservative=1.5)
    for i, row in enumerate(rows):
        each = [((outputs[i].double() @ head).item() - 0.4) / 2.5 for head in heads]
        assert (row["lowest"], row["highest"]) == pytest.approx((min(each), max(each)), abs=1e-5)
        assert row["bootstrap"] == pytest.approx(torch.tensor(each).std().item(), abs=1e-5)
        assert row["score"] == pytest.approx(model.score(outputs)[i].item()) and row[
            "laplace"
        ] == pytest.approx(model.uncertainty(outputs)[i].item())
        assert row["conservative"] == pytest.approx(row["score"] - 1.5 * row["laplace"])


def test_active_choice_needs_fewer_comparisons_than_chance():
    k, seeds, offered, prior = 8, 12, 100, torch.ones(8, dtype=torch.float64)
    shares = {True: torch.zeros(40), False: torch.zeros(40)}
    test = normal(500, k, seed=99)
    for seed in range(seeds):
        truth = normal(k, seed=seed)
        truth *= 3 / truth.norm()
        x = normal(40 * offered, k, seed=1000 + seed) * 2**0.5
        y = (
            torch.rand(len(x), generator=torch.Generator().manual_seed(seed))
            < torch.sigmoid(x @ truth)
        ).double()
        for active in (True, False):
            taken, w = [], torch.zeros(k, dtype=torch.float64)
            covariance = torch.eye(k, dtype=torch.float64)
            for step in range(40):
                options = torch.arange(step * offered, (step + 1) * offered)
                gains, _ = information_gain(x[options], w, covariance)
                taken.append(int(options[np.argmax(gains) if active else 0]))
                w, hessian = solve(
                    x[taken], y[taken], torch.ones(len(taken), dtype=torch.float64), prior, w
                )
                covariance = torch.linalg.inv(hessian)
                shares[active][step] += (
                    (test @ w > 0) == (test @ truth > 0)
                ).double().mean() / seeds
    needed = 1 + int((shares[True] >= shares[False][39]).nonzero()[0])
    assert needed <= 28, (needed, shares)


def test_the_next_pair_is_chosen_under_the_posterior_of_a_wide_prior():
    data, _ = judged(30, k=3)
    w, covariance = exploring_posterior(data)
    torch.testing.assert_close(
        w,
        general_optimum(data.x, data.targets, data.weights, torch.ones(3, dtype=torch.float64)),
        atol=1e-5,
        rtol=0,
    )
    p = torch.sigmoid(data.x @ w)
    torch.testing.assert_close(
        torch.linalg.inv(covariance),
        (data.x * (p * (1 - p))[:, None]).T @ data.x + torch.eye(3, dtype=torch.float64),
        atol=1e-5,
        rtol=1e-5,
    )
