"""The three links of a room, its code and QR code, and the sheet to print: who loses everything
else gets the room back from it.
"""

from __future__ import annotations

import html
import time

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import acts, doors
from rlhf_core.rooms.records import Room
from ui import text
from ui.room import reach
from ui.room.patience import patiently

SHEET = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{font: 12pt/1.4 sans-serif; margin: 2cm; color: #000; background: #fff}}
h1 {{font-size: 20pt; margin: 0 0 .3em}} h2 {{font-size: 13pt; margin: 1.4em 0 .3em}}
.code {{font: 700 34pt monospace; letter-spacing: .15em}}
.row {{display: flex; gap: 1cm; align-items: center; break-inside: avoid}}
img {{width: 4.4cm; height: 4.4cm; flex: none}} p {{margin: .3em 0; overflow-wrap: anywhere}}
</style>
<h1>{title}</h1>
<p>A workshop room of Opossum, opened {opened}. People can join until {closes}; everything is
deleted on {gone}.</p>
<h2>For everybody: the code</h2>
<div class="row">{join_qr}<div><p class="code">{code}</p><p>{join}</p></div></div>
<h2>For the projector</h2>
<div class="row">{wall_qr}<div><p>{wall}</p></div></div>
<h2>For you alone: the host's link</h2>
<div class="row">{host_qr}<div><p>{host}</p><p><b>Keep this sheet.</b> Laptop gone, page closed,
address lost: this link opens your page again, on any device in the same network. Whoever has it is
the host, so do not show it to the room.</p></div></div>
</html>
"""


def day(ms: int) -> str:
    """A moment, as the server's clock shows it."""
    moment = time.localtime(ms / 1000)
    return f"{moment.tm_mday} {time.strftime('%B, %H:%M', moment)}"


def links(room: Room, secret: str) -> dict[str, str]:
    """Where people join, where the wall is, and where the host is."""
    return {
        "join": reach.address(room=room.code),
        "wall": reach.address(room=room.code, wall=doors.wall_key(secret)),
        "host": reach.address(room=room.code, host=secret),
    }


def sheet(room: Room, found: dict[str, str]) -> bytes:
    """The sheet to print, a page of HTML that needs nothing else."""
    named = {name: html.escape(link) for name, link in found.items()}
    codes = {f"{name}_qr": reach.qr(link, f"QR code: {name}") for name, link in found.items()}
    return SHEET.format(
        title=text.escape(room.settings.title),
        code=html.escape(room.code),
        opened=day(room.opened_ms),
        closes=day(room.closes_ms),
        gone=day(room.gone_ms),
        **named,
        **codes,
    ).encode()


def first(room: Room, secret: str) -> None:
    """What to do with a room that has just been opened."""
    with st.container(border=True, key="room_first"):
        st.markdown(
            "**The room is open.** Put the wall on the projector, print the sheet, then let people"
            " scan." + ("" if room.pairs else " The model is writing its answers meanwhile.")
        )
        _buttons(room, secret, "first")


def _buttons(room: Room, secret: str, where: str) -> None:
    found = links(room, secret)
    with st.container(horizontal=True):
        st.link_button("Open the wall", found["wall"], icon=":material/present_to_all:")
        st.download_button(
            "The sheet to print",
            data=sheet(room, found),
            file_name=f"room-{room.code}.html",
            mime="text/html",
            icon=":material/print:",
            key=f"room_sheet_{where}",
            on_click="ignore",
            help="Code, wall link and your host's link: the way back, whatever happens.",
        )


def draw(room: Room, secret: str) -> None:
    """The links, and how long they work."""
    found = links(room, secret)
    join(room)
    door(room, secret)
    _buttons(room, secret, "links")
    st.markdown("**For the projector**: reads only, and shows nobody's address.")
    st.code(found["wall"], language=None, wrap_lines=True)
    st.markdown("**For you alone**: whoever has it is the host.")
    if st.toggle("Show my link (is the projector off?)", key="room_show_host"):
        st.code(found["host"], language=None, wrap_lines=True)
    st.caption(
        f"Opened {day(room.opened_ms)}. People can join and judge until {day(room.closes_ms)};"
        f" everything is deleted on {day(room.gone_ms)}."
    )


def door(room: Room, secret: str) -> None:
    """Whether somebody new may come in: the host's choice, on record."""
    shut = room.door_closed
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Open the door" if shut else "Close the door",
            key="room_door",
            icon=":material/door_open:" if shut else ":material/door_front:",
            disabled=room.closed,
            on_click=_door,
            args=(room.code, secret, not shut),
            help="Closed: nobody new can join; who is in stays in, on any of their devices.",
        )
        if shut:
            st.caption("The door is closed: nobody new can join.")


def _door(code: str, secret: str, closed: bool) -> None:
    try:
        patiently(acts.door, code, secret, closed)
    except (RoomError, StoreError) as error:
        st.session_state["room_error"] = str(error)


def join(room: Room) -> None:
    """Code and QR code, for whoever looks over the host's shoulder."""
    link = reach.address(room=room.code)
    st.html(
        f'<div class="op-join">{reach.qr(link, f"QR code to join room {room.code}")}'
        f'<div><span>{html.escape(reach.shown(link))}</span><b class="op-code">'
        f"{html.escape(room.code)}</b></div></div>"
    )
    if reach.at_home_only():
        st.warning(reach.NOT_REACHED, icon=":material/wifi_off:")
    elif reach.at_this_machine():
        st.caption(
            "You opened this page as “localhost”; the code above leads to this machine's address in"
            " the network. Try it with one phone first."
        )
