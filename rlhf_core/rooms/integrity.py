"""The host's hand: leave a person out or take them in again, let typed text through. Every tap
leaves an event.
"""

from __future__ import annotations

import secrets

from rlhf_core.common.errors import RoomError
from rlhf_core.common.untrusted import seen
from rlhf_core.judging.typed import MAX_IDEAL, check_note
from rlhf_core.rooms import limits, reading
from rlhf_core.store import room_rows

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


def write(code: str, me: str, kind: str, text: str) -> str:
    """Keep a text that a person typed (``kind``: "prompt" or "ideal") until the host looks at it;
    its id. Nicknames are kept so by ``doors.join`` (kind "name"). Raises RoomError, InputError.
    """
    if kind not in KINDS:
        raise RoomError("Only a prompt or an ideal answer can be written here.")
    text = seen(check_note(text, "The text", KINDS[kind])).strip()
    if not text:
        raise RoomError("The text is empty. Write something first.")
    with reading.database().change() as db:
        row = reading.row_of(db, code)
        reading.open_or_refuse(row)
        person = reading.person_row(db, row, me)
        if row.frozen:
            raise RoomError("The host has paused the room. Send it again when it goes on.")
        if room_rows.words_of(db, row.room_id, person.person) >= limits.WORDS:
            raise RoomError(f"You have written {limits.WORDS} texts, which is the most.")
        word = {"room_id": row.room_id, "word_id": secrets.token_hex(8), "person": person.person}
        room_rows.add_word(db, word | {"kind": kind, "text": text, "status": "waiting"})
        return word["word_id"]


def show(code: str, host: str, word: str, shown: bool) -> None:
    """Let a typed text onto the wall, or keep it off. Raises RoomError."""
    status = "shown" if shown else "hidden"
    with reading.database().change() as db:
        row = reading.hosted(db, code, host)
        if not isinstance(word, str) or not room_rows.set_word(db, row.room_id, word, status):
            raise RoomError("That text is not there any more.")
        room_rows.note(db, row.room_id, f"text {status}", word=word)


def events(code: str, host: str) -> list[dict]:
    """What happened, oldest first: {"at" (ms), "kind", "number" | None, "about": plain values}.
    Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.hosted(db, code, host)
        return [
            {"at": one.at_ms, "kind": one.kind, "number": one.person, "about": one.about}
            for one in room_rows.events(db, row.room_id)
        ]
