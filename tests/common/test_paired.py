"""Statistics of a dozen pairs: against values worked out by hand, and how often the intervals hold,
counted over every outcome.
"""

from __future__ import annotations

import math
from itertools import product

import pytest

from rlhf_core.common.intervals import difference_interval
from rlhf_core.common.paired import (
    median_interval,
    paired_difference_interval,
    ratio_of_times,
    sign_test,
)


def coverage(n: int, p: tuple[float, float, float, float]) -> float:
    """The probability, summed over every outcome of ``n`` items, that the interval holds the true
    difference.
    """
    held, true = 0.0, p[1] - p[2]
    for a, b, c in product(range(n + 1), repeat=3):
        d = n - a - b - c
        if d >= 0:
            low, high = paired_difference_interval(a, b, c, d)
            if low - 1e-12 <= true <= high + 1e-12:
                ways = math.factorial(n) / math.prod(map(math.factorial, (a, b, c, d)))
                held += ways * math.prod(q**k for q, k in zip(p, (a, b, c, d)))
    return held


@pytest.mark.parametrize(
    "p",
    [
        (0.25, 0.25, 0.25, 0.25),
        (0.5, 0.2, 0.05, 0.25),
        (0.6, 0.35, 0.03, 0.02),
        (0.8, 0.1, 0.05, 0.05),
        (0.3, 0.6, 0.05, 0.05),
    ],
)
def test_the_paired_interval_holds_as_often_as_it_says_for_twelve_items(p):
    assert coverage(12, p) >= 0.93


def test_the_paired_interval_is_symmetric_bounded_and_uses_the_pairing():
    low, high = paired_difference_interval(5, 4, 1, 2)
    assert paired_difference_interval(5, 1, 4, 2) == pytest.approx((-high, -low))
    assert -1 <= low < 3 / 12 < high <= 1
    apart = difference_interval(39, 60, 21, 60)
    joined = paired_difference_interval(20, 19, 1, 20)
    assert joined[1] - joined[0] < apart[1] - apart[0], (
        "answers that go together tell more than two separate samples"
    )
    assert paired_difference_interval(0, 0, 0, 0) == (-1.0, 1.0)


def test_the_sign_test_against_the_binomial_by_hand():
    assert sign_test(0, 0) == 1.0 and sign_test(3, 3) == 1.0
    assert sign_test(6, 0) == pytest.approx(2 / 64) and sign_test(0, 5) == pytest.approx(2 / 32)
    assert sign_test(1, 7) == pytest.approx(2 * (1 + 8) / 256)


def test_the_median_interval_is_the_third_and_tenth_of_twelve():
    values = [9, 1, 5, 12, 3, 7, 2, 11, 4, 8, 6, 10]
    assert median_interval(values) == (3, 10)
    assert median_interval(range(5)) is None and median_interval([]) is None
    assert median_interval(range(6)) == (0, 5)  # 1 - 2/64 = 96.9%


def test_ratios_are_taken_item_by_item():
    first, second = [1, 2, 3, 4, 5, 60.0], [2, 4, 6, 8, 10, 30.0]
    assert ratio_of_times(first, second) == {"ratio": 2.0, "low": 0.5, "high": 2.0, "count": 6}
    assert ratio_of_times([0.0, None], [1.0, 2.0]) == {
        "ratio": None,
        "low": None,
        "high": None,
        "count": 0,
    }
