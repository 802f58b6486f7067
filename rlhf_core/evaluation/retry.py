"""One safe way to try again: settings that pull harder and step smaller than those that failed.

Knows nothing about what went wrong (``symptoms``). Ranges: ``ppo_presets.SAFE``.
"""

from __future__ import annotations

from rlhf_core.common.ppo_presets import SAFE
from rlhf_core.common.settings import PPOSettings


def calmer(settings: dict, *, beta: bool = False) -> dict:
    """Settings that pull harder and step smaller, none outside its safe range, one at least new."""
    rate, low = settings["learning_rate"], SAFE["learning_rate"].low
    wish = {
        "learning_rate": max(low, min(PPOSettings.learning_rate, rate / 2 if not beta else rate)),
        "epochs": min(settings["epochs"], PPOSettings.epochs),
    }
    wish |= {
        "clip": min(settings["clip"], PPOSettings.clip),
        "max_grad_norm": min(settings["max_grad_norm"], PPOSettings.max_grad_norm),
    }
    if beta:
        more = min(SAFE["beta"].high, 2 * settings["beta"])
        wish["beta"] = PPOSettings.beta if settings["beta"] < PPOSettings.beta else more
    if wish["learning_rate"] == rate and wish.get("beta", settings["beta"]) == settings["beta"]:
        wish["learning_rate"] = rate / 2  # already as calm as the rules go
    return {name: value for name, value in wish.items() if value != settings[name]}


def far_smaller(rate: float) -> float:
    """A learning rate in the safe range, well below ``rate``."""
    return PPOSettings.learning_rate if rate >= 4 * PPOSettings.learning_rate else rate / 4
