"""Intervals over prompts: quantiles against tables, bounds by hand, coverage by simulation."""

import math

import numpy as np
import pytest

from rlhf_core.common.intervals import (
    clustered,
    clustered_interval,
    mean_interval,
    t_quantile,
    wilson_interval,
)


# Published tables of Student's t, two-sided 5%.
@pytest.mark.parametrize(
    ("freedom", "value"),
    [(1, 12.706), (5, 2.571), (9, 2.262), (10, 2.228), (15, 2.131), (29, 2.045), (120, 1.980)],
)
def test_quantiles_of_student(freedom, value):
    assert t_quantile(freedom) == pytest.approx(value, abs=1e-3)
    assert t_quantile(freedom) > t_quantile(freedom + 1) > 1.959


def test_a_mean_by_hand():
    # 1, 2, 3: mean 2, standard deviation 1, t(2) = 4.303.
    half = 4.303 / math.sqrt(3)
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2 - half, 2 + half))


def test_one_prompt_says_nothing_and_no_prompt_neither():
    assert clustered_interval([150], [200]) == clustered_interval([], []) == (0.0, 1.0)


def test_single_answers_are_wilson_with_the_quantile_of_student():
    # One answer a cluster, 12 of 20: the robust variance is p (1 - p) / (G - 1).
    low, high = clustered_interval([1] * 12 + [0] * 8, [1] * 20)
    assert (low, high) == pytest.approx(wilson_interval(0.6 * 19, 19, 2.093), abs=1e-4)


def test_prompts_that_are_all_alike_leave_doubt():
    for share in (0.0, 0.5, 1.0):
        low, high = clustered_interval([20 * share] * 6, [20] * 6)
        # A design effect of 1 + 19 / 6, since agreement of six prompts proves little.
        worth = 120 / (1 + 19 / 6)
        assert (low, high) == pytest.approx(wilson_interval(share * worth, worth, 2.571), abs=1e-4)
        assert high - low > 0.1


def test_never_narrower_than_answers_that_are_independent():
    generator = np.random.default_rng(0)
    for _ in range(200):
        counts = generator.integers(1, 30, size=generator.integers(2, 40)).tolist()
        sums = [generator.integers(0, 2 * count + 1) / 2 for count in counts]  # ties count half
        low, high = clustered_interval(sums, counts)
        plain_low, plain_high = wilson_interval(sum(sums), sum(counts))
        assert high - low > plain_high - plain_low
        assert 0 <= low <= sum(sums) / sum(counts) <= high <= 1


def test_answers_are_put_together_by_prompt():
    outcomes, prompts = [1, 0.5, 0, 1, 1], ["x", "y", "x", "x", "z"]
    assert clustered(outcomes, prompts) == clustered_interval([2, 0.5, 1], [3, 1, 1])
    with pytest.raises(ValueError):
        clustered([1, 0], ["x"])


# --- coverage -------------------------------------------------------------------------------------

TRIALS = 1_000


def covered(prompts: int, rate: float, alike: float, generator) -> float:
    """How often the interval holds the true rate: 200 answers in all, and prompts whose own rates
    are Beta with intraclass correlation ``alike``.
    """
    each, strength = 200 // prompts, 1 / alike - 1
    own = generator.beta(rate * strength, (1 - rate) * strength, size=(TRIALS, prompts))
    found = [
        clustered_interval(sums, [each] * prompts)
        for sums in generator.binomial(each, own).tolist()
    ]
    return sum(low <= rate <= high for low, high in found) / TRIALS


def test_the_true_share_is_inside_95_times_in_100_for_few_prompts_too():
    generator = np.random.default_rng(3)
    cells = {
        (prompts, alike, rate): covered(prompts, rate, alike, generator)
        for prompts in (2, 3, 4, 6, 12, 30)
        for alike in (0.05, 0.3)
        for rate in (0.5, 0.7, 0.9)
    }
    assert min(cells.values()) >= 0.92, cells
    assert sum(cells.values()) / len(cells) >= 0.94
    # And at many prompts it is no wider than it need be.
    assert all(share < 0.98 for (prompts, *_), share in cells.items() if prompts == 30)


def test_held_out_pairs_of_rankings_count_by_prompt():
    """Six prompts, one ranking of six each, so 15 pairs that share their answers; the scorer is
    right about a pair with what a noisy score leaves. Truth: the same, over many prompts.
    """
    generator = np.random.default_rng(1)
    left, right = np.triu_indices(6, 1)

    def hits(count: int) -> np.ndarray:  # (count, 6) prompts -> how many of 15 pairs are right
        worth = generator.normal(size=(count, 6, 6))
        score = worth + 1.2 * generator.normal(size=(count, 6, 6))
        agree = (worth[..., left] > worth[..., right]) == (score[..., left] > score[..., right])
        return agree.sum(-1)

    truth = hits(50_000).mean() / 15
    of = [15] * 6
    trials = hits(2_000).tolist()
    inside = [low <= truth <= high for low, high in (clustered_interval(s, of) for s in trials)]
    over_pairs = [wilson_interval(sum(s), 90) for s in trials]
    assert sum(inside) / len(trials) >= 0.92
    assert sum(low <= truth <= high for low, high in over_pairs) / len(trials) < 0.9
