"""The ranking desk in a real browser: twenty pairs by keyboard, presses that nobody meant, the
paused clock, and a list put in order by mouse and by keys.
"""

from __future__ import annotations

import time

import pytest
from browser_helpers import HIDE, kept
from walking import JUDGEMENTS, SLOW, button, judge, judgements, open_page, run_id

from conftest import App, settled

pytestmark = pytest.mark.slow


@pytest.fixture
def desk(page, app: App):
    """The desk of a fresh session with a pair on it, the texts long read."""
    open_page(page, app.url, "rank")
    page.locator(".st-key-pair_answers").wait_for(timeout=SLOW)
    settled(page, SLOW)
    page.wait_for_timeout(600)
    return page


def rankings(page, app: App) -> list[dict]:
    return [ranking.to_dict() for ranking in kept(app, run_id(page)).judged.rankings]


def test_twenty_pairs_by_keyboard_alone_take_less_than_two_minutes(desk) -> None:
    began = time.monotonic()
    for number in range(20):
        desk.wait_for_timeout(500)  # thinking
        judge(desk, "ab"[number % 2])
    assert judgements(desk) == 20 and time.monotonic() - began < 120


def test_a_press_counts_once_however_it_is_made(desk, app: App) -> None:
    for press in (
        lambda: [desk.keyboard.press("a") for _ in range(2)],
        lambda: [desk.keyboard.down("b") for _ in range(20)] and desk.keyboard.up("b"),  # held down
        lambda: button(desk, "pick_a").dblclick(),
    ):
        before = judgements(desk)
        press()
        desk.wait_for_timeout(2_500)
        settled(desk, SLOW)
        assert judgements(desk) == before + 1
    assert len(rankings(desk, app)) == 3
    desk.locator(".st-key-say_more summary").click()
    box = desk.get_by_role("textbox", name="Why?")
    box.fill("")
    box.type("abtx")
    assert judgements(desk) == 3 and box.input_value() == "abtx", "letters in a text are letters"


def test_the_clock_stands_still_while_the_tab_is_hidden(desk, app: App) -> None:
    began = time.monotonic()
    desk.evaluate(HIDE, True)
    desk.wait_for_timeout(6_000)
    desk.evaluate(HIDE, False)
    desk.wait_for_timeout(300)
    judge(desk, "a")
    (judged,) = rankings(desk, app)
    assert 0 < judged["seconds"] < time.monotonic() - began + 2 - 5.5


def test_thumbs_by_keyboard_alone(desk, app: App) -> None:
    desk.get_by_text("Good or bad").click()
    desk.locator(".st-key-pick_good_1").wait_for(timeout=SLOW)
    for key, left in (("g", 1), ("b", 0)):
        settled(desk, SLOW)
        desk.wait_for_timeout(600)
        desk.keyboard.press(key)
        if left:
            desk.get_by_text("And the next?").wait_for(timeout=SLOW)
    desk.wait_for_function(f"() => {JUDGEMENTS} > 0", timeout=SLOW)
    (made,) = rankings(desk, app)
    assert made["good"] == [made["shown"][0]] and made["groups"] == [
        made["good"],
        [made["shown"][1]],
    ]


def test_good_and_bad_stand_still_when_they_are_pressed(desk) -> None:
    desk.get_by_text("Good or bad").click()
    desk.locator(".st-key-pick_good_1").wait_for(timeout=SLOW)
    settled(desk, SLOW)

    def places() -> dict[str, dict]:
        names = [f"pick_{word}_{place}" for word in ("good", "bad") for place in (1, 2)]
        desk.evaluate("window.scrollTo(0, 0)")
        return {name: button(desk, name).bounding_box() for name in names}

    before = places()
    button(desk, "pick_good_1").click()
    desk.get_by_text("And the next?").wait_for(timeout=SLOW)
    settled(desk, SLOW)
    desk.wait_for_timeout(500)
    assert places() == before


def test_a_list_is_put_in_order_by_mouse_and_by_keys(desk, app: App) -> None:
    desk.get_by_text("Four at a time").click()
    desk.get_by_text("by dragging").click(timeout=SLOW)
    items = desk.locator(".st-key-order li")
    items.nth(3).wait_for(timeout=SLOW)
    settled(desk, SLOW)
    items.nth(0).scroll_into_view_if_needed()

    def texts() -> list[str]:
        return desk.locator(".st-key-order .written").all_inner_texts()

    before = texts()
    desk.evaluate("window.scrollTo(0, 0)")

    def drag(start: int, end: int) -> None:
        from_, to = items.nth(start).bounding_box(), items.nth(end).bounding_box()
        desk.mouse.move(from_["x"] + 150, from_["y"] + from_["height"] / 2)
        desk.mouse.down()
        desk.mouse.move(
            from_["x"] + 150, to["y"] + (to["height"] - 3 if end > start else 3), steps=20
        )
        desk.mouse.up()
        assert desk.locator(".st-key-order .held").count() == 0

    drag(3, 0)
    assert texts() == [before[i] for i in (3, 0, 1, 2)]
    drag(0, 3)
    assert texts() == before
    drag(2, 1)
    assert texts() == [before[i] for i in (0, 2, 1, 3)]
    items.nth(3).focus()
    desk.keyboard.press("ArrowUp")
    desk.keyboard.press("=")
    assert texts() == [before[i] for i in (0, 2, 3, 1)]
    desk.locator(".st-key-order .done").focus()
    desk.keyboard.press("Enter")
    desk.wait_for_function(f"() => {JUDGEMENTS} > 0", timeout=SLOW)
    (judged,) = rankings(desk, app)
    assert [[judged["candidates"][i] for i in group] for group in judged["groups"]] == [
        [before[0]],
        [before[2], before[3]],
        [before[1]],
    ]
