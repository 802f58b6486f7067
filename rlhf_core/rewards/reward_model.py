"""The reward model: a Bradley-Terry head on whitened hidden states of the frozen reference.

It learns the *pattern* of a taste, not its meaning: which directions of the reference's own hidden
states the preferred outputs share. From 10 to 60 comparisons only a few numbers can be learned, so
the head has 8 weights by default, a prior, and an uncertainty in closed form: the Laplace
approximation, a Gaussian with the exact curvature at the optimum.

    response -> frozen reference -> mean of its response states (d) -> whitened features (k)
             -> weights . features -> score

Knows nothing about prompts, people or PPO. Simplification against InstructGPT (Ouyang et al. 2022,
section 3.5), which trains all of a 6B model on tens of thousands of rankings: ours trains k weights
and leaves the language model alone.

Shapes: N pairs, M samples, d hidden size, k whitened features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rlhf_core.common.errors import RewardModelError
from rlhf_core.common.events import Record
from rlhf_core.common.intervals import clustered_interval
from rlhf_core.common.settings import RewardModelSettings

# --- features -------------------------------------------------------------------------------------


# Log-odds between typical outputs. Below, the unit of the score would be next to nothing, and every
# score enormous.
LEAST_SPREAD = 0.02


@dataclass
class Whitener:
    """Maps pooled states to k uncorrelated features of unit variance *within a prompt*.

    Attributes:
        mean: (d,) over the unlabelled samples.
        matrix: (d, k).
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, pooled: Tensor) -> Tensor:
        """(..., d) -> (..., k)."""
        return (pooled - self.mean) @ self.matrix


def fit_whitener(pooled: Tensor, groups: Tensor, features: int) -> Whitener:
    """PCA-whitening on unlabelled samples. (M, d), (M,) number of each sample's prompt.

    Two answers to *one* prompt are what a person compares, so the directions kept are those in
    which answers to the same prompt differ: each prompt's mean is taken off before the covariance
    is computed. Otherwise the first components would tell cats from cactuses.
    """
    samples = pooled.double()
    centred = samples.clone()
    for group in groups.unique():
        rows = groups == group
        centred[rows] -= samples[rows].mean(0)
    freedom = max(1, len(samples) - len(groups.unique()))
    values, vectors = torch.linalg.eigh(centred.T @ centred / freedom)  # ascending
    values, vectors = values.flip(0)[:features], vectors.flip(1)[:, :features]
    if len(samples) <= features or values[0] <= 0:
        raise RewardModelError(
            f"{len(samples)} sampled outputs are too few, or too alike, to find {features} features"
            " in them. Sample more."
        )
    usable = values.clamp(min=values[0] * 1e-8)
    matrix = vectors / usable.sqrt()
    # An eigenvector's sign is arbitrary: fix it, so that the same samples give the same features on
    # every machine.
    matrix = matrix * torch.sign(matrix.gather(0, matrix.abs().argmax(0, keepdim=True)))
    return Whitener(samples.mean(0).float(), matrix.float().contiguous())


def prior_stds(whitener: Whitener, prior_std: float) -> Tensor:
    """Prior standard deviation of each weight. (d, k) -> (k,) float64.

    The widest direction's is ``prior_std``, a narrower one's smaller in proportion. What a language
    model varies most within a prompt (register, topic) is what people judge by more often than what
    it hardly varies. So the prior is even over the directions as they are, not as whitening
    stretches them (ridge regression on principal components; Hastie et al. 2009, section 3.4.1),
    and further features cost little. Measured by ``python -m benchmarks reward``. All equal to
    ``prior_std`` for features of equal width.
    """
    widths = 1 / whitener.matrix.double().norm(dim=0)  # of each direction, before whitening
    relative: Tensor = widths / widths.max()
    return prior_std * relative


# --- losses ---------------------------------------------------------------------------------------


