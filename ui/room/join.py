"""A participant's page: how one joins a room, and then the phone.

From the code's address (``?room=CODE``) it is one press; afterwards the address has the person's
token too (``&me=``), and the phone keeps it. The page runs once: what happens later, the phone asks
for by itself. Knows nothing about hosts and walls.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import doors
from rlhf_core.rooms.records import Person, Room
from ui import addresses, rates, styles, text
from ui.room import desk, phone, roles

CSS = styles.sheet("room_join")
SLOW_DOWN = "Too many codes were tried from here. Wait a minute, then try again."
BUSY = "The server is busy. Load this page again in a moment."
CLOSED = "This room is closed: nobody can join or judge any more."
FULL = "This room is full. Watch the wall, or judge with somebody who is in."
ELSEWHERE = (
    "This phone's place in the room is not known here any more. Join again; what was judged stays."
)
Found = TypeVar("Found")

wrong_of_tab = rates.Buckets(rates.WRONG_CODES_OF_TAB)


def draw(code: str | None, me: str | None) -> None:
    """The page for who comes with this code and this token; both as the address has them."""
    st.html(f"<style>{CSS}</style>")
    code, me = (code or "")[:40].strip(), (me or "")[:100].strip()
    if me and code:
        found = _person(code, me)
        if isinstance(found, tuple):
            _phone(*found, me)
            return
        if found.kind != "unknown":
            _say(found)
            return
        st.query_params.pop("me", None)
        st.session_state["room_note"] = ELSEWHERE
    found = _asked(lambda: doors.look(code)) if code else None
    if isinstance(found, dict):
        _door(found)
        return
    if found is not None:
        _say(found)
    _ask_code(code)


# --- before somebody is in ------------------------------------------------------------------------


def _asked(look: Callable[[], Found]) -> Found | RoomError:
    """What ``look()`` finds, or the error that says why not. Who was wrong too often hears nothing
    for a while: codes are short.
    """
    address = _address()
    tab = st.session_state.setdefault("room_tab", secrets.token_hex(8))
    if desk.wrong_codes.wait(address) or wrong_of_tab.wait(tab):
        return RoomError(SLOW_DOWN, "slow")
    try:
        return look()
    except RoomError as error:
        if error.kind == "unknown":
            desk.wrong_codes.take(address)
            wrong_of_tab.take(tab)
        return error
    except StoreError:
        return RoomError(BUSY, "busy")


def _person(code: str, me: str) -> tuple[Room, Person] | RoomError:
    """Nobody guesses a token, so nothing is counted here: who is in stays in, whatever somebody
    beside them tries.
    """
    try:
        return doors.by_person(code, me)
    except RoomError as error:
        return error
    except StoreError:
        return RoomError(BUSY, "busy")


def _address() -> str:
    return addresses.address_of(st.context.headers, st.context.ip_address or "127.0.0.1")


def _say(error: RoomError) -> None:
    st.warning(text.plain(str(error)), icon=":material/door_front:")


def _way_back() -> None:
    """Out of here, for who came with a wrong code, or to a room that takes nobody."""
    st.button(
        "To the start, without a code",
        key="join_leave",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=roles.leave,
    )


def _ask_code(code: str) -> None:
    st.header("Join a room")
    with st.form("join_code_form", border=False):
        typed = st.text_input(
            "The code on the wall",
            value=code,
            max_chars=12,
            key="join_code",
            placeholder="six letters",
            autocomplete="off",
        )
        if st.form_submit_button("Go", type="primary", width="stretch") and typed.strip():
            st.query_params["room"] = typed.strip()
            st.rerun()
    _way_back()


def _door(room: dict) -> None:
    """What the room is, what is kept, and the one press that joins. ``room``: ``doors.look``."""
    phone.door(room["code"], on_known=lambda: _come_back(room["code"]))
    st.header(text.plain(room["title"]), anchor=False)
    if note := st.session_state.pop("room_note", ""):
        st.info(text.plain(note), icon=":material/info:")
    if room["closed"] or room["locked"] or room["full"]:
        why = CLOSED if room["closed"] else doors.LOCKED if room["locked"] else FULL
        st.warning(why, icon=":material/door_front:")
        _way_back()
        return
    st.write(text.plain(room["consent"]))
    with st.form("join_form", border=False):
        st.text_input(
            "Nickname (optional)",  # no max_chars: the field would take nothing, without a word
            key="join_nickname",
            placeholder="or be a colour and an animal",
            autocomplete="off",
        )
        st.form_submit_button(
            "Join", type="primary", width="stretch", on_click=_join, args=(room["code"],)
        )
    if problem := st.session_state.pop("room_problem", ""):
        st.warning(text.plain(problem), icon=":material/door_front:")


def _join(code: str) -> None:
    """The token is drawn once a tab: two presses of one tap are one person."""
    drawn = st.session_state.setdefault("room_drawn", secrets.token_urlsafe(18))
    nickname = st.session_state.get("join_nickname") or ""
    found = _asked(lambda: doors.join(code, nickname, drawn))
    if isinstance(found, RoomError):
        st.session_state["room_problem"] = str(found)
        return
    st.session_state["room_joined"], st.session_state["room_told"] = found.me, found.note
    st.query_params["room"], st.query_params["me"] = code, found.me


def _come_back(code: str) -> None:
    """The phone has a token of this room: it is the same person, who need not join again."""
    kept = phone.known()
    if desk.SECRET.fullmatch(kept) and isinstance(_person(code, kept), tuple):
        st.query_params["room"], st.query_params["me"] = code, kept


# --- who is in ------------------------------------------------------------------------------------


def _phone(room: Room, person: Person, me: str) -> None:
    """The phone. It asks the desk; only where there is none does it ask this page."""
    address = _address()
    first = st.session_state.get("room_first")
    if not first or first["whose"] != (room.code, me):
        hello = {"code": room.code, "me": me, "judged": [], "holds": []}
        status, said = desk.answer(hello, address)
        first = {"whose": (room.code, me), "said": said if status == 200 else None}
        st.session_state["room_first"] = first

    def answer() -> None:
        asked = phone.asked()
        if asked is not None and isinstance(asked.get("number"), str):
            status, said = desk.answer(asked.get("body"), address)
            st.session_state["room_answered"] = {
                "number": asked["number"][:64],
                "status": status,
                "said": said,
            }

    phone.draw(
        room.code,
        me,
        {"pseudonym": person.pseudonym, "name": person.name},
        room.halves[person.half].brief,
        reply=first["said"],
        answered=st.session_state.get("room_answered"),
        new=st.session_state.get("room_joined") == me,
        note=st.session_state.get("room_told", ""),
        on_asked=answer,
    )
