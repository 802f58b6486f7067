"""The workshop room, full: a hundred phones join in a minute and tap, while PPO trains in the
room's own session.

    python -m benchmarks room [--people 100 --join 60 --taps 25 --seconds 30] [--browsers]
    python -m benchmarks room --kill          the server ends with kill -9 in every act
    python -m benchmarks room --rehearsal     45 minutes by the plan, at ten times the speed

The server is the app as it ships. The host is a tab that presses the host's buttons
(``room_host``); phones join by the page's own button and judge by HTTP, as the phone's script does
(``room_phones``). The crowd is one process on the same cores: what it uses of them is told apart.
``--browsers``: two phones and a projector in real browsers beside it. Everything that is started
ends with the benchmark.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks import room_browsers, room_kill, room_phones, room_rehearsal
from benchmarks.load import learner, server
from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures, at
from benchmarks.load.learner import Crowd
from benchmarks.load.server import Server
from benchmarks.room_browsers import Browsers
from benchmarks.room_host import Host, behind
from benchmarks.room_phones import Phone
from rlhf_core.rooms import acts, limits
from rlhf_core.rooms.records import PPO, RANK

FIRST, STORED, BEHIND = 3.0, 0.5, 2.0  # targets in seconds: first pair, stored (p95), counters
SLOWER = 2.0  # times that PPO may take beside the taps
ENDS = 900.0  # seconds that its steps may take at most
QUICK = {"people": 3, "join": 2.0, "taps": 2.0, "seconds": 6.0, "steps": 5}
FEW = 8  # people, where the crowd is not what is measured


# --- the parts ------------------------------------------------------------------------------------


async def measure(figures: Figures, options: Namespace, place: Server) -> None:
    async with room_phones.client() as http, Crowd(place.url, options.seed) as crowd:
        host, late = Host(crowd), []
        figures.begin("join", f"{options.people} phones in {options.join:.0f} s")
        await host.open(steps=options.steps)
        await host.written()
        await host.on("practice", "rank")
        phones = room_phones.gather(crowd, http, host.code, options.people)
        crowd.begin(learner.lateness(late))
        before = place.cost()
        await room_phones.join(phones, options.join, crowd.luck("join"))
        say_joined(figures, phones, place.cost() - before)
        everybody, phones = phones, [phone for phone in phones if phone.me]
        looking = [crowd.begin(phone.keep_looking()) for phone in phones]
        counting = crowd.begin(host.count_along())
        browsers = Browsers(place, host.code, host.secret)
        try:
            if options.browsers:
                await asyncio.to_thread(browsers.open)
            part = Part(figures, options, place, phones, host, browsers)
            figures.begin("idle", f"{options.taps:g} taps a second, nobody trains")
            await part.tapped(asyncio.create_task(asyncio.sleep(options.seconds)))
            figures.begin("ppo", f"{options.taps:g} taps a second, PPO in the room's session")
            await host.on("reward")
            await host.fit()
            await host.on("ppo")
            busy = await part.tapped(asyncio.create_task(steps_beside(host, options.steps)))
        finally:
            await asyncio.to_thread(browsers.close)
        for task in [*looking, counting]:
            task.cancel()
        await alone(figures, host, options.steps, busy)
        say_kept(figures, host, phones)
        figures.add("memory of the server (PSS)", place.memory()[0], "MB")
        figures.add("memory of its workers (PSS)", place.memory()[1], "MB")
        figures.add("the crowd's own clock was late, p95", at(late, 0.95))
        troubles = [one for phone in everybody for one in phone.troubles] + crowd.errors()
        troubles += [f"refused: {why}" for phone in phones for why in phone.refused.values()]
        figures.troubles([*troubles, *browsers.heard.problems])
        if crowd.errors():
            print(place.said(4000), file=sys.stderr)


async def steps_beside(host: Host, steps: int) -> float:
    """Play, and let the room judge on meanwhile; seconds until the last step."""
    began = time.perf_counter()
    await host.press("room_play")
    await asyncio.to_thread(acts.step, host.code, host.secret, RANK)
    await host.look(lambda: host.standing()["steps"] >= steps, "PPO's last step", ENDS)
    return time.perf_counter() - began


class Part:
    """Everybody taps while something goes on."""

    def __init__(
        self,
        figures: Figures,
        options: Namespace,
        place: Server,
        phones: Sequence[Phone],
        host: Host,
        browsers: Browsers,
    ):
        self.figures, self.place, self.phones = figures, place, phones
        self.host, self.browsers = host, browsers
        self.every = options.people / options.taps

    async def tapped(self, until: asyncio.Task) -> float:
        """Tap until that has ended; what it returns."""
        stop, before, heard = asyncio.Event(), self.place.cost(), self.browsers.heard
        used = self.browsers.used()
        for phone in self.phones:
            phone.stored = []
        tapping = [asyncio.create_task(p.keep_tapping(self.every, stop)) for p in self.phones]
        result = await until
        stop.set()
        await asyncio.gather(*tapping, return_exceptions=True)
        cost = self.place.cost() - before
        stored = [one for phone in self.phones for one in phone.stored]
        self.figures.times("tap to stored", stored, p95=STORED)
        self.figures.add("taps a second", len(stored) / cost.at, "1/s")
        shares = {name: vars(cost)[name] for name in ("server", "workers", "crowd")}
        if self.browsers.is_open:
            shares["browsers"] = self.browsers.used() - used
        times = [when for phone in self.phones for when in phone.acknowledged.values()]
        times += [when for when, _ in heard.stored]
        self._late("the host's counter behind", self.host.seen, times, before.at, BEHIND)
        self._late("the wall's counter behind", heard.wall, times, before.at, None)
        room_browsers.say(self.figures, heard, before.at)
        for name, seconds in shares.items():
            share = 100 * seconds / cost.at
            self.figures.add(f"processor of the {name}, of one core", share, "%")
        return result

    def _late(
        self, name: str, seen: list, times: list[float], since: float, target: float | None
    ) -> None:
        late = behind(list(seen), times, since)
        if late:
            self.figures.add(f"{name}, p95", at(late, 0.95), of=len(late), target=target)
            self.figures.add(f"{name}, at most", max(late), of=len(late))


async def alone(figures: Figures, host: Host, steps: int, busy: float) -> None:
    """The same steps again on a machine that has nothing else to do: no phone, no host's page."""
    mean = sum(host.seconds_a_step()) / steps
    await asyncio.to_thread(acts.step, host.code, host.secret, PPO)
    await host.come_back()
    await asyncio.to_thread(host.start_over)
    await host.press("room_play")
    began = time.perf_counter()
    await host.leave()
    done = lambda: len(host.seconds_a_step()) >= steps  # noqa: E731
    await host.look(done, "PPO's last step, alone", ENDS)
    quiet = time.perf_counter() - began
    figures.add(f"{steps} PPO steps while the room taps", busy, target=SLOWER * quiet)
    figures.add(f"{steps} PPO steps with nothing beside them", quiet)
    figures.add("times slower beside the taps", busy / quiet, "x", target=SLOWER)
    figures.add("a PPO step while the room taps", mean, of=steps)
    figures.add("a PPO step with nothing beside it", sum(host.seconds_a_step()) / steps, of=steps)


