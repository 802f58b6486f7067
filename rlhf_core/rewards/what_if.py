"""Flip one vote, or take it out, and see what moves.

A refit from cached features, a few milliseconds.

Knows nothing about pages. Both heads are normalised on the same reference samples and with the
same support, that of the votes as they are, so that their scores have one zero and one unit: those
of the app's other scores. (What the changed votes would support is left out: it takes seconds.)

Shapes: B outputs to score, M reference samples, k features.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor

from rlhf_core.common.errors import RewardModelError
from rlhf_core.common.events import Record
from rlhf_core.rewards.comparisons import Comparisons, fit_head
from rlhf_core.rewards.reward_model import RewardModel


def scores_of(
    model: RewardModel, features: Tensor, reference: Tensor, support: float = 1.0
) -> Tensor:
    """Scores in reference standard deviations from features alone, as of a head
    ``normalised_on(..., support)``. (B, k), (M, k) -> (B,) float64.

    Raises RewardModelError: all alike.
    """
    weights = model.weights.double()
    raw, spread = features.double() @ weights, (reference.double() @ weights).std().item()
    if not spread > 1e-6:
        raise RewardModelError(
            "Without this vote nothing is learned: every output would get the same score."
        )
    return (raw - (reference.double() @ weights).mean()) * support / spread


def what_if(
    data: Comparisons,
    model: RewardModel,
    index: int,
    change: str,
    features: Tensor,
    reference: Tensor,
    prior_std: float,
    support: float = 1.0,
) -> Record:
    """The scores of some outputs as they are, and as they would be without, or against, one vote.

    Args:
        model: the head fitted to ``data`` as it is.
        index: which comparison, from 0; change: "flip" or "withhold".
        features: (B, k) of the outputs to score; reference: (M, k) of the reference samples.
        support: of the votes (``permutation_control``), which scores are multiplied by.

    Returns:
        {"before", "after": B scores; "order_before", "order_after": indices, best first; "moved":
        how many outputs change their place; "decides": whether the best one changes; "sentence";
        "milliseconds"}.

    Raises:
        RewardModelError: no such vote or change; or nothing would be left to learn from.
    """
    began = time.perf_counter()
    other = data.changed(index, change)
    vote = data.pairs[index]
    if bool(((other.targets == 0.5) | (other.weights == 0)).all()):
        raise RewardModelError(
            "This is the only vote that prefers anything: without it there is nothing to learn"
            " from."
        )
    before = scores_of(model, features, reference, support)
    changed = fit_head(other, prior_std, start=model.weights)
    after = scores_of(changed, features, reference, support)
    orders = [
        torch.argsort(scores, descending=True, stable=True).tolist() for scores in (before, after)
    ]
    moved = sum(one != two for one, two in zip(*orders))
    farthest = (after - before).abs().max().item() if len(before) else 0.0
    verb = "Reversing" if change == "flip" else "Withholding"
    if vote.choice == "tie" and change == "flip":
        sentence = "A tie reversed is the same tie: nothing moves."
    elif orders[0][:1] != orders[1][:1]:
        sentence = (
            f"{verb} this one vote decides which output comes first; the largest move is"
            f" {farthest:.2f} reference standard deviations."
        )
    elif moved:
        sentence = (
            f"{verb} this vote changes the place of {moved} of {len(before)} outputs, not the"
            f" first; the largest move is {farthest:.2f} reference standard deviations."
        )
    else:
        sentence = (
            f"{verb} this vote changes no place; the largest move is {farthest:.2f} reference"
            " standard deviations."
        )
    return {
        "before": before.tolist(),
        "after": after.tolist(),
        "order_before": orders[0],
        "order_after": orders[1],
        "moved": moved,
        "decides": orders[0][:1] != orders[1][:1],
        "sentence": sentence,
        "milliseconds": 1000 * (time.perf_counter() - began),
    }
