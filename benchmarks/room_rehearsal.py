"""``room --rehearsal``: a whole session of 45 minutes by its plan, played ten times as fast: a host
who steps through the acts on the host's page, people with tastes of their own, one who taps without
reading, two who come late. It ends with what the host takes home: the room's zip, the run as a
bundle that opens as a session, and its report.

What the machine has to do is not any faster for that: an act that waits for it takes longer, and
says so.
"""

from __future__ import annotations

import asyncio
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path

from benchmarks.load.figures import Figures
from benchmarks.room_host import Host
from benchmarks.room_phones import Phone
from rlhf_core.exchange import spreadsheets
from rlhf_core.judging.register import judge
from rlhf_core.rooms import exporting, figures, integrity, plans
from rlhf_core.rooms.records import JOIN, PPO, PRACTICE, RANK, REWARD, TALK, VOTE
from rlhf_core.session import opening, registry, rounds, taking
from ui.export.html import html_of_session

PLAN, SPEED = 45, 10.0
STEPS = 20  # of PPO, as the page proposes
READS = 40.0  # seconds that a pair takes somebody, at the plan's own speed: tired, talking, careful
HASTY = (0.3, 0.7)  # seconds, as the phone tells them, of who taps without reading
LATE = 2  # people who come while the room judges
HOME = 300.0  # seconds that making a file to take home may take


@dataclass
class Rehearsed:
    """What came of it.

    Attributes:
        took: act -> (seconds planned, seconds taken). people, made, stored: who was there, what
            they tapped, what is stored. left_out: people whom the host left out.
        verdict: the sentence on every screen. room_zip, run_zip: what the host takes home.
        report: the run's web page. opened: the session that ``run_zip`` opens as.
    """

    took: dict[str, tuple[float, float]] = field(default_factory=dict)
    people: int = 0
    made: int = 0
    stored: int = 0
    left_out: int = 0
    steps: int = 0
    verdict: str = ""
    room_zip: bytes = b""
    run_zip: bytes = b""
    report: str = ""
    opened: str = ""
    wrong: list[str] = field(default_factory=list)


def likes(register: str, pair: dict) -> str:
    """What somebody taps who wants answers of that register."""
    a, b = (judge(pair[side], register) for side in "ab")
    return "tie" if a == b else "a" if a > b else "b"


def left(pair: dict) -> str:
    return "a"


