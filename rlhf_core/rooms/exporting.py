"""Everything of a room as a zip: for the host's records, and for other tools.

Pseudonyms stand for people; times are seconds since the room opened. ``preferences.jsonl`` is what
the import page reads.
"""

from __future__ import annotations

import io
import json
import zipfile

from sqlalchemy import Row

from rlhf_core.common.source import engine_version
from rlhf_core.judging.preferences import Pair
from rlhf_core.rooms import pairs, reading, votes
from rlhf_core.store import room_rows
from rlhf_core.store.formats import to_lines
from rlhf_core.store.room_counts import COUNTED

FORMAT = 1
EVERY = ("practice", *COUNTED, "vote")
README = """A workshop room, as it was exported.

preferences.jsonl   the judgements that count, as the import page reads them (a second half of the
                    room, under a brief of its own: preferences-2.jsonl)
judgements.jsonl    every judgement, practice, votes and those that were left out too
pairs.jsonl         what was judged; "right" where an answer is known
people.jsonl        who was there, by made-up names{named}
votes.jsonl         the blind votes, before against after, by prompt
words.jsonl         what people typed, and whether it was shown
events.jsonl        what the host did, and when
room.json           how the room was set up
consent.txt         what people read before they joined

Times ("at") are seconds since the room opened. Everything that people typed is their own words:
show it as text, never as a page.
"""


def export(code: str, host: str, names: bool = False) -> bytes:
    """A zip of everything (``README``). Pseudonyms, unless ``names``. Also of a room that is
    closed. Raises RoomError.
    """
    with reading.database().look() as db:
        row = reading.row_for(db, code, host, "host")
        settings, halves = reading.facts(db, row.room_id)
        people = room_rows.people(db, row.room_id)
        said = room_rows.judgements(db, row.room_id, EVERY, included=False)
        texts = reading.pairs(db, row)
        words, events = room_rows.words(db, row.room_id), room_rows.events(db, row.room_id)
    called = {person.person: person.pseudonym for person in people}
    files: dict[str, str | bytes]
    files = {"README.txt": README.format(named=", and as they called themselves" * names)}
    files["consent.txt"] = settings.consent + "\n"
    room = {"format": FORMAT, "engine": engine_version(), **settings.to_dict()}
    room |= {"people": len(people), "opened_ms": row.opened_ms, "act": row.act}
    room["halves"] = [half.brief for half in halves]
    files["room.json"] = json.dumps(room, ensure_ascii=False, indent=1)
    for half in halves:
        mine = [one for one in said if one.half == half.number and not one.left_out]
        kept = [one for one in mine if one.purpose in COUNTED]
        rows = [_pair(one, texts[one.pair_id], called, half.brief, row).to_dict() for one in kept]
        number = "" if half.number == 0 else f"-{half.number + 1}"
        files[f"preferences{number}.jsonl"] = to_lines(rows)
    files["judgements.jsonl"] = to_lines([_judgement(one, called, row) for one in said])
    files["pairs.jsonl"] = to_lines([_text(pair) for pair in texts.values()])
    files["people.jsonl"] = to_lines([_person(one, row, names) for one in people])
    told = [votes.stands(row, half) for half in halves]
    files["votes.jsonl"] = to_lines(
        [{"half": one["half"], **prompt} for one in told for prompt in one["prompts"]]
    )
    files["words.jsonl"] = to_lines(
        [_word(one, called, row) for one in words if names or one.kind != "name"]
    )
    files["events.jsonl"] = to_lines([_event(one, called, row) for one in events])
    return _zip(files)


def _at(ms: int, room: Row) -> float:
    return round((ms - room.opened_ms) / 1000, 1)


def _pair(one: Row, pair: Row, called: dict[int, str], brief: dict, room: Row) -> Pair:
    """A judgement as it was on the screen: ``a`` on the left."""
    swapped = pairs.swapped(room.seed, one.person, one.pair_id)
    choice = {"a": "b", "b": "a"}.get(one.choice, one.choice) if swapped else one.choice
    a, b = (pair.b, pair.a) if swapped else (pair.a, pair.b)
    who = {"annotator": called[one.person], "seconds": one.seconds}
    under = {"brief": brief["slug"], "brief_version": brief["version"]}
    return Pair(prompt=pair.prompt, a=a, b=b, choice=choice, **who, **under)


def _judgement(one: Row, called: dict[int, str], room: Row) -> dict:
    told = {name: getattr(one, name) for name in ("choice", "side", "seconds", "half", "left_out")}
    about = {"pair": one.pair_id, "for": one.purpose, "who": called[one.person]}
    return {**about, **told, "at": _at(one.made_ms, room)}


def _text(pair: Row) -> dict:
    names = ("half", "purpose", "shared", "prompt", "a", "b", "why")
    told = {name: getattr(pair, name) for name in names}
    return {"pair": pair.pair_id, **told, "right": pair.right_choice}


def _person(one: Row, room: Row, names: bool) -> dict:
    told = {"who": one.pseudonym, "half": one.half, "left_out": one.left_out}
    told["at"] = _at(one.joined_ms, room)
    return told | ({"name": one.name} if names else {})


def _word(one: Row, called: dict[int, str], room: Row) -> dict:
    told = {name: getattr(one, name) for name in ("kind", "text", "status")}
    return {"who": called[one.person], **told, "at": _at(one.made_ms, room)}


def _event(one: Row, called: dict[int, str], room: Row) -> dict:
    who = {"who": called[one.person]} if one.person in called else {}
    return {"kind": one.kind, **who, **one.about, "at": _at(one.at_ms, room)}


def _zip(files: dict[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()
