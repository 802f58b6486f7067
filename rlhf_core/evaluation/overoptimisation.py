"""What may be said about a run that chases a proxy.

Where the gold rating peaked, how far it fell, and what a cure did to that.

Works on points, one a measurement of a policy: {"step", "kl" (nats an answer), "proxy", "gold",
"fluency" (all as changes from the original model), "gold_a", "gold_b" (gold of each prompt, from
two separate samples)}. The peak is looked for in sample a and the fall measured in sample b: the
highest of many noisy means is too high where it was found. Imports no torch, so that a page can
draw before the engine is loaded.

Source: Gao et al. 2023, "Scaling laws for reward model overoptimization" (arXiv 2210.10760), for
the curves and the axis sqrt(KL).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from rlhf_core.evaluation.before_after import FEWEST_PROMPTS

DRAWS = 1_000
FALL = 0.3  # reference standard deviations of gold from which on a fall is called one


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def over_prompts(
    statistic: Callable[[list[int]], float], prompts: int, seed: int = 0
) -> tuple[float, float, float]:
    """``statistic`` of all prompts, and its 95% interval with whole prompts drawn again; without
    ends below FEWEST_PROMPTS, so that nothing is detected.

    Cluster bootstrap, Efron & Tibshirani 1993, chapter 8.
    """
    if prompts < FEWEST_PROMPTS:
        return statistic(list(range(prompts))), -math.inf, math.inf
    rng = random.Random(seed)
    drawn = sorted(statistic(rng.choices(range(prompts), k=prompts)) for _ in range(DRAWS))
    return statistic(list(range(prompts))), drawn[int(0.025 * DRAWS)], drawn[int(0.975 * DRAWS) - 1]


def fall_of(points: list[dict], seed: int = 0) -> dict | None:
    """From the peak of gold to the end of the run. None before there are two points.

    Returns:
        {"peak_step", "last_step", "fall" (of gold, reference SD: positive is a fall), "low", "high"
        (95%), "proxy_rise" (over the same steps)}.
    """
    if len(points) < 2:
        return None
    peak = max(points, key=lambda point: (mean(point["gold_a"]), -point["step"]))
    last = points[-1]
    both = zip(peak["gold_b"], last["gold_b"], strict=True)
    drops = [before - after for before, after in both]  # one a prompt
    fall, low, high = over_prompts(
        lambda prompts: mean([drops[i] for i in prompts]), len(drops), seed
    )
    return {
        "peak_step": peak["step"],
        "last_step": last["step"],
        "fall": fall,
        "low": low,
        "high": high,
        "proxy_rise": last["proxy"] - peak["proxy"],
    }


def gold_at(points: list[dict], distance: float) -> list[float] | None:
    """Gold of each prompt where the run first came to ``distance`` (sqrt of KL).

    Linear between two points; None where it never came so far.
    """
    for before, after in zip(points, points[1:]):
        start, end = math.sqrt(before["kl"]), math.sqrt(after["kl"])
        if start <= distance <= end:
            share = (distance - start) / (end - start) if end > start else 1.0
            return [
                (1 - share) * x + share * y for x, y in zip(both(before), both(after), strict=True)
            ]
    return None


def both(point: dict) -> list[float]:
    """Gold of each prompt, both samples together."""
    return [(a + b) / 2 for a, b in zip(point["gold_a"], point["gold_b"], strict=True)]


def same_distance(free: list[dict], cured: list[dict], seed: int = 0) -> dict | None:
    """Gold of the cured run less that of the free run *at the same KL*.

    The mean over the cured run's points; None where they share no stretch.

    Above 0, the cure moved the curve: more gold for the same drift. Around 0, it runs along the
    same curve, and may have stopped earlier on it.

    Returns:
        {"difference" (reference SD), "low", "high" (95%), "points"}.
    """
    gaps = []
    for point in cured[1:]:
        there = gold_at(free, math.sqrt(point["kl"]))
        if there is not None:
            gaps.append([x - y for x, y in zip(both(point), there, strict=True)])
    if not gaps:
        return None
    difference, low, high = over_prompts(
        lambda prompts: mean([mean([gap[i] for i in prompts]) for gap in gaps]), len(gaps[0]), seed
    )
    return {"difference": difference, "low": low, "high": high, "points": len(gaps)}


def judge_cure(free: list[dict], cured: list[dict]) -> dict | None:
    """What a cure did. None before both runs have two points.

    Returns:
        {"fall", "free_fall": ``fall_of`` of each, "halved": fell at most half as far, None where
        the free run did not fall, "same_distance", "effect": "moved" | "worse" | "stopped earlier"
        | "too few to tell", "shorter": ended at less than three quarters of the free run's
        sqrt(KL)}.
    """
    free_fall, fall = fall_of(free), fall_of(cured)
    if free_fall is None or fall is None:
        return None
    found = same_distance(free, cured)
    shorter = math.sqrt(cured[-1]["kl"]) < 0.75 * math.sqrt(free[-1]["kl"])
    if found and found["low"] > 0:
        effect = "moved"
    elif found and found["high"] < 0:
        effect = "worse"
    else:
        effect = "stopped earlier" if shorter else "too few to tell"
    halved = fall["fall"] <= free_fall["fall"] / 2 if free_fall["fall"] >= FALL else None
    return {
        "fall": fall,
        "free_fall": free_fall,
        "halved": halved,
        "same_distance": found,
        "effect": effect,
        "shorter": shorter,
    }
