"""A room out of its rows: what every function of this package begins with.

What never changes of a room (its settings, halves and pairs) is read once a process; all else is
read anew every time, so that any server answers alike. Imports no torch.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections import OrderedDict
from collections.abc import Callable

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.common.errors import RoomError
from rlhf_core.common.known import known
from rlhf_core.rooms.records import Act, Half, Person, Room, RoomSettings
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from rlhf_core.store import room_rows
from rlhf_core.store.database import Database
from rlhf_core.store.tables import now_ms

LETTERS = "BCDFGHJKMNPQRSTVWXYZ"  # no vowels (no words), no I, L, O: 64 million codes of six
CODE_LENGTH, MOST_SECRET = 6, 200
MOST_KEPT = 200  # rooms whose settings or pairs a process remembers
NO_ROOM = "There is no room of this code here. Look at the wall again: six letters."
NOT_YOURS = (
    "This room, or the key to it, is not known here. Use the whole link that you were given."
)


class Kept:
    """The newest ``most`` of what never changes, by key."""

    def __init__(self, most: int = MOST_KEPT):
        self._most = most
        self._found: OrderedDict = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key, make: Callable[[], object]):
        """What stands under ``key``; made where nothing does."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = make()
        with self._lock:
            self._found[key] = made
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return made


_FACTS, _PAIRS = Kept(), Kept()


def database() -> Database:
    """Where rooms are: with the sessions."""
    return registry.keeper().database


def sha(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(f"opossum room {secret}".encode("utf-8", "replace")).hexdigest()


def code_of(typed: object) -> str:
    """A code as it is kept, however it was typed; "" where it cannot be one."""
    letters = re.sub(r"[\s\-–·.]", "", typed).upper() if isinstance(typed, str) else ""
    known = len(letters) == CODE_LENGTH and all(letter in LETTERS for letter in letters)
    return letters if known else ""


def row_of(db: Open, code: object) -> Row:
    """Raises RoomError: there is no such room."""
    found = room_rows.by_code(db, code_of(code)) if code_of(code) else None
    if found is None or found.gone_ms <= now_ms():
        raise RoomError(NO_ROOM, "unknown")
    return found


def row_for(db: Open, code: object, secret: object, role: str) -> Row:
    """The room of a host ("host") or a wall ("wall"). Raises RoomError, the same whatever is wrong.

    An unknown code costs as much as a wrong secret.
    """
    found = room_rows.by_code(db, code_of(code)) if code_of(code) else None
    given = sha(secret[:MOST_SECRET] if isinstance(secret, str) else "")
    kept = getattr(found, f"{role}_sha") if found is not None else "0" * 64
    if not hmac.compare_digest(given, kept) or found is None or found.gone_ms <= now_ms():
        raise RoomError(NOT_YOURS, "unknown")
    return found


def hosted(db: Open, code: object, secret: object) -> Row:
    """``row_for`` a host."""
    return row_for(db, code, secret, "host")


def person_row(db: Open, room: Row, me: object) -> Row:
    """Raises RoomError: nobody of this token is in the room."""
    may_be = isinstance(me, str) and 0 < len(me) <= MOST_SECRET
    found = room_rows.person(db, room.room_id, sha(str(me))) if may_be else None
    if found is None:
        raise RoomError("You are not in this room yet: join it with its code.", "unknown")
    return found


def person_of(row: Row) -> Person:
    return Person(row.person, row.name, row.pseudonym, row.half, row.left_out)


def facts(db: Open, room_id: str) -> tuple[RoomSettings, tuple[Half, ...]]:
    """What a room was opened with."""

    def read():
        plain = known(room_rows.settings(db, room_id))
        lists = {name: tuple(plain[name]) for name in ("briefs", "prompts")}
        rows = room_rows.halves(db, room_id)
        halves = tuple(Half(row.half, row.session_id, row.brief) for row in rows)
        return RoomSettings(**{**plain, **lists}), halves

    return _FACTS.get(room_id, read)


def pairs(db: Open, room: Row) -> dict[str, Row]:
    """The room's pairs by their id, in order."""

    def read():
        return {row.pair_id: row for row in room_rows.pairs(db, room.room_id)}

    return _PAIRS.get((room.room_id, room.pairs), read)


def until_of(row: Row, now: int) -> int | None:
    """When the act's clock runs out, as it looks at ``now``: while the room is frozen it stands."""
    stands = now - row.frozen_ms if row.frozen and row.frozen_ms is not None else 0
    return None if row.until_ms is None else row.until_ms + stands


def act_of(row: Row) -> Act:
    now = now_ms()
    return Act(row.act, row.began_ms, until_of(row, now), now, row.frozen, row.act_number)


def room_of(db: Open, row: Row) -> Room:
    settings, halves = facts(db, row.room_id)
    written = sum(pair.purpose == "rank" for pair in pairs(db, row).values())
    return Room(
        code=row.code,
        settings=settings,
        halves=halves,
        act=act_of(row),
        people=row.people,
        pairs=written,
        opened_ms=row.opened_ms,
        closes_ms=row.closes_ms,
        gone_ms=row.gone_ms,
        closed=is_closed(row),
        door_closed=row.door_ms is not None,
    )


def is_closed(row: Row) -> bool:
    return row.closes_ms <= now_ms()


def open_or_refuse(row: Row) -> None:
    """Raises RoomError: the room is closed."""
    if is_closed(row):
        hours = round((row.closes_ms - row.opened_ms) / 3_600_000)
        raise RoomError(
            f"This room is closed: it was open for {hours} hours. Its host can still download what"
            " was judged, and open a new one.",
            "closed",
        )


def half_of(db: Open, row: Row, half: int) -> Half:
    """Raises RoomError: the room has no such half."""
    _, halves = facts(db, row.room_id)
    if half not in range(len(halves)):
        raise RoomError(f"This room has no half number {half}.")
    return halves[half]


def session_of(half: Half) -> Session:
    """The half's session. Raises RoomError: it is gone; StoreError."""
    found = registry.get(half.session_id)
    if found is None:
        raise RoomError(
            "This room's session is gone: perhaps it was started over. What people judged is still"
            " here: download it, and open a new room."
        )
    return found
