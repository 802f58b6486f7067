"""Opossum's server: ``python -m streamlit run serve.py``.

Streamlit runs ``app.py`` behind the guards (``ui/guards.py``), and worker processes do what takes
time (``rlhf_core/work/lines.py``). ``streamlit run app.py`` serves the same pages without either,
for one person at home.
"""

from __future__ import annotations

import contextlib
import webbrowser
from collections.abc import AsyncIterator

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from rlhf_core.work import lines
from ui import collector, ending, guards, headers
from ui.room import endpoint

lines.processes_by_default()
# pages/ is no app of the older kind, whose menu is a list of files: else whoever comes first to a
# fresh server, and not to home, sees that list for a moment (``ui/state.py``).
PagesManager.uses_pages_directory = False


@contextlib.asynccontextmanager
async def open_browser(_app: App) -> AsyncIterator[None]:
    """As ``streamlit run`` does by itself for a script."""
    if not st.get_option("server.headless"):
        address = st.get_option("server.address") or ""
        if address in ("", "::", "::1", "0.0.0.0"):
            address = "localhost"
        webbrowser.open(f"http://{address}:{st.get_option('server.port')}")
    yield


@contextlib.asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[None]:
    async with ending.in_time(), open_browser(app):
        with collector.seldom():
            yield


app = App(
    "app.py",
    routes=[endpoint.route()],
    middleware=[Middleware(headers.Headers), Middleware(guards.Guards)],
    lifespan=lifespan,
)
