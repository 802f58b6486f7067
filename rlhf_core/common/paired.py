"""Statistics of a dozen pairs of observations.

The same twelve items under two conditions, treated as twelve items and not as twenty-four answers.

Knows nothing about what was observed. Everything is exact or meant for small samples; nothing
assumes a normal distribution. Imports no torch.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from rlhf_core.common.intervals import wilson_interval


def paired_difference_interval(
    both: int, first_only: int, second_only: int, neither: int
) -> tuple[float, float]:
    """95% interval of (share of the first) - (share of the second), on the same items.

    Args:
        both, first_only, second_only, neither: on how many items both conditions had a success,
            only one of them, or none.

    Source: Newcombe 1998 (Statistics in Medicine 17:2635), method 10: the two Wilson intervals,
    joined through the correlation of the two conditions.
    """
    count = both + first_only + second_only + neither
    if not count:
        return -1.0, 1.0
    one, other = (both + first_only) / count, (both + second_only) / count
    (low, high), (other_low, other_high) = (
        wilson_interval(both + first_only, count),
        wilson_interval(both + second_only, count),
    )
    margins = (
        (both + first_only)
        * (second_only + neither)
        * (both + second_only)
        * (first_only + neither)
    )
    products: float = both * neither - first_only * second_only
    products = max(products - count / 2, 0.0) if products > 0 else products
    phi = products / math.sqrt(margins) if margins else 0.0

    def reach(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x**2 - 2 * phi * x * y + y**2))

    return one - other - reach(one - low, other_high - other), one - other + reach(
        high - one, other - other_low
    )


def sign_test(one: int, other: int) -> float:
    """Two-sided p of ``one`` against ``other`` successes where each is as likely.

    Exact binomial. Of discordant pairs this is McNemar's exact test.

    Source: McNemar 1947; Fisher's exact binomial, doubled and at most 1.
    """
    count = one + other
    tail = sum(math.comb(count, k) for k in range(min(one, other) + 1)) / 2**count
    return min(1.0, 2 * tail)


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Interval of the median that holds with at least 95%, whatever the distribution.

    From the r-th smallest value to the r-th largest.

    None for fewer than six values: then even the smallest and the largest do not hold 95%. For
    twelve it is the third and the tenth (96.1%).
    Source: Conover 1999, "Practical Nonparametric Statistics", section 3.2.
    """
    ordered, count = sorted(values), len(values)
    rank, outside = 0, 0.0
    while rank < count // 2 and 2 * (outside + math.comb(count, rank) / 2**count) <= 0.05:
        outside += math.comb(count, rank) / 2**count
        rank += 1
    return (ordered[rank - 1], ordered[count - rank]) if rank else None


def ratio_of_times(first: Sequence[float], second: Sequence[float]) -> dict:
    """How many times as long the second took as the first, item by item.

    {"ratio" (median of the ratios) | None, "low", "high", "count"}.

    Ratios, because a second more matters less to somebody who takes ten; the median, because one
    interruption says nothing about the rest.
    """
    ratios = [y / x for x, y in zip(first, second, strict=True) if x and y and x > 0 and y > 0]
    bounds = median_interval(ratios) or (None, None)
    return {
        "ratio": statistics.median(ratios) if ratios else None,
        "low": bounds[0],
        "high": bounds[1],
        "count": len(ratios),
    }
