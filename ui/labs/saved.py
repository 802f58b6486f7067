"""Results of labs that were made earlier, so that a lab can be explored before it was run.

``scripts/make_lab_examples.py`` writes them, from each lab's real job on the bundled model, to
``assets/labs``. A page draws one with the code that draws a live result, under a badge that says
what it is and who judged, and only until the session has a result of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from rlhf_core.common import places
from rlhf_core.session.state import Session
from ui import state, text

FOLDER = places.ASSETS / "labs"


def of(page: str) -> dict | None:
    """The saved result of the lab on ``page``: {"lab", "model_sha256", "seed", "date", "seconds",
    "made_with" (a sentence: the brief, who judged), "found"}; None where there is none that can be
    read.
    """
    file = FOLDER / f"{page}.json"
    return _read(str(file), file.stat().st_mtime) if file.is_file() else None


@st.cache_data(show_spinner=False)
def _read(file: str, changed: float) -> dict | None:
    try:
        kept = json.loads(Path(file).read_text(encoding="utf-8"))
        return kept if isinstance(kept, dict) and kept.get("found") else None
    except (OSError, ValueError):
        return None


def found(session: Session, page: str) -> dict:
    """What the lab on ``page`` found: in this session, or else, before its job was ever started
    here, what was saved; {} where neither is there.
    """
    if own := session.labs.get(page):
        return own
    kept = None if state.job(page) else of(page)
    return kept["found"] if kept else {}


def begin(page: str) -> dict | None:
    """Draw the badge over the saved result of ``page`` and return what it found; None, and nothing
    drawn, where there is none.
    """
    kept = of(page)
    if kept is None:
        return None
    st.badge(
        "Precomputed: made earlier, not in your session",
        icon=":material/inventory_2:",
        color="orange",
        help=text.plain(
            f"Seed {kept.get('seed')}, {kept.get('date')}, bundled model"
            f" {str(kept.get('model_sha256'))[:12]}."
        ),
    )
    made_with = text.plain(str(kept.get("made_with", "")))  # or its votes would pass for one's own
    st.caption(f"{made_with} Your own result will replace it.")
    return kept["found"]
