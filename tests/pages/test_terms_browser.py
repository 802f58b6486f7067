"""In a browser: a term's sentence shows by pointer, by keyboard and by tap, inside the window."""

from __future__ import annotations

import pytest

from conftest import settled
from rlhf_core.common import glossary

SLOW = 120_000  # ms: the first text waits for torch


def open_made(page, app_url: str, path: str, run: str = "") -> None:
    page.goto(f"{app_url}/{path}" + (f"?run={run}" if run else ""))
    settled(page, SLOW)


@pytest.mark.parametrize("width", [1280, 375])
def test_a_terms_sentence_shows_inside_the_window(page, app_url, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_made(page, app_url, "ppo")
    term = page.locator(".op-term", has_text="KL").last
    term.wait_for(timeout=SLOW)
    said = term.locator(".op-said")
    assert not said.is_visible()
    for show in (term.hover, term.focus, term.click):
        show()
        said.wait_for(state="visible", timeout=5_000)
        box = said.bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] <= width and box["y"] >= 0
        page.mouse.move(2, 790)
        term.blur()
        said.wait_for(state="hidden", timeout=5_000)
    assert glossary.term("KL").sentence == term.get_attribute("aria-description")
