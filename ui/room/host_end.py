"""The end of a room: everything to take home, everything deleted, and what was done on the way."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import closing, exporting, integrity
from rlhf_core.rooms.records import Room
from rlhf_core.work import lines
from ui import text
from ui.room import host_links, roles

KINDS = {  # of an event -> what it says; the rest are told by their own name
    "opened": "the room was opened",
    "act": "the host went on to",
    "clock": "the clock was set, to minutes",
    "frozen": "judging was frozen",
    "thawed": "judging went on",
    "gathered": "judgements went into the training",
    "door closed": "the door was closed",
    "door opened": "the door was opened",
}
MOST = 60  # events shown


def draw(room: Room, secret: str) -> None:
    st.markdown(
        "**Take it home.** Judgements as the import page reads them, pairs, people under their"
        " pseudonyms, votes, what the host did, and the consent as it was shown."
    )
    names = room.settings.names_on_wall and st.toggle("With nicknames", key="room_export_names")
    with st.container(horizontal=True):
        st.download_button(
            "Download everything",
            data=lambda: exporting.export(room.code, secret, bool(names)),
            file_name=f"room-{room.code}.zip",
            mime="application/zip",
            icon=":material/download:",
            key="room_export",
            on_click="ignore",
        )
        st.page_link(
            "pages/paper_trail.py", label="The model and its run", icon=":material/receipt_long:"
        )
    with st.expander("What was done", icon=":material/history:", key="room_events"):
        _events(room, secret)
    with st.expander("Delete everything", icon=":material/delete:", key="room_delete"):
        st.markdown(
            "Judgements, people, answers, reward model and tuned model of this room, at once and"
            " for good. What you downloaded stays yours. Otherwise it goes by itself on"
            f" {host_links.day(room.gone_ms)}."
        )
        sure = st.checkbox("Yes, delete it all", key="room_delete_sure")
        st.button(
            "Delete the room",
            key="room_delete_go",
            disabled=not sure,
            on_click=_delete,
            args=(room, secret),
        )


def _events(room: Room, secret: str) -> None:
    try:
        rows = integrity.events(room.code, secret)
    except (RoomError, StoreError) as error:
        st.caption(text.plain(str(error)))
        return
    for row in rows[::-1][:MOST]:
        words = KINDS.get(row["kind"], row["kind"])
        who = f", {row['who']}" if row["who"] else ""
        about = {k: v for k, v in row["about"].items() if k not in ("consent", "word")}
        told = ", ".join(f"{k} {v}" for k, v in about.items() if v)
        st.markdown(
            text.plain(f"{host_links.day(row['at'])}: {words}{who}" + f" ({told})" * bool(told))
        )


def _delete(room: Room, secret: str) -> None:
    for half in room.halves:
        lines.line_in_force().forget(half.session_id)
    try:
        closing.delete(room.code, secret)
    except (RoomError, StoreError) as error:
        st.session_state["room_error"] = str(error)
        return
    roles.leave()
    st.session_state["note"] = "The room is gone, with everything in it."
