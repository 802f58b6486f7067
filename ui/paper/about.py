"""What only the author can say for the card: licence, pay, consent, use, limits; and the card."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.exchange import dataset_folder
from rlhf_core.session import paper, taking
from rlhf_core.session.state import Session
from ui import state

AREAS = {
    "consent": ("What did the judges agree to?", "They know that their judgements are published."),
    "use": ("What is it for?", "To learn how a taste becomes a number."),
    "limits": ("What is it not for?", "It says nothing about other people's taste."),
}


def draw(session: Session) -> None:
    said = paper.said(session)
    st.markdown(
        "The cards of the data set and the models tell what happened, by themselves. Only you know"
        " this:"
    )
    with st.form("paper_card", border=True):
        left, right = st.columns(2)
        left.selectbox(
            "Licence",
            list(paper.LICENCES),
            index=list(paper.LICENCES).index(said["licence"]),
            format_func=paper.LICENCES.get,
            key="paper_licence",
            help="Without one, nobody may use what you publish.",
        )
        right.text_input(
            "Its name, if it is another one",
            said["licence_name"],
            max_chars=paper.SAID["licence_name"],
            key="paper_licence_name",
        )
        left.text_input(
            "Author",
            said["author"],
            max_chars=paper.SAID["author"],
            key="paper_author",
            placeholder="a name or a pseudonym; may stay empty",
        )
        right.selectbox(
            "Were the judges paid?",
            list(paper.PAY),
            index=list(paper.PAY).index(said["pay"]),
            format_func=paper.PAY.get,
            key="paper_pay",
        )
        for name, (label, example) in AREAS.items():
            st.text_area(
                label,
                said[name],
                max_chars=paper.SAID[name],
                height=80,
                key=f"paper_{name}",
                placeholder=example,
            )
        st.form_submit_button("Keep this for the card", key="paper_keep", on_click=_keep)
    if st.session_state.pop("paper_kept", False):
        st.success("Kept. Files that are made from now on say it.", icon=":material/check:")
    if st.toggle("Show the card of the data set", key="paper_show_card"):
        _card(session)


def _keep() -> None:
    names = ("licence", "pay", *paper.SAID)
    values = {name: str(st.session_state.get(f"paper_{name}") or "") for name in names}
    paper.say(state.session(), values)
    st.session_state["paper_kept"] = True


def _card(session: Session) -> None:
    """Written once for what it is made of: twenty thousand pairs take seconds."""
    key = session.id, taking.made_of(session)
    if st.session_state.get("paper_drawn", (None,))[0] != key:
        try:
            card = dataset_folder.files(session)["README.md"].decode("utf-8", "replace")
        except InputError as error:
            st.info(str(error), icon=":material/inbox:")
            return
        st.session_state["paper_drawn"] = key, card
    st.code(st.session_state["paper_drawn"][1], language=None, wrap_lines=True, height=420)
