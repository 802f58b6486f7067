"""How sure is a score, and which question would teach the most?

Two independent answers to the first: the Laplace posterior of the head (exact curvature at the
optimum), and five heads, each fitted to the votes drawn with replacement. For the second, the
posterior under which ``judging.next_pair`` chooses.

Knows nothing about pages and PPO, whose conservative score takes the first kind off
(``ppo.earned_scores``).

Shapes: N comparisons, B outputs, k features, H heads, d hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlhf_core.common.events import Record
from rlhf_core.rewards.comparisons import Comparisons, solve, solve_many
from rlhf_core.rewards.reward_model import RewardModel, prior_stds

HEADS = 5
EXPLORE = 1.0  # prior standard deviation under which the next pair is chosen


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
) -> list[Record]:
    """Each output's score with what is known about it. (H, k) bootstrap heads, (B, d) -> B rows.

    Returns:
        Rows {"score", "laplace" (standard deviation), "bootstrap" (standard deviation over the
        heads), "lowest", "highest" (of the heads), "conservative" (score - k laplace)}, all in
        reference standard deviations of ``model``; the heads share its zero and unit.
    """
    scores, laplace = model.score(pooled), model.uncertainty(pooled)
    raw = model.whitener(pooled).double() @ heads.T.double()  # (B, H)
    each = (raw - model.center) / model.scale
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


def exploring_posterior(data: Comparisons) -> tuple[Tensor, Tensor]:
    """The posterior that the next pair is chosen under. -> (k,) weights, (k, k) covariance.

    Fitted with a wider prior than the score is: the tight one finds a direction from few votes, but
    makes margins so small that every vote looks like a coin's, and then nothing is known that a
    choice could use. Measured by ``python -m benchmarks reward``: 0.35 chooses no better than
    chance where the taste is clear.
    """
    w, hessian = solve(data.x, data.targets, data.weights, prior_stds(data.whitener, EXPLORE))
    return w, torch.linalg.inv(hessian)
