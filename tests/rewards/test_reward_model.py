"""The reward model against the definitions: losses by hand, the optimum by its own gradient, the
features by their covariance, the claims by simulation.
"""

import math

import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import RewardModelError
from rlhf_core.common.intervals import clustered, wilson_interval
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging.preferences import Ranking, pairs_from_rankings
from rlhf_core.lm.sampling import pooled_states
from rlhf_core.rewards import reward_model as rm
from rlhf_core.rewards.reward_model import (
    RewardModel,
    Whitener,
    fit,
    fit_whitener,
    newton_step,
    pairwise_loss,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def plain(k: int) -> Whitener:
    """Features that are what they are: no mean to take off, nothing to rotate."""
    return Whitener(torch.zeros(k), torch.eye(k))


def fitted(whitener, a, b, targets, weights=None, folds=None, groups=None, **settings):
    """(records, model) of a whole fit. Each pair is about a prompt of its own, where not said."""
    *records, model = fit(
        whitener,
        a,
        b,
        targets,
        torch.ones(len(targets)) if weights is None else weights,
        torch.zeros(len(targets)) if folds is None else folds,
        torch.arange(len(targets)) if groups is None else groups,
        RewardModelSettings(**settings),
    )
    return records, model


def objective(w, x, targets, weights, prior_std):
    """The MAP objective, written a second time: torch's own binary cross entropy and a Gaussian
    prior.
    """
    likelihood = torch.nn.functional.binary_cross_entropy_with_logits(
        x @ w, targets, weight=weights, reduction="sum"
    )
    return likelihood + (w**2).sum() / (2 * prior_std**2)


# --- losses ---------------------------------------------------------------------------------------


def test_pairwise_loss_by_hand():
    margins, targets, weights = (
        torch.tensor([2.0, -1.0, 0.5]),
        torch.tensor([1.0, 0.0, 0.5]),
        torch.tensor([1.0, 0.5, 0.25]),
    )

    def down(m):  # -log sigmoid(m)
        return math.log(1 + math.exp(-m))

    expected = down(2.0) + 0.5 * down(1.0) + 0.25 * (0.5 * down(0.5) + 0.5 * down(-0.5))
    assert pairwise_loss(margins, targets, weights).item() == pytest.approx(expected, rel=1e-6)
    assert pairwise_loss(
        torch.tensor([200.0]), torch.tensor([0.0]), torch.tensor([1.0])
    ).item() == pytest.approx(200.0)  # no overflow


@pytest.mark.parametrize("k", [2, 3, 4, 7])
def test_a_ranking_weighs_as_the_k_wise_loss_does(k):
    """InstructGPT's equation 1: the mean of -log sigmoid(r_w - r_l) over all pairs."""
    scores = normal(k, seed=k, dtype=torch.float64)
    by_hand = [
        math.log(1 + math.exp(-(scores[i] - scores[j]).item()))
        for i in range(k)
        for j in range(i + 1, k)
    ]
    # What the fit sees of a ranking that came in through the desk, shown in another order.
    order = torch.randperm(k, generator=generator(k)).tolist()
    texts = [f" {i}." for i in range(k)]  # text i is the i-th best
    pairs = pairs_from_rankings([Ranking("set-1", "p", texts, order, [[i] for i in range(k)])])
    place = {text: i for i, text in enumerate(texts)}
    margins = torch.stack([scores[place[p.a]] - scores[place[p.b]] for p in pairs])
    targets, weights = (
        torch.tensor([p.target for p in pairs]),
        torch.tensor([p.weight for p in pairs]),
    )
    assert pairwise_loss(margins, targets, weights).item() == pytest.approx(
        sum(by_hand) / (k * (k - 1) / 2), rel=1e-5
    )


def test_a_fit_does_not_see_a_shift_of_all_states():
    a, b = normal(30, 6, seed=1), normal(30, 6, seed=2)
    targets = (normal(30, seed=3) > 0).float()
    _, model = fitted(plain(6), a, b, targets)
    _, shifted = fitted(plain(6), a + 3, b + 3, targets)
    torch.testing.assert_close(shifted.weights, model.weights, atol=1e-4, rtol=0)
    assert model.weights.abs().max() > 0.1


def test_left_and_right_are_the_same_judgement():
    a, b = normal(30, 6, seed=1), normal(30, 6, seed=2)
    targets = torch.tensor([1.0, 0.0, 0.5] * 10)
    _, model = fitted(plain(6), a, b, targets)
    _, swapped = fitted(plain(6), b, a, 1 - targets)
    torch.testing.assert_close(swapped.weights, model.weights, atol=1e-6, rtol=0)


# --- the optimum ----------------------------------------------------------------------------------


def problem(kind: str):
    n, k = 40, 8
    a, b = normal(n, k, seed=1), normal(n, k, seed=2)
    truth = normal(k, seed=3)
    margins = (a - b) @ truth
    targets = {
        "noisy": (torch.rand(n, generator=generator(4)) < torch.sigmoid(margins)).float(),
        "separable": (margins > 0).float(),
        "with ties": torch.where(margins.abs() < 1, 0.5, (margins > 0).float()),
        "one pair": (margins > 0).float(),
    }[kind]
    rows = slice(0, 1) if kind == "one pair" else slice(None)
    return a[rows], b[rows], targets[rows], torch.rand(n, generator=generator(5))[rows] + 0.1


@pytest.mark.parametrize("kind", ["noisy", "separable", "with ties", "one pair"])
@pytest.mark.parametrize("prior_std", [0.05, 1.0, 10.0])
def test_fit_ends_at_the_optimum_and_separable_data_stay_finite(kind, prior_std):
    a, b, targets, weights = problem(kind)
    records, model = fitted(plain(8), a, b, targets, weights, prior_std=prior_std)
    w = torch.tensor(records[-1]["weights"], dtype=torch.float64, requires_grad=True)
    x, targets, weights = (a - b).double(), targets.double(), weights.double()
    (gradient,) = torch.autograd.grad(objective(w, x, targets, weights, prior_std), w)
    assert gradient.abs().max() < 1e-8
    assert torch.isfinite(model.weights).all() and torch.isfinite(model.covariance).all()
    torch.testing.assert_close(model.weights.double(), w.detach(), atol=1e-5, rtol=1e-5)
    best = targets.clamp(1e-12, 1 - 1e-12)
    floor = (
        torch.nn.functional.binary_cross_entropy(best, best, weights) * len(weights) / weights.sum()
    )  # where every probability is its target
    assert all(
        record["floor"] == pytest.approx(floor.item(), abs=1e-9)
        and record["loss"] >= record["floor"]
        for record in records
    )
    # Laplace: the covariance is the inverse of the objective's Hessian there.
    hessian = torch.autograd.functional.hessian(
        lambda v: objective(v, x, targets, weights, prior_std), w.detach()
    )
    torch.testing.assert_close(
        model.covariance.double(), torch.linalg.inv(hessian), atol=1e-5, rtol=1e-4
    )


def test_a_newton_step_reports_the_objectives_gradient_and_hessian():
    a, b, targets, weights = problem("noisy")
    x, targets, weights, w = (
        (a - b).double(),
        targets.double(),
        weights.double(),
        normal(8, seed=9, dtype=torch.float64).requires_grad_(True),
    )
    new, gradient, hessian = newton_step(w.detach(), x, targets, weights, 0.7, 1.0)
    (expected,) = torch.autograd.grad(objective(w, x, targets, weights, 0.7), w)
    curvature = torch.autograd.functional.hessian(
        lambda v: objective(v, x, targets, weights, 0.7), w.detach()
    )
    torch.testing.assert_close(gradient, expected)
    torch.testing.assert_close(hessian, curvature)
    torch.testing.assert_close(new, w.detach() - torch.linalg.inv(curvature) @ expected)


def test_records_say_what_happens():
    a, b, targets, weights = problem("noisy")
    records, model = fitted(plain(8), a, b, targets, weights, iterations=12)
    assert [row["iteration"] for row in records] == list(range(1, 13))
    losses = [row["loss"] for row in records]
    assert (
        losses == sorted(losses, reverse=True)
        and losses[0] < math.log(2)
        and losses[-1] < losses[0] - 0.05
    )
    margins = (a - b).double() @ torch.tensor(records[-1]["weights"], dtype=torch.float64)
    assert losses[-1] == pytest.approx(
        (pairwise_loss(margins, targets.double(), weights.double()) / weights.sum()).item(),
        rel=1e-5,
    )
    assert (
        records[-1]["train_accuracy"] == ((margins > 0) == (targets > 0.5)).double().mean().item()
    )


def test_accuracy_leaves_ties_out_and_calls_a_margin_of_nothing_wrong():
    margins, targets = (
        torch.tensor([1.0, -1.0, 5.0, 0.0, -2.0]),
        torch.tensor([1.0, 1.0, 0.5, 1.0, 0.0]),
    )
    assert rm.correct(margins, targets).tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [([], "There is no pair to learn from yet"), ([0.5, 0.5, 0.5], "Every pair is a tie")],
)
def test_nothing_to_learn_is_told(targets, sentence):
    n = len(targets)
    with pytest.raises(RewardModelError, match=sentence):
        fitted(plain(4), normal(n, 4), normal(n, 4, seed=1), torch.tensor(targets))


