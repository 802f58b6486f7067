"""Two phones and the projector of a workshop room, in three real browsers beside the crowd: from
the finger to the next pair on the screen and to the answer that it is stored, and how late the
wall's counter comes. They run in a thread of their own.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import dataclass, field

import psutil

from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures
from benchmarks.load.server import Server
from rlhf_core.rooms import doors

PHONES, EVERY = 2, 3_000  # milliseconds between two taps of one
SLOW = 180_000
PHONE = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True}
WALL = {"viewport": {"width": 1280, "height": 720}}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# A tap; seconds until the next pair is painted, and until the desk's answer is there.
TAP = """
one => new Promise((done) => {
  const root = one.getRootNode(), began = performance.now()
  const pair = () => root.querySelector('.ask').dataset.pair
  const before = pair(), said = {}
  const watch = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.name.endsWith('room-desk') || entry.startTime < began) continue
      said.stored ??= (entry.responseEnd - began) / 1000
      said.at ??= performance.timeOrigin + entry.responseEnd
    }
    if (said.stored && said.shown) { watch.disconnect(); done(said) }
  })
  watch.observe({ type: 'resource' })
  setTimeout(() => { watch.disconnect(); done(said) }, 10000)
  one.click()
  const look = () => {
    if (pair() !== before) said.shown = (performance.now() - began) / 1000
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})
"""
# On the wall: what the counter of judgements shows, and since when.
COUNT = """
() => {
  window.counted = []
  setInterval(() => {
    for (const one of document.querySelectorAll('.op-figure')) {
      if (one.querySelector('span')?.textContent !== 'judgements') continue
      const shown = Number(one.querySelector('b').textContent)
      if (window.counted.at(-1)?.[0] !== shown) window.counted.push([shown, Date.now()])
    }
  }, 50)
}
"""


@dataclass
class Heard:
    """(when by ``time.perf_counter``, seconds) of each tap; (judgements that the wall showed, since
    when); what went wrong on a page, and what ended it early.
    """

    shown: list[tuple[float, float]] = field(default_factory=list)
    stored: list[tuple[float, float]] = field(default_factory=list)
    wall: list[tuple[int, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    trouble: str = ""


class Browsers:
    """The three; nothing until they are opened."""

    def __init__(self, place: Server, code: str, secret: str):
        self.place, self.code, self.key = place, code, doors.wall_key(secret)
        self.heard, self.is_open = Heard(), False
        self._there, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def open(self) -> None:
        """Returns when both phones have a pair and the wall is drawn. TabError where they do not
        come to that.
        """
        self.is_open = True
        self._thread.start()
        if not self._there.wait(3 * SLOW / 1000) or self.heard.trouble:
            why = self.heard.trouble or "they take too long"
            raise TabError(f"The browsers did not open: {why}")

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(60)

    def used(self) -> float:
        """Processor seconds so far of the browsers and of what drives them."""
        if not self.is_open:
            return 0.0
        others = {process.pid for process in self.place.family()}
        found = 0.0
        for process in psutil.Process().children(recursive=True):
            if process.pid not in others:
                try:
                    times = process.cpu_times()
                except psutil.Error:
                    continue
                found += times.user + times.system
        return found

    def _run(self) -> None:
        try:
            from playwright.sync_api import sync_playwright

            path = os.environ.get("OPOSSUM_CHROMIUM") or shutil.which("chromium")
            with sync_playwright() as playwright:
                browsers = []

                def page(query: str, look: dict):
                    browsers.append(playwright.chromium.launch(executable_path=path, args=FLAGS))
                    tab = browsers[-1].new_context(**look).new_page()
                    tab.on("pageerror", lambda error: self.heard.problems.append(str(error)[:200]))
                    tab.goto(f"{self.place.url}/room?room={self.code}{query}")
                    return tab

                wall = page(f"&wall={self.key}", WALL)
                wall.locator(".op-figure").first.wait_for(timeout=SLOW)
                wall.evaluate(COUNT)
                phones = [page("", PHONE) for _ in range(PHONES)]
                for one in phones:
                    one.get_by_role("button", name="Join").tap(timeout=SLOW)
                    one.locator(".go:has-text('Start')").tap(timeout=SLOW)
                    one.locator("[data-choice=a]").wait_for(timeout=SLOW)
                self._there.set()
                while not self._stop.is_set():
                    for one in phones:
                        one.wait_for_timeout(EVERY / PHONES)
                        self._tap(one)
                    self._look_up(wall)
                for browser in browsers:
                    browser.close()
        except Exception as error:  # no Chromium, or it died: the crowd's figures stand without it
            self.heard.trouble = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        finally:
            self._there.set()

    def _tap(self, page) -> None:
        button = page.locator("[data-choice=a]")
        if not button.is_visible():
            return
        said, ahead = button.evaluate(TAP), time.perf_counter() - time.time()
        if "at" in said:
            self.heard.stored.append((said["at"] / 1000 + ahead, said["stored"]))
        if "shown" in said:
            self.heard.shown.append((time.perf_counter(), said["shown"]))

    def _look_up(self, wall) -> None:
        ahead = time.perf_counter() - time.time()
        found = wall.evaluate("() => window.counted")
        self.heard.wall[:] = [(shown, at_ms / 1000 + ahead) for shown, at_ms in found]


def say(figures: Figures, heard: Heard, since: float) -> None:
    """What was heard after ``since``."""
    if heard.trouble:
        figures.note(f"The browsers ended early: {heard.trouble}")
    shown = [seconds for when, seconds in heard.shown if when >= since]
    stored = [seconds for when, seconds in heard.stored if when >= since]
    if stored:
        figures.times("in a browser: tap to the next pair painted", shown)
        figures.times("in a browser: tap to stored", stored, p95=0.5)
