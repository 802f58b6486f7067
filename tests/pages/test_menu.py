"""The menu: the labs' registry, the pages' scripts and the catalogue of jobs say the same, and
every page of it is drawn without torch.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
import streamlit as st
from page_helpers import ROOT, open_page, path_of, still_queue
from streamlit.testing.v1 import AppTest

from rlhf_core.labs.registry import LABS, Lab
from rlhf_core.work import catalogue
from ui.labs import menu

PAGES = sorted(path.stem for path in ROOT.glob("pages/**/*.py") if path.stem != "__init__")

# In a process of its own: open the pages named in its arguments, and say whether torch came along.
WITHOUT_TORCH = """
import sys
from rlhf_core.work import jobs, running
still = jobs.JobQueue(running.begin, threaded=False)
jobs.queue = lambda: still
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
for page in sys.argv[1:]:
    app.switch_page(page).run()
    assert not app.exception, app.exception
for name in ("torch", "transformers"):
    assert name not in sys.modules, name
"""


@pytest.mark.parametrize("lab", LABS, ids=[lab.page for lab in LABS])
def test_what_the_registry_says_of_a_lab_is_there(lab: Lab):
    assert (ROOT / menu.script(lab)).is_file() and lab.title and lab.icon
    assert set(lab.jobs) <= set(catalogue.JOBS)
    if lab.settings is not None:
        values = lab.settings()
        assert dataclasses.is_dataclass(values) and values.validate() and values.records > 0


def test_every_lab_is_in_the_registry_once():
    router = (ROOT / "app.py").read_text(encoding="utf-8")
    steps = {page for page in PAGES if f'"pages/{page}.py"' in router}
    assert sorted(lab.page for lab in LABS) == sorted({*PAGES} - steps)


def test_a_job_of_the_labs_belongs_to_a_lab_or_a_step():
    theirs = {name for lab in LABS for name in lab.jobs}
    in_labs = {name for name, job in catalogue.JOBS.items() if job.place.startswith("labs.")}
    assert in_labs - theirs == {"fine_tune", "lab_report", "narrow_group"}, "pages of the loop"


@pytest.fixture
def listed(monkeypatch) -> tuple[AppTest, dict]:
    """The home page, and the menu as the router hands it to Streamlit: pages by section."""
    still_queue(monkeypatch)
    handed, draw = {}, st.navigation

    def watched(pages: dict, **how):
        handed.update(pages)
        return draw(pages, **how)

    monkeypatch.setattr(st, "navigation", watched)
    return open_page(), handed


def test_menu_and_home_list_the_labs_of_the_registry(listed):
    app, sections = listed
    theirs = [(lab.page, lab.title, menu.icon(lab)) for lab in LABS]
    assert [(page.url_path, page.title, page.icon) for page in sections["Labs"]] == theirs
    links = [(link.proto.page, link.proto.label) for link in app.get("page_link")]
    assert links[-len(LABS) :] == [(page, title) for page, title, _ in theirs]


def test_every_page_is_in_the_menu(listed):
    _, sections = listed
    names = [page.url_path or "loop" for pages in sections.values() for page in pages]
    assert sorted(names) == PAGES


def test_every_page_is_drawn_without_torch():
    """The first draw must not wait for torch: only the worker may import it."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *map(path_of, PAGES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
