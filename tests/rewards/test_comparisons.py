"""Cached refits against a general optimiser and against ``reward_model.fit``; and every kind of bad
input, each with its sentence.
"""

import time
from dataclasses import replace

import pytest
import torch
from lab_data import general_optimum, judged, normal, plain
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import PreferenceError, RewardModelError
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.preferences import EXPLOIT, Pair, Ranking
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.comparisons import fit_head, from_states, rows_of, solve, solve_many
from rlhf_core.rewards.diagnostics import diagnose, leave_one_prompt_out
from rlhf_core.rewards.reward_model import Whitener, fit, prior_stds


def test_solve_is_the_optimum():
    data, _ = judged(50, k=6)
    prior, weights = (
        torch.linspace(0.2, 2, 6, dtype=torch.float64),
        torch.rand(50, generator=torch.Generator().manual_seed(9), dtype=torch.float64) + 0.1,
    )
    w, hessian = solve(data.x, data.targets, weights, prior)
    torch.testing.assert_close(
        w, general_optimum(data.x, data.targets, weights, prior), atol=1e-6, rtol=0
    )
    expected = torch.autograd.functional.hessian(
        lambda v: comparisons.objective(v, data.x, data.targets, weights, prior), w
    )
    torch.testing.assert_close(hessian, expected, atol=1e-8, rtol=1e-8)
    elsewhere, _ = solve(data.x, data.targets, weights, prior, start=5 * normal(6, seed=4))
    torch.testing.assert_close(elsewhere, w, atol=1e-8, rtol=0)


def test_many_heads_at_once_are_the_heads_one_by_one():
    data, _ = judged(40, k=5)
    weights = torch.rand(7, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights[0, 1:] = 0
    for std in (0.3, 10.0):  # 10: so weak a prior that undamped steps alone go too far
        prior = torch.full((5,), std, dtype=torch.float64)
        each = torch.stack([general_optimum(data.x, data.targets, row, prior) for row in weights])
        torch.testing.assert_close(
            solve_many(data.x, data.targets, weights, prior), each, atol=1e-4, rtol=1e-4
        )


def test_the_head_is_reward_models_head():
    whitener = Whitener(normal(6, seed=8).float(), normal(6, 4, seed=9).float())
    states = normal(60, 6, seed=2).float()
    pairs = [
        Pair(f"p{i % 6}", f"a{i}", f"b{i}", "a" if i % 3 else "b", weight=1 / (1 + i % 2))
        for i in range(30)
    ]
    data = from_states(whitener, pairs, rows_of(pairs), states)
    *_, model = fit(
        whitener,
        states[0::2],
        states[1::2],
        data.targets,
        data.weights,
        torch.zeros(30),
        data.groups,
        RewardModelSettings(prior_std=0.7),
    )
    ours = fit_head(data, 0.7)
    torch.testing.assert_close(ours.weights, model.weights, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.covariance, model.covariance, atol=1e-5, rtol=1e-4)


def test_the_prior_is_tighter_in_directions_that_hardly_vary():
    widths = torch.tensor([4.0, 2.0, 1.0])
    whitener = Whitener(torch.zeros(3), torch.diag(1 / widths))
    torch.testing.assert_close(
        prior_stds(whitener, 0.5), torch.tensor([0.5, 0.25, 0.125], dtype=torch.float64)
    )
    torch.testing.assert_close(
        prior_stds(plain(3), 0.5), torch.full((3,), 0.5, dtype=torch.float64)
    )


def test_a_vote_is_flipped_or_withheld_and_the_rest_stays():
    data, _ = judged(10)
    flipped, withheld = data.changed(3, "flip"), data.changed(3, "withhold")
    assert (flipped.targets != data.targets).nonzero().flatten().tolist() == [3] and torch.equal(
        flipped.weights, data.weights
    )
    assert (withheld.weights == 0).nonzero().flatten().tolist() == [3] and torch.equal(
        withheld.targets, data.targets
    )
    assert data.weights.min() == 1
    with pytest.raises(RewardModelError, match="no pair number 10; this session has 10"):
        data.changed(10, "flip")
    with pytest.raises(RewardModelError, match="can be flipped or withheld, not 'drop'"):
        data.changed(1, "drop")


# --- bad input ------------------------------------------------------------------------------------


def of(pairs, k=3, seed=0):
    rows = rows_of(pairs)
    return from_states(plain(k), pairs, rows, normal(len(rows), k, seed=seed).float())


def test_one_comparison_is_learned_and_said_to_prove_nothing():
    data = of([Pair("p", "x", "y", "b")])
    model = fit_head(data, 1.0)
    assert (data.x @ model.weights.double()).item() < 0 and torch.isfinite(model.covariance).all()
    assert any("One pair alone" in note for note in data.notes)
    found = diagnose(data, model.weights, 1.0)
    assert (
        found["held_out"]["accuracy"] is None
        and "one prompt" in found["held_out"]["sentence"]
        and found["calibration"]["error"] is None
    )


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        ([], "no pair was judged yet"),
        ([Pair("p", "x", "y", "tie"), Pair("q", "x", "z", "tie")], "every pair is a tie"),
        (
            [Pair("p", "x", "y", "a"), Pair("p", "x", "y", "b")],
            "every preference is taken back by its opposite",
        ),
        (
            [Pair("p", "x", "y", "a"), Pair("p", "y", "x", "a")],
            "every preference is taken back by its opposite",
        ),
        ([Pair("p", "x", "x", "a")], "no pair prefers one of two different texts"),
    ],
    ids=[
        "none",
        "all ties",
        "contradictions only",
        "contradictions, swapped",
        "identical texts alone",
    ],
)
def test_nothing_to_learn_is_one_sentence(pairs, sentence):
    with pytest.raises(RewardModelError, match=sentence) as caught:
        of(pairs)
    assert str(caught.value).count("There is nothing to learn from") == 1


