"""``soak``: people press everything that the pages offer, in random order; what stays in memory."""

from __future__ import annotations

import asyncio
import random
import time
from argparse import Namespace
from collections import Counter
from pathlib import Path

from benchmarks.load import server
from benchmarks.load.drawn import Node, TabError, state_of
from benchmarks.load.figures import Figures
from benchmarks.load.learner import Crowd
from benchmarks.load.server import Server
from benchmarks.load.tab import Tab

PAUSE, LOOK = 2.0, 5.0  # seconds between two presses (on average), between two looks at memory
WARM = 1 / 3  # of the time: what is loaded and cached then is no growth
OTHER_PAGE = 0.15  # how often somebody changes the page
SLOPE = 1.0  # target: MB an hour and session
WORDS = ("An opossum is", "Tea is", "The moon is", "", "x" * 500, "<script>alert(1)</script>")


async def soak(figures: Figures, options: Namespace, folder: Path) -> None:
    stop, pressed = asyncio.Event(), Counter()
    with server.running(folder / "runs", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            tabs = [crowd.tab() for _ in range(options.people)]
            troubles: list[str] = []
            monkeys = [
                crowd.begin(press_all(tab, crowd.luck("soak", n), stop, pressed, troubles))
                for n, tab in enumerate(tabs)
            ]
            samples = await watch(place, options.minutes * 60)
            stop.set()
            await asyncio.wait(monkeys, timeout=60)
            used = place.cost()
            figures.add("presses", sum(pressed.values()), "", of=len(pressed))
            late = [one for one in samples if one[0] >= samples[-1][0] * WARM]
            figures.add("memory after the warm-up (PSS)", late[0][1], "MB")
            figures.add("memory at the end (PSS)", late[-1][1], "MB")
            figures.add("memory at its most (PSS)", max(size for _, size in samples), "MB")
            each = slope(late) * 3600 / options.people
            figures.add("growth an hour and session", each, "MB", target=SLOPE)
            if options.minutes < 60:
                figures.note("Under an hour the slope says little: it is mostly the warm-up's end.")
            size = sum(f.stat().st_size for f in place.runs.rglob("*") if f.is_file())
            figures.add("on disk at the end", size / 1e6, "MB")
            figures.add("processor time of server and workers", used.server + used.workers)
            figures.troubles(troubles + crowd.errors(), most=15)
            for told in tracebacks(place.log.read_text(errors="replace"))[-3:]:
                figures.note(f"The server's log: {told}")


def tracebacks(log: str) -> list[str]:
    """Where each error that a server wrote down came about, and what it was."""
    found, lines = [], log.splitlines()
    for number, line in enumerate(lines):
        if "Traceback (most recent call last)" in line:
            body = lines[number + 1 :]
            end = next((n for n, one in enumerate(body) if one[:1].strip()), len(body) - 1)
            found.append(" | ".join(one.strip() for one in body[max(0, end - 4) : end + 1]))
    return found


async def watch(place: Server, seconds: float) -> list[tuple[float, float]]:
    """(seconds since the beginning, MB of server and workers), every few seconds."""
    samples, began = [], time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        samples.append((passed, sum(place.memory())))
        await asyncio.sleep(min(LOOK, seconds - passed))
    return samples


def slope(samples: list[tuple[float, float]]) -> float:
    """MB a second, by least squares."""
    middle = sum(at for at, _ in samples) / len(samples)
    spread = sum((at - middle) ** 2 for at, _ in samples)
    return sum((at - middle) * size for at, size in samples) / spread if spread else 0.0


async def press_all(
    tab: Tab, luck: random.Random, stop: asyncio.Event, pressed: Counter, troubles: list[str]
) -> None:
    """One person who tries everything. A broken connection is mended, and told."""
    while not stop.is_set():
        try:
            if not tab.connected:
                await tab.close()
                await tab.open()
            await press_something(tab, luck, pressed)
        except (TabError, OSError) as error:
            troubles.append(str(error))
        try:
            await asyncio.wait_for(stop.wait(), luck.expovariate(1 / PAUSE))
        except TimeoutError:
            pass


async def press_something(tab: Tab, luck: random.Random, pressed: Counter) -> None:
    offered = [node for node in tab.widgets() if node.kind in SAID]
    if not offered or luck.random() < OTHER_PAGE:
        page = luck.choice(sorted(tab.pages))
        pressed[f"page {page}"] += 1
        await tab.go(page)
        return
    node = luck.choice(offered)
    pressed[f"{node.kind} {node.key}"] += 1
    before = tab.runs
    if node.kind == "button":
        await tab.press_node(node)
    else:
        await tab.send(node, state_of(node, SAID[node.kind](node, luck)))
    await tab.until(lambda: tab.runs > before and not tab.running, 120, "the page after a press")


def _number(node: Node, luck: random.Random) -> object:
    """A value that the slider or field allows, its ends among the likelier ones."""
    body = node.body
    if node.kind == "slider" and body.options:
        return luck.choice(list(body.options))
    low = body.min if node.kind == "slider" or body.has_min else 0
    high = body.max if node.kind == "slider" or body.has_max else 100
    if luck.random() < 0.2:
        return luck.choice((low, high))
    return low + int(luck.uniform(0, (high - low) / (body.step or 1))) * (body.step or 1)


SAID = {  # kind of widget -> what somebody may tell it
    "button": None,
    "checkbox": lambda node, luck: luck.random() < 0.5,
    "slider": _number,
    "number_input": _number,
    "button_group": lambda node, luck: luck.choice([o.content for o in node.body.options]),
    "selectbox": lambda node, luck: luck.choice(list(node.body.options)),
    "radio": lambda node, luck: luck.choice(list(node.body.options)),
    "text_input": lambda node, luck: luck.choice(WORDS),
    "text_area": lambda node, luck: luck.choice(WORDS),
}