# --- features -------------------------------------------------------------------------------------


def samples(prompts=40, each=16, d=24, seed=0):
    """Pooled states of ``each`` answers to each prompt. What differs between prompts is far larger
    than what differs within one.
    """
    between = 20 * normal(prompts, d, seed=seed)
    mixing = normal(d, d, seed=seed + 1) @ torch.diag(torch.linspace(0.1, 2, d))
    within = normal(prompts, each, d, seed=seed + 2) @ mixing
    return (between[:, None] + within).flatten(0, 1), torch.arange(prompts).repeat_interleave(each)


def within_prompt_covariance(features, groups):
    """Pooled within-group covariance, by the textbook: group by group, divided by samples less
    groups.
    """
    total, names = (
        torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64),
        groups.unique().tolist(),
    )
    for name in names:
        rows = features[groups == name].double()
        total += (len(rows) - 1) * torch.cov(rows.T)
    return total / (len(features) - len(names))


@pytest.mark.parametrize("k", [2, 8, 24])
def test_whitening_makes_the_covariance_within_a_prompt_the_identity(k):
    pooled, groups = samples()
    features = fit_whitener(pooled, groups, k)(pooled)
    assert features.shape == (640, k)
    torch.testing.assert_close(
        within_prompt_covariance(features, groups),
        torch.eye(k, dtype=torch.float64),
        atol=2e-3,
        rtol=0,
    )
    torch.testing.assert_close(features.mean(0), torch.zeros(k), atol=1e-3, rtol=0)


