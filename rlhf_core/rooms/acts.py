"""The order of a session: the host steps through the acts, each with a clock.

A clock that has run out changes nothing by itself: every screen says so, the host steps.
"""

from __future__ import annotations

from rlhf_core.rooms.records import Act


def step(code: str, host: str, to: str = "", minutes: float | None = None) -> Act:
    """Go on to the next act, or to the act ``to``, earlier ones too. ``minutes``: of its clock, 0
    for none; None: the plan's. Raises RoomError.
    """
    raise NotImplementedError


def set_clock(code: str, host: str, minutes: float) -> Act:
    """``minutes`` from now are left of this act; 0: no clock. Raises RoomError."""
    raise NotImplementedError


def freeze(code: str, host: str, frozen: bool) -> Act:
    """Take no judgements for now, or again; phones keep what is tapped meanwhile.

    Raises RoomError.
    """
    raise NotImplementedError
