"""A person's desk: judgements in, the next pairs out. One call, one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.common.errors import InputError, RoomError
from rlhf_core.rooms import counts, integrity, live, pairs, plans, reading
from rlhf_core.rooms.records import RANK, VOTE, Half
from rlhf_core.store import room_rows
from rlhf_core.store.tables import now_ms

MOST_JUDGED, MOST_HELD, MOST_WROTE = 100, 50, 5  # of one call
# Pairs that a phone holds, so that it can judge on without a network: so many, or as many as fit
# into so many characters, but some in any case.
AHEAD, AHEAD_CHARACTERS, AHEAD_LEAST = 20, 20_000, 5
SEEN_EVERY = 20_000  # milliseconds between two notes that a phone that only looks is there
ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
MIRRORED = {"a": "b", "b": "a"}
UNKNOWN, AGAIN = "This pair is not part of the room.", "You judged this pair already: once counts."
FROZEN = "The host has paused the room. What you had tapped is kept, and sent when it goes on."
CLOSED = "The room is closed: nothing more can be judged."
WRITING = "One moment: the model is still writing its answers."
PREPARING = "One moment: the vote is being prepared."
_ORDERS = reading.Kept(2_000)  # of people: each follows from what stands in its key


def take(
    code: str,
    me: str,
    judged: Sequence[dict] = (),
    holds: Iterable[str] = (),
    wrote: Sequence[dict] = (),
) -> dict:
    """Store what a phone sends, and tell what it needs next. Safe to send again: an id counts once.

    Args:
        judged: rows {"id": made on the phone, 8 to 64 of A-Z a-z 0-9 _ -; "pair"; "choice": a | b |
            tie | skip, a being the left one; "seconds": from pair shown to tap, or None; "at": the
            phone's time in ms, or None}. Empty: a poll.
        holds: ids of pairs that the phone has and has not judged.
        wrote: ideal answers {"id": as above, "pair": that was judged, "text"}, where the host takes
            them; the host looks at them first (``integrity``).

    Returns:
        JSON-able: {"stored": [ids: the phone forgets these], "refused": [{"id", "why": a sentence,
        "again": whether to keep it and send it again later (the room is paused)}], "act": {"name",
        "title", "began", "until" | None, "now" (ms, server's time), "frozen", "closed", "number",
        "say": what this screen says where there is nothing to tap, "next": what happens next,
        "write": whether an ideal answer may be written now}, "pairs": [{"id", "prompt", "a", "b",
        "for": practice | rank | vote; of practice also "right": a | b | "" and "why"}], as many as
        make ``AHEAD`` with those held that still count; "drop": [held ids that are not asked any
        more], "you": {"name" | "", "pseudonym", "number", "half", **``counts.of_person``, "done"
        (of this act, skips too), "left" (how many more there are), "left_out"}, "room": as
        ``live.said``}.

    Raises RoomError: no such room or person, or what was sent is no such list.
    """
    rows, held, words = _read(judged), _held(holds), _read(wrote, MOST_WROTE)
    refused: list[dict] = []
    if rows or words:
        with reading.database().change() as db:
            room = reading.row_of(db, code)
            person = reading.person_row(db, room, me)
            there, fresh = reading.pairs(db, room), []
            for row in rows:
                if why := _refusal(row, room, person, there):
                    refused.append({"id": row["id"], "why": why, "again": why == FROZEN})
                else:
                    fresh.append(_kept(row, room, person))
            room_rows.add_judgements(db, fresh)
            kept = _keep(db, room, person, words, refused)
            if fresh or kept:
                room_rows.seen(db, room.room_id, person.person, now_ms())
            reply, half, numbers = _reply(db, room, person, held, rows, refused)
            reply["stored"] += kept
    else:
        with reading.database().look() as db:
            room = reading.row_of(db, code)
            person = reading.person_row(db, room, me)
            reply, half, numbers = _reply(db, room, person, held, rows, refused)
        if now_ms() - person.seen_ms > SEEN_EVERY:
            with reading.database().change() as db:
                room_rows.seen(db, room.room_id, person.person, now_ms())
    # Outside: whoever holds a connection must not wait for another one.
    said = live.said(room, half, numbers)
    act = reply["act"]
    if said["say"] and not (act["closed"] or act["frozen"]):
        act["say"] = said["say"]
    return reply | {"room": {name: value for name, value in said.items() if name != "say"}}


def next_pairs(code: str, me: str, holds: Iterable[str] = ()) -> list[dict]:
    """``take`` of nothing, only its "pairs"."""
    return take(code, me, (), holds)["pairs"]


# --- in -------------------------------------------------------------------------------------------


def _read(judged: object, most: int = MOST_JUDGED) -> list[dict]:
    """Raises RoomError: it is no list of judgements with ids, or too long."""
    if not isinstance(judged, list | tuple) or len(judged) > most:
        raise RoomError(f"What was sent is no list of at most {most} judgements.")
    for row in judged:
        known = isinstance(row, dict) and isinstance(row.get("id"), str)
        if not known or not ID.fullmatch(row["id"]):
            raise RoomError("What was sent has a judgement without a usable id.")
    return list(judged)


def _held(holds: object) -> list[str]:
    if not isinstance(holds, list | tuple | set | frozenset) or len(holds) > MOST_HELD:
        raise RoomError(f"What was sent names no list of at most {MOST_HELD} pairs that it holds.")
    return [pair for pair in holds if isinstance(pair, str)]


def _keep(db: Open, room: Row, person: Row, words: list[dict], refused: list[dict]) -> list[str]:
    """Keep what was written; the ids of what is kept. The others join ``refused``."""
    kept, there = [], reading.pairs(db, room)
    for row in words:
        pair = row.get("pair")
        try:
            if not isinstance(pair, str) or pair not in there:
                raise RoomError(UNKNOWN)
            integrity.keep(db, room, person, "ideal", row.get("text"), pair, row["id"])
            kept.append(row["id"])
        except (RoomError, InputError) as error:
            again = getattr(error, "kind", "") == "frozen"
            refused.append({"id": row["id"], "why": str(error), "again": again})
    return kept


def _refusal(row: dict, room: Row, person: Row, there: dict[str, Row]) -> str:
    """Why this judgement is not kept, in words; "" where it is."""
    if reading.is_closed(room):
        return CLOSED
    if room.frozen:
        return FROZEN
    asked = row.get("pair")
    pair = there.get(asked) if isinstance(asked, str) else None
    if pair is None or pair.half not in (pairs.EVERYBODY, person.half):
        return UNKNOWN
    said = row.get("choice")
    if not isinstance(said, str) or said not in ("a", "b", "tie", "skip"):
        return "A judgement is a, b, tie or skip."
    return ""


def _kept(row: dict, room: Row, person: Row) -> dict:
    """As the table keeps it: of the pair as it stands, and the side that was tapped."""
    choice, side = row["choice"], {"a": "left", "b": "right"}.get(row["choice"], "")
    if pairs.swapped(room.seed, person.person, row["pair"]):
        choice = MIRRORED.get(choice, choice)
    return {
        "room_id": room.room_id,
        "person": person.person,
        "judgement_id": row["id"],
        "pair_id": row["pair"],
        "choice": choice,
        "side": side,
        "seconds": _number(row.get("seconds"), 3_600),
        "at_ms": None if (at := _number(row.get("at"), 2**53)) is None else int(at),
        "made_ms": now_ms(),
    }


def _number(value: object, most: float) -> float | None:
    """A number from 0 to ``most``; None for anything else: a phone's word is not trusted."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= most else None


# --- out ------------------------------------------------------------------------------------------


def _reply(
    db: Open, room: Row, person: Row, held: list, rows: list, refused: list
) -> tuple[dict, Half, bool]:
    """All but "room"; the person's half; whether phones show numbers."""
    settings, halves = reading.facts(db, room.room_id)
    said = room_rows.judged_by(db, room.room_id, person.person)
    told = {judgement: pair for judgement, pair, _ in said}
    done, said_no = set(told.values()), {row["id"] for row in refused}
    stored = [row["id"] for row in rows if (row["id"], row.get("pair")) in told.items()]
    twice = [row["id"] for row in rows if row["id"] not in said_no and row["id"] not in stored]
    texts = reading.pairs(db, room)
    asked = of_act(list(texts.values()), room, person.half)
    left = [pair for pair in asked if pair.pair_id not in done]
    waiting = {pair.pair_id for pair in left}
    keeps = [pair for pair in held if pair in waiting]
    shares = settings.gold_share, settings.shared_share
    line = _ORDERS.get(
        (room.room_id, room.pairs, room.act, person.person),
        lambda: pairs.order(room.seed, person.person, asked, *shares),
    )
    fresh = [pair for pair in line if pair.pair_id in waiting and pair.pair_id not in keeps]
    fresh = fresh[: max(0, _ahead([*(texts[pair] for pair in keeps), *fresh]) - len(keeps))]
    nothing = reading.is_closed(room)
    writes = settings.ideal_answers and room.act == RANK and not (nothing or room.frozen)
    reply = {
        "stored": stored,
        "refused": [*refused, *({"id": one, "why": AGAIN, "again": False} for one in twice)],
        "act": _said_to(room, asked, person.left_out) | {"write": writes},
        "pairs": [] if nothing else [_shown(pair, room, person) for pair in fresh],
        "drop": [pair for pair in held if pair not in waiting],
        "you": {
            "name": person.name,
            "pseudonym": person.pseudonym,
            "number": person.person,
            "half": person.half,
            **counts.of_person(said, texts),
            "done": len(asked) - len(left),
            "left": len(left),
            "left_out": person.left_out,
        },
    }
    return reply, halves[person.half], settings.numbers_on_phones


def of_act(there: list[Row], room: Row, half: int) -> list[Row]:
    """The pairs that this act asks of a half; of votes those on the newest model alone."""
    purposes = pairs.PURPOSES.get(room.act, ())
    mine = [pair for pair in there if pair.half in (pairs.EVERYBODY, half)]
    found = [pair for pair in mine if pair.purpose in purposes]
    if room.act == VOTE and found:
        newest = max(pairs.model_of(pair) for pair in found)
        return [pair for pair in found if pairs.model_of(pair) == newest]
    return found


def act(room: Row) -> dict:
    """Where the room is, as every screen is told."""
    words = plans.SCREENS[room.act]
    closed, now = reading.is_closed(room), now_ms()
    return {
        "name": room.act,
        "title": words.title,
        "began": room.began_ms,
        "until": reading.until_of(room, now),
        "now": now,
        "frozen": room.frozen,
        "closed": closed,
        "number": room.act_number,
        "say": CLOSED if closed else FROZEN if room.frozen else words.phone,
        "next": "" if closed else words.next,
    }


def _ahead(line: list[Row]) -> int:
    """How many of these pairs a phone holds."""
    letters = 0
    for count, pair in enumerate(line[:AHEAD]):
        letters += len(pair.prompt) + len(pair.a) + len(pair.b)
        if letters > AHEAD_CHARACTERS and count >= AHEAD_LEAST:
            return count
    return AHEAD


def _said_to(room: Row, asked: list[Row], left_out: bool) -> dict:
    """``act``, to a phone that was asked ``asked``: nothing yet is not everything."""
    told = act(room)
    if not (told["closed"] or told["frozen"]):
        if left_out:
            told["say"] = plans.SCREENS[room.act].left_out or told["say"]
        if room.act == RANK and not any(pair.purpose == "rank" for pair in asked):
            told["say"] = WRITING
        elif not asked and room.act in pairs.PURPOSES:
            told["say"] = PREPARING if room.act == VOTE else WRITING
    return told


def _shown(pair: Row, room: Row, person: Row) -> dict:
    """A pair as this person sees it."""
    swap = pairs.swapped(room.seed, person.person, pair.pair_id)
    a, b = (pair.b, pair.a) if swap else (pair.a, pair.b)
    shown = {"id": pair.pair_id, "prompt": pair.prompt, "a": a, "b": b}
    if pair.purpose == "practice":
        right = MIRRORED.get(pair.right_choice, "") if swap else pair.right_choice
        return shown | {"for": "practice", "right": right, "why": pair.why}
    return shown | {"for": "vote" if pair.purpose == "vote" else "rank"}
