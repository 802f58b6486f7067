"""A workshop from the code to the verdict, in real browsers: a host, a projector and two
phones, over a server of its own; and every screen of the wall at both sizes, one light, one dark.
"""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from phone_helpers import PHONE, tap

from conftest import settled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LONG = 600_000  # ms: training, on a machine that does other things too
SOON = 90_000  # ms: what needs no training
SIZES = {"720": (1280, 720, "light"), "1080": (1920, 1080, "dark")}
# How much more there is of the wall than fits.
OVER = """() => [
    document.documentElement.scrollWidth - innerWidth,
    document.documentElement.scrollHeight - innerHeight,
    ...[...document.querySelectorAll('.op-wall main')].map((m) => m.scrollHeight - m.clientHeight),
]"""


def words(tab) -> str:
    return tab.get_by_test_id("stMain").inner_text()


def until(tab, holds, what: str, seconds: float = LONG / 1000) -> None:
    for _ in range(int(seconds)):
        if holds():
            return
        tab.wait_for_timeout(1_000)
    raise AssertionError(f"it did not come to: {what}\n{words(tab)[:2000]}")


class Workshop:
    """A host, a wall and two phones."""

    def __init__(self, chromium, app, artefacts):
        self.app, self.artefacts, self.errors = app, artefacts, []
        self.contexts = []
        self.chromium = chromium
        self.host = self.tab(f"{app.url}/room", viewport={"width": 1280, "height": 900})
        self.host.locator(".st-key-room_open button").wait_for(timeout=LONG)
        self.host.get_by_role("slider", name="PPO steps").focus()
        self.host.keyboard.press("Home")
        settled(self.host)
        self.host.locator(".st-key-room_open button").first.click()
        self.host.locator(".st-key-room_counts").wait_for(timeout=LONG)
        found = re.search(r"room=(\w+)&host=([\w-]+)", self.host.url)
        self.code, self.secret = found[1], found[2]
        link = self.host.get_by_role("link", name="Open the wall").first.get_attribute("href")
        self.wall = self.tab(link, viewport={"width": 1280, "height": 720})
        self.wall.locator(".op-wall").wait_for(timeout=LONG)
        self.phones = [self.join() for _ in range(2)]

    def tab(self, url: str, **look):
        context = self.chromium.new_context(reduced_motion="reduce", **look)
        self.contexts.append(context)
        context.set_default_timeout(LONG)
        page = context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        return page

    def join(self):
        look = {name: value for name, value in PHONE.items() if name != "reduced_motion"}
        page = self.tab(f"{self.app.url}/room?room={self.code}", **look)
        page.get_by_role("button", name="Join").tap(timeout=LONG)
        page.locator(".phone").wait_for(timeout=LONG)
        return page

    def go_on(self, title: str) -> None:
        button = self.host.locator(".st-key-room_on button")
        button.filter(has_text=title).first.click(timeout=LONG)
        here = self.host.locator(".op-acts .op-here").filter(has_text=title)
        here.first.wait_for(timeout=LONG)
        self.wall.locator(".op-act").filter(has_text=title).first.wait_for(timeout=LONG)

    def judge(self, phone, count: int, task: str) -> None:
        """So many taps at pairs of ``task``; what stands before one is pressed away: the brief,
        what a practice pair taught. A phone hears of a new act within seconds, and asks on until
        then.
        """
        asked = phone.locator(".task:visible").filter(has_text=re.compile(f"^{task}"))
        for number in range(count):
            before = phone.locator(".go:visible, .next:visible")
            asked.or_(before).first.wait_for(timeout=SOON)
            if before.count():
                before.first.tap()
            asked.wait_for(timeout=SOON)
            tap(phone, "ab"[number % 2])

    def shown(self, label: str) -> int:
        """The number that the host's page shows under this label."""
        found = re.search(rf"{label}\s+(\d+)", words(self.host))
        return int(found[1]) if found else 0

    def look(self, name: str) -> None:
        """The wall fits at both sizes, and its picture is kept."""
        for size, (width, height, scheme) in SIZES.items():
            self.wall.set_viewport_size({"width": width, "height": height})
            self.wall.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.wall.wait_for_timeout(800)
            self.wall.screenshot(path=self.artefacts / f"wall-{name}-{size}-{scheme}.png")
            over = self.wall.evaluate(OVER)
            assert max(over) <= 1, (name, size, scheme, over)
        assert "Next:" in words(self.wall) or "last act" in words(self.wall)

    def pause(self, act: str) -> None:
        """A break in this act, and on again."""
        freeze = self.host.locator(".st-key-room_freeze button").first
        freeze.click()
        self.wall.locator(".op-pause").wait_for(timeout=SOON)
        self.look(f"pause-{act}")
        freeze.click()
        self.wall.locator(".op-pause").wait_for(state="detached", timeout=SOON)


def test_from_the_code_to_the_verdict(chromium, start_app, artefacts):
    app = start_app(environment={"OPOSSUM_WORKERS": "1"})  # as it ships: pages never wait for it
    room = Workshop(chromium, app, artefacts)
    host, wall = room.host, room.wall
    until(host, lambda: "2 here now" in words(host), "two people on the host's page")
    until(wall, lambda: re.search(r"2\s+in the room", words(wall)), "two people on the wall")
    room.look("join")

    room.go_on("Practice")
    for phone in room.phones:
        room.judge(phone, 2, "Practice")
    room.look("practice")
    until(host, lambda: "being written" not in words(host), "answers written")

    room.go_on("Judge")
    for phone in room.phones:
        room.judge(phone, 12, "Which")
    until(host, lambda: room.shown("Judgements") >= 24, "every tap stored", SOON / 1000)
    room.look("judge")
    room.pause("judge")

    room.go_on("The reward model")
    host.locator(".st-key-room_fit button").first.click()
    metric = host.get_by_test_id("stMetricLabel").filter(has_text="never saw")
    metric.first.wait_for(timeout=LONG)
    wall.locator(".op-huge").first.wait_for(timeout=LONG)
    room.look("reward")

    room.go_on("PPO")
    host.locator(".st-key-room_play button").first.click()
    wall.locator(".op-figure").filter(has_text="5/5").first.wait_for(timeout=LONG)
    assert wall.get_by_test_id("stPlotlyChart").count() == 2
    room.look("ppo")
    room.pause("ppo")

    room.go_on("Blind vote")
    until(host, lambda: "Which answer is which" in words(host), "the vote's pairs")
    for phone in room.phones:
        room.judge(phone, 3, "Blind vote")
    until(host, lambda: room.shown("Votes") >= 6, "votes stored", SOON / 1000)
    room.look("vote")

    room.go_on("Talk")
    wall.locator(".op-verdict").first.wait_for(timeout=LONG)
    sentence = wall.locator(".op-verdict").first.inner_text().strip()
    until(host, lambda: sentence in words(host), "the wall's verdict on the host's page")
    room.look("talk")

    host.get_by_text("End", exact=True).first.click()
    with host.expect_download(timeout=LONG) as download:
        host.locator(".st-key-room_export button").first.click(timeout=LONG)
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    assert archive.testzip() is None
    lines = archive.read("judgements.jsonl").decode().splitlines()
    assert len(lines) >= 30
    assert room.errors == []
    log = app.log.read_text(errors="replace")
    assert room.secret not in log and room.code not in log and "run=" not in log
