"""In a browser: what cannot be saved is said while the run goes on, without a reload."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from walking import SLOW, open_page, press

from rlhf_core.store import database

pytestmark = pytest.mark.slow  # a run in a real browser, and a database that does not answer


def test_it_is_said_while_a_run_goes_on_and_taken_back_when_it_is_over(page, start_app) -> None:
    app = start_app()
    open_page(page, app.url)
    press(page, "run_once")
    page.get_by_text("judge").first.wait_for(timeout=SLOW)
    held = sqlite3.connect(app.runs / database.FILE, isolation_level=None, timeout=60)
    with closing(held):
        held.execute("BEGIN EXCLUSIVE")
        page.get_by_text("Your work goes on here").wait_for(timeout=SLOW)
        held.execute("ROLLBACK")
    page.get_by_text("Your work goes on here").wait_for(state="detached", timeout=SLOW)