def test_the_first_features_are_the_widest_directions_within_a_prompt():
    d, groups = 6, torch.arange(50).repeat_interleave(20)
    within = normal(1000, d, seed=1) * torch.tensor([1.0, 5.0, 0.5, 3.0, 0.1, 0.2])
    between = 50 * normal(50, d, seed=2)[groups] * torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 1.0])
    matrix = fit_whitener(within + between, groups, 2).matrix
    share = (matrix / matrix.norm(dim=0)).abs()
    assert (
        share[1, 0] > 0.98 and share[3, 1] > 0.98
    )  # axes 1 and 3, not 4 and 5 where the prompts differ


def test_the_order_of_the_samples_and_the_sign_of_an_eigenvector_make_no_difference():
    pooled, groups = samples()
    order = torch.randperm(640, generator=generator(3))
    one, other = fit_whitener(pooled, groups, 8), fit_whitener(pooled[order], groups[order], 8)
    torch.testing.assert_close(one.matrix, other.matrix, atol=1e-4, rtol=1e-3)
    assert (one.matrix.gather(0, one.matrix.abs().argmax(0, keepdim=True)) > 0).all()


@pytest.mark.parametrize(
    "pooled", [torch.ones(600, 24), normal(8, 24)], ids=["all alike", "too few"]
)
def test_samples_that_hold_no_features_are_refused(pooled):
    with pytest.raises(RewardModelError, match="too few, or too alike, to find 8 features"):
        fit_whitener(pooled, torch.zeros(len(pooled)), 8)


