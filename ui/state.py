"""The bridge between a page and the engine: which session this browser tab shows, and which jobs
work for it.

A run id in the address (``?run=...``) finds the session again after a reload; page switches drop
it, so it is set again on every run. Knows nothing about models or drawing. Simplification: whoever
has the address has the session; there are no accounts.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rlhf_core.common import errors
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue, jobs, lines, running
from ui import addresses, guards, space

HOME = "the-loop"  # reserved for home, which answers at the empty address
ADDRESSES = {
    page.stem for page in (Path(__file__).resolve().parent.parent / "pages").glob("*.py")
} - {"loop", "__init__"} | {HOME}
ALIVE = jobs.ALIVE  # a job in one of these has more to do
NOT_HERE = (
    "That session is no longer kept, or never was on this server: it ends a day after the last"
    " visit, or when it is started over in another tab, and a link to it opens only on the server"
    " that it was made on. Here is a fresh one."
)
NOT_AFTER_SLEEP = " This Space also forgets sessions when it sleeps or restarts."
_SUBMITTING = threading.Lock()  # two tabs may press the same button at the same moment


def session() -> Session:
    """The session this tab shows; a new one where the address names none, or one that is no longer
    kept (a note says so).
    """
    insist_on_the_router()
    asked = st.query_params.get("run") or st.session_state.get("run_id")
    try:
        found = registry.get(asked) if asked else None
    except errors.StoreError as error:  # not "no longer kept": it may well be there
        st.error(f"{error} Your session is not lost: reload this page in a moment.")
        st.stop()
    if found is None:
        found = registry.create()
        if asked:
            st.session_state["note"] = NOT_HERE + (NOT_AFTER_SLEEP if space.in_one() else "")
    if st.session_state.get("run_id") != found.id:
        st.session_state["run_id"] = found.id
        if told := found.take_note():  # read back from disk: how far it had come
            st.session_state["note"] = told
    if st.query_params.get("run") != found.id:
        st.query_params["run"] = found.id
    return found


def note() -> str | None:
    """What there is to tell the visitor: a new note, or the one that stands since the last thing
    that the visitor did.
    """
    by_itself = st.session_state.pop("by_itself", False)
    if "note" in st.session_state:
        st.session_state["note_shown"] = st.session_state.pop("note")
    elif not by_itself:
        st.session_state.pop("note_shown", None)
    return st.session_state.get("note_shown")


def lost() -> list[st.Page]:
    """A hidden page for an address that names none of ours, which leads home and says so; empty
    where the address is fine.

    Without it Streamlit puts up a dialog that speaks of files.
    """
    context = get_script_run_ctx()
    manager = context.pages_manager if context is not None else None
    asked = (
        (manager.intended_page_name or "").strip("/")
        if manager and not manager.intended_page_script_hash
        else ""
    )
    if not asked.strip() or "/" in asked or asked in ADDRESSES:
        return []

    def lead_home() -> None:
        st.session_state["note"] = (
            "There is no page at that address. This is the home page; all pages are in the menu."
        )
        st.switch_page("pages/loop.py")

    return [st.Page(lead_home, title="The loop", url_path=asked, visibility="hidden")]


def rerun() -> None:
    """Run the page again because something has changed, and not because the visitor did anything:
    what ``note`` tells stays.
    """
    st.session_state["by_itself"] = True
    st.rerun()


def insist_on_the_router() -> None:
    """Begin again through app.py where Streamlit ran a page without it.

    A fresh server whose first visitor comes to a page other than home takes pages/ for an app of
    the older kind, until st.navigation has been called once in the process.
    """
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        context = get_script_run_ctx()
        # Not in a callback: there, the script is yet to come.
        if context is not None and context.has_script_started:
            st.rerun()


def submit(name: str, *args, total: int | None = None, **more) -> str:
    """Start the job called ``name`` (``work.catalogue``) over this session and return its id; while
    one of its slot is alive, return that one's instead.

    Returns "" where the queue takes no more; the page says so on its next run.

    Args:
        args, more: the job's plain arguments.
        total: how many records it will make, where that is known.
    """
    return submit_for(session(), name, *args, total=total, **more)


def submit_for(current: Session, name: str, *args, total: int | None = None, **more) -> str:
    """``submit`` over another session than the tab's."""
    slot, kind = catalogue.slot_of(name), catalogue.JOBS[name]
    with _SUBMITTING:
        job_id = current.jobs.get(slot)
        view = lines.line_in_force().view(job_id) if job_id else None
        if view and view["status"] in ALIVE:
            return job_id
        if refused := guards.too_many_jobs(current.id):
            st.session_state["note"] = refused
            return ""
        order = running.Order(name, current, args, more)
        try:
            about = {"label": kind.label, "owner": current.id, "long": kind.long, "total": total}
            # A step of one model says nothing of how long another's takes.
            job_id = lines.line_in_force().submit(order, **about, kin=current.model_name)
        except errors.QueueError as error:
            st.session_state["note"] = str(error)
            return ""
        if current.jobs.get(slot) != job_id:
            with current.change():
                current.jobs = {**current.jobs, slot: job_id}
    return job_id


