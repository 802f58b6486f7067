"""Who is sitting here: a small picker that any page can draw in one line
(``people.picker(session)``). Whoever is picked is recorded with every judgement.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common.errors import InputError
from rlhf_core.session import judged, people
from rlhf_core.session.state import Session
from ui import state, text


def label(name: str) -> str:
    """A name as a person reads it."""
    return "You (no name)" if name == "you" else text.bare(name)


def picker(session: Session, *, key: str = "who", caption: bool = True) -> str:
    """Draw the picker and return who is sitting here."""
    everybody, now = people.people(session), judged.sitting(session)
    free = [colour for colour in people.COLOURS if colour not in everybody]
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{key}_picker"):
        st.selectbox(
            "Who is sitting here?",
            everybody,
            index=everybody.index(now) if now in everybody else 0,
            format_func=label,
            key=f"{key}_pick_{len(everybody)}_{now}",
            on_change=_picked,
            args=(f"{key}_pick_{len(everybody)}_{now}",),
            width=240,
        )
        # Its state is kept, so that sitting down closes it: open, it would lie over the card.
        with st.popover(
            "Somebody else", icon=":material/person_add:", key=f"{key}_somebody", on_change="rerun"
        ):
            st.caption(
                "A first name, a nickname or a colour. There are no accounts: it only keeps apart"
                " who said what."
            )
            with st.form(f"{key}_form", clear_on_submit=True, border=False):
                st.text_input(
                    "Name",
                    key=f"{key}_name",
                    max_chars=people.LONGEST_NAME,
                    placeholder="for example: Ada",
                )
                st.form_submit_button("Sit down", on_click=_typed, args=(key,), key=f"{key}_sit")
            if free:
                st.caption("Or be a colour:")
                with st.container(horizontal=True, gap="small"):
                    for colour in free:
                        st.button(
                            colour, key=f"{key}_{colour}", on_click=_newcomer, args=(key, colour)
                        )
    if caption:
        st.caption("Judgements are recorded under this name, here and on the Rank page.")
    if problem := st.session_state.pop("people_problem", None):
        st.error(text.plain(problem), icon=":material/error:")
    return now


def _picked(widget: str) -> None:
    _sit(st.session_state[widget])


def _typed(key: str) -> None:
    _newcomer(key, st.session_state.get(f"{key}_name", ""))


def _newcomer(key: str, name: str) -> None:
    if _sit(name):
        st.session_state[f"{key}_somebody"] = False  # closes the popover


def _sit(name: str) -> bool:
    try:
        people.sit_down(state.session(), name)
    except InputError as error:
        st.session_state["people_problem"] = str(error)
        return False
    return True
