"""Rankings of many outputs, trained on by a part of their pairs.

A ranking of K outputs makes K(K-1)/2 pairs, most of which repeat what the others say. Of a long one
neighbours are kept, which fix the order, and a seeded sample of the rest; together they weigh 1, as
all of them would. Simplified against practice: InstructGPT trains on all pairs of a ranking in one
batch (Ouyang et al. 2022, section 3.5, arXiv 2203.02155), but its rankings have at most 9.
"""

from __future__ import annotations

import random
from dataclasses import replace

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging.preferences import Pair, Ranking, pairs_from_rankings

MOST_WHOLE = 32  # outputs of a ranking all of whose pairs are made
MOST_PAIRS = MOST_WHOLE * (MOST_WHOLE - 1) // 2


def pairs_of(ranking: Ranking) -> tuple[list[Pair], int]:
    """(the pairs to train on, how many there would be): all of them, or MOST_PAIRS of them."""
    every = pairs_from_rankings([ranking])
    if len(every) <= MOST_PAIRS or len(ranking.candidates) <= MOST_WHOLE:
        return every, len(every)
    order = [ranking.candidates[index] for group in ranking.groups for index in group]
    beside = {frozenset(two) for two in zip(order, order[1:])}
    near = [n for n, pair in enumerate(every) if frozenset((pair.a, pair.b)) in beside]
    rest = [n for n in range(len(every)) if n not in set(near)]
    lot = random.Random(seed_of(0, "long ranking", ranking.prompt, len(every)))
    kept = sorted([*near, *lot.sample(rest, max(0, MOST_PAIRS - len(near)))][:MOST_PAIRS])
    return [replace(every[n], weight=1 / MOST_PAIRS) for n in kept], len(every)
