"""How far a number may be off: its interval.

That of a share (Wilson; over prompts where a prompt has several answers), of a difference
(Newcombe), of a mean (Student), of anything else (bootstrap, seeded).

Knows nothing about what the numbers mean. Imports no torch, so that a page can show an interval
before the engine is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np


def wilson_interval(successes: float, count: float, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share. Source: Wilson 1927; Brown, Cai & DasGupta 2001, section 3.1.1."""
    if count == 0:
        return 0.0, 1.0
    share = successes / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return max(0.0, middle - half), min(1.0, middle + half)


# Student's t, 97.5%, at 1 to 9 degrees of freedom. Source: Abramowitz & Stegun 1964, table 26.10.
T_TABLE = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
Z = 1.959964  # of the normal distribution, 97.5%


def t_quantile(freedom: int, tail: float = 0.025) -> float:
    """Student's t that is exceeded with probability ``tail``: right to 0.001 at 0.025; at smaller
    tails to 1% from 4 degrees of freedom on. Source: Abramowitz & Stegun 26.7.5.
    """
    usual = tail == 0.025
    if usual and freedom <= len(T_TABLE):
        return T_TABLE[freedom - 1]
    z = Z if usual else NormalDist().inv_cdf(1 - tail)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def clustered_interval(sums: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """95% interval of a share whose answers come in clusters (prompts), each of which may have a
    share of its own. It counts prompts: one prompt says nothing about others, so (0, 1).

    Args:
        sums: (G,) hits of each cluster (a tie counts half); counts: (G,) its answers, 1 or more.

    Wilson's interval for as many independent answers as these are worth: their number over the
    design effect, with Student's quantile at G - 1 degrees of freedom for the normal one. The
    design effect is the cluster-robust variance of the share (sums over clusters, factor G / (G-1))
    over that of independent answers.

    Source: Franco, Little, Louis & Slud 2019 (Journal of Survey Statistics and Methodology 7:334),
    Wilson's interval at the effective sample size; Cameron & Miller 2015 ("A practitioner's guide
    to cluster-robust inference", Journal of Human Resources 50:317), sections II and VI: the
    variance, its factor, the quantile. The floor of the design effect, 1 + (m - 1) / G at m answers
    a cluster, is ours: G clusters that happen to agree cannot rule out a correlation within
    clusters of about 1 / G. Without it 6 clusters of 50 cover 88% where they should 95%. No
    narrower than Wilson's over answers, ever. Measured in tests/common/test_intervals.py: at least
    92% for 2 to 30 prompts, 200 answers in all and shares from 10 to 90%; nearly always where the
    prompts are fewer than 5. It covers less with many answers a prompt, very unevenly many (90% at
    12 prompts of 200), and near 0 or 1 where prompts differ much (about 83% at a share of 97%).
    """
    clusters, count = len(counts), sum(counts)
    if clusters < 2:
        return 0.0, 1.0
    share = sum(sums) / count
    robust = sum((hits - share * each) ** 2 for hits, each in zip(sums, counts, strict=True))
    robust *= clusters / (clusters - 1) / count**2
    independent = share * (1 - share) / count
    size = sum(each**2 for each in counts) / count  # answers in the cluster of a typical answer
    effect = 1 + (size - 1) / clusters
    if independent > 0:
        effect = max(effect, robust / independent)
    worth = count / effect
    return wilson_interval(share * worth, worth, t_quantile(clusters - 1))


def clustered(outcomes: Sequence[float], clusters: Sequence) -> tuple[float, float]:
    """``clustered_interval`` of single outcomes, 0 to 1, and the cluster (prompt) of each."""
    found: dict = {}
    for outcome, cluster in zip(outcomes, clusters, strict=True):
        found.setdefault(cluster, []).append(outcome)
    return clustered_interval([sum(x) for x in found.values()], [len(x) for x in found.values()])


def mean_interval(values: Sequence[float], tail: float = 0.025) -> tuple[float, float]:
    """95% interval of a mean of two or more independent values; ``tail``: the probability that is
    left out on each side. Source: Student 1908.
    """
    count, middle = len(values), sum(values) / len(values)
    variance = sum((value - middle) ** 2 for value in values) / (count - 1)
    half = t_quantile(count - 1, tail) * math.sqrt(variance / count)
    return middle - half, middle + half


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
