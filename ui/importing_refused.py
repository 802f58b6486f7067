"""Files that the browser itself refused, because they are too large or did not arrive: a small
script tells of them, else the report of an earlier file would stay, and its button with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from rlhf_core.judging.preferences import MAX_BYTES

MOST_UPLOADED = MAX_BYTES // 2**20  # MB: what the uploader says is what is read
MOST_TOLD = 12
_watch = st.components.v2.component(
    "opossum_refused_upload",
    js=(Path(__file__).resolve().parent / "refused_upload.js").read_text(encoding="utf-8"),
)


def watch(place: str, round_: int, on_refused: Callable[[], None]) -> None:
    """Call ``on_refused()`` when a file is refused in the uploader of the container ``place``;
    ``rows_of`` has them then.
    """
    _watch(
        key=f"{place}_watch", data={"place": place, "round": round_}, on_refused_change=on_refused
    )


def rows_of(place: str) -> list[dict]:
    """A row for each file just refused, as the page shows it, with the round it was given in."""
    told = (st.session_state.get(f"{place}_watch") or {}).get("refused")
    files = told.get("files") if isinstance(told, dict) else None
    rows = []
    for file in (files if isinstance(files, list) else [])[:MOST_TOLD]:
        if isinstance(file, dict):
            name = str(file.get("name") or "This file")[:200]
            problem = f"{name} {_why(file)}"
            rows.append({"file": name, "problem": problem, "round": told.get("round")})
    return rows


def _why(file: dict) -> str:
    if file.get("large") is True:
        return f"is larger than {MOST_UPLOADED} MB. Split it, or leave out what nobody has judged."
    return "did not arrive. Give it again."
