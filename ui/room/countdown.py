"""The clock of an act, ticking in the browser: the server is asked only now and then. On the wall
it also tells how large the window is.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

USUAL = (1280, 720)
LEAST, MOST = 200, 10_000  # pixels that a window may have
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


def draw(
    act: dict, key: str, without: str = "no clock", size: tuple[int, int] | None = None
) -> None:
    """What is left of ``act`` ({"until": ms or None, "now": ms, "frozen"}); below zero it counts
    on, and while the room is frozen it stands.

    ``size``: of the window, as the page takes it; where it is another one, ``window`` knows.
    """
    left = None if act["until"] is None else act["until"] - act["now"]
    told = None if size is None else {"width": size[0], "height": size[1]}
    _countdown(
        key=key,
        data={"left": left, "stands": act["frozen"], "without": without, "size": told},
        on_size_change=lambda: None,
    )


def window(key: str) -> tuple[int, int]:
    """Width and height of the window, in pixels, as the browser told; a projector's otherwise."""
    told = (st.session_state.get(key) or {}).get("size")
    size = [told.get(name) for name in ("width", "height")] if isinstance(told, dict) else []
    known = [one for one in size if isinstance(one, int) and not isinstance(one, bool)]
    if len(known) != 2 or not all(LEAST <= one <= MOST for one in known):
        return USUAL
    return known[0], known[1]
