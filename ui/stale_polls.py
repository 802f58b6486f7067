"""Holds back the polls of a page that was left: Streamlit answers one by emptying the new page.

A fragment that refreshes itself asks with the page that it stood on. Where the answer to a change
of page is slow to arrive (a busy machine, bad Wi-Fi), the browser goes on to ask for the old page;
Streamlit 1.67 runs that after the new page is drawn, tells the browser of the old page again, and
the browser takes that for a change of page and clears everything. Nothing then draws it again.

There is no public place to say no, so two methods are wrapped, once a process. Streamlit is pinned;
``tests/pages/test_slow_line_browser.py`` fails where another version needs another remedy.
"""

from __future__ import annotations

from functools import wraps

from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

_WRAPPED = "__wrapped__"


def hold_back() -> None:
    """From now on, drop what a page that was left asks for."""
    if hasattr(AppSession.request_rerun, _WRAPPED):
        return
    ask, run = AppSession.request_rerun, ScriptRunner._run_script

    @wraps(ask)
    def request_rerun(self, client_state) -> None:
        asked = client_state.page_script_hash if client_state else ""
        if not (client_state and client_state.fragment_id and _left(self._pages_manager, asked)):
            ask(self, client_state)

    @wraps(run)
    def run_script(self, rerun_data) -> None:  # one that waited while the page was changed
        waited = rerun_data.fragment_id_queue
        if not (waited and _left(self._pages_manager, rerun_data.page_script_hash)):
            run(self, rerun_data)

    AppSession.request_rerun, ScriptRunner._run_script = request_rerun, run_script


def _left(pages, asked: str) -> bool:
    """Is ``asked``, the hash of a page, another than the one that is drawn?"""
    return bool(asked and pages.current_page_script_hash not in ("", asked))