def test_identical_texts_judged_different_are_left_out_and_named():
    data = of([Pair("p", "x", "x", "a"), Pair("p", "x", "y", "a"), Pair("q", "u", "v", "b")])
    assert len(data) == 2 and any(
        "1 judgement prefers one of two identical texts" in note for note in data.notes
    )


def test_perfectly_separable_votes_have_finite_weights_and_a_warning():
    data, truth = judged(12, k=3, noise=False)
    model = fit_head(data, 10.0)
    assert torch.isfinite(model.weights).all() and model.weights.norm() < 30
    assert ((data.x @ model.weights.double() > 0) == (data.targets > 0.5)).all()
    assert any("without a single exception" in note for note in data.notes)
    mixed, _ = judged(200, k=3, truth=[0.3, 0.0, 0.0])
    assert not any("without a single exception" in note for note in mixed.notes)


def test_ties_between_outputs_that_differ_hold_the_weights_back():
    """Twelve votes that fit together, and ties in every direction: the likelihood has a finite
    optimum of its own, so nothing is said of the prior.
    """
    data, _ = judged(12, k=3, noise=False)
    ties = replace(
        data,
        pairs=data.pairs * 2,
        a=data.a.repeat(2),
        b=data.b.repeat(2),
        targets=torch.cat([data.targets, torch.full((12,), 0.5, dtype=torch.float64)]),
        weights=data.weights.repeat(2),
    )
    assert comparisons.separable(data) and not comparisons.separable(ties)


def test_ties_and_rejected_exploits_are_learned_from_and_not_counted():
    whitener = Whitener(torch.zeros(4), torch.eye(4))
    pairs = [
        Pair(
            f"p{i % 4}",
            f"a{i}",
            f"b{i}",
            "tie" if i % 5 == 4 else "a",
            annotator=EXPLOIT if i % 3 == 0 else "you",
        )
        for i in range(20)
    ]
    data = from_states(whitener, pairs, rows_of(pairs), normal(40, 4, seed=5).float())
    counted = sum(pair.choice == "a" and pair.annotator == "you" for pair in pairs)
    assert len(data) == 20 and int(data.tested.sum()) == counted
    held = leave_one_prompt_out(data, 0.35)
    assert held["count"] == counted == sum(row["count"] for row in held["prompts"]) and held[
        "sentence"
    ].startswith(f"Of {counted} votes")
    a, b = data.features[data.a].float(), data.features[data.b].float()
    last = list(
        fit(
            whitener,
            a,
            b,
            data.targets,
            data.weights,
            data.groups,  # a fold a prompt
            data.groups,
            RewardModelSettings(),
            data.tested,
        )
    )[-2]
    assert last["heldout_pairs"] == counted


def test_a_prompt_with_a_single_output_cannot_be_ranked():
    with pytest.raises(
        PreferenceError, match="at least two different outputs; this prompt has one"
    ):
        Ranking("set-1", "p", ["only"], [0], [[0]])


def test_five_thousand_rows_are_fitted_within_a_second():
    data, truth = judged(5000, k=8, prompts=900)
    began = time.process_time()
    w, _ = solve(data.x, data.targets, data.weights, torch.ones(8, dtype=torch.float64))
    assert time.process_time() - began < 1
    assert torch.nn.functional.cosine_similarity(w, truth, dim=0) > 0.99
    began = time.process_time()
    held = leave_one_prompt_out(data, 1.0)
    assert time.process_time() - began < 5 and held["count"] == 5000 and held["accuracy"] > 0.7
