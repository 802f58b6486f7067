"""``kill``: the server, then a worker, ends with kill -9 while people judge and somebody trains."""

from __future__ import annotations

import asyncio
import time
from argparse import Namespace
from pathlib import Path

from benchmarks.load import learner, server, stored
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures
from benchmarks.load.learner import Crowd
from benchmarks.load.room import Room
from benchmarks.load.server import Server
from benchmarks.load.tab import Tab

BUSY = (2.0, 6.0)  # seconds of judging before a kill, by lot
EVERY = 1.0  # seconds between two judgements of each
GOES_ON = 60.0  # seconds in which a run that was under way should make another step


class Tally:
    """What became of it, over all kills."""

    def __init__(self) -> None:
        self.lost = self.twice = self.unknown = self.fewer_steps = 0
        self.went_on: list[bool] = []
        self.back: list[float] = []


async def kill(figures: Figures, options: Namespace, folder: Path) -> None:
    with server.running(folder / "runs", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            luck = crowd.luck("kill")
            trainer = await crowd.tab().open() if options.ppo else None
            if trainer:
                await learner.prepare_ppo(trainer)
                await learner.play(trainer, {"steps": learner.MOST["steps"]})
                await trainer.until(lambda: learner.step(trainer) > 0, learner.LONG, "a first step")
            room = Room(crowd, place, options.people)
            await room.gather(options.join, files=False)
            await many(figures, "server", room, trainer, options.times, luck)
            if len(place.family()) > 1:
                await many(figures, "worker", room, trainer, options.times, luck)
            else:
                figures.note("There is no worker process: what trains is a thread of the server.")


async def many(
    figures: Figures, who: str, room: Room, trainer: Tab | None, times: int, luck
) -> None:
    """End the server, or a worker, so many times; say what became of judgements and steps."""
    tally = Tally()
    for _ in range(times):
        for heard in room.heard:
            heard.troubles.clear()
        room.judge(EVERY)
        await asyncio.sleep(luck.uniform(*BUSY))
        step = learner.step(trainer) if trainer else 0
        if who == "server":
            await end_server(room, trainer, tally)
        else:
            workers = room.place.family()[1:]
            if not workers:
                figures.note("No worker process was left to end.")
                break
            room.place.kill(luck.choice(workers))
            began = time.perf_counter()
            await asyncio.sleep(EVERY)
            await room.rest()
            tally.back.append(time.perf_counter() - began)
        count(room, tally)
        if trainer:
            await after_training(room.place, trainer, step, tally)
    figures.add(f"{who} ended", len(tally.back), "")
    figures.times(f"{who} ended: until everybody has a pair again", tally.back)
    figures.add(
        f"{who} ended: judgements that the pages had counted, gone", tally.lost, "", target=0
    )
    figures.add(f"{who} ended: judgements kept twice", tally.twice, "", target=0)
    figures.add(f"{who} ended: kept, and the page had not yet said so", tally.unknown, "")
    if trainer:
        figures.add(
            f"{who} ended: steps that the page had shown, gone", tally.fewer_steps, "", target=0
        )
        stood = tally.went_on.count(False)
        figures.add(f"{who} ended: runs that did not go on by themselves", stood, "", target=0)
    figures.troubles(room.crowd.errors())


async def end_server(room: Room, trainer: Tab | None, tally: Tally) -> None:
    """Kill the server, start it again, and have everybody come back."""
    place, tabs = room.place, [*room.tabs, *([trainer] if trainer else [])]
    place.kill()
    await room.rest()
    before = [list(tab.errors) for tab in tabs]
    began = time.perf_counter()
    place.stop()  # what it left behind
    await asyncio.to_thread(place.start)
    await asyncio.gather(*(come_back(tab) for tab in tabs))
    waits = (tab.until(lambda tab=tab: bool(learner.pair(tab)), 300) for tab in room.tabs)
    await asyncio.gather(*waits)
    tally.back.append(time.perf_counter() - began)
    for tab, errors in zip(tabs, before, strict=True):  # that they lost a dead server is no error
        kept = [one for one in errors if not one.startswith("disconnected")]
        tab.errors[:] = kept + tab.errors[len(errors) :]


async def come_back(tab: Tab) -> None:
    await tab.close()
    await tab.open(300)


def count(room: Room, tally: Tally) -> None:
    """Compare what the pages had counted with what is stored; the next kill begins from there."""
    for tab, heard in zip(room.tabs, room.heard, strict=True):
        ids = stored.judgements(room.place.runs, learner.run_id(tab))
        tally.twice += len(ids) - len(set(ids))
        tally.lost += max(0, heard.accepted - len(set(ids)))
        tally.unknown += max(0, len(set(ids)) - heard.accepted)
        heard.accepted = heard.sent = len(set(ids))


async def after_training(place: Server, trainer: Tab, step: int, tally: Tally) -> None:
    """Are the steps still there, and does the run make another one by itself?"""
    kept = stored.steps(place.runs, learner.run_id(trainer))
    tally.fewer_steps += max(0, step - max(kept, default=0))
    now = learner.step(trainer)
    try:
        await trainer.until(lambda: learner.step(trainer) > max(now, step), GOES_ON)
        tally.went_on.append(True)
    except TabError:
        tally.went_on.append(False)
        if not trainer.connected:
            await come_back(trainer)
        try:
            await learner.play(trainer)
        except TabError:
            return
