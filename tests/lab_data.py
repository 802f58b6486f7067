"""Synthetic judgements for the reward lab's tests: features drawn from a seed, votes from a known
taste, no language model.
"""

from __future__ import annotations

import torch

from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.rewards import comparisons
from rlhf_core.rewards.reward_model import RewardModel, Whitener
from rlhf_core.session import asked
from rlhf_core.session.state import Session


def returned(work):
    """What a generator returns at its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def plain(k: int) -> Whitener:
    """Features that are what they are."""
    return Whitener(torch.zeros(k), torch.eye(k))


def judged(
    count: int,
    k: int = 4,
    prompts: int = 10,
    seed: int = 0,
    truth=None,
    noise: bool = True,
    choices=None,
    whitener=None,
):
    """(Comparisons, truth (k,)) of ``count`` pairs over ``prompts`` prompts; votes drawn by
    Bradley-Terry from ``truth``, or as ``choices`` says.
    """
    truth = (
        normal(k, seed=seed + 1) if truth is None else torch.as_tensor(truth, dtype=torch.float64)
    )
    states = normal(2 * count, k, seed=seed + 2).float()
    margins = ((states[0::2] - states[1::2]).double() @ truth).tolist()
    luck = torch.rand(count, generator=torch.Generator().manual_seed(seed + 3)).tolist()
    pairs = []
    for i, margin in enumerate(margins):
        chance = 1 / (1 + 2.718281828**-margin) if noise else float(margin > 0)
        pairs.append(
            Pair(
                f"prompt {i % prompts}",
                f"left {i}",
                f"right {i}",
                choices[i] if choices else "a" if luck[i] < chance else "b",
            )
        )
    rows = comparisons.rows_of(pairs)
    return comparisons.from_states(whitener or plain(k), pairs, rows, states), truth


def model_of(data, prior_std: float = 1.0, center: float = 0.0, scale: float = 1.0) -> RewardModel:
    head = comparisons.fit_head(data, prior_std)
    return RewardModel(head.whitener, head.weights, head.covariance, center, scale)


def general_optimum(x, targets, weights, prior) -> torch.Tensor:
    """The MAP weights by torch's general optimiser, nothing of ours."""
    w = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [w],
        max_iter=500,
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        loss = (
            torch.nn.functional.binary_cross_entropy_with_logits(
                x @ w, targets, weight=weights, reduction="sum"
            )
            + (w**2 / (2 * prior**2)).sum()
        )
        loss.backward()
        return loss

    optimiser.step(closure)
    return w.detach()


def revise(session: Session, fields: dict) -> briefs.Brief:
    asked.set_brief(session, asked.draft_brief(session, fields))
    return session.asked.brief
