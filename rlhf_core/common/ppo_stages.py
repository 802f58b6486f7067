"""What the stages of a PPO step are called, in ``algorithms.ppo`` and wherever a page shows them."""

from __future__ import annotations

STAGES = (
    "writing answers",
    "scoring",
    "pricing the drift",
    "judging each token",
    "updating the model",
)
