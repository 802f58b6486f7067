"""A page over a slow line, in a real browser: a change of page gets there whatever the pages poll.

Fails where Streamlit answers the poll of a page that was left (``ui/stale_polls.py``): the new page
is then emptied, and stays so.
"""

from __future__ import annotations

from walking import SLOW, button

from conftest import settled


def test_a_change_of_page_survives_the_polls_of_the_page_that_was_left(page, app_url: str) -> None:
    held: list | None = None  # what the server said while the line is slow

    def line(browser) -> None:
        server = browser.connect_to_server()
        browser.on_message(server.send)
        server.on_message(lambda said: browser.send(said) if held is None else held.append(said))
        lines.append(browser)

    lines: list = []
    page.route_web_socket("**/_stcore/stream", line)
    page.goto(app_url)
    button(page, "tour_begin").click(timeout=SLOW)
    card = page.locator(".st-key-tour")
    card.get_by_text("1 of 12").wait_for(timeout=SLOW)
    settled(page, SLOW)

    held = []
    card.get_by_role("button", name="Skip").click()
    page.wait_for_timeout(4_000)  # the card looks every 1.5 s
    waiting, held = held, None
    for said in waiting:
        lines[-1].send(said)

    card.get_by_text("2 of 12").wait_for(timeout=SLOW)
    page.wait_for_timeout(2_000)  # for the answers to what was polled meanwhile
    settled(page, SLOW)
    assert page.get_by_role("heading", name="Write a prompt").is_visible()
