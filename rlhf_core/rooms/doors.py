"""Who may come in: a room by its code, its host, its wall, a person by their token.

Each returns what that role may know, or raises RoomError in one sentence. What role somebody has
follows from the secret alone. Secrets are compared by their hashes, in constant time.
"""

from __future__ import annotations

from rlhf_core.rooms.records import Joined, Person, Room


def by_code(code: str) -> Room:
    """The room of ``code``, typed in any case and with spaces or hyphens. Whoever shows it leaves
    out ``session_id``. Raises RoomError: there is none. The caller counts look-ups (``ui.rates``).
    """
    raise NotImplementedError


def by_host(code: str, secret: str) -> Room:
    """Raises RoomError, the same for a wrong code and a wrong secret."""
    raise NotImplementedError


def by_wall(code: str, key: str) -> Room:
    """Raises RoomError, the same for a wrong code and a wrong key."""
    raise NotImplementedError


def by_person(code: str, me: str) -> tuple[Room, Person]:
    """Raises RoomError: there is no such room, or nobody of this token in it."""
    raise NotImplementedError


def join(code: str, nickname: str = "", me: str = "") -> Joined:
    """Come in. ``me``: the token that this phone kept, if any: then it is the same person, whatever
    the nickname. Raises RoomError: no such room, closed, full, or a name that cannot be used.
    """
    raise NotImplementedError
