"""Everything that happened, in order: filtered, as a table, and as a file for a spreadsheet."""

from __future__ import annotations

import streamlit as st

from rlhf_core.exchange import timeline_table
from rlhf_core.session import timeline
from rlhf_core.session.state import Session
from ui import text

MOST_DRAWN = 500


def draw(session: Session) -> None:
    rows = timeline.events(session)
    if not rows:
        st.info("Nothing has happened yet.", icon=":material/inbox:")
        return
    st.markdown(
        "Round by round, in the order of the loop. No clock is kept. Judges have pseudonyms."
    )
    there = [kind for kind in timeline.KINDS if any(row["kind"] == kind for row in rows)]
    kinds = st.pills(
        "Show", there, selection_mode="multi", key="paper_kinds", help="None chosen: everything."
    )
    wanted = st.text_input("Containing", key="paper_containing", max_chars=100).casefold()
    found = [
        row
        for row in rows
        if (not kinds or row["kind"] in kinds)
        and (not wanted or wanted in f"{row['what']} {row['who']} {row['brief']}".casefold())
    ]
    st.caption(f"{len(found):,} of {len(rows):,} events.")
    shown = [{**row, "what": text.bare(row["what"]), "who": text.bare(row["who"])} for row in found]
    st.dataframe(
        shown[-MOST_DRAWN:],
        hide_index=True,
        width="stretch",
        key="paper_events",
        column_config={"value": st.column_config.NumberColumn(format="%.3g")},
    )
    if len(found) > MOST_DRAWN:
        st.caption(f"The newest {MOST_DRAWN} are shown; the file has all.")
    st.download_button(
        "Download as CSV",
        lambda: timeline_table.to_csv(found),
        "opossum-timeline.csv",
        "text/csv",
        key="paper_timeline_download",
        icon=":material/download:",
        on_click="ignore",
    )
