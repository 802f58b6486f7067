"""The labs' card in a real browser: by keyboard alone, its clock stands still while the tab is out
of sight, and a reload finds the place.
"""

from __future__ import annotations

import pytest
from browser_helpers import HIDE, kept
from walking import SLOW, button, open_page, run_id

from conftest import App, settled

CHANGED = (
    "before => document.querySelector('[data-testid=stMain]').innerText.match(/question \\d+/)?.[0]"
    " !== before"
)


def question(page) -> str:
    words = page.get_by_text("question").first.inner_text()
    return f"question {words.split('question ')[1].split(' ')[0]}"


def answer(page, key: str) -> None:
    before = question(page)
    page.keyboard.press(key)
    page.wait_for_function(CHANGED, arg=before, timeout=SLOW)
    settled(page, SLOW)


@pytest.mark.slow  # its clock runs
def test_speed_lab_by_keyboard_with_a_pause_out_of_sight(page, app: App) -> None:
    open_page(page, app.url, "speed_accuracy")
    session = run_id(page)
    button(page, "speed_begin").focus()
    page.keyboard.press("Enter")
    page.locator(".st-key-lab_card button").first.wait_for(timeout=SLOW)
    settled(page, SLOW)
    answer(page, "a")
    page.evaluate(HIDE, True)
    page.wait_for_timeout(12_000)
    page.evaluate(HIDE, False)
    page.wait_for_timeout(1_000)
    settled(page, SLOW)
    answer(page, "b")
    run = kept(app, session).labs["speed_accuracy"][0]
    assert [row["choice"] for row in run["answers"]] == ["a", "b"]
    assert run["answers"][1]["seconds"] < 11, "twelve seconds out of sight must not count"
    page.reload()
    settled(page, SLOW)
    page.locator(".st-key-lab_card button").first.wait_for(timeout=SLOW)
    assert question(page) == "question 3"