def say_joined(figures: Figures, phones: list[Phone], used: server.Cost) -> None:
    there = [phone for phone in phones if phone.me]
    figures.add("phones that did not come in", len(phones) - len(there), "", target=0)
    without = sum(not phone.pairs for phone in there)
    figures.add("phones that came in and had no pair", without, "", target=0)
    figures.times("a new browser's files", [phone.loaded for phone in there])
    figures.times("the code's address to the button", [phone.asked for phone in there])
    figures.times("Join to the first pair", [phone.joined for phone in there])
    whole = [phone.loaded + phone.asked + phone.joined for phone in there]
    figures.times("all of it", whole, p95=FIRST)
    figures.add("server's processor time a joiner", used.server / max(1, len(there)))


def say_kept(figures: Figures, host: Host, phones: list[Phone]) -> None:
    said = {one for phone in phones for one in phone.acknowledged if one not in phone.refused}
    rows = host.kept()
    voices = [(row.person, row.pair_id) for row in rows]
    figures.add("judgements acknowledged", len(said), "")
    missing = said - {row.judgement_id for row in rows}
    figures.add("of them not in the store", len(missing), "", target=0)
    figures.add("pairs with two voices of one person", len(voices) - len(set(voices)), "", target=0)


async def kill(figures: Figures, options: Namespace, place: Server) -> None:
    async with room_phones.client() as http, Crowd(place.url, options.seed) as crowd:
        figures.begin("kill", f"{FEW} people; the server killed in every act")
        phones = room_phones.gather(crowd, http, "", FEW)
        play = room_kill.Play(place, Host(crowd), phones, crowd.luck("kill"))
        try:
            await play.whole()
        finally:
            room_kill.say(figures, play.tally)


