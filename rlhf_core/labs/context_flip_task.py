"""What a learner is asked to write in the context flip lab, and whether it was done.

The task is always one that can be done: some text of the lab has done it already. Two briefs that
want opposite things give two scores that are each other's mirror image, so no text is liked by
both; there the task is a text that flips. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence

FAR = 1.0  # reference standard deviations from 0, on both sides
DONE, NEARLY, NOT_YET = "done", "nearly", "not yet"


def task(found: dict) -> tuple[str, float]:
    """("flip", how far from 0 on both sides) or ("both", 0.0), from what the lab has found."""
    rows = [row["scores"] for row in found["sentences"]]
    if any(min(scores) < -FAR and max(scores) > FAR for scores in rows):
        return "flip", FAR
    if any(min(scores) < 0 < max(scores) for scores in rows):
        return "flip", 0.0
    return "both", 0.0


def outcome(asked: tuple[str, float], scores: Sequence[float]) -> str:
    """How a text with these two scores answers the task: ``DONE``, ``NEARLY`` (it flips, and not as
    far as that) or ``NOT_YET``.
    """
    kind, far = asked
    if kind == "both":
        return DONE if min(scores) > 0 else NOT_YET
    if min(scores) < -far and max(scores) > far:
        return DONE
    return NEARLY if min(scores) < 0 < max(scores) else NOT_YET
