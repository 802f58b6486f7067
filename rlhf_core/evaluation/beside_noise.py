"""What three climbs did, on votes, on coin flips and on the same coins turned over: how far each
one's own reward rose, and how far gold did, with intervals over prompts.

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


def verdict(points: dict[str, list[dict]]) -> dict | None:
    """Of the points of the runs "votes", "noise" and "turned": each one's ``change_of``, and "gap":
    the votes' change of gold less the mean of both coin runs', prompt by prompt, as ``over``. In
    that mean the way that one throw happens to point largely cancels out. None before all three
    have two points and the same last step.
    """
    found = {name: change_of(points.get(name, [])) for name in ("votes", "noise", "turned")}
    runs = {name: change for name, change in found.items() if change is not None}
    if len(runs) < len(found) or len({one["step"] for one in runs.values()}) > 1:
        return None
    each = zip(*(gold_changes(points[name]) for name in runs), strict=True)
    return {**runs, "gap": over([votes - (heads + tails) / 2 for votes, heads, tails in each])}
