"""The order of a session: the host steps through the acts, each with a clock.

A clock that has run out changes nothing by itself: every screen says so, the host steps.
"""

from __future__ import annotations

import math

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.common.errors import RoomError
from rlhf_core.common.known import known
from rlhf_core.rooms import limits, plans, reading
from rlhf_core.rooms.records import ACTS, Act
from rlhf_core.store import room_rows
from rlhf_core.store.tables import now_ms


def step(code: str, host: str, to: str = "", minutes: float | None = None) -> Act:
    """Go on to the next act, or to the act ``to``, earlier ones too; to where the room is already
    changes nothing, so name it where a button may be tapped twice. ``minutes``: of its clock, 0 for
    none; None: the plan's. Raises RoomError.
    """
    with reading.database().change() as db:
        row = _steered(db, code, host)
        to = to or plans.after(row.act)
        if to not in ACTS:
            raise RoomError("There is no such act; the last one is the talk.")
        if to == row.act:
            return reading.act_of(row)
        if minutes is None:
            minutes = plans.scene(reading.facts(db, row.room_id)[0].plan, to).minutes
        until = _until(minutes)
        values = {"act": to, "began_ms": now_ms(), "until_ms": until}
        values |= {"frozen": False, "frozen_ms": None}
        return _changed(db, row, "act", values, act=to, minutes=minutes)


def set_clock(code: str, host: str, minutes: float) -> Act:
    """``minutes`` from now are left of this act; 0: no clock. Raises RoomError."""
    with reading.database().change() as db:
        row = _steered(db, code, host)
        values = {"until_ms": _until(minutes)}
        values |= {"frozen_ms": now_ms()} if row.frozen else {}
        return _changed(db, row, "clock", values, minutes=minutes)


def freeze(code: str, host: str, frozen: bool) -> Act:
    """A break on every phone, or on again: no judgement is taken, and the clock stands still. What
    was tapped just before is kept on the phones, and sent afterwards. Raises RoomError.
    """
    with reading.database().change() as db:
        row = _steered(db, code, host)
        if row.frozen == bool(frozen):
            return reading.act_of(row)
        now = now_ms()
        values = {"frozen": bool(frozen), "frozen_ms": now if frozen else None}
        if not frozen:
            values["until_ms"] = reading.until_of(row, now)
        return _changed(db, row, "frozen" if frozen else "thawed", values)


def door(code: str, host: str, closed: bool) -> None:
    """Close the door, so that nobody new can join, or open it again; who is in stays in. Raises
    RoomError.
    """
    with reading.database().change() as db:
        row = _steered(db, code, host)
        if (row.door_ms is not None) != bool(closed):
            values = {"door_ms": now_ms() if closed else None}
            _changed(db, row, "door closed" if closed else "door opened", values)


def _steered(db: Open, code: str, host: str) -> Row:
    row = reading.hosted(db, code, host)
    reading.open_or_refuse(row)
    return row


def _changed(db: Open, row: Row, kind: str, values: dict, **about) -> Act:
    """Raises RoomError: another tab was quicker."""
    if not room_rows.change(db, row.room_id, number=row.act_number, **values):
        raise RoomError("The room was just changed in another tab. Look at it and try again.")
    room_rows.note(db, row.room_id, kind, **about)
    return reading.act_of(known(room_rows.by_code(db, row.code)))


def _until(minutes: float) -> int | None:
    known = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not known or not math.isfinite(minutes):
        raise RoomError("The minutes have to be a number.")
    if minutes == 0:
        return None
    low, high = limits.LEAST_MINUTES, limits.MOST_MINUTES
    if not low <= minutes <= high:
        raise RoomError(f"A clock has between {low:g} and {high:g} minutes, or 0 for none.")
    return now_ms() + int(minutes * 60_000)
