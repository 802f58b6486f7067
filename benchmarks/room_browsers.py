"""Two phones of a workshop room in a real Chromium, beside the crowd: from the finger to the next
pair on the screen, and to the answer that it is stored. They run in a thread of their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.load.figures import Figures

PHONES, EVERY = 2, 3_000  # milliseconds between two taps
SLOW = 120_000
SCREEN = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True}
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
    }
    if (said.stored && said.shown) { watch.disconnect(); done(said) }
  })
  watch.observe({ type: 'resource' })
  setTimeout(() => done(said), 10000)
  one.click()
  const look = () => {
    if (pair() !== before) said.shown = (performance.now() - began) / 1000
    else requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
})
"""


@dataclass
class Heard:
    shown: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)
    trouble: str = ""


@contextlib.contextmanager
def beside(wanted: bool, url: str, code: str) -> Iterator[Heard]:
    """The phones tap until the block ends."""
    heard, stop = Heard(), threading.Event()
    thread = threading.Thread(target=_tap, args=(heard, stop, url, code), daemon=True)
    if wanted:
        thread.start()
    try:
        yield heard
    finally:
        stop.set()
        if wanted:
            thread.join(60)


def _tap(heard: Heard, stop: threading.Event, url: str, code: str) -> None:
    try:
        from playwright.sync_api import sync_playwright

        path = os.environ.get("OPOSSUM_CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
            pages = []
            for _ in range(PHONES):
                page = browser.new_context(**SCREEN).new_page()
                page.goto(f"{url}/room?room={code}")
                page.get_by_role("button", name="Join").tap(timeout=SLOW)
                page.locator(".go:has-text('Start')").tap(timeout=SLOW)
                pages.append(page)
            while not stop.is_set():
                for page in pages:
                    page.wait_for_timeout(EVERY / PHONES)
                    button = page.locator("[data-choice=a]")
                    if button.is_visible():
                        said = button.evaluate(TAP)
                        heard.shown += [said["shown"]] if "shown" in said else []
                        heard.stored += [said["stored"]] if "stored" in said else []
            browser.close()
    except Exception as error:  # no Chromium, or it died: the crowd's figures stand without it
        heard.trouble = f"{type(error).__name__}: {str(error).splitlines()[0]}"


def say(figures: Figures, heard: Heard) -> None:
    if heard.trouble:
        figures.note(f"The browsers ended early: {heard.trouble}")
    if heard.stored:
        figures.times("in a browser: tap to the next pair painted", heard.shown)
        figures.times("in a browser: tap to stored", heard.stored, p95=0.5)
