"""A workshop room in the database of a running app, whose answers no model had to write."""

from __future__ import annotations

from pathlib import Path

from rlhf_core.rooms import opening, pairs, reading
from rlhf_core.rooms.records import Opened, RoomSettings
from rlhf_core.session import registry
from rlhf_core.store import room_rows

ALL = ("practice", "rank", "gold", "vote")  # what a judgement can be about


def real_room(runs: Path, monkeypatch, sets: int = 12, **settings) -> Opened:
    """A room in the database of the app whose sessions are in ``runs``; what the model would have
    written is given: ``sets`` of three answers each.
    """
    monkeypatch.setenv("OPOSSUM_RUNS", str(runs))
    opened = opening.open_room(RoomSettings(**{"briefs": ("meme-bot",), **settings}))
    session = registry.get(opened.session_id)
    written = [
        {
            "id": f"set-{number}",
            "prompt": f"An opossum number {number} is",
            "texts": [f" a marsupial, {number}.", f" a meme, {number}.", f" a mood, {number}."],
            "finished": [True] * 3,
        }
        for number in range(sets)
    ]
    with session.change():
        session.asked.candidate_sets = written
    with reading.database().change() as db:
        row = room_rows.by_code(db, opened.code)
        there = room_rows.pairs(db, row.room_id)
        room_rows.add_pairs(db, row.room_id, pairs.of_sets(written, row.seed, there))
    return opened


def judged(opened: Opened) -> list:
    """Every judgement that is stored of the room."""
    with reading.database().look() as db:
        room = room_rows.by_code(db, opened.code)
        return room_rows.judgements(db, room.room_id, ALL, included=False)