def test_pooling_is_the_mean_over_real_tokens():
    states, mask = normal(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]])
    pooled = pooled_states(states, mask)
    torch.testing.assert_close(pooled[0], (states[0, 0] + states[0, 1]) / 2)
    torch.testing.assert_close(pooled[1], states[1, 0])
    other = states.clone()
    other[0, 2], other[1, 1:] = 1e6, -1e6
    torch.testing.assert_close(pooled_states(other, mask), pooled)


# --- the score ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    pooled, groups = samples()
    a, b = pooled[0::2], pooled[1::2]
    whitener = fit_whitener(pooled, groups, 8)
    targets = (whitener(a)[:, 0] > whitener(b)[:, 0]).float()
    return fitted(whitener, a, b, targets)[1].normalised_on(pooled), pooled


def test_normalised_scores_have_mean_0_and_standard_deviation_1_on_the_reference(model):
    model, pooled = model
    scores = model.score(pooled)
    assert scores.mean().item() == pytest.approx(
        0, abs=1e-4
    ) and scores.std().item() == pytest.approx(1, abs=1e-4)
    raw = model.raw(pooled)
    torch.testing.assert_close(scores, (raw - raw.mean()) / raw.std(), atol=1e-4, rtol=1e-4)
    assert torch.equal(scores.argsort(), raw.argsort())


def test_uncertainty_is_the_posteriors_standard_deviation(model):
    model, pooled = model
    draws = torch.distributions.MultivariateNormal(
        model.weights.double(), model.covariance.double() + 1e-9 * torch.eye(8)
    ).sample((20_000,))
    x = model.whitener(pooled[:5]).double()
    torch.testing.assert_close(
        model.uncertainty(pooled[:5]).double(),
        (x @ draws.T).std(1) / model.scale,
        atol=0,
        rtol=0.03,
    )


def test_more_comparisons_mean_less_uncertainty():
    a, b = normal(200, 8, seed=1), normal(200, 8, seed=2)
    targets = ((a - b)[:, 0] > 0).float()
    few, many = (
        fitted(plain(8), a[:n], b[:n], targets[:n])[1].uncertainty(a).mean() for n in (10, 200)
    )
    assert many < 0.6 * few


def test_a_head_that_learned_nothing_has_no_scale():
    with pytest.raises(RewardModelError, match="gives every output the same score"):
        RewardModel(plain(4), torch.zeros(4), torch.eye(4)).normalised_on(normal(100, 4))


def test_model_comes_back_from_its_tensors(model):
    model, pooled = model
    back = RewardModel.from_tensors(model.tensors())
    assert torch.equal(back.score(pooled), model.score(pooled)) and torch.equal(
        back.uncertainty(pooled), model.uncertainty(pooled)
    )
    with pytest.raises(KeyError):
        RewardModel.from_tensors({"weights": model.weights})


# --- held out -------------------------------------------------------------------------------------


