"""Thumbs for the ranking card: each output of a prompt is called good or bad by itself, with a
button beside it or with G and B, one after the other.

What was said so far stands with the session (``thumbs_begun``), where a reload finds it; what is
done with it once all are called is the caller's (``judge``).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from rlhf_core.judging.preferences import groups_of
from rlhf_core.session import thumbs_begun
from ui import state, text
from ui.ranking.ordering import button, foot


def draw(row: dict, shown: list[int], keys: bool, judge: Callable) -> None:
    """The outputs of ``row`` in the order ``shown``; ``judge(row, groups, verdict, good)`` takes
    what was said.
    """
    said = thumbs_begun.said(state.session(), row["id"])
    now = next((index for index in shown if index not in said), None)
    st.html(f'<div class="op-card-prompt"><span>Prompt</span> {text.escape(row["prompt"])}</div>')
    st.markdown(
        "**Is it good under the brief?** Each answer by itself."
        if not said
        else f"**And the next?** {len(shown) - len(said)} to go."
    )
    for position, index in enumerate(shown, start=1):
        with st.container(
            key=f"answer_{position}", horizontal=True, vertical_alignment="center", gap="small"
        ):
            tag = f"{position} · your turn" if index == now else str(position)
            with st.container(width="stretch"):
                text.answer(row["prompt"], row["texts"][index], tag=tag, foot=foot(row, index))
            with st.container(horizontal=True, width="content", gap="small"):
                for good, label, shortcut in ((True, "Good", "G"), (False, "Bad", "B")):
                    button(
                        f"✓ {label}" if said.get(index) is good else label,
                        shortcut,
                        f"pick_{label.lower()}_{position}",
                        keys and index == now,
                        _say,
                        row,
                        index,
                        good,
                        judge,
                        icon=":material/thumb_up:" if good else ":material/thumb_down:",
                    )
    with st.container(horizontal=True, key="list_other"):
        for good, label, shortcut in ((True, "All good", "A"), (False, "All bad", "X")):
            button(
                label,
                shortcut,
                f"pick_all_{label.split()[1]}",
                keys,
                _all,
                row,
                good,
                judge,
                help=(
                    "Compares nothing, so the reward model learns nothing from it; KTO does, once"
                    " there is a judged pair as well."
                ),
            )
        button(
            "Skip",
            "S",
            "pick_skip",
            keys,
            judge,
            row,
            [],
            "skip",
            help="I can't say. Kept on record, does not train.",
        )
    st.caption(
        "Every good answer counts as better than every bad one. Of two good ones, or two bad ones,"
        " this says nothing, not even that they are alike."
    )


def _say(row: dict, index: int, good: bool, judge: Callable) -> None:
    work = st.session_state.get("card") or {}
    if work.get("set") != row["id"]:
        return
    session = state.session()
    said = thumbs_begun.said(session, row["id"]) | {index: good}
    if len(said) == len(row["texts"]):
        _done(row, [which for which, up in said.items() if up], judge)
        return
    asked = {name: work[name] for name in ("how", "why", "brief")}
    thumbs_begun.say(session, row["id"], index, good, **asked)


def _all(row: dict, good: bool, judge: Callable) -> None:
    st.session_state["note"] = (
        f"Kept: all {'good' if good else 'bad'}. It compares nothing, so the reward model learns"
        " nothing from it; KTO does, once there are judged pairs."
    )
    _done(row, list(range(len(row["texts"]))) if good else [], judge)


def _done(row: dict, good: list[int], judge: Callable) -> None:
    good = sorted(good)
    judge(row, groups_of(good, list(range(len(row["texts"])))), None, good)
