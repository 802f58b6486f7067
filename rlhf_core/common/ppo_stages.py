"""What the stages of a PPO step are called, in the engine and wherever a page shows them."""

from __future__ import annotations

WRITING, SCORING, PRICING = "writing answers", "scoring", "pricing the drift"
JUDGING, UPDATING = "judging each token", "updating the model"
STAGES = (WRITING, SCORING, PRICING, JUDGING, UPDATING)