async def rehearse(figures: Figures, options: Namespace, place: Server) -> None:
    async with room_phones.client() as http, Crowd(place.url, options.seed) as crowd:
        people = max(FEW, min(options.people, 100))
        words = f"{room_rehearsal.PLAN} minutes at {room_rehearsal.SPEED:g} times the speed"
        figures.begin("rehearsal", f"{words}, {people} people")
        phones = room_phones.gather(crowd, http, "", people)
        found = await room_rehearsal.Rehearsal(Host(crowd), phones).whole()
        room_rehearsal.say(figures, found)
        if options.keep:
            for file in room_rehearsal.put_down(found, options.keep):
                figures.note(f"Kept: {file.name}")


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
    parser.add_argument("--seconds", type=float, default=30.0, help="of taps, nobody training")
    parser.add_argument("--steps", type=int, default=20, help="of PPO, beside the taps and alone")
    parser.add_argument(
        "--browsers", action="store_true", help="two phones and a projector in real browsers"
    )
    parser.add_argument("--kill", action="store_true", help="kill -9 in every act, instead")
    parser.add_argument("--rehearsal", action="store_true", help="a session by its plan, instead")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where its three files go")
    parser.add_argument("--seed", type=int, default=0, help="of who taps what, and when")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument(
        "--quick", action="store_true", help="whether it runs, not what it measures"
    )
    args = parser.parse_args(argv)
    if args.people < 1 or args.taps <= 0 or args.seconds <= 0:
        parser.error("--people, --taps and --seconds must be more than 0.")
    if not 5 <= args.steps <= 40:
        parser.error("--steps must be from 5 to 40.")
    if args.quick:
        vars(args).update(QUICK)
    return args


async def _whole(args: Namespace, figures: Figures) -> bool:
    play = kill if args.kill else rehearse if args.rehearsal else measure
    this = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with tempfile.TemporaryDirectory(prefix="opossum-room-") as folder:
        runs = Path(folder) / "runs"
        os.environ["OPOSSUM_RUNS"] = str(runs)  # the engine beside the server looks there too
        seats = args.people + (room_browsers.PHONES if args.browsers else 0)
        os.environ["OPOSSUM_ROOM_PEOPLE"] = str(max(seats, limits.people()))
        with server.running(runs) as place:
            try:
                async with asyncio.timeout(3600 + args.join + args.seconds):
                    await play(figures, args, place)
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
            given = {"json", "keep"}
            options = {name: value for name, value in vars(args).items() if name not in given}
            figures.write(args.json, options)
    missed = sum(figure.missed for figure in figures.all)
    print(f"\n{missed} targets missed" if missed else "\nevery target reached")
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
