"""The phone alone on a page, as ``ui/room/join.py`` draws it, for a room that ``serve.py`` beside
this file plays.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import streamlit as st

from ui.room import phone

BRIEF = {
    "title": "Meme bot",
    "audience": "People who scroll on the bus",
    "prefer": "Short, funny, a little absurd.",
    "avoid": "Encyclopedias.",
    "ties": "Two equally funny ones.",
}

st.set_page_config(layout="wide")
phone.draw(
    st.query_params.get("room", "ABCDEF"),
    st.query_params.get("me", "token-of-somebody"),
    {"pseudonym": "Teal otter", "name": ""},
    {**BRIEF, **({"title": st.query_params["title"]} if "title" in st.query_params else {})},
    reply=None,
    new="new" in st.query_params,
    answered=None,
    on_asked=lambda: None,
)
