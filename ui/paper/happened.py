"""What happened in a session, in short: who judged under which brief, what was trained, what came
out. Draws facts (``session.paper``), computes none.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.session import judged
from rlhf_core.session.pseudonyms import Pseudonyms
from rlhf_core.session.state import Session
from ui import text


def draw(session: Session) -> None:
    names = Pseudonyms(session)
    rows = [*names.rows, *names.rankings]
    people = {judge.name for _, judge in rows if judge.kind != "rule"}
    briefs = {(row.brief, row.brief_version) for row, _ in rows}
    with st.container(horizontal=True, key="paper_happened"):
        st.metric("Judgements", f"{len(rows):,}", help="Imported pairs count one by one.")
        st.metric("Judges", f"{len(people):,}", help="People. A rule in the program is none.")
        st.metric("Briefs", f"{len(briefs):,}", help="Each version of a brief is one.")
        st.metric("PPO steps", f"{session.tuned.steps_done:,}")
    st.caption(" ".join(_sentences(session)))


def _sentences(session: Session) -> list[str]:
    said = [f"Round {session.history.current_round:,}."]
    said += [f"Brief in force: {text.plain(session.asked.brief.title)}."]
    said.append(f"Judged by: {text.plain(judged.rater(session))}.")
    if files := len(session.judged.imports):
        said.append(f"{files} {'file was' if files == 1 else 'files were'} imported.")
    verdict = (session.tuned.evaluation or {}).get("verdict")
    said.append(f"Verdict: {text.plain(str(verdict))}." if verdict else "No verdict yet.")
    return said
