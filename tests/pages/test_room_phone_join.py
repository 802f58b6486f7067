"""From the code's address to the room's end, in a real browser on a phone's screen, with the engine
and the server as they ship.
"""

from __future__ import annotations

import re
import time

import pytest
from phone_helpers import PHONE, SOON, note, prompt, stage, tap, until
from written_room import judged, real_room

import conftest
from conftest import IDLE, ROOT, launch
from rlhf_core.rooms import acts, doors, integrity
from rlhf_core.rooms.records import PRACTICE, RANK, REWARD

pytestmark = pytest.mark.slow  # real servers and browsers: over a minute

SLOW = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    app = launch(folder / "runs", folder / "app.log")
    yield app
    app.stop()


@pytest.fixture
def context(chromium):
    made = chromium.new_context(**PHONE)
    yield made
    made.close()


def come(context, url: str, nickname: str = ""):
    """Scan the code, join, read the brief when it is shown."""
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="Join").wait_for(timeout=SLOW)
    if nickname:
        page.get_by_label("Nickname").fill(nickname)
    page.get_by_role("button", name="Join").tap()
    page.locator(".phone").wait_for(timeout=SLOW)
    return page


def test_from_the_code_to_a_stored_judgement(server, context, monkeypatch, artefacts):
    opened = real_room(server.runs, monkeypatch, title="Hall *4* <b>")
    url = f"{server.url}/room?room={opened.code}"
    page = context.new_page()
    page.goto(url)
    page.get_by_role("button", name="Join").wait_for(timeout=SLOW)
    page.wait_for_timeout(500)
    page.screenshot(path=artefacts / "phone-join.png")
    assert page.get_by_role("heading", name="Hall *4* <b>").is_visible()
    assert page.get_by_text("kept on this server under a made-up name").is_visible()
    button = page.get_by_role("button", name="Join").bounding_box()
    assert button["y"] + button["height"] <= 667, "to join takes no scrolling"
    assert not page.locator("[data-testid=stSidebar]").is_visible()
    page.get_by_role("button", name="Join").tap()
    page.get_by_text("You are in.").wait_for(timeout=SLOW)
    page.screenshot(path=artefacts / "phone-in.png")
    acts.step(opened.code, opened.host, RANK)
    page.locator(".go:has-text('Start')").wait_for(timeout=SOON)
    page.locator(".go").tap()
    before = prompt(page)
    tap(page, "a")
    until(lambda: len(judged(opened)) == 1, what="a judgement in the store")
    assert before and page.locator(".ask").is_visible()
    # The same phone scans the code again: the same person, no form.
    again = context.new_page()
    again.goto(url)
    again.locator(".phone .ask").wait_for(timeout=SLOW)
    assert doors.look(opened.code)["people"] == 1
    assert "me=" in again.url
    acts.step(opened.code, opened.host, REWARD)
    again.get_by_text("Look up at the wall").wait_for(timeout=SOON)
    acts.freeze(opened.code, opened.host, True)
    log = server.log.read_text()
    token = re.search("me=([^&]+)", again.url)[1]
    assert token not in log and opened.code not in log and opened.host not in log


def test_practice_says_at_once_what_the_brief_says(server, context, monkeypatch):
    opened = real_room(server.runs, monkeypatch)
    acts.step(opened.code, opened.host, PRACTICE)
    page = come(context, f"{server.url}/room?room={opened.code}")
    page.locator(".go:has-text('Start')").tap()
    seen = 0
    while page.locator(".ask").is_visible() and seen < 9:
        tap(page, "a")
        page.locator(".feedback").wait_for(timeout=SOON)
        assert re.search("brief", page.locator(".feedback").inner_text())
        page.locator(".next").tap()
        seen += 1
    assert seen == 3
    page.get_by_text("Practice is done.").wait_for(timeout=SOON)


def test_the_same_nickname_twice_gets_a_number_and_a_strangers_name_is_text(
    server, chromium, monkeypatch
):
    opened = real_room(server.runs, monkeypatch)
    url, names = f"{server.url}/room?room={opened.code}", []
    for nickname in ("Kim", "Kim", "<b>x</b>\u202e![](a)"):
        context = chromium.new_context(**PHONE)
        page = come(context, url, nickname)
        page.get_by_text("You are in.").wait_for(timeout=SLOW)
        names.append(page.locator(".who").inner_text().split(" ·")[0])
        assert page.locator(".phone b b, .phone img").count() == 0
        context.close()
    assert "(Kim)" in names[0] and names[1] != names[0] and "(Kim" in names[1]
    assert "\u202e" not in names[2] and "<b>x</b>" in names[2]