def test_held_out_accuracy_is_that_of_heads_that_never_saw_the_prompt():
    n, k = 40, 6
    a, b, folds = normal(n, k, seed=1), normal(n, k, seed=2), torch.arange(n) // 10
    targets = (
        torch.rand(n, generator=generator(3)) < torch.sigmoid((a - b) @ normal(k, seed=4))
    ).float()
    targets[::7] = 0.5
    groups = torch.arange(n) // 4 + 3  # two or three prompts a fold
    records, _ = fitted(plain(k), a, b, targets, folds=folds, groups=groups)
    hits = []
    for fold in range(4):  # each fold's head, fitted again alone by a general optimiser
        keep, held = folds != fold, (folds == fold) & (targets != 0.5)
        w = torch.zeros(k, dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS([w], max_iter=200, tolerance_grad=1e-10)

        def closure(keep=keep, w=w, optimiser=optimiser):
            optimiser.zero_grad()
            loss = objective(
                w,
                (a - b)[keep].double(),
                targets[keep].double(),
                torch.ones(int(keep.sum()), dtype=torch.float64),
                1.0,
            )
            loss.backward()
            return loss

        optimiser.step(closure)
        hits += (((a - b)[held].double() @ w > 0) == (targets[held] > 0.5)).tolist()
    last = records[-1]
    assert last["heldout_pairs"] == len(hits) == int((targets != 0.5).sum())
    assert last["heldout_accuracy"] == pytest.approx(sum(hits) / len(hits))
    assert (last["heldout_low"], last["heldout_high"]) == pytest.approx(
        clustered(hits, groups[targets != 0.5].tolist())
    )


def test_labels_without_a_pattern_are_learned_by_heart_and_held_out_at_chance():
    """Each prompt's pairs repeat one coin flip: a split by pair would leak it into the held-out
    part; a split by prompt can't.
    """
    prompts, each, k = 40, 6, 24
    own = normal(prompts, k, seed=1).repeat_interleave(each, 0)
    a, b = own + 0.1 * normal(prompts * each, k, seed=2), 0.1 * normal(prompts * each, k, seed=3)
    targets = (
        torch.randint(0, 2, (prompts,), generator=generator(4)).float().repeat_interleave(each)
    )
    by_prompt = torch.arange(prompts).repeat_interleave(each) % 5
    by_pair = torch.arange(prompts * each) % 5
    honest = fitted(plain(k), a, b, targets, folds=by_prompt)[0][-1]
    leaking = fitted(plain(k), a, b, targets, folds=by_pair)[0][-1]
    assert (
        honest["heldout_accuracy"] < 0.65
        and leaking["heldout_accuracy"] > 0.8
        and honest["train_accuracy"] > 0.8
    )


def test_one_prompt_alone_holds_nothing_out():
    a, b, targets, weights = problem("noisy")
    records, _ = fitted(plain(8), a, b, targets, weights)
    assert {
        (row["heldout_accuracy"], row["heldout_low"], row["heldout_high"], row["heldout_pairs"])
        for row in records
    } == {(None, None, None, 0)}


# Brown, Cai & DasGupta's formula, worked out elsewhere: 8 of 10, 0 of 10, 50 of 100.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval(hits, of, low, high):
    assert wilson_interval(hits, of) == pytest.approx((low, high), abs=1e-4)


# --- the promise ----------------------------------------------------------------------------------

# (features, comparisons) -> accuracy in percent against a noiseless order; linear Bradley-Terry,
# true norm 1.4, so that the labels carry noise.
PROMISED = {
    (8, 10): (69, 72),
    (8, 20): (75, 78),
    (8, 40): (80, 83),
    (8, 60): (83, 86),
    (32, 10): (60, 62),
    (32, 20): (64, 67),
    (32, 40): (69, 72),
    (32, 60): (72, 75),
}


@pytest.mark.parametrize(("k", "n"), PROMISED)
def test_synthetic_tastes_are_learned_as_well_as_promised(k, n):
    trials, source = 60, generator(1000 * k + n)
    shares = []
    for _ in range(trials):
        truth = torch.randn(k, generator=source)
        truth *= 1.4 / truth.norm()
        a, b = torch.randn(2, n, k, generator=source)
        targets = (torch.rand(n, generator=source) < torch.sigmoid((a - b) @ truth)).float()
        _, model = fitted(plain(k), a, b, targets)
        fresh = torch.randn(2, 2000, k, generator=source)
        shares.append(
            (((fresh[0] - fresh[1]) @ model.weights > 0) == ((fresh[0] - fresh[1]) @ truth > 0))
            .double()
            .mean()
            .item()
        )
    low, high = PROMISED[k, n]
    assert low - 3 <= 100 * sum(shares) / trials <= high + 3