def tastes(people: int) -> list[Callable[[dict], str] | None]:
    """One taps left; two of three want facts, most of the others memes; one throws a coin."""
    found: list[Callable[[dict], str] | None] = [partial(likes, "fact")] * (2 * people // 3)
    found += [partial(likes, "meme")] * (people - len(found) - 2)
    return [left, *found, None]


class Rehearsal:
    """A room by its plan."""

    def __init__(self, host: Host, phones: Sequence[Phone], speed: float = SPEED):
        self.host, self.speed = host, speed
        self.came, self.late = list(phones[:-LATE]), list(phones[-LATE:])
        self.luck = phones[0].luck
        for phone, taste in zip(phones, tastes(len(phones)), strict=True):
            phone.taste = taste
            phone.reads = HASTY if taste is left else phone.reads
        self.found = Rehearsed()

    async def whole(self) -> Rehearsed:
        acts = {JOIN: self.join, PRACTICE: self.practice, RANK: self.rank, REWARD: self.reward}
        acts |= {PPO: self.ppo, VOTE: self.vote, TALK: self.talk}
        for act, play in acts.items():
            planned = 60 * plans.scene(PLAN, act).minutes / self.speed
            began = time.perf_counter()
            await play(planned)
            left_over = planned - (time.perf_counter() - began)
            await asyncio.sleep(max(0.0, left_over))
            self.found.took[act] = planned, time.perf_counter() - began
        await self.take_home()
        return self.found

    # --- the acts ---------------------------------------------------------------------------------

    async def join(self, seconds: float) -> None:
        await self.host.open(plan=f"{PLAN} minutes", steps=STEPS)
        for phone in [*self.came, *self.late]:
            phone.code, phone.tab.query = self.host.code, f"room={self.host.code}"
        pause = 0.6 * seconds / len(self.came)
        for phone in self.came:
            await self._come(phone)
            await asyncio.sleep(self.luck.uniform(0, 2 * pause))

    async def _come(self, phone: Phone) -> None:
        await phone.come_in()
        self.host.crowd.begin(phone.keep_looking())

    async def practice(self, seconds: float) -> None:
        await self.host.on(PRACTICE)
        await self._tap(0.8 * seconds, self.came)
        await self.host.written()

    async def rank(self, seconds: float) -> None:
        """Everybody judges; two come late; at the end the host looks at the marks."""
        await self.host.on(RANK)
        first = asyncio.create_task(self._tap(0.85 * seconds, self.came))
        await asyncio.sleep(0.25 * seconds)
        for phone in self.late:
            await self._come(phone)
        await self._tap(0.5 * seconds, self.late)
        await first
        told = await asyncio.to_thread(figures.for_host, self.host.code, self.host.secret)
        for row in told["everybody"]:
            if len(row["marks"]) > 1:  # as the host's press does
                about = row["number"], " ".join(row["marks"])
                integrity.leave_out(self.host.code, self.host.secret, *about)
                self.found.left_out += 1

    async def reward(self, seconds: float) -> None:
        await self.host.on(REWARD)
        await self.host.fit()
        groups = lambda: bool(self.host.standing()["groups"])  # noqa: E731
        await self.host.look(groups, "majority and minority")

    async def ppo(self, seconds: float) -> None:
        """Play; when the clock has run out, the host stops it, if it is not done."""
        await self.host.on(PPO)
        until = time.perf_counter() + seconds
        await self.host.play()
        while (steps := self._steps()) < STEPS and time.perf_counter() < until:
            await asyncio.sleep(0.5)
        if steps < STEPS:
            await self.host.press("room_stop")
            await self.host.look(lambda: "ppo" not in self.host.jobs(), "PPO to stop")

    async def vote(self, seconds: float) -> None:
        await self.host.on(VOTE)
        pairs = await self.host.ballots()
        everybody = [*self.came, *self.late]
        await self._tap(max(20.0, 0.5 * seconds), everybody, most=pairs, reads=10.0)

    async def talk(self, seconds: float) -> None:
        await self.host.on(TALK)
        self.found.verdict = self.host.votes()["conclusion"]
        await asyncio.gather(*(phone.ask([]) for phone in self.came))
        told = {phone.said["room"]["verdict"] for phone in self.came}
        if told != {self.found.verdict}:
            self.found.wrong.append(f"phones say {sorted(told)}, the host {self.found.verdict!r}")

    def _steps(self) -> int:
        return self.host.standing()["steps"]

    async def _tap(
        self, seconds: float, phones: Sequence[Phone], most: int = 1_000, reads: float = READS
    ) -> None:
        """Everybody judges for so many seconds, or until there is nothing left."""
        until = time.perf_counter() + seconds

        async def one(phone: Phone) -> None:
            for _ in range(most):
                pause = phone.luck.uniform(0.5, 1.5) * reads / self.speed
                left_over = until - time.perf_counter()
                await asyncio.sleep(max(0.0, min(pause, left_over)))
                if left_over <= pause or not await phone.tap():
                    return

        await asyncio.gather(*map(one, phones))

    # --- the end ----------------------------------------------------------------------------------

    async def take_home(self) -> None:
        """The room's zip and the run's, as the page has them made; the latter opened again."""
        host, found = self.host, self.found
        phones = [*self.came, *self.late]
        found.people, found.steps = host.row().people, self._steps()
        found.made = sum(len(phone.made) for phone in phones)
        found.stored = len(host.kept())
        found.wrong += [why for phone in phones for why in phone.refused.values()]
        found.wrong += [one for phone in phones for one in phone.troubles]
        found.room_zip = exporting.export(host.code, host.secret)
        tab = host.tab
        await tab.go("paper_trail")
        await host.press("paper_make_run")
        await host.look(lambda: self._made() is not None, "the run's zip", HOME)
        found.run_zip = registry.keeper().weights.blobs.get(self._made())
        session = host.session()
        for record in opening.from_zip(session, self._made(), "room.zip"):
            if isinstance(record, dict) and record.get("kind") == "opened":
                found.opened = record["id"]
        found.report = html_of_session(registry.get(found.opened))

    def _made(self) -> str | None:
        """The blob of the run's zip, of the session as it is now."""
        sha256, _, fresh = taking.kept(self.host.session()).get("run", (None, 0, False))
        return sha256 if fresh else None


def opens(found: Rehearsed) -> list[str]:
    """What is wrong with what was taken home; none: all of it opens, and holds what it should."""
    wrong = list(found.wrong)
    with zipfile.ZipFile(BytesIO(found.room_zip)) as held:
        damaged, rows = held.testzip(), held.read("preferences.jsonl")
        everything = held.read("judgements.jsonl").decode().splitlines()
    if damaged or len(everything) != found.stored:
        wrong.append(f"the room's zip holds {len(everything)} of {found.stored} judgements")
    pairs = spreadsheets.import_preferences(rows, "preferences.jsonl").pairs
    session = registry.get(found.opened) if found.opened else None
    if session is None:
        return [*wrong, "the run's zip does not open"]
    if len(session.judged.rankings) != len(pairs):
        wrong.append(f"the run has {len(session.judged.rankings)} judgements of {len(pairs)}")
    if session.tuned.steps_done != found.steps:
        wrong.append(f"the run has {session.tuned.steps_done} steps of {found.steps}")
    told = rounds.with_votes(session).get("conclusion")
    if not found.verdict or told != found.verdict:
        wrong.append(f"the run says {told!r}, the room {found.verdict!r}")
    if "<html" not in found.report[:200] or "</html>" not in found.report:
        wrong.append("the report is no whole page")
    return wrong


def say(told: Figures, found: Rehearsed) -> None:
    for act, (planned, took) in found.took.items():
        told.add(f"{plans.SCREENS[act].title}, of {planned:.0f} s planned", took)
    planned, took = (sum(column) for column in zip(*found.took.values(), strict=True))
    told.add(f"all of it, of {planned:.0f} s planned", took)
    told.add("people", found.people, "")
    told.add("judgements tapped", found.made, "")
    told.add("of them not stored, or stored twice", abs(found.made - found.stored), "", target=0)
    told.add("PPO steps", found.steps, "")
    told.add("people whom the host left out", found.left_out, "")
    told.add("the room's zip", len(found.room_zip) / 1e6, "MB")
    told.add("the run's zip", len(found.run_zip) / 1e6, "MB")
    told.add("the report", len(found.report.encode()) / 1e6, "MB")
    told.note(f"The verdict: {found.verdict}")
    told.troubles(opens(found))


def put_down(found: Rehearsed, folder: Path) -> list[Path]:
    """The three files, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"room.zip": found.room_zip, "run.zip": found.run_zip}
    files["report.html"] = found.report.encode()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]
