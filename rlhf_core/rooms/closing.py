"""A room ends: everything as a zip, everything deleted, and what has expired."""

from __future__ import annotations


def export(code: str, host: str, names: bool = False) -> bytes:
    """A zip of everything: the judgements as the import page reads them, pairs, people, votes,
    events, typed texts and the consent as it was shown. Pseudonyms, unless ``names``. Also of a
    room that is closed. Raises RoomError.
    """
    raise NotImplementedError


def delete(code: str, host: str) -> None:
    """Remove the room, its people and judgements, and its sessions with their weights. Raises
    RoomError.
    """
    raise NotImplementedError


def sweep() -> int:
    """Delete rooms that nobody may need any more (``limits.KEPT_DAYS``); how many. Called when a
    room opens, at most once a minute.
    """
    raise NotImplementedError
