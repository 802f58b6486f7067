"""Could votes that mean nothing have taught this much? The label-permutation control.

The winners of the comparisons are drawn by coin, hundreds of times, and the head is fitted to each
draw as it was to the real votes. A taste shows in two ways: prompts that were held out are foretold
better than by nearly all of those fits (the p-value), and the scores spread wider than those fits'
scores do (the support).

Knows nothing about pages and sessions. Sources: permutation tests, Good 2005, chapter 3; p-values
that count the real labels in, Phipson & Smyth 2010; of a classifier's held-out accuracy, Ojala &
Garriga 2010 (JMLR 11:1833), test 1.

Shapes: N comparisons, H relabellings (the first is the real one), k features, M reference samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from rlhf_core.common.events import Progress
from rlhf_core.judging.preferences import EXPLOIT, Pair
from rlhf_core.rewards.comparisons import Comparisons, solve_many
from rlhf_core.rewards.reward_model import prior_stds

DRAWS = 400
ALL_WAYS = 9  # with so few judgements, every way that their coins can fall is tried: 2^9 = 512
FOLDS = 5  # where all votes are about one prompt: parts of its judgements
LEAST_SUPPORT = 0.05  # a score has to keep a unit


def judgements_of(pairs: list[Pair]) -> list[list[int]]:
    """The pairs of each judgement, by their places: one pair, or all pairs of one ranking.

    A ranking's n pairs weigh 1/n each, have one prompt and one annotator, and stand together
    (``preferences.pairs_from_rankings``).
    """
    found: list[list[int]] = []
    for place, pair in enumerate(pairs):
        first = pairs[found[-1][0]] if found else None
        same = first is not None and (
            (pair.prompt, pair.annotator, pair.weight, pair.seconds)
            == (first.prompt, first.annotator, first.weight, first.seconds)
        )
        if same and len(found[-1]) < round(1 / pair.weight):
            found[-1].append(place)
        else:
            found.append([place])
    return found


def relabelled(data: Comparisons, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """The real targets, and ``draws`` times what chance would have said. -> (1 + draws, N).

    A pair's winner is drawn by a fair coin; the outputs of a ranking change places at random; ties
    stay ties, and rejected exploits stay as they are. Whoever judged the same outputs again shares
    the coin: two votes about one pair are no two witnesses. With at most ``ALL_WAYS`` pairs and
    nothing else, every way comes once (the first row is one of them).
    """
    real, generator = data.targets.double(), torch.Generator().manual_seed(seed)
    coins: dict[tuple, list[Tensor]] = {}  # the outputs judged -> the judgements of them
    for group in judgements_of(data.pairs):
        places = torch.tensor([n for n in group if data.pairs[n].annotator != EXPLOIT])
        if len(places) and (real[places] != 0.5).any():
            outputs = torch.cat([data.a[places], data.b[places]]).unique()
            coins.setdefault((len(places), *outputs.tolist()), []).append(places)
    if len(coins) <= ALL_WAYS and all(count == 1 for count, *_ in coins):
        turned = torch.zeros(2 ** len(coins), len(real), dtype=torch.bool)
        ways = torch.tensor(list(product((False, True), repeat=len(coins))))  # the first: as is
        for way, judged in zip(ways.T, coins.values(), strict=True):
            turned[:, torch.cat(judged)] = way[:, None]
        return torch.where(turned, 1 - real, real)
    drawn = real.repeat(1 + draws, 1)
    for (count, *outputs), judged in coins.items():
        if count > 1 and count == len(outputs) * (len(outputs) - 1) // 2:
            orders = torch.stack(
                [torch.randperm(len(outputs), generator=generator) for _ in range(draws)]
            )
            for places in judged:
                drawn[1:, places] = _dealt(data, places, torch.tensor(outputs), orders)
        else:  # one pair, or good ones over bad ones: all of it or nothing is turned round
            places = torch.cat(judged)
            turned = torch.rand(draws, 1, generator=generator) < 0.5
            drawn[1:, places] = torch.where(turned, 1 - real[places], real[places])
    return drawn


def _dealt(data: Comparisons, places: Tensor, outputs: Tensor, orders: Tensor) -> Tensor:
    """The targets of a ranking's pairs after its outputs changed places. places (n,), outputs (K,)
    sorted, orders (D, K) -> (D, n).
    """
    left, right = (torch.searchsorted(outputs, side[places]) for side in (data.a, data.b))
    won = data.targets[places].double()
    points = torch.zeros(len(outputs), dtype=torch.float64)
    points.index_add_(0, left, won).index_add_(0, right, 1 - won)
    dealt = points[orders]  # (D, K)
    return (torch.sign(dealt[:, left] - dealt[:, right]) + 1) / 2


def control(
    data: Comparisons, folds: Tensor, pool: Tensor, prior_std: float, *, seed: int = 0
) -> Iterator[Progress | dict]:
    """Fit every relabelling as the real votes were fitted; one record at the end.

    Args:
        folds: (N,) number of each comparison's part, whole prompts; where there is one number only,
            the judgements of the one prompt are dealt into parts instead.
        pool: (M, k) features of reference samples.

    Yields:
        {"p": share of relabellings that foretell their own held-out votes at least as well as the
        real one does (share of right ones; among equals, log-likelihood), "accuracy" | None,
        "luck": [5%, 95%] of the relabellings' accuracies, "decided": votes counted, "judgements",
        "fits": how many relabellings, "one_prompt": whether parts are of one prompt, "support":
        0.05 to 1}.

        The support is how much of the score's spread the votes account for: with v the variance of
        the raw score over ``pool``, sqrt(1 - mean v of the relabellings / v) (positive-part
        shrinkage by the noise level, as in James & Stein 1961).
    """
    every = relabelled(data, seed=seed)
    groups = judgements_of(data.pairs)
    one_prompt = len(folds.unique()) < 2
    if one_prompt:
        folds = torch.zeros(len(data), dtype=torch.long)
        for number, group in enumerate(groups):
            folds[group] = number % FOLDS
    x, prior = data.x, prior_stds(data.whitener, prior_std)
    right, told = (torch.zeros(len(every), dtype=torch.float64) for _ in range(2))
    names = folds.unique().tolist() if len(folds.unique()) > 1 else []
    for done, name in enumerate(names):
        held = (folds == name) & data.tested
        weights = data.weights * (folds != name)
        heads = solve_many(x, every, weights.expand(len(every), -1), prior)  # (H, k)
        margins, targets = heads @ x[held].T, every[:, held]
        right += ((margins > 0) == (targets > 0.5)).double().sum(1)
        told += F.logsigmoid(torch.where(targets > 0.5, margins, -margins)).sum(1)
        yield Progress("comparing with chance", done + 1, len(names) + 1)
    heads = solve_many(x, every, data.weights.expand(len(every), -1), prior)
    spread = (pool @ heads.T).var(0)  # (H,)
    share = spread[1:].mean() / spread[0].clamp(min=1e-12) if len(every) > 1 else torch.tensor(1.0)
    decided = int(data.tested.sum()) if names else 0
    as_good = (right > right[0]) | ((right == right[0]) & (told >= told[0] - 1e-9))
    luck = (right[1:] / max(1, decided)).quantile(torch.tensor([0.05, 0.95]).double())
    yield {
        "p": as_good.double().mean().item() if decided else 1.0,
        "accuracy": right[0].item() / decided if decided else None,
        "luck": luck.tolist() if len(every) > 1 else [0.0, 1.0],
        "decided": decided,
        "judgements": len(groups),
        "fits": len(every) - 1,
        "one_prompt": one_prompt,
        "support": max(LEAST_SUPPORT, (1 - share).clamp(min=0).sqrt().item()),
    }
