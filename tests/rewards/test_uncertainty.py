"""Bootstrap and information gain against simulation; the active choice against chance."""

import pytest
import torch
from lab_data import general_optimum, judged, model_of, normal
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import RewardModelError
from rlhf_core.rewards.comparisons import solve
from rlhf_core.rewards.uncertainty import (
    bootstrap_heads,
    exploring_posterior,
    information_gain,
    next_pair,
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


def test_information_gain_is_the_mutual_information():
    """Against a Monte-Carlo estimate: H(vote) - E H(vote | weights), weights drawn from the
    posterior.
    """
    k = 3
    mixing = normal(k, k, seed=2)
    weights, covariance, x = normal(k, seed=1), mixing @ mixing.T, normal(5, k, seed=3)
    draws = weights + normal(400_000, k, seed=4) @ mixing.T
    p = torch.sigmoid(draws @ x.T)

    def h(q):
        return -(q * q.log2() + (1 - q) * (1 - q).log2())

    p = p.clamp(1e-12, 1 - 1e-12)
    torch.testing.assert_close(
        information_gain(weights, covariance, x), h(p.mean(0)) - h(p).mean(0), atol=4e-3, rtol=0
    )
    assert (
        information_gain(weights, torch.zeros(k, k), x).abs().max() < 1e-6
    )  # nothing is left to learn
    assert (
        information_gain(0 * weights, 1e6 * torch.eye(k), 1e3 * x) <= 1 + 1e-9
    ).all()  # a vote tells one bit at most


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
            taken, w, covariance = (
                [],
                torch.zeros(k, dtype=torch.float64),
                torch.eye(k, dtype=torch.float64),
            )
            for step in range(40):
                options = torch.arange(step * offered, (step + 1) * offered)
                taken.append(
                    int(options[information_gain(w, covariance, x[options]).argmax()])
                    if active
                    else int(options[0])
                )
                w, hessian = solve(
                    x[taken], y[taken], torch.ones(len(taken), dtype=torch.float64), prior, w
                )
                covariance = torch.linalg.inv(hessian)
                shares[active][step] += (
                    (test @ w > 0) == (test @ truth > 0)
                ).double().mean() / seeds
    needed = 1 + int((shares[True] >= shares[False][39]).nonzero()[0])
    assert needed <= 28, (needed, shares)


def candidates():
    return [
        {"id": "s1", "prompt": "p", "texts": ["x", "y", "x"]},
        {"id": "s2", "prompt": "q", "texts": ["u", "v"]},
    ]


def test_the_next_pair_is_the_one_of_largest_gain_that_was_not_judged():
    features = [torch.tensor([[0.0, 0], [0, 0.5], [0, 0]]), torch.tensor([[2.0, 0], [-2, 0]])]
    little, _ = judged(2, k=2, truth=[0.0, 1.0])
    found = next_pair(candidates(), features, set(), little)
    assert (found["id"], found["a"], found["b"], found["texts"]) == ("s2", 0, 1, ["u", "v"])
    assert found["bits"] == pytest.approx(
        information_gain(*exploring_posterior(little), torch.tensor([[4.0, 0]]).double()).item()
    )
    sure, _ = judged(300, k=2, truth=[9.0, 0.0])
    sure.features[:, 1] = 0  # nothing was asked about the second feature, and the first is settled
    assert next_pair(candidates(), features, set(), sure)["id"] == "s1"
    assert next_pair(candidates(), features, {("q", "v", "u")}, little)["id"] == "s1"
    assert (
        next_pair(candidates(), features, set(), None)["id"] == "s2"
        and next_pair(candidates(), features, set(), None)["bits"] is None
    )
    assert f"{found['bits']:.2f} bits" in found["sentence"]


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


def test_no_pair_left_is_said():
    features = [torch.zeros(3, 2), torch.zeros(2, 2)]
    with pytest.raises(RewardModelError, match="Every pair of outputs was judged already"):
        next_pair(candidates(), features, {("p", "x", "y"), ("q", "u", "v")}, None)
    with pytest.raises(RewardModelError, match="Every prompt has a single output"):
        next_pair(
            [{"id": "s", "prompt": "p", "texts": ["x", "x"]}], [torch.zeros(2, 2)], set(), None
        )
