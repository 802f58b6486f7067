"""The workshop room, full: a hundred phones join in a minute and tap, while PPO trains in the
room's own session.

    python -m benchmarks room [--people 100 --join 60 --taps 25 --seconds 60] [--browsers]

The server is the app as it ships. The host is a tab that presses the host's buttons; phones join by
the page's own button and judge by HTTP, as the phone's script does (``room_phones``). The crowd is
one process on the same cores: what it uses of them is told apart. ``--browsers``: two phones in a
real Chromium beside it. Everything that is started ends with the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

from benchmarks import room_browsers, room_phones
from benchmarks.load import learner, server
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures, at
from benchmarks.load.learner import Crowd
from benchmarks.load.server import Server
from benchmarks.load.tab import Tab
from benchmarks.room_phones import Phone
from rlhf_core.rooms import acts, limits, reading, training
from rlhf_core.rooms.records import RANK
from rlhf_core.session import registry
from rlhf_core.store import room_rows

FIRST, STORED, BEHIND = 3.0, 0.5, 2.0  # targets in seconds: first pair, stored (p95), counters
WARM = 20.0  # seconds of judging before the reward model: something to learn from
LONG = 900.0
QUICK = {"people": 3, "join": 2.0, "taps": 2.0, "seconds": 6.0}
REAL = ("practice", "rank", "gold", "vote")


class Host:
    """The host's tab, and what the engine tells of the room beside it."""

    def __init__(self, tab: Tab):
        self.tab = tab
        self.code = self.secret = ""
        self.behind: list[float] = []  # seconds that the counter of judgements came late

    async def open(self) -> None:
        """Open a room and have its answers written."""
        await self.tab.open()
        await self._set("room_steps", limits.STEPS)
        await self.tab.press("room_open")
        asked = lambda: parse_qs(self.tab.query)  # noqa: E731
        await self.tab.until(lambda: "host" in asked(), LONG, "the open room")
        self.code, self.secret = asked()["room"][0], asked()["host"][0]
        await self._look(lambda: reading_pairs(self.code) > 0, "the room's answers")

    async def on(self, *to: str) -> None:
        """Go on to the next act, once for each name."""
        for _ in to:
            await self._press("room_on")

    async def train(self) -> None:
        """From the judgements to PPO at work; the phones judge on meanwhile."""
        await self.on("reward")
        await self._press("room_fit")
        await self._look(lambda: bool(self.standing()["summary"]), "the reward model")
        await self.on("ppo")
        await self.tab.until(lambda: self._ready("room_play"), LONG, "PPO's button to play")
        await self.tab.press("room_play")
        await self._look(lambda: self.standing()["steps"] >= 1, "PPO's first step")
        await asyncio.to_thread(acts.step, self.code, self.secret, RANK)

    def standing(self) -> dict:
        return training.standing(self.code, self.secret)

    def seconds_a_step(self) -> list[float]:
        """Of each PPO step so far."""
        session = registry.get(parse_session(self.code))
        return [float(row["seconds"]) for row in session.tuned.metrics if row["step"] > 0]

    async def count_along(self, phones: list[Phone]) -> None:
        """How late the host's counter shows a judgement that the server has acknowledged."""
        shown = 0
        while True:
            await asyncio.sleep(0.05)
            found = next(iter(self._counts()), None)
            if found is None or found[0] <= shown:
                continue
            times = sorted(when for phone in phones for when in phone.acknowledged.values())
            # The first that the former count did not show has waited longest.
            if shown and shown < len(times):
                self.behind.append(found[1] - times[shown])
            shown = found[0]

    def _counts(self) -> list[tuple[int, float]]:
        rows = self.tab.under("room_counts", "metric")
        return [
            (int(re.sub(r"\D", "", node.body.body) or 0), node.changed)
            for node in rows
            if node.body.label == "Judgements"
        ]

    async def _set(self, key: str, value: object) -> None:
        runs = self.tab.runs
        await self.tab.set(key, value)
        await self.tab.until(lambda: self.tab.runs > runs and not self.tab.running, what=key)

    async def _press(self, key: str) -> None:
        await self.tab.until(lambda: self._ready(key), LONG, f"the button {key}")
        runs = self.tab.runs
        await self.tab.press(key)
        await self.tab.until(lambda: self.tab.runs > runs and not self.tab.running, LONG, key)

    def _ready(self, key: str) -> bool:
        node = self.tab.find(key, "button")
        return node is not None and not node.body.disabled and not self.tab.running

    async def _look(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until the store says so."""
        until = time.monotonic() + LONG
        while not await asyncio.to_thread(holds):
            if time.monotonic() > until:
                raise TabError(f"Waited {LONG:.0f} s for {what}.")
            await asyncio.sleep(0.5)


def reading_pairs(code: str) -> int:
    with reading.database().look() as db:
        return room_rows.by_code(db, code).pairs


def parse_session(code: str) -> str:
    with reading.database().look() as db:
        return room_rows.halves(db, room_rows.by_code(db, code).room_id)[0].session_id


def kept(code: str) -> list:
    """Every judgement that the store has of the room."""
    with reading.database().look() as db:
        room = room_rows.by_code(db, code)
        return room_rows.judgements(db, room.room_id, REAL, included=False)


# --- the parts ------------------------------------------------------------------------------------


async def measure(figures: Figures, options: Namespace, place: Server) -> None:
    async with room_phones.client() as http, Crowd(place.url, options.seed) as crowd:
        host, late = Host(crowd.tab("room")), []
        figures.begin("join", f"{options.people} phones in {options.join:.0f} s")
        await host.open()
        await host.on("practice", "rank")
        phones = room_phones.gather(crowd, http, host.code, options.people)
        crowd.begin(learner.lateness(late))
        before = place.cost()
        await room_phones.join(phones, options.join, crowd.luck("join"))
        say_joined(figures, phones, place.cost() - before)
        everybody, phones = phones, [phone for phone in phones if phone.me]
        for phone in phones:
            crowd.begin(phone.keep_looking())
        every = options.people / options.taps

        figures.begin("idle", f"{options.taps:g} taps a second, nobody trains")
        await tapped(figures, crowd, place, phones, every, options.seconds, host)

        figures.begin("ppo", f"{options.taps:g} taps a second, PPO at work in the room's session")
        await host.train()
        steps = len(host.seconds_a_step())
        with room_browsers.beside(options.browsers, place.url, host.code) as browsers:
            await tapped(figures, crowd, place, phones, every, options.seconds, host)
        room_browsers.say(figures, browsers)
        busy = (await asyncio.to_thread(host.seconds_a_step))[steps:]
        figures.add("PPO steps meanwhile", len(busy), "")
        await alone(figures, host, busy, steps + len(busy))
        say_kept(figures, host, phones)
        figures.add("memory of the server (PSS)", sum(place.memory()), "MB")
        figures.add("the crowd's own clock was late, p95", at(late, 0.95))
        troubles = [one for phone in everybody for one in phone.troubles] + crowd.errors()
        figures.troubles(troubles)
        if crowd.errors():
            print(place.said(4000), file=sys.stderr)


async def tapped(
    figures: Figures,
    crowd: Crowd,
    place: Server,
    phones: list[Phone],
    every: float,
    seconds: float,
    host: Host,
) -> None:
    """Everybody taps for so many seconds."""
    stop, before = asyncio.Event(), place.cost()
    for phone in phones:
        phone.stored = []
    host.behind = []
    counting = crowd.begin(host.count_along(phones))
    tapping = [crowd.begin(phone.keep_tapping(every, stop)) for phone in phones]
    await asyncio.sleep(seconds)
    stop.set()
    await asyncio.gather(*tapping, return_exceptions=True)
    used = place.cost() - before
    counting.cancel()
    stored = [one for phone in phones for one in phone.stored]
    figures.times("tap to stored", stored, p95=STORED)
    figures.add("taps a second", len(stored) / used.at, "1/s")
    if host.behind:
        figures.add("the host's counter behind, p95", at(host.behind, 0.95), target=BEHIND)
    for name in ("server", "workers", "crowd"):
        figures.add(f"processor of the {name}, of one core", 100 * vars(used)[name] / used.at, "%")


async def alone(figures: Figures, host: Host, busy: list[float], done: int) -> None:
    """The same training while everybody only looks on."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        still = (await asyncio.to_thread(host.seconds_a_step))[done + 1 :]
        if len(still) >= 5:
            break
        await asyncio.sleep(2)
    if not busy or not still:
        figures.note("PPO made too few steps to tell what the crowd costs it.")
        return
    mean, quiet = sum(busy) / len(busy), sum(still) / len(still)
    figures.add("a PPO step while the room taps", mean, of=len(busy), target=2 * quiet)
    figures.add("a PPO step while the room only looks on", quiet, of=len(still))


def say_joined(figures: Figures, phones: list[Phone], used: server.Cost) -> None:
    there = [phone for phone in phones if phone.me]
    figures.add("phones that did not come in", len(phones) - len(there), "", target=0)
    figures.times("a new browser's files", [phone.loaded for phone in there])
    figures.times("the code's address to the button", [phone.asked for phone in there])
    figures.times("Join to the first pair", [phone.joined for phone in there])
    whole = [phone.loaded + phone.asked + phone.joined for phone in there]
    figures.times("all of it", whole, p95=FIRST)
    figures.add("server's processor time a joiner", used.server / max(1, len(there)))


def say_kept(figures: Figures, host: Host, phones: list[Phone]) -> None:
    said = {one for phone in phones for one in phone.acknowledged}
    rows = kept(host.code)
    voices = [(row.person, row.pair_id) for row in rows]
    figures.add("judgements acknowledged", len(said), "")
    missing = said - {row.judgement_id for row in rows}
    figures.add("of them not in the store", len(missing), "", target=0)
    figures.add("pairs with two voices of one person", len(voices) - len(set(voices)), "", target=0)


# --- the command ----------------------------------------------------------------------------------


def parsed(argv: list[str]) -> Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks room",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--people", type=int, default=100, help="phones in the room")
    parser.add_argument("--join", type=float, default=60.0, help="seconds in which all join")
    parser.add_argument("--taps", type=float, default=25.0, help="a second, of all together")
    parser.add_argument("--seconds", type=float, default=60.0, help="of tapping, in each part")
    parser.add_argument("--browsers", action="store_true", help="two phones in a Chromium beside")
    parser.add_argument("--seed", type=int, default=0, help="of who taps what, and when")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--quick", action="store_true", help="whether it runs, not what it measures"
    )
    args = parser.parse_args(argv)
    if args.people < 1 or args.taps <= 0 or args.seconds <= 0:
        parser.error("--people, --taps and --seconds must be more than 0.")
    if args.quick:
        vars(args).update(QUICK)
    return args


async def _whole(args: Namespace, figures: Figures) -> bool:
    work: Awaitable
    this = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with tempfile.TemporaryDirectory(prefix="opossum-room-") as folder:
        runs = Path(folder) / "runs"
        os.environ["OPOSSUM_RUNS"] = str(runs)  # the engine beside the server looks there too
        with server.running(runs) as place:
            work = measure(figures, args, place)
            try:
                async with asyncio.timeout(2400 + args.join + 3 * args.seconds):
                    await work
            except TimeoutError:
                figures.note("Given up: it did not end in time.")
            except (TabError, RuntimeError) as error:
                figures.note(f"Given up: {error}")
            else:
                return True
    return False


def main(argv: list[str]) -> int:
    args, figures = parsed(argv), Figures()
    try:
        whole = asyncio.run(_whole(args, figures))
    except asyncio.CancelledError:
        return 143
    finally:
        if args.json:
            options = {name: value for name, value in vars(args).items() if name != "json"}
            figures.write(args.json, options)
    missed = sum(figure.missed for figure in figures.all)
    print(f"\n{missed} targets missed" if missed else "\nevery target reached")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
