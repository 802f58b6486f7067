"""What a person does in the app, by the keys of its pages: comes in, judges, trains, asks.

Each function takes a ``Tab`` and returns when the page shows that the step is done.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from streamlit.proto.Alert_pb2 import Alert

from benchmarks.load.drawn import TabError
from benchmarks.load.tab import Tab, client

DOOR = 0.3  # seconds: the card's script lets no press through on a newer card
LONG = 1200.0  # seconds that a whole run may take on a busy machine
JUDGED, STEP = re.compile(r"(\d+) judgement"), re.compile(r"Step (\d+) of")
# The PPO sliders' far ends (rlhf_core.common.settings.PPOSettings).
MOST = {"steps": 200, "batch_size": 256, "epochs": 10, "max_new_tokens": 64}


@dataclass
class Heard:
    """What one person met.

    Attributes:
        files: bytes that a browser loads before it connects.
        loaded, first_page, first_pair: seconds for those files; from the websocket's connection to
            the end of the first page's script; from the click on Rank in the menu to a pair.
        pairs, finished: seconds from each press of A or B to the next pair, and to the end of the
            script.
        sent, accepted: judgements pressed, and those after which the page counted one more.
    """

    files: int = 0
    loaded: float = 0.0
    first_page: float = 0.0
    first_pair: float = 0.0
    pairs: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    sent: int = 0
    accepted: int = 0
    troubles: list[str] = field(default_factory=list)


def run_id(tab: Tab) -> str:
    """The session that this tab shows, as its address says."""
    return parse_qs(tab.query).get("run", [""])[0]


def pair(tab: Tab) -> str:
    """The id of the pair on the card, which its clock is told; "" where there is none to judge. Two
    pairs may read the same, word for word.
    """
    clock = tab.find("rank_card_clock", "bidi_component")
    if tab.find("pick_a", "button") is None or clock is None:
        return ""
    return json.loads(clock.body.json).get("card", "")


def said(tab: Tab, pattern: re.Pattern) -> int:
    """A number that a progress bar of the page names; 0 where none does."""
    found = [pattern.search(text) for text in tab.texts("progress")]
    return next((int(match[1]) for match in found if match), 0)


def complaints(tab: Tab) -> list[str]:
    """What the page tells in red."""
    alerts = [node.body for node in list(tab.nodes.values()) if node.kind == "alert"]
    return [alert.body[:200] for alert in alerts if alert.format == Alert.ERROR]


async def come_in(tab: Tab, heard: Heard, files: bool = True) -> None:
    """As a browser that was never here: its files, then home."""
    began = time.perf_counter()
    if files:
        heard.files = await tab.get_files()
    heard.loaded = time.perf_counter() - began
    began = time.perf_counter()
    await tab.open()
    heard.first_page = time.perf_counter() - began


async def to_rank(tab: Tab, heard: Heard, seconds: float = 300.0) -> None:
    """To the Rank page, until a pair is on the card."""
    began = time.perf_counter()
    await tab.go("rank")
    await _next_pair(tab, heard, "", seconds)
    heard.first_pair = time.perf_counter() - began


async def _next_pair(tab: Tab, heard: Heard, before: str, seconds: float) -> None:
    """Wait for another pair than ``before``. Where the page says that none came, press its button,
    as a person does. TabError, with what the page shows, where none comes.
    """
    came = ""  # what the wait ended with: by the time we go on, a poll may be at work

    def there() -> bool:
        nonlocal came
        if not tab.running:
            came = "pair" if pair(tab) not in ("", before) else "none"
        return not tab.running and (came == "pair" or _ready(tab, "refill"))

    try:
        await tab.until(there, seconds, "the next pair")
        if came == "none":
            heard.troubles.append("the page said that the next answers did not come")
            await tab.press("refill")
            again = lambda: there() and came == "pair"  # noqa: E731
            await tab.until(again, seconds, "the next pair, asked for again")
    except TabError as error:
        card = "the pair from before" if pair(tab) else "no pair"
        shown = [card, "at work" if tab.running else "at rest", *tab.texts("alert")[:2]]
        raise TabError(f"{error} On the page: {', '.join(shown)}.") from None


async def judge(tab: Tab, heard: Heard, luck: random.Random, seconds: float = 120.0) -> None:
    """Press A or B; the next pair is there, and the page has counted one more."""
    before, counted = pair(tab), said(tab, JUDGED)
    began = time.perf_counter()
    heard.sent += 1
    await tab.press(luck.choice(("pick_a", "pick_b")))
    try:
        await _next_pair(tab, heard, before, seconds)
    finally:
        heard.accepted += said(tab, JUDGED) > counted
    heard.finished.append(time.perf_counter() - began)
    card = [node for node in tab.under("rank_card") if node.kind in ("bidi_component", "html")]
    heard.pairs.append(max(node.changed for node in card) - began)


async def keep_judging(
    tab: Tab, heard: Heard, luck: random.Random, every: float, stop: asyncio.Event
) -> None:
    """A judgement every so many seconds on average (exponential pauses), whether or not the page
    keeps up: who was kept waiting judges the sooner, by one pause at most.
    """
    due = time.perf_counter() + luck.expovariate(1 / every)
    while not stop.is_set():
        wait = max(DOOR, due - time.perf_counter())
        try:
            await asyncio.wait_for(stop.wait(), wait)
            return
        except TimeoutError:
            pass
        try:
            await judge(tab, heard, luck)
        except TabError as error:
            heard.troubles.append(str(error))
            if not tab.connected:
                return
        due = max(due + luck.expovariate(1 / every), time.perf_counter() - every)


# --- what takes the worker ------------------------------------------------------------------------


async def prepare_ppo(tab: Tab) -> None:
    """From a fresh session to one that can train: the scripted rater judges, a reward model is
    trained. Ends on the PPO page.
    """
    await to_rank(tab, Heard())
    await tab.press("scripted")
    await tab.until(lambda: said(tab, JUDGED) >= 10, LONG, "ten judgements of the scripted rater")
    await tab.go("reward_model")
    await tab.until(lambda: _ready(tab, "fit"), what="the button that trains the reward model")
    await tab.press("fit")
    trained = lambda: any(True for _ in tab.under("fit_numbers"))  # noqa: E731
    await tab.until(trained, LONG, "a reward model")
    await tab.go("ppo")
    await tab.until(lambda: _ready(tab, "ppo_play"), LONG, "PPO's button to play")


async def play(tab: Tab, settings: dict[str, int] | None = None) -> None:
    """On the PPO page: set these sliders, press play."""
    for name, value in (settings or {}).items():
        runs = tab.runs
        await tab.set(f"ppo_{name}", value)
        await tab.until(lambda runs=runs: tab.runs > runs and not tab.running, what=f"{name} set")
    await tab.until(lambda: _ready(tab, "ppo_play"), LONG, "PPO's button to play")
    await tab.press("ppo_play")


async def keep_playing(tab: Tab, stop: asyncio.Event) -> None:
    """On the PPO page: play again whenever the run has ended."""
    while not stop.is_set() and tab.connected:
        if _ready(tab, "ppo_play") and not tab.running:
            await tab.press("ppo_play")
        try:
            await asyncio.wait_for(stop.wait(), 2.0)
        except TimeoutError:
            pass


def step(tab: Tab) -> int:
    """On the PPO page: the newest step that it shows."""
    return said(tab, STEP)


async def run_once(tab: Tab, seconds: float = LONG) -> float:
    """At home: press "Run it once for me"; seconds until its result is shown."""
    began = time.perf_counter()
    await tab.press("run_once")
    done = lambda: any(True for _ in tab.under("after_the_run")) or complaints(tab)  # noqa: E731
    await tab.until(done, seconds, "the end of “Run it once for me”")
    if found := complaints(tab):
        raise TabError(f"“Run it once for me” ended with: {found[0]}")
    return time.perf_counter() - began


async def ask(tab: Tab, luck: random.Random, seconds: float = 120.0) -> float:
    """On the Prompt page: press an example prompt; seconds until its answers are all there."""
    headline = lambda: [text for text in tab.texts("heading") if "seed" in text]  # noqa: E731
    await tab.until(lambda: _ready(tab, "generate"), seconds, "the button Generate")
    before, began, runs = headline(), time.perf_counter(), tab.runs
    await tab.press(f"offer_{luck.randrange(4)}")
    await tab.until(lambda: tab.runs > runs and not tab.running, seconds, "a press on a prompt")
    done = lambda: _ready(tab, "generate") and headline() not in ([], before)  # noqa: E731
    if _ready(tab, "generate") and not done():  # nothing is being written
        told = " ".join(tab.texts("alert"))
        raise TabError(f"No answers were begun. The page says: {told[:150] or 'nothing'}")
    await tab.until(done, seconds, "answers to a prompt")
    return time.perf_counter() - began


def _ready(tab: Tab, key: str) -> bool:
    node = tab.find(key, "button")
    return node is not None and not node.body.disabled


# --- many of them ---------------------------------------------------------------------------------


class Crowd:
    """All tabs of one process, and what they heard. Leaves together."""

    def __init__(self, url: str, seed: int):
        self.url, self.seed = url, seed
        self.http = client()
        self.tabs: list[Tab] = []
        self.tasks: list[asyncio.Task] = []

    def tab(self, page: str = "", query: str = "") -> Tab:
        self.tabs.append(Tab(self.url, self.http, page, query))
        return self.tabs[-1]

    def luck(self, *which: object) -> random.Random:
        return random.Random(f"{self.seed} {which}")

    def begin(self, work) -> asyncio.Task:
        """Let somebody do something beside the others; it ends with the crowd."""
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def errors(self) -> list[str]:
        return [error for tab in self.tabs for error in tab.errors]

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *error) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await asyncio.gather(*(tab.close() for tab in self.tabs), return_exceptions=True)
        await self.http.aclose()


async def lateness(samples: list[float], look: Callable[[], float] = time.perf_counter) -> None:
    """How late this process's own clock comes, in seconds: what the crowd adds to what it measures.
    Runs until it is cancelled.
    """
    while True:
        due = look() + 0.1
        await asyncio.sleep(0.1)
        samples.append(look() - due)
