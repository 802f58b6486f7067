"""Four small components of our own, since Streamlit has none of them: the clock of a card, a list
to put in order by dragging, a menu that closes on a phone, and pictures of charts.

Their scripts lie beside this file. Each gets plain data and sets it as text; what a person wrote or
a model said is never HTML.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

HERE = Path(__file__).resolve().parent
_clock = st.components.v2.component(
    "opossum_clock", js=(HERE / "clock.js").read_text(encoding="utf-8")
)
_order = st.components.v2.component(
    "opossum_order",
    js=(HERE / "ranking" / "order.js").read_text(encoding="utf-8"),
    css=(HERE / "ranking" / "order.css").read_text(encoding="utf-8"),
)
_drawer = st.components.v2.component(
    "opossum_drawer", js=(HERE / "drawer.js").read_text(encoding="utf-8")
)
_pictures = st.components.v2.component(
    "opossum_pictures", js=(HERE / "charts" / "pictures.js").read_text(encoding="utf-8")
)


def pictures() -> None:
    """Two buttons on every chart of the page, while it is pointed at: save it as SVG, as PNG."""
    with st.container(key="pictures"):
        _pictures(key="opossum_pictures")


def drawer(page: str) -> None:
    """Close the menu where it lies over the page and ``page`` is another than before."""
    with st.container(key="drawer"):
        _drawer(key="opossum_drawer", data={"page": page})


def clock(
    card: str, *, place: str = "rank_card", door: dict | None = None, draw: int | None = None
) -> None:
    """Measure how long the tab is out of sight while ``card`` is up (``seconds_away``).

    Args:
        place: the key of the container that the card stands in.
        door: let each press on the desk count once; "pair", whether a pair is shown, and "keys",
        whether single keys are on.
        draw: another number at each run: a press after it is a new one.
    """
    _clock(
        key=f"{place}_clock",
        data={"card": card, "place": place, "door": door, "draw": draw},
        on_away_change=lambda: None,
    )


def seconds_away(card: str, place: str = "rank_card") -> float:
    """Seconds that the tab was out of sight since ``card`` came up, as the browser told; 0 where it
    told nothing that makes sense.
    """
    told = (st.session_state.get(f"{place}_clock") or {}).get("away")
    seconds = told.get("seconds") if isinstance(told, dict) and told.get("card") == card else None
    return (
        max(0.0, float(seconds))
        if isinstance(seconds, int | float) and not isinstance(seconds, bool)
        else 0.0
    )


def order(card: str, rows: list[dict], *, key: str, on_done) -> None:
    """A list to put in order; rows of {"index", "prompt", "text", "foot"}. Then ``on_done()`` is
    called and ``ordered(key, card)`` has it.
    """
    _order(key=key, data={"card": card, "rows": rows}, on_done_change=on_done)


def ordered(key: str, card: str) -> list[list[int]]:
    """The order just made: groups of row indices, best first; empty where there is none for
    ``card``.
    """
    told = (st.session_state.get(key) or {}).get("done")
    groups = told.get("groups") if isinstance(told, dict) and told.get("card") == card else None
    return (
        groups
        if isinstance(groups, list)
        and all(
            isinstance(group, list) and all(isinstance(i, int) for i in group) for group in groups
        )
        else []
    )