def pairwise_loss(margins: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted Bradley-Terry loss in nats. (N,) each -> ().

    -[t log sigmoid(m) + (1 - t) log sigmoid(-m)], summed with ``weights``.

    Args:
        margins: (N,) score of a minus score of b.
        targets: (N,) 1 where a was preferred, 0 where b was, 0.5 for a tie (half each way).
        weights: (N,).

    A ranking of K comes as its K(K-1)/2 pairs, each at weight 1 / (number of pairs)
    (``preferences.pairs_from_rankings``): the K-wise loss of InstructGPT, Ouyang et al. 2022 (arXiv
    2203.02155), section 3.5, equation 1.

    Source: Bradley & Terry 1952; Christiano et al. 2017 (arXiv 1706.03741), section 2.2.3.
    """
    return (weights * (targets * F.softplus(-margins) + (1 - targets) * F.softplus(margins))).sum()


# --- the head -------------------------------------------------------------------------------------


@dataclass
class RewardModel:
    """Scores pooled reference states; 0 is the reference's mean, 1 its standard deviation (where
    the votes support the score in full).

    Attributes:
        weights: (k,); covariance: (k, k), Laplace, of the weights.
        center, scale: mean of the raw score over reference samples, and its standard deviation over
            the votes' support: weakly supported scores are small.
    """

    whitener: Whitener
    weights: Tensor
    covariance: Tensor
    center: float = 0.0
    scale: float = 1.0

    def raw(self, pooled: Tensor) -> Tensor:
        """(B, d) -> (B,) Bradley-Terry score: differences are log-odds."""
        return self.whitener(pooled) @ self.weights

    def score(self, pooled: Tensor) -> Tensor:
        """(B, d) -> (B,) reward in reference standard deviations."""
        return (self.raw(pooled) - self.center) / self.scale

    def uncertainty(self, pooled: Tensor) -> Tensor:
        """(B, d) -> (B,) standard deviation of the score under the Laplace posterior, same unit."""
        x = self.whitener(pooled)
        return ((x @ self.covariance) * x).sum(-1).clamp(min=0).sqrt() / self.scale

    def normalised_on(self, pooled: Tensor, support: float = 1.0) -> RewardModel:
        """This model with its zero and unit set on reference samples, (M, d).

        Over them the score has mean 0 and standard deviation ``support``, from above 0 to 1: how
        much of it the votes account for (``permutation_control``), or votes that mean nothing would
        pull as hard as a clear taste. Source: "reward normalised to mean 0, std 1",
        lm-human-preferences (Ziegler et al. 2019, arXiv 1909.08593, section 2.2); there, support 1.
        """
        raw = self.raw(pooled)
        spread = raw.std().item()
        if not math.isfinite(spread) or spread < LEAST_SPREAD:
            raise RewardModelError(
                "The reward model gives every output the same score, or nearly: it has learned"
                " nothing yet. Judge more, more clearly, and texts that really differ."
            )
        unit = spread / support
        return RewardModel(self.whitener, self.weights, self.covariance, raw.mean().item(), unit)

    def tensors(self) -> dict[str, Tensor]:
        """What ``reward_model.safetensors`` holds."""
        return {
            "whitener.mean": self.whitener.mean,
            "whitener.matrix": self.whitener.matrix,
            "weights": self.weights,
            "covariance": self.covariance,
            "normalisation": torch.tensor([self.center, self.scale], dtype=torch.float64),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> RewardModel:
        """Raises KeyError where a tensor is missing."""
        center, scale = tensors["normalisation"].tolist()
        return cls(
            Whitener(tensors["whitener.mean"], tensors["whitener.matrix"]),
            tensors["weights"],
            tensors["covariance"],
            center,
            scale,
        )


def newton_step(
    w: Tensor,
    x: Tensor,
    targets: Tensor,
    weights: Tensor,
    prior_std: float | Tensor,
    damping: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """One damped Newton step on the MAP objective.

    That is the Bradley-Terry loss plus a Gaussian prior, ||w||^2 / (2 prior_std^2).

    Args:
        w: (k,); x: (N, k) feature differences a - b; targets, weights: (N,); prior_std: one for all
            weights or (k,); damping: 1 is the full step.

    Returns:
        (new w (k,), gradient at the old w (k,), Hessian at the old w (k, k)). The objective is
        convex and the prior makes the Hessian positive definite: perfectly separable comparisons
        still have finite weights.
    """
    p = torch.sigmoid(x @ w)
    gradient = x.T @ (weights * (p - targets)) + w / prior_std**2
    curvature = (x * (weights * p * (1 - p))[:, None]).T @ x
    hessian = curvature + torch.eye(len(w), dtype=x.dtype) / prior_std**2
    return w - damping * torch.linalg.solve(hessian, gradient), gradient, hessian


def correct(margins: Tensor, targets: Tensor) -> Tensor:
    """(N,) bool over the pairs that are no tie: does the margin's sign agree? 0 counts as wrong."""
    decided = targets != 0.5
    return (margins[decided] > 0) == (targets[decided] > 0.5)


