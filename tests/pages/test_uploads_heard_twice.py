"""An upload of which a busy browser tells again when its page has read it, or that nobody read in
time: Streamlit then gives something without a name and without contents.
"""

from __future__ import annotations

import json

import pytest
import streamlit as st
from page_helpers import open_page, said, session_of, still_server
from streamlit.runtime.uploaded_file_manager import DeletedFile

from rlhf_core.work import jobs
from ui import uploads

ROW = json.dumps({"prompt": "A cat is", "chosen": " x", "rejected": " y"}).encode()
PAGES = {"paper_trail": "paper_zip_0", "import_export": "import_files_0"}


@pytest.fixture(autouse=True)
def queue(monkeypatch, tmp_path) -> jobs.JobQueue:
    return still_server(monkeypatch, tmp_path)


def telling(monkeypatch, key: str, first: bool) -> None:
    """The page hears of its upload, where that is the ``first``, and of one that is gone."""
    drawn = st.file_uploader

    def uploader(*words, on_change, **options):
        def heard(*arguments) -> None:
            if first:
                on_change(*arguments)
            gone = DeletedFile("an id")
            many = options.get("accept_multiple_files")
            st.session_state[key] = [gone] if many else gone
            on_change(*arguments)

        return drawn(*words, on_change=heard, **options)

    monkeypatch.setattr(st, "file_uploader", uploader)


def given(page: str, data: bytes):
    app = open_page(page)
    name = "x.zip" if page == "paper_trail" else "x.jsonl"
    file = (name, data, "application/octet-stream")
    app.file_uploader[0].set_value(file if page == "paper_trail" else [file]).run()
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("page", PAGES)
def test_what_is_told_twice_is_read_once(monkeypatch, page):
    telling(monkeypatch, PAGES[page], first=True)
    app = given(page, ROW)
    assert uploads.GONE not in said(app)
    if page == "paper_trail":
        assert list(session_of(app).jobs) == ["open_run"]
    else:
        assert "x.jsonl" in said(app), "what was read of it still stands there"


@pytest.mark.parametrize("page", PAGES)
def test_what_nobody_read_in_time_is_said(monkeypatch, page):
    telling(monkeypatch, PAGES[page], first=False)
    assert uploads.GONE in said(given(page, ROW))
