"""Two faults of Streamlit 1.67 that a busy machine or bad Wi-Fi brings out, and their remedies.

**A page that was left is answered.** A fragment that refreshes itself asks with the page that it
stood on. Where the answer to a change of page is slow to arrive, the browser goes on to ask for the
old page; Streamlit runs that after the new page is drawn, tells the browser of the old page again,
and the browser takes that for a change of page and clears everything. Nothing then draws it again.
Remedy: such a question is dropped.

**A run that has just ended is forgotten.** What a run draws waits in the event loop. Where the next
question arrives between the run's end and its last drawings, Streamlit starts a new runner and
ignores what the former one still has in the line: the press was counted, the page shows nothing of
it (1 press in 10 of twelve busy tabs whose sidebars poll). Remedy: the question waits until the
former run is all there.

There is no public place for either, so methods are wrapped, once a process. Streamlit is pinned;
``tests/pages/test_slow_line_browser.py`` and ``tests/ui/test_stale_polls.py`` fail where another
version needs another remedy.
"""

from __future__ import annotations

import time
from functools import wraps

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

from ui import pace

_WRAPPED = "__wrapped__"
_LATER = "_opossum_later"  # of a browser session: what it has asked and is not told yet


def hold_back() -> None:
    """From now on, drop what a page that was left asks for, and let a run end before the next."""
    if hasattr(AppSession.request_rerun, _WRAPPED):
        return
    ask, run = AppSession.request_rerun, ScriptRunner._run_script
    hear = AppSession._handle_scriptrunner_event_on_event_loop

    @wraps(ask)
    def request_rerun(self, client_state) -> None:
        asked = client_state.page_script_hash if client_state else ""
        part = client_state and client_state.fragment_id
        if part and _left(self._pages_manager, asked):
            return
        if part and client_state.is_auto_rerun and not _room(self._pages_manager, asked):
            if not pace.may_look((self.id, part)):
                return
        if getattr(self, _LATER, None) or (part and _ending(self._scriptrunner)):
            setattr(self, _LATER, [*getattr(self, _LATER, []), client_state])
        else:
            ask(self, client_state)

    @wraps(hear)
    def handle_event(self, *args, **more) -> None:
        hear(self, *args, **more)
        if self._scriptrunner is None and (later := getattr(self, _LATER, None)):
            setattr(self, _LATER, [])
            for client_state in later:
                request_rerun(self, client_state)

    @wraps(run)
    def run_script(self, rerun_data) -> None:  # one that waited while the page was changed
        waited = rerun_data.fragment_id_queue
        if waited and _left(self._pages_manager, rerun_data.page_script_hash):
            return
        began = time.thread_time()
        try:
            run(self, rerun_data)
        finally:
            if waited and rerun_data.is_auto_rerun:
                pace.looked((self._session_id, waited[0]), time.thread_time() - began)

    AppSession.request_rerun, ScriptRunner._run_script = request_rerun, run_script
    AppSession._handle_scriptrunner_event_on_event_loop = handle_event


def _left(pages, asked: str) -> bool:
    """Is ``asked``, the hash of a page, another than the one that is drawn?"""
    return bool(asked and pages.current_page_script_hash not in ("", asked))


def _room(pages, asked: str) -> bool:
    """Is it the workshop room's page? Its counters are few, and promised to be fresh."""
    return pages.get_pages().get(asked, {}).get("url_pathname") == "room"


def _ending(runner: ScriptRunner | None) -> bool:
    """Takes it no more questions, while its last words are still under way?"""
    return runner is not None and runner._requests._state is ScriptRequestType.STOP
