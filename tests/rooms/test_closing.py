"""A room is deleted whole, by its host or when its time is over; until then its sessions stay."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, left, opened  # noqa: F401
from sqlalchemy import text

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, closing, doors, exporting
from rlhf_core.session import registry
from rlhf_core.store import session_rows, tables

TABLES = ("rooms", "room_halves", "room_people", "room_pairs", "room_judgements", "room_words")
TABLES += ("room_events", "sessions", "parts", "judgements", "records")


def rows(keeper) -> dict[str, int]:
    with keeper.database.look() as db:
        return {name: db.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}


def lived_in():
    room = opened(briefs=("biology-homework", "meme-bot"))
    acts.step(room.code, room.host, "rank")
    Phone(room, "Ana").judge(left, most=5)
    return room


def test_deleting_leaves_nothing_of_this_room_and_all_of_another(here):  # noqa: F811
    other = opened(written=False)
    before = rows(here)
    room = lived_in()
    assert all(rows(here)[name] > before[name] for name in ("rooms", "sessions", "room_people"))
    closing.delete(room.code, room.host)
    assert rows(here) == before
    assert doors.by_host(other.code, other.host) and registry.get(room.session_id) is None
    with pytest.raises(RoomError):
        closing.delete(room.code, room.host)


def test_a_rooms_sessions_outlive_the_day_after_which_others_expire(here):  # noqa: F811
    room = lived_in()
    alone = registry.create()
    with here.database.look() as db:
        idle = session_rows.idle(db, tables.now_ms() + 1_000)
    assert idle == [alone.id] and registry.get(room.session_id) is not None


def test_a_room_a_week_old_is_closed_and_its_host_can_still_export_it(here, monkeypatch):  # noqa: F811
    room = lived_in()
    later = tables.now_ms() + 7 * 24 * 3_600_000
    monkeypatch.setattr("rlhf_core.rooms.reading.now_ms", lambda: later)
    found = doors.by_host(room.code, room.host)
    assert found.closed and exporting.export(room.code, room.host)
    with pytest.raises(RoomError, match="closed"):
        acts.step(room.code, room.host)


def test_what_nobody_may_need_any_more_is_swept(here, monkeypatch):  # noqa: F811
    room = lived_in()
    monkeypatch.setattr(closing, "SWEEP_EVERY", -1.0)
    assert closing.sweep() == 0 and doors.by_code(room.code)
    later = tables.now_ms() + 15 * 24 * 3_600_000
    monkeypatch.setattr(closing, "now_ms", lambda: later)
    assert closing.sweep() == 1
    assert not any(rows(here)[name] for name in TABLES)
