"""Who a tab is in a workshop room: what its address says. What that role may do, the engine decides
from the secret in it, at every call.

    /room                          nobody yet: open a room, or type a code
    /room?room=CODE                somebody who joins; with &me=TOKEN, who has joined
    /room?room=CODE&wall=KEY       the projector
    /room?room=CODE&host=SECRET    the host, whose tab works on the room's session
"""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import doors
from rlhf_core.rooms.records import Room

PAGE = "room"
HOST, WALL, PERSON = "host", "wall", "person"
KEPT = "room_host"  # in the session's state: code and secret of the room that this tab hosts
HALF = "room_half"  # the half whose session the host's tab works on


class Role(NamedTuple):
    """``kind``: HOST, WALL, PERSON or "". ``key``: that role's secret, untrusted."""

    kind: str
    code: str
    key: str

    @property
    def bare(self) -> bool:
        """Is the page drawn alone, without the menu and without a session of its own?"""
        return self.kind in (WALL, PERSON)


def of_address() -> Role:
    """What this tab's address says."""
    given, code = st.query_params, st.query_params.get("room", "")
    for kind in (HOST, WALL):
        if code and given.get(kind):
            return Role(kind, code, given[kind])
    return Role(PERSON, code, given.get("me", "")) if code else Role("", "", "")


def come_back(page: str) -> None:
    """A host who comes back to the room's page by the menu, which drops what stands in the address,
    finds the room again.
    """
    kept = st.session_state.get(KEPT)
    if page == PAGE and kept and "room" not in st.query_params:
        st.query_params["room"], st.query_params[HOST] = kept


def take_seat(page: str) -> None:
    """Let a host's tab work on the room's session; call it before the session is taken."""
    role = of_address()
    if page != PAGE or role.kind != HOST:
        return
    try:
        room = doors.by_host(role.code, role.key)
    except (RoomError, StoreError):
        return  # the page says why
    st.session_state[KEPT] = (room.code, role.key)
    st.query_params["run"] = room.halves[half(room)].session_id


def half(room: Room) -> int:
    """The half that the host looks at: its place in the room."""
    return min(st.session_state.get(HALF, 0), len(room.halves) - 1)


def hosting() -> bool:
    """Does this tab host a room? Then its session is the room's, and goes with the room only."""
    return KEPT in st.session_state


def leave() -> None:
    """The tab is no host's any more; the room goes on. Who only looked in, with a wrong code, has
    the session that they came with.
    """
    for key in (KEPT, HALF, *(["run_id"] if hosting() else [])):
        st.session_state.pop(key, None)
    st.query_params.clear()
