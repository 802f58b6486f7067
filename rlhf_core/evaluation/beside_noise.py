"""What two climbs did, one on votes and one on coin flips: how far each one's own reward rose, and
how far gold did, with intervals over prompts.

Works on points as ``overoptimisation`` does, with "proxies": the reward of each prompt's answers.
Says what happened and expects nothing: noise may raise gold by luck, and votes may fail to. Imports
no torch, so that a page can draw before the engine is loaded.
"""

from __future__ import annotations

from rlhf_core.evaluation.overoptimisation import both, mean, over_prompts


def over(changes: list[float]) -> dict:
    """{"mean", "low", "high" (95%, whole prompts drawn again), "way"}: 1 where all of the interval
    lies above 0, -1 where all of it lies below, else 0: no detectable change.
    """
    middle, low, high = over_prompts(lambda rows: mean([changes[i] for i in rows]), len(changes))
    return {"mean": middle, "low": low, "high": high, "way": (low > 0) - (high < 0)}


def gold_changes(points: list[dict]) -> list[float]:
    """Gold of each prompt, from step 0 to the last point, reference SD."""
    return [now - then for then, now in zip(both(points[0]), both(points[-1]), strict=True)]


def change_of(points: list[dict]) -> dict | None:
    """From step 0 to the last point: {"step", "kl", "reward", "gold"}, the last two as ``over``.
    None before there are two points.
    """
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    rewards = [b - a for a, b in zip(first["proxies"], last["proxies"], strict=True)]
    return {
        "step": last["step"],
        "kl": last["kl"],
        "reward": over(rewards),
        "gold": over(gold_changes(points)),
    }


def verdict(votes: list[dict], noise: list[dict]) -> dict | None:
    """Both runs' ``change_of``, and "gap": the votes' change of gold less the noise's, prompt by
    prompt, as ``over``. None before both have two points at the same last step.
    """
    real, coins = change_of(votes), change_of(noise)
    if real is None or coins is None or real["step"] != coins["step"]:
        return None
    gaps = [a - b for a, b in zip(gold_changes(votes), gold_changes(noise), strict=True)]
    return {"votes": real, "noise": coins, "gap": over(gaps)}
