"""How far a number may be off: its interval.

That of a share (Wilson), of a difference (Newcombe), of anything else (bootstrap, seeded).

Knows nothing about what the numbers mean. Imports no torch, so that a page can show an interval
before the engine is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np


def wilson_interval(successes: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share. Source: Wilson 1927; Brown, Cai & DasGupta 2001, section 3.1.1."""
    if count == 0:
        return 0.0, 1.0
    share = successes / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def difference_interval(
    successes: float, count: int, other_successes: float, other_count: int
) -> tuple[float, float]:
    """95% interval of one share less another, of two separate samples.

    Source: Newcombe 1998 (Statistics in Medicine 17:873), method 10.
    """
    if not count or not other_count:
        return -1.0, 1.0
    share, other = successes / count, other_successes / other_count
    (low, high), (other_low, other_high) = (
        wilson_interval(successes, count),
        wilson_interval(other_successes, other_count),
    )
    return share - other - math.hypot(share - low, other_high - other), share - other + math.hypot(
        high - share, other - other_low
    )


def bootstrap_interval(
    samples: Sequence[Sequence],
    statistic: Callable[..., float],
    *,
    seed: int,
    draws: int = 1_000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile interval of ``statistic(*samples)``.

    Each sample is drawn anew from itself, on its own.

    Args:
        samples: one sequence for each argument of ``statistic``, of whatever items.
        statistic: gives NaN where a draw says nothing; such draws are left out.

    Returns:
        (low, high), or None where a sample is empty or fewer than half of the draws say something.

    Source: Efron & Tibshirani 1993, section 13.3. The percentile interval is a little too narrow
    for small samples.
    """
    if not samples or any(len(sample) == 0 for sample in samples):
        return None
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        again = [
            [sample[index] for index in generator.integers(len(sample), size=len(sample))]
            for sample in samples
        ]
        value = statistic(*again)
        if math.isfinite(value):
            values.append(value)
    if len(values) * 2 < draws:
        return None
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
