"""How an import shows rows of its report, and a judgement that would be taken in."""

from __future__ import annotations

import streamlit as st

from rlhf_core.judging.preferences import Pair
from ui import text

MOST_ROWS = 200


def rows(heading: str, found: list[dict], counted: str, icon: str, key: str) -> None:
    if found:
        with st.expander(f"{heading} ({len(found):,})", icon=icon, key=key):
            st.dataframe(
                [
                    {counted: row["row"], "why": row["why"], "what stood there": row["what"]}
                    for row in found[:MOST_ROWS]
                ],
                hide_index=True,
            )
            if len(found) > MOST_ROWS:
                st.caption(
                    f"The first {MOST_ROWS} of {len(found):,}. The command line's report has all of"
                    " them."
                )


def pair(one: Pair) -> None:
    said = {
        "a": ("better", ""),
        "b": ("", "better"),
        "tie": ("tie", "tie"),
        "both_bad": ("both bad", "both bad"),
        "skip": ("skipped", "skipped"),
    }[one.choice]
    time = f" · {one.seconds:.1f} s" if one.seconds is not None else ""
    who = (
        f"judged by {one.annotator}{time}"
        if one.annotator != "unknown"
        else f"nobody says who judged{time}"
    )
    text.answers(
        one.prompt,
        [one.a, one.b],
        tags=[f"{'✓ ' if word == 'better' else ''}{word}" for word in said],
        feet=[who, ""],
    )