def _slot(name: str) -> str:
    """Where the id of a job stands: several jobs may share a slot."""
    return catalogue.slot_of(name) if name in catalogue.JOBS else name


def job(name: str) -> dict | None:
    """The queue's view of this session's job ``name``, or None where there is none (or it is long
    forgotten).
    """
    return job_of(session(), name)


def job_of(current: Session, name: str) -> dict | None:
    """``job`` of another session than the tab's."""
    job_id = current.jobs.get(_slot(name))
    return lines.line_in_force().view(job_id) if job_id else None


def records(name: str, start: int = 0) -> list[dict]:
    """The records that job ``name`` has made so far."""
    job_id = session().jobs.get(_slot(name))
    return (
        lines.line_in_force().records(job_id, start)
        if job_id and lines.line_in_force().view(job_id)
        else []
    )


def begin_run() -> None:
    """The script runs anew: what ``alive`` said before counts no more."""
    st.session_state["called_alive"] = set()


def alive(name: str) -> bool:
    """Whether job ``name`` is waiting, running or paused.

    One run of a page hears one answer: a job that was alive when a button was drawn stays so until
    the run ends, although it may be over by the next line. Else the button would stay disabled, and
    the monitor below it would not know that there is anything to wait for. (The monitor sees that
    it is over, and has the page drawn again.)
    """
    now, context = working(name), get_script_run_ctx()
    # A callback comes before the page, a fragment after it.
    if context is None or not context.has_script_started or context.fragment_ids_this_run:
        return now
    called = st.session_state.setdefault("called_alive", set())
    if now:
        called.add(name)
    return name in called


def working(name: str) -> bool:
    """Whether job ``name`` is alive at this very moment."""
    view = job(name)
    return view is not None and view["status"] in ALIVE


def stop(name: str, wait: float = 0.0) -> bool:
    """Stop job ``name`` if it is alive; what it has recorded stays. Waits up to ``wait`` seconds
    for that, and says whether it is over.
    """
    if working(name):
        lines.line_in_force().stop(session().jobs[_slot(name)])
    return settle(name, wait)


def settle(name: str, seconds: float) -> bool:
    """Wait up to ``seconds`` for job ``name`` to end; says whether it is over."""
    job_id, until = session().jobs.get(_slot(name)), time.monotonic() + seconds
    while (
        working := bool(job_id)
        and (lines.line_in_force().view(job_id) or {}).get("status") in ALIVE
    ) and time.monotonic() < until:
        time.sleep(0.005)
    return not working


def forget(name: str) -> None:
    """Speak no more of what job ``name`` came to; one that is alive goes on."""
    current = session()
    if not working(name) and name in current.jobs:
        with current.change():
            current.jobs = {slot: job_id for slot, job_id in current.jobs.items() if slot != name}


def stop_all() -> None:
    """Stop every job of this session."""
    for name in list(session().jobs):
        stop(name)


def at_home() -> bool:
    """Whether this server answers its own machine only, and this visitor came straight to it from
    there: then who visits may name folders on it. A room full of people may not, nor a page
    elsewhere that a proxy or a name that points here (DNS rebinding) leads to this server.
    """
    return addresses.at_home(st.get_option("server.address") or "", st.context.headers)


def start_over() -> None:
    """Delete this session and everything it made, then carry on with a fresh one on the next run of
    the script.
    """
    current = session()
    lines.line_in_force().forget(current.id)
    try:
        stays = not registry.delete(current.id)
    except errors.StoreError as error:
        st.session_state["note"] = f"{error} Nothing was deleted. Try again in a moment."
        return
    for key in list(st.session_state):
        del st.session_state[key]
    st.query_params.clear()
    st.session_state["note"] = (
        "Here is a fresh session. The folder that the old one was opened from is still there: this"
        " app did not make it."
        if stays
        else "Gone. Everything of the old session is deleted, and this is a fresh one."
    )


@st.cache_resource(show_spinner=False)
def warm_up() -> str:
    """Let the worker load torch and the bundled model, once for the whole process; call it after
    the page is drawn.
    """

    order, kind = running.Order("wake"), catalogue.JOBS["wake"]
    return lines.line_in_force().submit(order, label=kind.label, owner="warm-up", long=kind.long)