def test_two_devices_are_one_voice_and_hear_so(server, context, chromium, monkeypatch):
    opened = real_room(server.runs, monkeypatch)
    acts.step(opened.code, opened.host, RANK)
    page = come(context, f"{server.url}/room?room={opened.code}")
    page.locator(".go:has-text('Start')").tap()
    tap(page, "a")
    until(lambda: len(judged(opened)) == 1)
    other = chromium.new_context(**PHONE)
    second = other.new_page()
    second.goto(page.url)
    second.locator(".phone").wait_for(timeout=SLOW)
    note(second, "both are one voice")
    assert doors.look(opened.code)["people"] == 1
    other.close()


def test_a_person_left_out_a_frozen_and_a_late_joiner(server, context, monkeypatch):
    opened = real_room(server.runs, monkeypatch)
    acts.step(opened.code, opened.host, REWARD)
    page = come(context, f"{server.url}/room?room={opened.code}")  # late: no practice any more
    page.get_by_text("your judgements are becoming a reward model").wait_for(timeout=SLOW)
    integrity.leave_out(opened.code, opened.host, 1, "all left")
    note(page, "The host has left your judgements out")
    acts.step(opened.code, opened.host, RANK)
    acts.freeze(opened.code, opened.host, True)
    page.locator(".go:has-text('Start')").wait_for(timeout=SOON)
    page.locator(".go").tap()
    page.get_by_text("The host has paused").wait_for(timeout=SOON)


def test_a_room_that_is_unknown_or_full_says_so(server, context, monkeypatch):
    page = context.new_page()
    page.goto(f"{server.url}/room?room=BBBBBB")
    page.get_by_text("There is no room of this code here.").wait_for(timeout=SLOW)
    opened = real_room(server.runs, monkeypatch)
    typed = f"{opened.code[:3].lower()} {opened.code[3:].lower()}"
    page.get_by_label("The code on the wall").fill(typed)
    page.get_by_role("button", name="Go").tap()
    page.get_by_role("button", name="Join").wait_for(timeout=SLOW)
    for _ in range(100):
        doors.join(opened.code)
    page.get_by_role("button", name="Join").tap()
    page.get_by_text("This room is full").wait_for(timeout=SLOW)
    page.reload()
    page.get_by_text("This room is full").wait_for(timeout=SLOW)
    assert page.get_by_role("button", name="Join").count() == 0


def test_without_a_desk_the_page_carries_the_judgements(tmp_path, context, monkeypatch):
    """``streamlit run app.py``: no endpoint answers there, so the websocket takes them along."""
    with stage(tmp_path, ROOT / "app.py") as plain:
        opened = real_room(tmp_path / "runs", monkeypatch)
        acts.step(opened.code, opened.host, RANK)
        page = come(context, f"{plain.url}/room?room={opened.code}")
        page.locator(".go:has-text('Start')").tap()
        for choice in ("a", "b", "tie"):
            tap(page, choice)
        until(lambda: len(judged(opened)) == 3, what="three judgements", page=page)
        for number in range(5):  # more than the phone held: the page brings new pairs
            tap(page, "b")
        until(lambda: len(judged(opened)) == 8, what="eight judgements", page=page)
        acts.step(opened.code, opened.host, REWARD)
        page.get_by_text("Look up at the wall").wait_for(timeout=SOON)


def test_the_server_dies_and_comes_back_while_somebody_judges(start_app, context, monkeypatch):
    """Streamlit's own message about the lost connection never covers the phone; what was tapped
    meanwhile is stored once.
    """
    first = start_app()
    opened = real_room(first.runs, monkeypatch)
    acts.step(opened.code, opened.host, RANK)
    page = come(context, f"{first.url}/room?room={opened.code}")
    page.locator(".go:has-text('Start')").tap()
    tap(page, "a")
    until(lambda: len(judged(opened)) == 1)
    first.kill()
    for _ in range(3):
        tap(page, "b")
    note(page, "Offline: 3 waiting, keep going.")
    page.wait_for_timeout(4000)
    tap(page, "tie")
    port = first.url.rpartition(":")[2]
    monkeypatch.setattr(conftest, "free_port", lambda: int(port))
    start_app(runs=first.runs)
    until(lambda: len(judged(opened)) == 5, 60, "five judgements")
    time.sleep(1)
    assert len(judged(opened)) == 5
    page.locator(IDLE).wait_for(timeout=SLOW)
    page.locator(".phone .ask").wait_for(timeout=SOON)
