"""In a browser: a copied link opens the same words elsewhere, in another session."""

from __future__ import annotations

from urllib.parse import urlsplit

from conftest import settled
from rlhf_core.session import registry

SLOW = 120_000  # ms: the first text waits for torch


def open_made(page, app_url: str, path: str, run: str = "") -> None:
    page.goto(f"{app_url}/{path}" + (f"?run={run}" if run else ""))
    settled(page, SLOW)


def test_a_copied_link_gives_the_same_words_in_another_session(page, chromium, app_url):
    open_made(page, app_url, "prompt")
    page.get_by_role("textbox", name="Your prompt").fill("A fox is")
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
