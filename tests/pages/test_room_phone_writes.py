"""An answer of one's own on the phone, in a browser: after a pair, offline too, and sent once."""

from __future__ import annotations

import pytest
from axe import serious
from phone_helpers import PHONE, open_phone, prompt, stage, tap, until
from test_room_phone_browser import FITS

from rlhf_core.rooms import limits

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`


def test_an_ideal_answer_is_written_after_a_pair_and_sent_once(chromium, artefacts, tmp_path):
    with stage(tmp_path) as room:
        room.clear()
        room.play(write=True, nickname="שלום")
        phone = chromium.new_context(**PHONE)
        page = open_phone(phone, room.url)
        assert not page.locator(".write-open").is_visible(), "only after a pair"
        tap(page, "a")
        page.locator(".write-open").tap()
        assert page.locator(".write-prompt").inner_text() == "An opossum number 0 is"
        seen = page.evaluate(FITS)
        page.screenshot(path=artefacts / "phone-write.png")
        assert not seen["scrolls"] and not seen["outside"] and min(seen["buttons"]) >= 44
        assert not serious(page)
        phone.set_offline(True)
        page.locator(".write-text").fill("a b 1 2 t: \u202ean artist of the long lie-down.")
        page.keyboard.press("b")
        assert page.locator(".write-prompt").is_visible(), "letters are no taps"
        page.locator(".write-send").tap()
        assert prompt(page) == "An opossum number 1 is"
        phone.set_offline(False)
        until(lambda: len(room.play()["wrote"]) == 1, 30, "what was written")
        [kept] = room.play()["wrote"].values()
        assert kept["pair"] == "rank-0" and kept["text"].startswith("a b 1 2 t: ")
        assert page.locator(".who").inner_text() == "Teal otter (שלום) · 1 judged"
        page.wait_for_timeout(1_000)
        assert not page.locator(".write-open").is_visible() and len(room.play()["wrote"]) == 1
        phone.close()


def test_the_longest_nickname_leaves_the_count_in_sight(chromium, tmp_path):
    with stage(tmp_path) as room:
        room.clear()
        room.play(write=True, name="Orange Hedgehog", nickname="W" * limits.NICKNAME)
        phone = chromium.new_context(**PHONE)
        page = open_phone(phone, room.url)
        tap(page, "a")
        page.locator(".write-open").wait_for()
        who, count = (page.locator(which).bounding_box() for which in (".who", ".who-count"))
        assert count["x"] + count["width"] <= who["x"] + who["width"] + 1
        assert count["y"] + count["height"] <= who["y"] + who["height"] + 1
        assert not page.evaluate(FITS)["scrolls"]
        phone.close()
