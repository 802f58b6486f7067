"""Which pair to ask about next.

The one whose answer would teach the reward model most, now and then a random one, now and then one
asked before.

Pure functions over features (``reward_model.Whitener``) and a Gaussian over the head's weights (its
Laplace covariance); they know nothing about texts or models and import no torch. Simplification:
one pair is chosen at a time and nothing is planned ahead.

Shapes: N candidate pairs, k features.

Source: expected information gain ("BALD"), Houlsby et al. 2011 (arXiv 1112.5745), section 2, for
preferences as in their section 4; the integral over one normal margin by Gauss-Hermite quadrature.
For small uncertainty it ranks pairs as D-optimal design does: by log det of the posterior
covariance.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from rlhf_core.judging.preferences import Pair

RANDOM_SHARE = 0.25  # so that the model's own guesses do not decide everything that it gets to see
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Chosen:
    """The pair to ask about.

    Attributes:
        index: which of the candidates.
        how: "informative" or "random".
        gain: expected information in bits (0 to 1); None where there is no reward model yet.
        chance: the reward model's probability that a is preferred; None likewise.
        why: one sentence for the page.
    """

    index: int
    how: str
    gain: float | None
    chance: float | None
    why: str


def information_gain(differences, weights, covariance) -> tuple[np.ndarray, np.ndarray]:
    """What an answer is expected to tell about the weights, in bits; and how likely a wins.

    Args:
        differences: (N, k) features of a minus features of b.
        weights: (k,) mean; covariance: (k, k) of the weights. Ties are left out of account.

    Returns:
        ((N,) gains: H(mean p) - mean H(p) over the posterior, (N,) mean p).
    """
    x, w, c = (np.asarray(array, dtype=np.float64) for array in (differences, weights, covariance))
    mean, spread = x @ w, np.sqrt(np.clip(np.einsum("nk,kl,nl->n", x, c, x), 0, None))  # (N,), (N,)
    p = _sigmoid(mean[:, None] + spread[:, None] * _NODES)  # (N, nodes)
    average = p @ _WEIGHTS
    return np.clip(_entropy(average) - _entropy(p) @ _WEIGHTS, 0, None), average


def choose_pair(
    differences, weights=None, covariance=None, *, seed: int, random_share: float = RANDOM_SHARE
) -> Chosen:
    """The pair to ask about next, and why.

    Args:
        differences: (N, k), N >= 1: features of a minus features of b, of pairs that are not judged
            yet.
        weights, covariance: the reward model's (``RewardModel.weights``, ``.covariance``); None:
        there is none yet, so the pair is random.
        seed: same seed, same choice; give it the number of judgements made so far.

    Raises ValueError where there is no candidate.
    """
    count = len(differences)
    if count == 0:
        raise ValueError("There is no pair left to choose from.")
    draw = random.Random(seed)
    lot, index = draw.random(), draw.randrange(count)
    if weights is None:
        return Chosen(
            index,
            "random",
            None,
            None,
            "There is no reward model yet, so pairs come in random order.",
        )
    gains, chances = information_gain(differences, weights, covariance)
    if lot < random_share:
        why = (
            f"A random pair: about one in {round(1 / random_share)} is, so that the reward model's"
            " own guesses do not decide what it gets to see."
        )
        return Chosen(index, "random", float(gains[index]), float(chances[index]), why)
    index = int(np.argmax(gains))
    chance = float(chances[index])
    guess = (
        "cannot say which you would prefer"
        if 0.4 <= chance <= 0.6
        else (
            f"has a guess ({max(chance, 1 - chance):.0%}; which of the two it keeps to itself, so"
            " as not to sway you), and is unsure of it"
        )
    )
    teaches = f"{gains[index]:.2f} of at most 1 bit"
    why = (
        f"The only pair that waits ({teaches} to learn)"
        if count == 1
        else f"Of {count:,} pairs, this one is expected to teach most ({teaches})"
    ) + f": the reward model {guess}."
    return Chosen(index, "informative", float(gains[index]), chance, why)


def choose_repeat(pairs: list[Pair], *, seed: int, gap: int = 4) -> Pair | None:
    """An earlier judgement to ask for again with the sides swapped; None: there is none to ask.

    So one's consistency can be measured.

    Args:
        pairs: the judgements so far, in order. The last ``gap`` are too fresh in memory; what was
            asked twice already is not asked a third time.

    Returns the pair with its sides swapped, ready to show: its ``choice`` is the *earlier* answer
    seen from the new sides; do not show it.
    """
    asked: dict[tuple, int] = {}
    for pair in pairs:
        asked[pair.prompt, frozenset((pair.a, pair.b))] = (
            asked.get((pair.prompt, frozenset((pair.a, pair.b))), 0) + 1
        )
    old = [
        pair
        for pair in pairs[: max(0, len(pairs) - gap)]
        if pair.choice != "skip" and asked[pair.prompt, frozenset((pair.a, pair.b))] == 1
    ]
    if not old:
        return None
    pair = random.Random(seed).choice(old)
    return Pair(
        pair.prompt,
        pair.b,
        pair.a,
        {"a": "b", "b": "a"}.get(pair.choice, pair.choice),
        annotator=pair.annotator,
        brief=pair.brief,
        brief_version=pair.brief_version,
    )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(x / 2))


def _entropy(p: np.ndarray) -> np.ndarray:
    """Of a coin, in bits."""
    p = np.clip(p, 1e-300, 1)
    q = np.clip(1 - p, 1e-300, 1)
    return -(p * np.log(p) + q * np.log(q)) / math.log(2)