def loss_floor(targets: Tensor, weights: Tensor) -> float:
    """The lowest mean Bradley-Terry loss that any scores could reach, in nats. (N,), (N,).

    It is the targets' own entropy: a clear choice adds 0, a tie ln 2.
    """
    against, xlogy = 1 - targets, torch.special.xlogy
    entropy = -(xlogy(targets, targets) + xlogy(against, against))
    return float((weights * entropy).sum() / weights.sum())


def fit(
    whitener: Whitener,
    pooled_a: Tensor,
    pooled_b: Tensor,
    targets: Tensor,
    weights: Tensor,
    folds: Tensor,
    groups: Tensor,
    settings: RewardModelSettings,
    scored: Tensor | None = None,
) -> Iterator[Record | RewardModel]:
    """Fit the head; yields one record an iteration, and last the RewardModel (not yet normalised).

    One head learns from everything and is the result. Beside it, one head a fold learns from all
    prompts but the fold's: together these give the held-out accuracy, "how often is it right about
    prompts it never saw".

    Args:
        pooled_a, pooled_b: (N, d) pooled reference states of left and right.
        targets: (N,) 1, 0 or 0.5; weights: (N,).
        folds: (N,) fold number of each pair's prompt; a single number everywhere means that nothing
            can be held out.
        groups: (N,) number of each pair's prompt, 0 or more. The held-out interval counts prompts
            (``intervals.clustered_interval``): the pairs of one ranking are not independent.
        scored: (N,) bool, pairs that the held-out accuracy counts (ties never); all where left out.

    Yields:
        {"iteration", "loss" (nats, data part, weighted mean), "floor" (the lowest that loss could
        be with these targets: a tie costs at least ln 2), "train_accuracy", "heldout_accuracy" |
        None, "heldout_low", "heldout_high", "heldout_pairs", "gradient" (largest entry at the start
        of the step), "weights" (list of k)}.

    Raises:
        RewardModelError: no pairs, or nothing but ties.

    Steps are damped (0.3) for two thirds of the iterations, so that there is something to watch,
    then full: the gradient ends below 1e-8.
    """
    if len(targets) == 0:
        raise RewardModelError("There is no pair to learn from yet. Rank a few outputs first.")
    if bool((targets == 0.5).all()):
        raise RewardModelError(
            "Every pair is a tie, so there is no taste to learn yet. Prefer one output at"
            " least once."
        )
    x = (whitener(pooled_a) - whitener(pooled_b)).double()  # (N, k)
    targets, weights = targets.double(), weights.double()
    names, most = folds.unique().tolist(), int(groups.max()) + 1
    counted = torch.ones(len(targets), dtype=torch.bool) if scored is None else scored
    parts = [(folds != name, (folds == name) & counted) for name in names] if len(names) > 1 else []
    decided = [groups[held & (targets != 0.5)] for _, held in parts]
    tested = torch.cat(decided) if parts else groups[:0]  # (hits,) prompt of each held-out vote
    counts = tested.bincount(minlength=most)  # (prompts,)
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    fold_w = [torch.zeros_like(w) for _ in parts]
    prior = prior_stds(whitener, settings.prior_std)  # (k,)
    slow = max(1, settings.iterations * 2 // 3)
    floor = loss_floor(targets, weights)
    for iteration in range(1, settings.iterations + 1):
        damping = 0.3 if iteration <= slow else 1.0
        w, gradient, _ = newton_step(w, x, targets, weights, prior, damping)
        hits = []
        for part, (train, held) in enumerate(parts):
            seen = x[train], targets[train], weights[train]
            fold_w[part], _, _ = newton_step(fold_w[part], *seen, prior, damping)
            hits.append(correct(x[held] @ fold_w[part], targets[held]))
        held_out = torch.cat(hits) if hits else torch.zeros(0, dtype=torch.bool)
        right = tested.bincount(held_out.double(), minlength=most)  # (prompts,)
        low, high = clustered_interval(right[counts > 0].tolist(), counts[counts > 0].tolist())
        margins = x @ w
        yield {
            "iteration": iteration,
            "loss": (pairwise_loss(margins, targets, weights) / weights.sum()).item(),
            "floor": floor,
            "train_accuracy": correct(margins, targets).double().mean().item(),
            "heldout_accuracy": held_out.double().mean().item() if len(held_out) else None,
            "heldout_low": low if len(held_out) else None,
            "heldout_high": high if len(held_out) else None,
            "heldout_pairs": len(held_out),
            "gradient": gradient.abs().max().item(),
            "weights": w.tolist(),
        }
    _, _, hessian = newton_step(w, x, targets, weights, prior, 0.0)
    yield RewardModel(whitener, w.float(), torch.linalg.inv(hessian).float().contiguous())
