"""In a browser: a term's sentence shows by pointer, by keyboard and by tap, inside the window; a
copied link opens the same words elsewhere.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from conftest import settled

from rlhf_core.common import glossary
from rlhf_core.session import registry

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


def test_a_copied_link_gives_the_same_words_in_another_session(page, chromium, app_url):
    open_made(page, app_url, "prompt")
    page.get_by_label("Your prompt").fill("A fox is")
    page.locator(".st-key-generate button").click()
    page.locator(".op-answer").nth(3).wait_for(timeout=SLOW)
    share = page.locator(".st-key-share button")
    share.wait_for(timeout=SLOW)
    words = page.locator(".op-written").all_inner_texts()
    share.click()
    link = page.get_by_test_id("stPopoverBody").locator("code").inner_text().replace("\n", "")
    run = page.url.split("run=")[1]
    assert urlsplit(link).path == "/prompt" and run not in link and registry.is_id(run)
    other = chromium.new_context()
    try:
        theirs = other.new_page()
        theirs.goto(link)
        theirs.get_by_text("Opened from a shared link").wait_for(timeout=SLOW)
        theirs.locator(".st-key-share button").wait_for(timeout=SLOW)
        assert theirs.locator(".op-written").all_inner_texts() == words
        assert run not in theirs.url and "prompt=" not in theirs.url
    finally:
        other.close()
