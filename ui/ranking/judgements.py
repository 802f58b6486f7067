"""All judgements under the brief, newest first: what was said, when it was changed, which version
of the brief it was made under; each of one's own can be changed.

Drawn only when asked for, so that a key press on the card above does not wait for it. Knows nothing
about what a judgement is used for.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.judging.preferences import Ranking
from rlhf_core.session import asked, judged
from rlhf_core.session.state import Session
from ui import state, text
from ui.ranking import card

A_PAGE = 8
VERDICTS = {"both_bad": "none of them will do", "skip": "skipped"}


def draw(session: Session) -> None:
    """Whether older versions count, and the list behind its switch."""
    rows = [row for row in session.judged.rankings if row.brief == session.asked.brief.slug]
    older = [row for row in rows if row.brief_version != session.asked.brief.version]
    if older:
        older_versions(session, older)
    if not rows:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="all_judgements"):
        st.toggle(
            f"Show all {len(rows)} judgements" if len(rows) > 1 else "Show the judgement",
            key="show_all_widget",
            value=st.session_state.get("show_all", False),
            on_change=_keep,
        )
        if st.session_state.get("show_all") and len(rows) > A_PAGE:
            pages = -(-len(rows) // A_PAGE)
            st.session_state["judgement_page"] = min(
                st.session_state.get("judgement_page", 1), pages
            )
            st.number_input(f"Page, of {pages}", 1, pages, key="judgement_page", width=140)
    if st.session_state.get("show_all"):
        first = (
            (st.session_state.get("judgement_page", 1) - 1) * A_PAGE if len(rows) > A_PAGE else 0
        )
        for number, row in list(enumerate(rows, 1))[::-1][first : first + A_PAGE]:
            one(session, number, row)


def older_versions(session: Session, older: list[Ranking]) -> None:
    """What was judged under an older version, and the learner's choice whether it counts."""
    names = sorted({row.brief_version for row in older})
    said = " and ".join(map(str, names[-2:])) if len(names) < 3 else f"{names[0]} to {names[-1]}"
    with st.container(horizontal=True, vertical_alignment="center", key="older"):
        st.toggle(
            f"Count {len(older)} {'judgement' if len(older) == 1 else 'judgements'} made under"
            f" version {said} of this brief",
            value=session.asked.older_count,
            key="older_widget",
            on_change=lambda: asked.let_older_count(session, st.session_state["older_widget"]),
            help=(
                "They were made under other words. They are kept either way; what the reward model"
                " learned from stays as it is until you train it again."
            ),
        )


def one(session: Session, number: int, row: Ranking) -> None:
    place = {index: group for group, indices in enumerate(row.groups) for index in indices}
    feet = []
    for index in row.shown:
        foot = (
            ""
            if row.verdict
            else ("good" if index in row.good else "bad")
            if row.good is not None
            else (
                "✓ preferred"
                if place[index] == 0 and len(row.groups) > 1
                else "tie"
                if len(row.groups) == 1
                else f"place {place[index] + 1}"
            )
        )
        feet.append(foot)
    notes = [f"No. {number}", f"brief version {row.brief_version}", f"by {row.annotator}"]
    notes += [VERDICTS[row.verdict]] if row.verdict else []
    notes += [f"{row.seconds:.0f} s" if row.seconds >= 1 else "under 1 s"] if row.seconds else []
    notes += ["changed later"] if row.first else []
    notes += [] if judged.counts(session, row) else ["does not count now"]
    with st.container(border=True, key=f"judgement_{row.id}"):
        text.answers(row.prompt, [row.candidates[index] for index in row.shown], feet=feet)
        if row.ideal:
            text.answer(row.prompt, row.ideal, tag="The ideal answer, written by the annotator")
        with st.container(horizontal=True, vertical_alignment="center"):
            why = f"<br>Why: {text.escape(row.reason)}" if row.reason else ""
            st.html(
                f'<div class="op-why">{text.escape(" · ".join(notes))}{why}</div>', width="stretch"
            )
            if row.annotator == judged.sitting(state.session()):  # the others only look
                st.button(
                    "Change",
                    key=f"change_{row.id}",
                    icon=":material/edit:",
                    on_click=card.look_again,
                    args=([row.id],),
                )


def _keep() -> None:
    st.session_state["show_all"] = st.session_state["show_all_widget"]
