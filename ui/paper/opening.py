"""A run from elsewhere: the zip that somebody gives, or a folder that the command line made, opened
by the worker as a session of its own.
"""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from rlhf_core.common.errors import StoreError
from rlhf_core.session import opening, registry
from rlhf_core.store import archive
from ui import monitor, state, text, uploads

JOB = "open_zip"  # the slot of both jobs
MOST_LISTED = 200


def draw() -> None:
    st.markdown(
        "Give the zip of a whole run, from here or from anybody. It opens as a session of your own;"
        " the one you have stays at its own address. Every file is checked first."
    )
    round_ = st.session_state.setdefault("paper_round", 0)
    busy = state.alive(JOB)
    st.file_uploader(
        "The zip of a run",
        type="zip",
        max_upload_size=archive.MOST_ZIP // archive.MB,
        key=f"paper_zip_{round_}",
        on_change=_given,
        args=(round_,),
        disabled=busy,
    )
    _folders(busy)
    if problem := st.session_state.pop("paper_problem", ""):
        st.error(text.plain(problem), icon=":material/block:")
    if not state.job(JOB):
        return
    monitor.monitor(JOB, controls=(), draw=lambda records, view: None, every=0.4)
    opened = [row for row in state.records(JOB) if row.get("kind") == "opened"]
    if opened and not busy:
        with st.container(border=True, key="paper_opened"):
            st.markdown(f":material/check: {text.plain(opened[-1]['sentence'])}")
            st.button(
                "Go to it",
                key="paper_go",
                type="primary",
                icon=":material/arrow_forward:",
                on_click=_go,
                args=(opened[-1]["id"],),
            )


def _given(round_: int) -> None:
    """Lay what was uploaded down where the worker finds it, and have it opened."""
    file = st.session_state.get(f"paper_zip_{round_}")
    if file is None:
        return
    heard = st.session_state.get("paper_round", 0) > round_
    st.session_state["paper_round"] = max(st.session_state.get("paper_round", 0), round_ + 1)
    if not uploads.still_there([file]):
        if not heard:
            st.session_state["paper_problem"] = uploads.GONE
        return
    name, data = file.name, file.getvalue()
    uploads.let_go([file])
    try:
        sha256 = registry.keeper().weights.lay_down(data)
    except StoreError as error:
        st.session_state["paper_problem"] = str(error)
        return
    if not state.submit("open_zip", sha256, name[:200]):  # refused, which a note says
        with suppress(StoreError):
            registry.keeper().weights.take_up(sha256)


def _folders(busy: bool) -> None:
    """Runs of the command line in the folder of runs, for who sits at this machine."""
    names = opening.folders()[:MOST_LISTED] if state.at_home() else []
    if not names:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="paper_folders"):
        st.selectbox(
            "Or a run of the command line, in the folder of runs",
            names,
            format_func=text.bare,
            key="paper_folder",
            disabled=busy,
        )
        st.button(
            "Open it",
            key="paper_open_folder",
            icon=":material/folder_open:",
            on_click=_folder,
            disabled=busy,
        )


def _folder() -> None:
    state.submit("open_folder", st.session_state["paper_folder"])


def _go(session_id: str) -> None:
    """This tab shows the opened session from now on."""
    state.forget(JOB)
    former = st.session_state.get("run_id")
    for key in list(st.session_state):
        if key.startswith("paper_"):
            del st.session_state[key]
    st.query_params["run"] = st.session_state["run_id"] = session_id
    st.session_state["note"] = (
        "Here is the run that you opened, in a session of your own. The one you had before is still"
        f" at its own address (?run={former})."
    )
