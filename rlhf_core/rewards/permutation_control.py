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

    A ranking's n = K(K-1)/2 pairs weigh 1/n each, have one prompt and one annotator, and stand
    together (``preferences.pairs_from_rankings``).
    """
    found, place = [], 0
    while place < len(pairs):
        size = max(1, round(1 / pairs[place].weight))
        some = pairs[place : place + size]
        texts = {text for pair in some for text in (pair.a, pair.b)}
        alike = {(p.prompt, p.annotator, p.weight, p.seconds) for p in some}
        whole = len(some) == size == len(texts) * (len(texts) - 1) // 2 and len(alike) == 1
        step = size if whole else 1
        found.append(list(range(place, place + step)))
        place += step
    return found


def related(data: Comparisons) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The comparisons in groups that share no text, whatever the prompt and whoever judged: (places
    (n,), number of the left text (n,), number of the right one (n,)), texts numbered from 0 in each
    group. Rejected exploits are in none.
    """
    name = [" ".join(text.casefold().split()) for _, text, _ in data.rows]
    head: dict[str, str] = {text: text for text in name}

    def root(text: str) -> str:
        while head[text] != text:
            head[text] = text = head[head[text]]
        return text

    left, right = ([name[row] for row in side.tolist()] for side in (data.a, data.b))
    counted = [n for n, pair in enumerate(data.pairs) if pair.annotator != EXPLOIT]
    for n in counted:
        head[root(left[n])] = root(right[n])
    groups: dict[str, list[int]] = {}
    for n in counted:
        groups.setdefault(root(left[n]), []).append(n)
    found = []
    for places in groups.values():
        texts = dict.fromkeys(text for n in places for text in (left[n], right[n]))
        number = {text: i for i, text in enumerate(texts)}
        sides = ([number[side[n]] for n in places] for side in (left, right))
        found.append((torch.tensor(places), *map(torch.tensor, sides)))
    return found


def relabelled(data: Comparisons, *, draws: int = DRAWS, seed: int = 0) -> Tensor:
    """The real targets, and ``draws`` times what chance would have said. -> (1 + draws, N).

    Two texts swap their fate by a fair coin; of more that were compared with each other (a ranking,
    however it was written down), each takes the share of wins of another one. So two votes about
    the same texts are no two witnesses, ties stay ties, and exploits stay as they are. With at most
    ``ALL_WAYS`` pairs of texts, and nothing else, every way comes once (the first row is one).
    """
    real, generator = data.targets.double(), torch.Generator().manual_seed(seed)
    clear = [group for group in related(data) if (real[group[0]] != 0.5).any()]
    if len(clear) <= ALL_WAYS and all(
        left.max() < 2 and right.max() < 2 for _, left, right in clear
    ):
        turned = torch.zeros(2 ** len(clear), len(real), dtype=torch.bool)
        ways = torch.tensor(list(product((False, True), repeat=len(clear))))  # the first: as is
        for way, (places, *_) in zip(ways.T, clear, strict=True):
            turned[:, places] = way[:, None]
        return torch.where(turned, 1 - real, real)
    drawn = real.repeat(1 + draws, 1)
    for places, left, right in clear:
        count = int(max(left.max(), right.max())) + 1
        if count == 2:
            turned = torch.rand(draws, 1, generator=generator) < 0.5
            drawn[1:, places] = torch.where(turned, 1 - real[places], real[places])
            continue
        won, met = (torch.zeros(count, dtype=torch.float64) for _ in range(2))
        won.index_add_(0, left, real[places]).index_add_(0, right, 1 - real[places])
        ones = torch.ones(len(places), dtype=torch.float64)
        met.index_add_(0, left, ones).index_add_(0, right, ones)
        orders = torch.stack([torch.randperm(count, generator=generator) for _ in range(draws)])
        share = (won / met)[orders]  # (draws, count)
        said = (torch.sign(share[:, left] - share[:, right]) + 1) / 2
        if not (real[places] == 0.5).any():  # equal shares where nothing was tied: a coin
            coin = (torch.rand(said.shape, generator=generator) < 0.5).double()
            said = torch.where(said == 0.5, coin, said)
        drawn[1:, places] = said
    return drawn


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
        "luck": [5%, 95%] of the relabellings' accuracies, "decided": votes counted, "witnesses":
        how many of them are about texts of their own, "fits": how many relabellings, "one_prompt":
        whether parts are of one prompt, "support": 0.05 to 1}.

        The support is how much of the score's spread the votes account for: with v the variance of
        the raw score over ``pool``, sqrt(1 - mean v of the relabellings / v) (positive-part
        shrinkage by the noise level, as in James & Stein 1961), times max(0, 1 - 2p): what coins do
        half of the time supports nothing.
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
    shares = right[1:].sort().values / max(1, decided)
    luck = [
        shares[int(end * (len(shares) - 1) + 0.5)].item() for end in (0.05, 0.95)[: len(shares)]
    ]
    p = as_good.double().mean().item() if decided else 1.0
    support = (1 - share).clamp(min=0).sqrt().item() * max(0.0, 1 - 2 * p)
    yield {
        "p": p,
        "accuracy": right[0].item() / decided if decided else None,
        "luck": luck if len(luck) == 2 else [0.0, 1.0],
        "decided": decided,
        "witnesses": sum(
            int(max(left.max(), right.max()))
            for places, left, right in related(data)
            if data.tested[places].any()
        ),
        "fits": len(every) - 1,
        "one_prompt": one_prompt,
        "support": max(LEAST_SUPPORT, support),
    }
