"""How often the room's reward model is right, and what that is worth: the same words on the host's
page, the wall and the phones, from the first moment on. Imports no torch.
"""

from __future__ import annotations

from rlhf_core.evaluation import conclusion


def told(summary: dict) -> dict | None:
    """{"share", "low" | None, "high" | None, "words": whether the votes share a taste, in a
    sentence; "" where nobody asked, "doubt": whether coins would have taught as much}; None:
    nothing was held out, or nothing trained.
    """
    share, bounds = summary.get("heldout_accuracy"), summary.get("heldout_interval")
    if share is None:
        return None
    low, high = bounds or (None, None)
    chance = summary.get("chance")
    words = conclusion.taste(chance) if conclusion.known(chance) else ""
    return {
        "share": share,
        "low": low,
        "high": high,
        "words": words,
        "doubt": conclusion.by_chance(chance),
    }
