"""A room of people that come in, judge, and are kept waiting or not: ``click``, ``room``, ``bare``.

``click`` is what one judgement costs the server, alone and in a crowd that nobody trains beside;
``room`` what people notice while others run PPO; ``bare`` the same crowd on an app of one button.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from argparse import Namespace
from pathlib import Path

from benchmarks.load import learner, server, stored
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures, at
from benchmarks.load.learner import Crowd, Heard
from benchmarks.load.server import Cost, Server
from benchmarks.load.tab import Tab

CLICKS, PAUSE = 30, 1.2  # of one person alone, and seconds between them
STILL, LOOKS = 10.0, 5  # seconds in which everybody only reads, and looks at what that costs

PAIR, FIRST, JOIN = 0.5, 3.0, 1.0  # targets in seconds: next pair, first page (p95 both)
CLICK, MEMORY = 0.025, 4000.0  # of processor time a click; MB in all


class Room:
    """``people`` tabs that come in within ``join`` seconds, each to its first pair."""

    def __init__(self, crowd: Crowd, place: Server, people: int):
        self.crowd, self.place = crowd, place
        self.heard = [Heard() for _ in range(people)]
        self.tabs: list[Tab] = []
        self.stop = asyncio.Event()
        self._judging: list[asyncio.Task] = []

    async def gather(self, join: float, files: bool = True) -> None:
        luck = self.crowd.luck("join")
        arrivals = sorted(luck.uniform(0, join) for _ in self.heard)

        async def come(number: int) -> None:
            await asyncio.sleep(arrivals[number])
            try:
                await learner.come_in(self.tabs[number], self.heard[number], files)
                await learner.to_rank(self.tabs[number], self.heard[number])
            except TabError as error:
                self.heard[number].troubles.append(str(error))

        self.tabs = [self.crowd.tab() for _ in self.heard]
        await asyncio.gather(*map(come, range(len(self.heard))))

    def judge(self, every: float) -> None:
        """From now on everybody judges, until ``rest``."""
        self.stop = asyncio.Event()
        self._judging = [
            self.crowd.begin(
                learner.keep_judging(tab, heard, self.crowd.luck("judge", n), every, self.stop)
            )
            for n, (tab, heard) in enumerate(zip(self.tabs, self.heard, strict=True))
            if tab.connected and learner.pair(tab)
        ]

    async def rest(self) -> None:
        """Everybody ends the judgement under way, and judges no more."""
        self.stop.set()
        await asyncio.gather(*self._judging, return_exceptions=True)

    def forget(self) -> None:
        """What was heard so far counts no more (a warm-up)."""
        for heard in self.heard:
            heard.pairs, heard.finished = [], []

    @property
    def pairs(self) -> list[float]:
        return [seconds for heard in self.heard for seconds in heard.pairs]

    @property
    def finished(self) -> list[float]:
        return [seconds for heard in self.heard for seconds in heard.finished]

    @property
    def accepted(self) -> int:
        return sum(heard.accepted for heard in self.heard)

    def troubles(self) -> list[str]:
        found = [one for heard in self.heard for one in heard.troubles] + self.crowd.errors()
        return found + [one for tab in self.crowd.tabs for one in learner.complaints(tab)]

    def kept(self) -> tuple[int, int, int, int]:
        """(accepted by the page, of them not stored, stored twice, pressed and not stored)."""
        missing = twice = nothing = 0
        for tab, heard in zip(self.tabs, self.heard, strict=True):
            ids = stored.judgements(self.place.runs, learner.run_id(tab))
            missing += max(0, heard.accepted - len(set(ids)))
            twice += len(ids) - len(set(ids))
            nothing += max(0, heard.sent - len(set(ids)))
        return self.accepted, missing, twice, nothing


# --- the parts ------------------------------------------------------------------------------------


async def click(figures: Figures, options: Namespace, folder: Path) -> None:
    """What a judgement costs, alone and among ``people``, with nobody training."""
    with server.running(folder / "alone", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            await _alone(figures, crowd, place, options)
    with server.running(folder / "crowd", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            room = Room(crowd, place, options.people)
            await room.gather(options.join, files=False)
            still = await polls(place, min(STILL, options.seconds))
            before, judged = place.cost(), room.accepted
            room.judge(options.every)
            await asyncio.sleep(options.seconds)
            await room.rest()
            used = place.cost() - before
            _share(figures, "in a crowd", still, used, room.accepted - judged)
            figures.times("in a crowd: click to next pair", room.pairs)
            _where(figures, used)
            figures.troubles(room.troubles())


async def _alone(figures: Figures, crowd: Crowd, place: Server, options: Namespace) -> None:
    room = Room(crowd, place, 1)
    await room.gather(0.0)
    luck, windows, clicks = crowd.luck("alone"), [], min(CLICKS, int(options.seconds))
    for _ in range(3):  # the first ones warm caches
        await asyncio.sleep(PAUSE)
        await learner.judge(room.tabs[0], room.heard[0], luck)
    still = await polls(place, min(STILL, options.seconds))
    room.forget()
    began = place.cost()
    for _ in range(clicks):
        await asyncio.sleep(PAUSE)
        before = place.cost()
        await learner.judge(room.tabs[0], room.heard[0], luck)
        windows.append((place.cost() - before).server)
    figures.add(
        "alone: server's processor time from click to end of the script",
        statistics.mean(windows) * 1000,
        "ms",
        of=clicks,
        target=CLICK * 1000,
    )
    _share(figures, "alone", still, place.cost() - began, clicks)
    figures.times("alone: click to next pair", room.pairs, p95=PAIR)
    figures.troubles(room.troubles())


def _share(figures: Figures, who: str, still: float, whole: Cost, judged: int) -> None:
    """What a judgement costs, all in (saving, writing ahead), without the polls of open pages."""
    each = (whole.server - still * whole.at) / max(1, judged)
    figures.add(f"{who}: server's processor time a judgement, all in", each * 1000, "ms", of=judged)
    figures.add(f"{who}: the open pages' polls, of one core", 100 * still, "%")
    figures.add(f"{who}: judgements a second", judged / whole.at, "1/s")
    if whole.workers:
        figures.add(f"{who}: workers' a judgement", whole.workers / max(1, judged) * 1000, "ms")


async def room(figures: Figures, options: Namespace, folder: Path) -> None:
    """``people`` come in within a minute and judge, while ``ppo`` others train."""
    with server.running(folder / "runs", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            late: list[float] = []
            stop = asyncio.Event()
            trainers = [crowd.tab() for _ in range(options.ppo)]
            for tab in trainers:
                await tab.open()
                await learner.prepare_ppo(tab)
            for tab in trainers:
                await learner.play(tab, {"steps": learner.MOST["steps"]})
                crowd.begin(learner.keep_playing(tab, stop))
            here, began = Room(crowd, place, options.people), place.cost()
            crowd.begin(learner.lateness(late))
            await here.gather(options.join)
            joined, first = place.cost() - began, [learner.step(tab) for tab in trainers]
            before, judging = place.cost(), time.perf_counter()
            here.judge(options.every)
            await asyncio.sleep(options.seconds)
            await here.rest()
            used, judging = place.cost() - before, time.perf_counter() - judging
            stop.set()
            say_joined(figures, here, joined)
            figures.times("click to next pair", here.pairs, p95=PAIR)
            figures.times("click to the end of the script", here.finished)
            figures.add("judgements a second", len(here.pairs) / judging, "1/s")
            steps = sum(learner.step(tab) for tab in trainers) - sum(first)
            if trainers:
                figures.add("PPO steps that the others made meanwhile", steps, "")
            _where(figures, used)
            say_memory(figures, place)
            await say_kept(figures, here)
            figures.add("the crowd's own clock was late, p95", at(late, 0.95))
            figures.troubles(here.troubles())


def say_joined(figures: Figures, here: Room, joined: Cost) -> None:
    heard = [one for one in here.heard if one.first_page]
    loaded = [one.loaded for one in heard if one.loaded]
    figures.times("a new browser's files", loaded)
    figures.add("a new browser's files, size", max(one.files for one in heard) / 1e6, "MB")
    figures.times(
        "connection to the end of the first page", [o.first_page for o in heard], p95=FIRST
    )
    ranked = [one.first_pair for one in heard if one.first_pair]
    figures.times("Rank in the menu to the first pair", ranked)
    figures.add("server's processor time a joiner", joined.server / max(1, len(heard)))


def say_memory(figures: Figures, place: Server) -> None:
    own, others = place.memory()
    figures.add("memory of the server (PSS)", own, "MB")
    figures.add("memory of server and workers (PSS)", own + others, "MB", target=MEMORY)


async def say_kept(figures: Figures, here: Room) -> None:
    await asyncio.sleep(2.0)  # what is saved behind the page
    accepted, missing, twice, nothing = here.kept()
    figures.add("judgements that the pages counted", accepted, "")
    figures.add("of them not in the store", missing, "", target=0)
    figures.add("stored twice", twice, "", target=0)
    figures.add("presses of which nothing is stored", nothing, "")


def _where(figures: Figures, used: Cost) -> None:
    for name in ("server", "workers", "crowd"):
        cores = vars(used)[name] / used.at
        figures.add(f"processor of the {name}, of one core", 100 * cores, "%")


async def polls(place: Server, seconds: float) -> float:
    """Processor seconds a second that the server needs while nobody presses anything: of several
    looks the one with the least, for in the others it may be writing ahead.
    """
    found = []
    for _ in range(LOOKS):
        before = place.cost()
        await asyncio.sleep(seconds / LOOKS)
        used = place.cost() - before
        found.append(used.server / used.at)
    return min(found)


# --- the floor ------------------------------------------------------------------------------------


async def bare(figures: Figures, options: Namespace, folder: Path) -> None:
    """The same people at the same pace, on an app of one button."""
    with server.running(folder / "runs", server.BARE) as place:
        async with Crowd(place.url, options.seed) as crowd:
            tabs = [crowd.tab() for _ in range(options.people)]
            heard = [Heard() for _ in tabs]
            luck, began = crowd.luck("join"), place.cost()
            arrivals = [luck.uniform(0, options.join) for _ in tabs]

            async def come(number: int) -> None:
                await asyncio.sleep(arrivals[number])
                await learner.come_in(tabs[number], heard[number])

            await asyncio.gather(*map(come, range(len(tabs))))
            joined = place.cost() - began
            before, stop = place.cost(), asyncio.Event()
            pressing = [
                crowd.begin(_press(tab, one, crowd.luck("press", n), options.every, stop))
                for n, (tab, one) in enumerate(zip(tabs, heard, strict=True))
            ]
            await asyncio.sleep(options.seconds)
            stop.set()
            await asyncio.gather(*pressing)
            used, times = place.cost() - before, [s for one in heard for s in one.pairs]
            first = [one.first_page for one in heard]
            figures.times("connection to the end of the first page", first)
            figures.add("server's processor time a joiner", joined.server / len(tabs))
            figures.times("click to the new count", times)
            each = used.server / max(1, len(times)) * 1000
            figures.add("server's processor time a click", each, "ms", of=len(times))
            _where(figures, used)
            figures.add("memory of the server (PSS)", place.memory()[0], "MB")
            figures.troubles([t for one in heard for t in one.troubles] + crowd.errors())


async def _press(
    tab: Tab, heard: Heard, luck: random.Random, every: float, stop: asyncio.Event
) -> None:
    due = time.perf_counter()
    while not stop.is_set():
        due += luck.expovariate(1 / every)
        try:
            await asyncio.wait_for(stop.wait(), max(learner.DOOR, due - time.perf_counter()))
            return
        except TimeoutError:
            pass
        heard.sent += 1
        began, wanted = time.perf_counter(), f"count {heard.sent}"
        try:
            await tab.press("more")
            await tab.until(lambda wanted=wanted: wanted in tab.texts("text"), what=wanted)
        except TabError as error:
            heard.troubles.append(str(error))
            return
        heard.pairs.append(time.perf_counter() - began)
