"""The phone of a participant: a component that lives beside this file, as HTML, CSS and JavaScript.

Gets plain data and sets it as text; asks the server's desk (``ui/room/endpoint.py``) for what comes
next, or this page where there is no desk. Knows nothing about rooms.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
SCRIPTS = ("words", "store", "line", "screens", "phone")  # one module; the last has its door
KEY = "room_phone"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


_phone = st.components.v2.component(
    "opossum_room_phone",
    html=_read("phone.html"),
    css=_read("phone.css"),
    js="\n".join(_read(f"{name}.js") for name in SCRIPTS),
)
_door = st.components.v2.component("opossum_room_door", js=_read("door.js"))


def draw(
    code: str,
    me: str,
    person: dict,
    brief: dict,
    *,
    reply: dict | None,
    answered: dict | None,
    new: bool = False,
    note: str = "",
    on_asked: Callable[[], None],
) -> None:
    """The phone of the person with the token ``me``.

    Args:
        person: {"pseudonym", "name" | ""}: what they are called.
        brief: {"title", "audience", "prefer", "avoid", "ties"}.
        reply: what the desk said when the page was drawn first.
        answered: {"number", "status", "said"}: the answer to what the phone asked the page.
        new: they have joined in this very tab; elsewhere a device that has not heard of them is
            another one, and says that two devices have one voice.
        note: a sentence for them, of ours, shown for a while.
        on_asked: called when it asks; ``asked()`` has it.
    """
    data = {"code": code, "me": me, "brief": brief, **person}
    data |= {"reply": reply, "answered": answered, "new": new, "note": note}
    _phone(key=KEY, data=data, on_asked_change=on_asked)


def asked() -> dict | None:
    """{"number", "body"}: what the phone asks the page, where it has no desk to ask."""
    told = (st.session_state.get(KEY) or {}).get("asked")
    return told if isinstance(told, dict) else None


def door(code: str, on_known) -> None:
    """Before somebody joins: has this phone joined already? Then ``known()`` has its token."""
    _door(key=f"{KEY}_door", data={"code": code}, on_known_change=on_known)


def known() -> str:
    """The token that this phone kept of the room; "" where it kept none."""
    told = (st.session_state.get(f"{KEY}_door") or {}).get("known")
    return told if isinstance(told, str) else ""
