"""A person's desk: judgements in, the next pairs out. One call, one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_JUDGED, MOST_HELD = 100, 50  # of one call
AHEAD = 5  # pairs that a phone holds


def take(code: str, me: str, judged: Sequence[dict] = (), holds: Iterable[str] = ()) -> dict:
    """Store what a phone sends, and tell what it needs next. Safe to send again: an id counts once.

    Args:
        judged: rows {"id": made on the phone, 8 to 64 of A-Z a-z 0-9 _ -; "pair"; "choice": a | b |
            tie | skip, a being the left one; "seconds": from pair shown to tap, or None; "at": the
            phone's time in ms, or None}. Empty: a poll.
        holds: ids of pairs that the phone has and has not judged.

    Returns:
        JSON-able: {"stored": [ids: the phone forgets these], "refused": [{"id", "why": a sentence,
        "again": whether to keep it and send it again later (the room is frozen)}], "act": {"name",
        "began", "until" | None, "now" (ms, server's time), "frozen", "closed", "number",
        "say": what this screen says, "next": what happens next}, "pairs": [{"id", "prompt", "a",
        "b", "for": practice | rank | vote}], as many as make ``AHEAD`` with those held that still
        count; "drop": [held ids that are not asked any more: another act began], "you": {"name",
        "pseudonym", "number", "judged" (of this act), "total", "left" (how many more there are),
        "left_out"}, "feedback": [{"id", "right": bool, "why"}] of practice pairs with a known
        answer}.

    Raises RoomError: no such room or person, or what was sent is no such list.
    """
    raise NotImplementedError


def next_pairs(code: str, me: str, holds: Iterable[str] = ()) -> list[dict]:
    """``take`` of nothing, only its "pairs"."""
    raise NotImplementedError
