"""The phone of the workshop room in a browser, against a room that is played
(``phone_stage/serve.py``): a server of its own, tabs of a phone's size, taps.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT, App, free_port

STAGE = ROOT / "tests" / "pages" / "phone_stage" / "serve.py"
PHONE = {
    "viewport": {"width": 375, "height": 667},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
    "reduced_motion": "reduce",
}
FRESH = 350  # milliseconds after which a pair takes a tap
SOON = 20_000
PLAY = {
    "act": "rank",
    "frozen": False,
    "until": None,
    "fail": 0,
    "pairs": [],
    "live": [],
    "verdict": "",
    "name": "Teal otter",
    "nickname": "",
    "write": False,
    "words": "",
    "left_out": False,
    "sorry": "",
    "kind": "closed",
}


class Stage:
    """A room that a test plays."""

    def __init__(self, app: App):
        self.app, self.url = app, app.url

    def play(self, **change) -> dict:
        """Change what the desk says; {"stored": rows by id, "sent": ids as often as they came}."""
        asked = urllib.request.Request(
            f"{self.url}/stage", json.dumps(change).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(asked, timeout=20) as reply:
            return json.load(reply)

    def clear(self) -> None:
        self.play(clear=True, **PLAY)

    @property
    def stored(self) -> list[dict]:
        return list(self.play()["stored"].values())


@contextlib.contextmanager
def stage(folder: Path, script: Path = STAGE) -> Iterator[Stage]:
    port, log = free_port(), folder / "stage.log"
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}"]
    with log.open("a") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "OPOSSUM_RUNS": str(folder / "runs")},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    app = App(f"http://127.0.0.1:{port}", folder, log, process)
    try:
        app.wait_until_healthy()
        yield Stage(app)
    finally:
        app.stop()


def open_phone(context, url: str, me: str = "token-of-somebody", *, start: bool = True, **query):
    """A tab with the phone of ``me``; ``start``: the brief is read, a pair is there."""
    page = context.new_page()
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    page.goto(f"{url}/?room=ABCDEF&me={me}&new=1&{asked}")
    page.locator(".phone").wait_for(timeout=120_000)
    if start:
        page.locator(".ask:not([hidden]), .go:has-text('Start')").first.wait_for(timeout=SOON)
        if page.locator(".go:has-text('Start')").is_visible():
            page.locator(".go").tap()
        page.locator(".ask").wait_for(timeout=SOON)
    return page


def prompt(page) -> str:
    return page.locator(".prompt-text").inner_text()


def tap(page, choice: str) -> None:
    """One tap on A, B, tie or skip, once the pair takes taps."""
    page.wait_for_timeout(FRESH)
    page.locator(f"[data-choice={choice}]").tap()


def note(page, words: str) -> None:
    """Wait until the phone says ``words`` on top."""
    page.locator(".note").filter(has_text=words).wait_for(timeout=SOON)


def until(holds, seconds: float = 20.0, what: str = "", page=None) -> None:
    """Wait until ``holds()``. ``page``: one whose requests the test answers meanwhile."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to: {what}"
        if page is None:
            time.sleep(0.05)
        else:
            page.wait_for_timeout(50)
