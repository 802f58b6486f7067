"""Blind votes on the phones, before against after, and the room's verdict.

A prompt is one vote: what most people said of it. A hundred people about five prompts are five
witnesses, not five hundred.
"""

from __future__ import annotations


def prepare(code: str, host: str, half: int = 0) -> int:
    """Make the vote's pairs from the session's evaluation (job "evaluate"), one a prompt; how many.
    Safe to call again. Raises RoomError: nothing was measured yet.
    """
    raise NotImplementedError


def count(code: str, host: str, half: int = 0) -> dict:
    """Count the votes into the session, where the verdict finds them as blind votes; ``standing``.
    Raises RoomError.
    """
    raise NotImplementedError


def standing(code: str, host: str, half: int = 0) -> dict:
    """{"pairs", "votes", "people", "prompts": rows {"prompt", "before", "after", "for_before",
    "for_after", "tie", "of"}, "judge": ``verdict.by_votes`` over the prompts, "verdict",
    "conclusion": as ``evaluation.conclusion`` with the measured judges}. Raises RoomError.
    """
    raise NotImplementedError
