"""From judgements to the session: what the room's reward model learns from. Imports no torch.

The jobs themselves are everybody's, over the half's session: "fit", "ppo", "evaluate"; the room's
own is "room_groups" (majority and minority models).
"""

from __future__ import annotations


def gather(code: str, host: str, half: int = 0) -> dict:
    """Put the included judgements of a half into its session, as rankings by pseudonym; those left
    out leave it. Then submit "fit" over that session. {"judgements", "people", "left_out" (people),
    "session_id"}. Raises RoomError: nothing to learn from yet.
    """
    raise NotImplementedError


def standing(code: str, host: str, half: int = 0) -> dict:
    """What was trained: {"gathered": judgements in the session, "new": judgements since, "summary":
    ``Learned.summary``, "steps": PPO steps done, "gain" | None, "evaluation" | None, "groups": the
    record of "room_groups" | None}. Raises RoomError.
    """
    raise NotImplementedError
