"""How sure is a score, and which question would teach the most?

Two independent answers to the first: the Laplace posterior of the head (exact curvature at the
optimum), and five heads, each fitted to the votes drawn with replacement. One answer to the second:
the pair whose vote is expected to tell the most about the weights.

Knows nothing about pages and PPO, whose conservative score takes the first kind off
(``ppo.earned_scores``).

Shapes: N comparisons, B outputs, C candidate pairs, k features, H heads, d hidden size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rlhf_core.common.errors import RewardModelError
from rlhf_core.rewards.comparisons import Comparisons, solve, solve_many
from rlhf_core.rewards.reward_model import RewardModel, prior_stds

HEADS = 5
EXPLORE = (
    1.0  # prior standard deviation under which the next pair is chosen; see ``exploring_posterior``
)


def bootstrap_heads(
    data: Comparisons, prior_std: float, heads: int = HEADS, seed: int = 0
) -> Tensor:
    """Heads fitted to votes drawn with replacement. -> (H, k).

    Whole prompts are drawn where there are at least five (votes about one prompt are no independent
    votes), single votes otherwise. A draw from which nothing can be learned (ties alone) leaves a
    head at zero: it says nothing, which is what those votes say.
    Source: Efron 1979; ensembles against over-optimisation: Coste et al. 2024 (arXiv 2310.02743).
    """
    generator = torch.Generator().manual_seed(seed)
    units = data.groups if len(data.groups.unique()) >= 5 else torch.arange(len(data))
    count = int(units.max()) + 1
    drawn = torch.randint(count, (heads, count), generator=generator)
    times = torch.zeros(heads, count, dtype=torch.float64).scatter_add_(
        1, drawn, torch.ones(drawn.shape, dtype=torch.float64)
    )
    return solve_many(
        data.x, data.targets, data.weights * times[:, units], prior_stds(data.whitener, prior_std)
    )


def score_with_uncertainty(
    model: RewardModel, heads: Tensor, pooled: Tensor, conservative: float = 1.0
) -> list[dict]:
    """Each output's score with what is known about it. (H, k) bootstrap heads, (B, d) -> B rows.

    Returns:
        Rows {"score", "laplace" (standard deviation), "bootstrap" (standard deviation over the
        heads), "lowest", "highest" (of the heads), "conservative" (score - k laplace)}, all in
        reference standard deviations of ``model``; the heads share its zero and unit.
    """
    scores, laplace = model.score(pooled), model.uncertainty(pooled)
    each = (
        model.whitener(pooled).double() @ heads.T.double() - model.center
    ) / model.scale  # (B, H)
    return [
        {
            "score": score,
            "laplace": sigma,
            "bootstrap": row.std().item(),
            "lowest": row.min().item(),
            "highest": row.max().item(),
            "conservative": score - conservative * sigma,
        }
        for score, sigma, row in zip(scores.tolist(), laplace.tolist(), each)
    ]


# --- which pair next ------------------------------------------------------------------------------


def entropy_of(p: Tensor) -> Tensor:
    """Entropy of a coin, in bits."""
    return -(torch.special.xlogy(p, p) + torch.special.xlogy(1 - p, 1 - p)) / math.log(2)


def information_gain(weights: Tensor, covariance: Tensor, x: Tensor) -> Tensor:
    """Bits that the vote on each pair is expected to tell about the weights, under the Laplace
    posterior. (k,), (k, k), (C, k) differences -> (C,).

    BALD: the entropy of the vote, less the entropy that would remain if the weights were known. The
    margin of a pair is Gaussian, N(m, v), so both are integrals over one dimension, done by
    32-point Gauss-Hermite quadrature.
    Source: Houlsby et al. 2011 (arXiv 1112.5745), equation 2; for preferences of texts: Muldrew et
    al. 2024 (arXiv 2402.08114).
    """
    import numpy as np

    nodes, mass = (torch.tensor(part) for part in np.polynomial.hermite_e.hermegauss(32))
    mass = mass / mass.sum()
    x = x.double()
    mean, variance = x @ weights.double(), ((x @ covariance.double()) * x).sum(1).clamp(min=0)
    p = torch.sigmoid(mean[:, None] + variance.sqrt()[:, None] * nodes)  # (C, 32)
    return (entropy_of(p @ mass) - entropy_of(p) @ mass).clamp(min=0)


def exploring_posterior(data: Comparisons) -> tuple[Tensor, Tensor]:
    """The posterior that the next pair is chosen under. -> (k,) weights, (k, k) covariance.

    Fitted with a wider prior than the score is: the tight one finds a direction from few votes, but
    makes margins so small that every vote looks like a coin's, and then nothing is known that a
    choice could use. Measured by ``python -m benchmarks reward``: 0.35 chooses no better than
    chance where the taste is clear.
    """
    w, hessian = solve(data.x, data.targets, data.weights, prior_stds(data.whitener, EXPLORE))
    return w, torch.linalg.inv(hessian)


def next_pair(
    candidates: list[dict],
    features: list[Tensor],
    judged: set[tuple[str, str, str]],
    data: Comparisons | None,
) -> dict:
    """The unjudged pair of outputs that the model would learn most from; before anything was
    judged, the pair whose features differ most.

    Args:
        candidates: candidate sets, {"id", "prompt", "texts"}; features: (texts, k) of each set.
        judged: (prompt, text, text) of pairs that are out of the question, in either order.
        data: what was judged so far, or None.

    Returns:
        {"id", "prompt", "a", "b" (indices of the texts), "texts" (the two), "bits" (expected
        information) | None, "sentence"}.

    Raises:
        RewardModelError: no pair is left; every prompt has a single output, or all were judged.
    """
    options = []
    for number, row in enumerate(candidates):
        texts = row["texts"]
        for i in range(len(texts)):
            for j in range(i + 1, len(texts)):
                key = (row["prompt"], texts[i], texts[j])
                if (
                    texts[i] != texts[j]
                    and key not in judged
                    and (key[0], key[2], key[1]) not in judged
                ):
                    options.append((number, i, j))
    if not options:
        if candidates and all(len(set(row["texts"])) < 2 for row in candidates):
            raise RewardModelError(
                "Every prompt has a single output, so there is nothing to compare. Have more"
                " outputs written for a prompt."
            )
        raise RewardModelError(
            "Every pair of outputs was judged already. Have more outputs written."
        )
    x = torch.stack([features[n][i] - features[n][j] for n, i, j in options]).double()
    gain = (x**2).sum(1) if data is None else information_gain(*exploring_posterior(data), x)
    best = int(gain.argmax())
    number, i, j = options[best]
    row = candidates[number]
    if data is None:
        bits, sentence = (
            None,
            "Nothing is known yet, so this asks about the two outputs that differ most.",
        )
    else:
        bits = gain[best].item()
        middle = gain.median().item()
        sentence = (
            f"Your vote on this pair is expected to tell {bits:.2f} bits; on a middling pair it"
            f" would be {middle:.2f}."
        )
    return {
        "id": row["id"],
        "prompt": row["prompt"],
        "a": i,
        "b": j,
        "texts": [row["texts"][i], row["texts"][j]],
        "bits": bits,
        "sentence": sentence,
    }
