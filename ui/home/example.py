"""The precomputed example of the home page: one real run, made earlier, to be moved through step by
step.

The file is made by ``scripts/make_example.py``. Its texts are untrusted, as all that a model wrote.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import lru_cache

import streamlit as st

from rlhf_core.common import places
from rlhf_core.judging import briefs
from ui import charts, projector, text, word_diff
from ui.home import changed

EXAMPLE = places.ASSETS / "example.json"


def load() -> dict | None:
    """The example, or None where there is none that can be read."""
    return _read(EXAMPLE.stat().st_mtime if EXAMPLE.exists() else 0.0)


@st.cache_data(show_spinner=False)
def _read(changed_at: float) -> dict | None:
    try:
        found = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and found.get("pairs") else None
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=64)
def _curves(changed_at: float, step: int) -> list[charts.Chart]:
    """The example's charts at a step: everybody who comes in sees the same, and they take a third
    of the home page's time.
    """
    found = load()
    shown = [row for row in found["metrics"] if row["step"] <= step]
    return changed.charts_of(shown, found["steps"][-1]["step"], found["metrics"])


@st.fragment
def draw(example: dict) -> None:
    """The badge, the slider, and what the model wrote at the step that it says."""
    brief = briefs.PRESETS.get(str(example.get("brief")))
    made = str(example.get("made_with", "the bundled model")).rstrip(". ")
    with st.container(horizontal=True, vertical_alignment="center", key="example_head"):
        st.subheader("Watch one run", anchor=False, width="content")
        st.badge(
            "Precomputed: made earlier, not in your session",
            icon=":material/inventory_2:",
            color="orange",
            help=f"Judged by a scripted rater. Made with: {text.plain(made)}.",
        )
    title = text.plain(brief.title if brief else str(example.get("brief")))
    metrics, rows = example.get("metrics") or [], example.get("steps") or []
    if not rows:  # an example of an earlier version
        st.caption(f"Brief: {title}.")
        changed.pairs(example["pairs"], "example")
        return
    last = rows[-1]["step"]
    step = st.slider(f"Brief: {title}. Step of PPO", 0, last, 0, key="example_step")
    now = next(row for row in rows if row["step"] == step)
    word_diff.new_words(
        list(zip(example["prompts"], rows[0]["texts"], now["texts"], strict=True)),
        f"Step {step}" if step else "Step 0: the original",
    )
    if len(metrics) > 1:
        found = _curves(EXAMPLE.stat().st_mtime, step)
        # The projector enlarges a figure in place.
        changed.draw_curves(deepcopy(found) if projector.on() else found, "example")
    if step == last:
        changed.verdict(example, str(example.get("judge", "")), "example")
