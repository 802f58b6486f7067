"""One pair under the lens: the words that differ, and what training did to every token."""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import weights
from rlhf_core.session.state import Session
from ui import monitor, state, text, token_changes


def draw(session: Session) -> None:
    """Behind a press: one pair under the lens."""
    with st.expander("One pair, closely", icon=":material/search:", key="closely"):
        lens(session)


def lens(session: Session) -> None:
    """The words of a pair that differ, and what training did to every token."""
    pairs = [
        pair
        for record in state.records("compare")
        if "before" in record
        for pair in singles(record)
    ] + list((session.tuned.evaluation or {}).get("pairs", []))
    if not pairs:
        st.caption("No pair yet.")
        return
    number = st.selectbox(
        "Which pair?",
        range(len(pairs)),
        format_func=lambda at: (
            text.bare(f"{at + 1}. {pairs[at]['prompt']}{pairs[at]['after']}"[:90])
            if at < len(pairs)
            else ""
        ),
        key="changes_pair",
        help=(
            "The pairs above: first those that you asked for, then those of the measurement. Named"
            " by what the tuned model wrote."
        ),
    )
    pair = pairs[min(number or 0, len(pairs) - 1)]
    busy = state.alive("token_changes") or not weights.now(session)
    st.button(
        "Show what training moved",
        key="token_changes",
        icon=":material/difference:",
        on_click=look_into,
        args=(session, pair),
        disabled=busy,
    )
    if state.job("token_changes"):
        monitor.monitor(
            "token_changes",
            controls=("stop",),
            draw=lambda records, view: looked_into(records, pair),
            every=0.3,
            quiet=True,
        )


def singles(record: dict) -> list[dict]:
    """The pairs of one comparison that the learner asked for."""
    sides = ("before", "after", "ended_before", "ended_after")
    return [
        {"prompt": record["prompt"], **dict(zip(sides, row, strict=True))}
        for row in zip(*(record[side] for side in sides), strict=True)
    ]


def look_into(session: Session, pair: dict) -> None:
    state.submit("token_changes", pair)


def looked_into(records: list[dict], pair: dict) -> None:
    record = next(
        (record for record in reversed(records) if record.get("kind") == "token_changes"), None
    )
    if record is None:
        return
    if any(record[name] != pair[name] for name in ("before", "after")):
        st.caption("You chose another pair; below is the one that was looked into last.")
    token_changes.draw(record)
