"""The host's hand: leave a person out or take them in again, let typed text through. Every tap
leaves an event.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.common.errors import RoomError
from rlhf_core.common.untrusted import seen
from rlhf_core.judging.typed import MAX_IDEAL, check_note
from rlhf_core.rooms import limits, reading
from rlhf_core.store import room_rows

FROZEN = "The host has paused the room. Send it again when it goes on."
SILENT = "has judged nothing"
KINDS = {"prompt": limits.PROMPT_LENGTH, "ideal": MAX_IDEAL}  # what a person may type; how long


def leave_out(code: str, host: str, number: int, why: str = "") -> None:
    """From now on person ``number`` counts nowhere; what they judged stays on record. The next
    training goes without it. Raises RoomError.
    """
    _include(code, host, number, True, why)


def take_in(code: str, host: str, number: int) -> None:
    """Person ``number`` counts again. Raises RoomError."""
    _include(code, host, number, False, "")


def _include(code: str, host: str, number: int, left_out: bool, why: str) -> None:
    why = seen(check_note(why, "The reason", limits.REASON))
    with reading.database().change() as db:
        row = reading.hosted(db, code, host)
        if number not in {person.person for person in room_rows.people(db, row.room_id)}:
            raise RoomError("There is nobody of that number in this room.")
        if room_rows.leave_out(db, row.room_id, number, left_out):
            told = {"why": why} if why else {}
            kind = "left out" if left_out else "taken in"
            room_rows.note(db, row.room_id, kind, number, **told)


def leave_out_silent(code: str, host: str) -> int:
    """Leave out everybody who has judged nothing yet; how many. They take nobody's place any more:
    for a room that somebody filled with made-up people. Each is on record. Raises RoomError.
    """
    with reading.database().change() as db:
        row = reading.hosted(db, code, host)
        found = room_rows.silent(db, row.room_id)
        for number in found:
            room_rows.leave_out(db, row.room_id, number, True)
            room_rows.note(db, row.room_id, "left out", number, why=SILENT)
    return len(found)


def write(code: str, me: str, kind: str, text: str) -> str:
    """Keep a text that a person typed (``kind``: "prompt" or "ideal") until the host looks at it;
    its id. Nicknames are kept so by ``doors.join`` (kind "name"). Raises RoomError, InputError.
    """
    with reading.database().change() as db:
        row = reading.row_of(db, code)
        person = reading.person_row(db, row, me)
        return keep(db, row, person, kind, text)


def keep(
    db: Open, room: Row, person: Row, kind: str, text: object, pair: str = "", name: str = ""
) -> str:
    """``write``, for who has been let in already. ``pair``: the pair that it is about. ``name``:
    drawn on the phone; the same one again is the same text. Raises RoomError, InputError.
    """
    if kind not in KINDS:
        raise RoomError("Only a prompt or an ideal answer can be written here.")
    text = seen(check_note(text, "The text", KINDS[kind])).strip()
    if not text:
        raise RoomError("The text is empty. Write something first.")
    reading.open_or_refuse(room)
    if room.frozen:
        raise RoomError(FROZEN, "frozen")
    settings, _ = reading.facts(db, room.room_id)
    if kind == "ideal" and not settings.ideal_answers:
        raise RoomError("This room takes no written answers.")
    word_id = f"{person.person}-{name or secrets.token_hex(8)}"
    if room_rows.word(db, room.room_id, word_id) is not None:
        return word_id
    if room_rows.words_of(db, room.room_id, person.person) >= limits.WORDS:
        raise RoomError(f"You have written {limits.WORDS} texts, which is the most.")
    word = {"room_id": room.room_id, "word_id": word_id, "person": person.person}
    word |= {"kind": kind, "text": text, "status": "waiting", "pair_id": pair or None}
    room_rows.add_word(db, word)
    return word_id


def show(code: str, host: str, word: str, shown: bool) -> None:
    """Let a typed text onto the wall, or keep it off. Raises RoomError."""
    status = "shown" if shown else "hidden"
    with reading.database().change() as db:
        row = reading.hosted(db, code, host)
        if not isinstance(word, str) or not room_rows.set_word(db, row.room_id, word, status):
            raise RoomError("That text is not there any more.")
        room_rows.note(db, row.room_id, f"text {status}", word=word)


def events(code: str, host: str) -> list[dict]:
    """What happened, oldest first: {"at" (ms), "kind", "number" | None, "who": that person's
    pseudonym | "", "about": plain values}. Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.hosted(db, code, host)
        who = {one.person: one.pseudonym for one in room_rows.people(db, row.room_id)}
        return [
            {"at": one.at_ms, "kind": one.kind, "number": one.person, "about": one.about}
            | {"who": who.get(one.person, "")}
            for one in room_rows.events(db, row.room_id)
        ]
