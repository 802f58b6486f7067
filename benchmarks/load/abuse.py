"""``abuse``: one stranger does what the protocol allows, as fast as it allows, beside the room.

Each on a server of its own, so that one abuse does not hide behind another: runs begun and
abandoned; PPO at its sliders' far ends; uploads to the stranger's own session; connections in a
loop. What the others notice is measured before and meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.load import learner, server
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures
from benchmarks.load.learner import Crowd
from benchmarks.load.room import Room
from benchmarks.load.tab import Tab

HANDS = 4  # things that the stranger does at the same time
ASK = 5.0  # seconds between an answer and the next prompt of somebody who asks meanwhile
FILE = 2_000_000  # bytes: a server takes 2 MB (.streamlit/config.toml)
PAIR = 1.0  # target in seconds: the others' next pair, p95, beside the stranger

Deed = Callable[[Crowd, Counter], Awaitable[None]]  # done over and over, counts what came of it


async def begin_a_run(crowd: Crowd, done: Counter) -> None:
    tab = Tab(crowd.url, crowd.http)
    try:
        await tab.open()
        before = tab.runs
        await tab.press("run_once")
        await tab.until(lambda: tab.runs > before)
        done["runs begun and abandoned"] += 1
    finally:
        await tab.close()


async def upload(crowd: Crowd, done: Counter, tabs: dict[asyncio.Task, Tab]) -> None:
    task = asyncio.current_task()
    if task not in tabs:
        tabs[task] = crowd.tab()
        await tabs[task].open()
    answer = await tabs[task].upload(secrets.token_hex(8), os.urandom(FILE))
    done[f"uploads answered with {answer}"] += 1


async def reconnect(crowd: Crowd, done: Counter) -> None:
    tab = Tab(crowd.url, crowd.http)
    try:
        await tab.connect()
        done["connections"] += 1
    finally:
        await tab.close()


async def nothing(crowd: Crowd, done: Counter) -> None:
    await asyncio.sleep(1.0)


async def over_and_over(deed: Deed, crowd: Crowd, done: Counter) -> None:
    while True:
        try:
            await deed(crowd, done)
        except TabError as error:  # a refusal is no fault of the server
            done[f"times refused: {error}"[:120]] += 1
            await asyncio.sleep(0.2)


class Asker:
    """Somebody on the Prompt page, who wants answers and goes on to the next prompt.

    Attributes:
        times: seconds that answers took.
        waiting: since when the prompt under way waits for them; None between two prompts.
    """

    def __init__(self, tab: Tab, luck: random.Random):
        self.tab, self.luck = tab, luck
        self.times: list[float] = []
        self.troubles: list[str] = []
        self.waiting: float | None = None

    async def begin(self) -> None:
        await self.tab.open()
        await self.tab.go("prompt")
        await learner.ask(self.tab, self.luck)

    async def keep_asking(self) -> None:
        while self.tab.connected:
            self.waiting = time.perf_counter()
            try:
                self.times.append(await learner.ask(self.tab, self.luck, learner.LONG))
            except TabError as error:
                self.troubles.append(str(error))
            self.waiting = None
            await asyncio.sleep(ASK)

    @property
    def waited(self) -> float:
        """Seconds that the prompt under way has waited."""
        return time.perf_counter() - self.waiting if self.waiting is not None else 0.0


async def abuse(figures: Figures, options: Namespace, folder: Path) -> None:
    tabs: dict[asyncio.Task, Tab] = {}
    deeds = {
        "runs begun and abandoned": begin_a_run,
        "PPO at its far end": nothing,
        "uploads": lambda crowd, done: upload(crowd, done, tabs),
        "connections": reconnect,
    }
    for number, (name, deed) in enumerate(deeds.items()):
        figures.note(f"The stranger: {name}.")
        try:
            await beside(figures, options, folder / str(number), name, deed)
        except (TabError, RuntimeError) as error:
            figures.note(f"{name}: given up. {error}")


async def beside(figures: Figures, options: Namespace, folder: Path, name: str, deed: Deed) -> None:
    """What the room and one who asks notice of ``deed``."""
    half, done = options.seconds / 2, Counter()
    with server.running(folder, root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            room, stranger = Room(crowd, place, options.people), crowd.tab()
            asker = Asker(crowd.tab(), crowd.luck("ask"))
            await asker.begin()
            if deed is nothing:
                await stranger.open()
                await learner.prepare_ppo(stranger)
            await room.gather(options.join, files=False)
            asking = crowd.begin(asker.keep_asking())
            room.judge(options.every)
            await asyncio.sleep(half)
            figures.times(f"{name}: click to next pair, before", room.pairs)
            figures.times(f"{name}: four answers, before", asker.times)
            quiet = sum(place.memory())
            room.forget()
            asker.times.clear()
            if deed is nothing:
                await learner.play(stranger, learner.MOST)
            hands = [crowd.begin(over_and_over(deed, crowd, done)) for _ in range(HANDS)]
            await asyncio.sleep(half)
            figures.times(f"{name}: click to next pair, beside it", room.pairs, p95=PAIR)
            figures.times(f"{name}: four answers, beside it", asker.times)
            figures.add(f"{name}: the prompt under way had waited", asker.waited)
            figures.add(f"{name}: memory taken meanwhile", sum(place.memory()) - quiet, "MB")
            for task in [*hands, asking]:
                task.cancel()
            await room.rest()
            for what, times in done.most_common(6):
                figures.note(f"{times} {what}")
            if deed is nothing:
                figures.note(f"The stranger's PPO has come to step {learner.step(stranger)}.")
            figures.troubles(room.troubles() + asker.troubles)
