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

from rlhf_core.common.events import Progress, Record
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.witnesses import joined
from rlhf_core.rewards.comparisons import Comparisons, solve_many
from rlhf_core.rewards.reward_model import prior_stds

DRAWS, FEWER_DRAWS, MANY = 400, 100, 1_000  # fewer from so many comparisons on: they take long
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
        step = size if size > 1 and _is_ranking(pairs[place : place + size], size) else 1
        found.append(list(range(place, place + step)))
        place += step
    return found


def _is_ranking(pairs: list[Pair], size: int) -> bool:
    first, last = pairs[0], pairs[-1]
    if len(pairs) < size or (first.prompt, first.weight) != (last.prompt, last.weight):
        return False
    if len({(pair.prompt, pair.annotator, pair.weight, pair.seconds) for pair in pairs}) > 1:
        return False
    texts = {text for pair in pairs for text in (pair.a, pair.b)}
    return size == len(texts) * (len(texts) - 1) // 2


# Places of comparisons (n,), number of the left text (n,), number of the right one (n,); texts are
# numbered from 0 in each group.
Group = tuple[Tensor, Tensor, Tensor]


def related(data: Comparisons) -> list[Group]:
    """The comparisons in groups that share no text, whatever the prompt and whoever judged.
    Rejected exploits are in none.
    """
    name = [text for _, text, _ in data.rows]
    left, right = ([name[row] for row in side.tolist()] for side in (data.a, data.b))
    counted = data.fair.nonzero().flatten().tolist()
    group = joined((left[n], right[n]) for n in counted)
    groups: dict[str, list[int]] = {}
    for n in counted:
        groups.setdefault(group[left[n]], []).append(n)
    found = []
    for places in groups.values():
        texts = dict.fromkeys(text for n in places for text in (left[n], right[n]))
        number = {text: i for i, text in enumerate(texts)}
        one, other = ([number[side[n]] for n in places] for side in (left, right))
        found.append((torch.tensor(places), torch.tensor(one), torch.tensor(other)))
    return found


def relabelled(
    data: Comparisons, groups: list[Group], *, draws: int = DRAWS, seed: int = 0
) -> Tensor:
    """The real targets, and ``draws`` times what chance would have said. -> (1 + draws, N).

    Comparisons that share a text share their luck: two votes about the same texts are no two
    witnesses. Where each was compared with each (a ranking, however it was written down), the texts
    change places at random; else a fair coin keeps the whole group or turns it round. Ties stay
    ties, or go along with their places; exploits stay as they are. With at most ``ALL_WAYS`` coins
    and no ranking, every way comes once (the first row is one of them). ``groups``: ``related``.
    """
    real, generator = data.targets.double(), torch.Generator().manual_seed(seed)
    clear = [group for group in groups if (real[group[0]] != 0.5).any()]
    rankings = [_texts(left, right) > 2 and _all_met(left, right) for _, left, right in clear]
    if len(clear) <= ALL_WAYS and not any(rankings):
        turned = torch.zeros(2 ** len(clear), len(real), dtype=torch.bool)
        ways = torch.tensor(list(product((False, True), repeat=len(clear))))  # the first: as is
        for way, (places, *_) in zip(ways.T, clear, strict=True):
            turned[:, places] = way[:, None]
        return torch.where(turned, 1 - real, real)
    drawn = real.repeat(1 + draws, 1)
    for (places, left, right), ranking in zip(clear, rankings, strict=True):
        if not ranking:
            turned = torch.rand(draws, 1, generator=generator) < 0.5
            drawn[1:, places] = torch.where(turned, 1 - real[places], real[places])
            continue
        won = torch.zeros(_texts(left, right), dtype=torch.float64)
        won.index_add_(0, left, real[places]).index_add_(0, right, 1 - real[places])
        dealt = won[torch.rand(draws, len(won), generator=generator).argsort(1)]  # (draws, texts)
        drawn[1:, places] = (torch.sign(dealt[:, left] - dealt[:, right]) + 1) / 2
    return drawn


def _texts(left: Tensor, right: Tensor) -> int:
    """How many texts a group of ``related`` has."""
    return int(max(left.max(), right.max())) + 1


def _all_met(left: Tensor, right: Tensor) -> bool:
    """Was each text of the group compared with each other one, equally often?"""
    count = _texts(left, right)
    met = torch.bincount(torch.minimum(left, right) * count + torch.maximum(left, right))
    return int((met > 0).sum()) == count * (count - 1) // 2 and len(met[met > 0].unique()) == 1


def control(
    data: Comparisons, folds: Tensor, pool: Tensor, prior_std: float, *, seed: int = 0
) -> Iterator[Progress | Record]:
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
    # So many are never foretold without exception: fewer Newton steps will do.
    draws, steps = (DRAWS, 12) if len(data) < MANY else (FEWER_DRAWS, 7)
    groups = related(data)
    every = relabelled(data, groups, draws=draws, seed=seed)
    one_prompt = len(folds.unique()) < 2
    if one_prompt:
        folds = torch.zeros(len(data), dtype=torch.long)
        for number, places in enumerate(judgements_of(data.pairs)):
            folds[places] = number % FOLDS
    fair, tested = data.fair, data.tested
    x, prior = data.x, prior_stds(data.whitener, prior_std)
    right, told = (torch.zeros(len(every), dtype=torch.float64) for _ in range(2))
    names = folds.unique().tolist()
    names = names if len(names) > 1 else []
    for done, name in enumerate(names):
        held = (folds == name) & fair
        weights = data.weights * (folds != name)
        heads = solve_many(x, every, weights.expand(len(every), -1), prior, steps)  # (H, k)
        margins, targets = heads @ x[held].T, every[:, held]
        asked = targets != 0.5  # a tie of a ranking moves with its places
        right += (((margins > 0) == (targets > 0.5)) & asked).double().sum(1)
        told += (F.logsigmoid(torch.where(targets > 0.5, margins, -margins)) * asked).sum(1)
        yield Progress("comparing with chance", done + 1, len(names) + 1)
    heads = solve_many(x, every, data.weights.expand(len(every), -1), prior, steps)
    spread = (pool @ heads.T).var(0)  # (H,)
    share = spread[1:].mean() / spread[0].clamp(min=1e-12) if len(every) > 1 else torch.tensor(1.0)
    decided = int(tested.sum())
    as_good = (right > right[0]) | ((right == right[0]) & (told >= told[0] - 1e-9))
    shares = right[1:].sort().values / max(1, decided)
    luck = [
        shares[int(end * (len(shares) - 1) + 0.5)].item() for end in (0.05, 0.95)[: len(shares)]
    ]
    p = as_good.double().mean().item() if decided and names else 1.0
    support = (1 - share).clamp(min=0).sqrt().item() * max(0.0, 1 - 2 * p)
    yield {
        "p": p,
        "accuracy": right[0].item() / decided if decided and names else None,
        "luck": luck if len(luck) == 2 else [0.0, 1.0],
        "decided": decided,
        "witnesses": sum(
            _texts(left, right) - 1 for places, left, right in groups if tested[places].any()
        ),
        "fits": len(every) - 1,
        "one_prompt": one_prompt,
        "support": max(LEAST_SUPPORT, support),
    }
