"""Who may come in: a room by its code, its host, its wall, a person by their token.

Each returns what that role may know, or raises RoomError in one sentence. What role somebody has
follows from the secret alone. Secrets are compared by their hashes, in constant time. A code is one
of 64 million and opens nothing but the join page; the caller counts look-ups (``ui.rates``).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import limits, naming, reading
from rlhf_core.rooms.records import Joined, Person, Room
from rlhf_core.store import room_rows
from rlhf_core.store.tables import now_ms

TOKEN = re.compile(r"[A-Za-z0-9_-]{22,64}")
BACK = "You are in already, on this phone or another one: you have one voice."
LOCKED = "The host has closed the door: nobody new can join just now. Who is in stays in."


def wall_key(host: str) -> str:
    """The wall's key follows from the host's secret, and does not lead back to it: the host's link
    is all that has to be kept.
    """
    digest = hmac.new(host.encode("utf-8", "replace"), b"opossum room wall", hashlib.sha256)
    return base64.urlsafe_b64encode(digest.digest()[:18]).decode()


def look(code: str) -> dict:
    """What somebody reads who has not joined: {"code", "title", "briefs": [as ``Half.brief``],
    "consent", "people" (who ever joined), "most", "full", "closed", "locked": whether the host has
    closed the door, "act"}; title and briefs are untrusted text. Raises RoomError: there is no such
    room.
    """
    with reading.database().look() as db:
        row = reading.row_of(db, code)
        settings, halves = reading.facts(db, row.room_id)
        seats = limits.people() + room_rows.left_out(db, row.room_id)
    return {
        "code": row.code,
        "title": settings.title,
        "briefs": [half.brief for half in halves],
        "consent": settings.consent,
        "people": row.people,
        "most": limits.people(),
        "full": row.people >= seats,
        "closed": reading.is_closed(row),
        "locked": row.door_ms is not None,
        "act": row.act,
    }


def by_code(code: str) -> Room:
    """The room of ``code``, typed in any case and with spaces or hyphens. Whoever shows it leaves
    out ``session_id``. Raises RoomError: there is none.
    """
    with reading.database().look() as db:
        return reading.room_of(db, reading.row_of(db, code))


def by_host(code: str, secret: str) -> Room:
    """Raises RoomError, the same for a wrong code and a wrong secret."""
    with reading.database().look() as db:
        return reading.room_of(db, reading.row_for(db, code, secret, "host"))


def by_wall(code: str, key: str) -> Room:
    """Raises RoomError, the same for a wrong code and a wrong key."""
    with reading.database().look() as db:
        return reading.room_of(db, reading.row_for(db, code, key, "wall"))


def by_person(code: str, me: str) -> tuple[Room, Person]:
    """Raises RoomError: there is no such room, or nobody of this token in it."""
    with reading.database().look() as db:
        row = reading.row_of(db, code)
        person = reading.person_of(reading.person_row(db, row, me))
        return reading.room_of(db, row), person


def join(code: str, nickname: str = "", me: str = "") -> Joined:
    """Come in. ``me``: the token that this phone kept: then it is the same person, whatever the
    nickname; or one that it has just drawn (22 to 64 of A-Z a-z 0-9 _ -), so that joining twice in
    one tap is joining once. Who was left out takes nobody's place. ``Joined.note`` says where a
    nickname is not what was typed. Raises RoomError: no such room, closed, its door closed, full, a
    name that is too long.
    """
    drawn = me if isinstance(me, str) and TOKEN.fullmatch(me) else secrets.token_urlsafe(18)
    with reading.database().change() as db:
        row = reading.row_of(db, code)
        reading.open_or_refuse(row)
        there = room_rows.person(db, row.room_id, reading.sha(drawn))
        if there is not None:
            return Joined(drawn, reading.person_of(there), BACK)
        if row.door_ms is not None:
            raise RoomError(LOCKED, "locked")
        _, halves = reading.facts(db, row.room_id)
        most = limits.people()
        seats = most + room_rows.left_out(db, row.room_id)
        number = room_rows.next_person(db, row.room_id, seats)
        if number is None:
            raise RoomError(
                f"This room is full: {most} people are in it. Look along with a neighbour.", "full"
            )
        name = naming.nickname(nickname, room_rows.names(db, row.room_id))
        now = now_ms()
        person = Person(
            number, name, naming.pseudonym(row.seed, number), (number - 1) % len(halves), False
        )
        kept = {
            "room_id": row.room_id,
            "person": number,
            "token_sha": reading.sha(drawn),
            "name": name,
            "pseudonym": person.pseudonym,
            "half": person.half,
            "left_out": False,
            "joined_ms": now,
            "seen_ms": now,
        }
        room_rows.add_person(db, kept)
        if name:
            word = {"room_id": row.room_id, "word_id": f"name-{number}", "person": number}
            room_rows.add_word(db, word | {"kind": "name", "text": name, "status": "waiting"})
    return Joined(drawn, person, naming.note(nickname, name, person.pseudonym))
