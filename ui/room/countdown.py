"""The clock of an act, ticking in the browser: the server is asked only now and then."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
CSS = """
time {font: inherit; font-weight: 700; font-variant-numeric: tabular-nums; color: inherit;}
time.none {font-weight: 400; opacity: .75;}
time.soon {color: light-dark(#9a5200, #f0b070);}
time.over {color: light-dark(#b3433f, #f09a95);}
"""
_countdown = st.components.v2.component(
    "opossum_countdown",
    html='<time role="timer"></time>',
    css=CSS,
    js=(HERE / "countdown.js").read_text(encoding="utf-8"),
)


def draw(act: dict, key: str, without: str = "no clock") -> None:
    """What is left of ``act`` ({"until": ms or None, "now": ms}); below zero it counts on."""
    left = None if act["until"] is None else act["until"] - act["now"]
    _countdown(key=key, data={"left": left, "without": without})
