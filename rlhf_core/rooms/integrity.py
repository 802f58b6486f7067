"""The host's hand: leave a person out or take them in again, let typed text through. Every tap
leaves an event.
"""

from __future__ import annotations


def leave_out(code: str, host: str, number: int, why: str = "") -> None:
    """From now on person ``number`` counts nowhere; what they judged stays on record. The next
    training goes without it. Raises RoomError.
    """
    raise NotImplementedError


def take_in(code: str, host: str, number: int) -> None:
    """Person ``number`` counts again. Raises RoomError."""
    raise NotImplementedError


def write(code: str, me: str, kind: str, text: str) -> str:
    """Keep a text that a person typed (``kind``: "prompt" or "ideal") until the host looks at it;
    its id. Nicknames are kept so by ``doors.join`` (kind "name"). Raises RoomError.
    """
    raise NotImplementedError


def show(code: str, host: str, word: str, shown: bool) -> None:
    """Let a typed text onto the wall, or keep it off. Raises RoomError."""
    raise NotImplementedError


def events(code: str, host: str) -> list[dict]:
    """What happened, oldest first: {"at" (ms), "kind", "number" | None, "about": plain values}.
    Raises RoomError.
    """
    raise NotImplementedError
