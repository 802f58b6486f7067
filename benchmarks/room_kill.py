"""``room --kill``: a room from the code to the verdict whose server ends with kill -9 in every act,
while people tap and the act's work is under way; it is started again, the host opens their link,
and everybody goes on. Nothing may be lost, nothing doubled, and what was at work ends by itself.

Where an act asks for no tap, phones send what they had judged before, as one does that was
offline.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load.drawn import TabError
from benchmarks.load.figures import Figures
from benchmarks.room_host import Host
from benchmarks.room_phones import Phone
from rlhf_core.rooms.records import JOIN, PPO, PRACTICE, RANK, REWARD, TALK, VOTE

STEPS, JUDGED = 5, 14  # of PPO; judgements of each phone before the reward model
EVERY = 0.6  # seconds between two taps of each
BUSY, DOWN = (0.3, 1.5), 1.5  # seconds until the kill, by lot; until the new start
GOES_ON = 240.0  # seconds in which work that was under way should end, on a busy machine


class Place(Protocol):
    """Where the room is served."""

    url: str

    def kill(self) -> None:
        """End a server as a power cut would."""

    def start(self) -> object:
        """Start what was killed; returns when it answers."""


@dataclass
class Tally:
    """What became of it.

    Attributes:
        acts: in which there was a kill, one for each. back: seconds from the new start until the
            host's page is there again.
        made, stored: judgements tapped, and stored in the end. wrong: what should not have
            happened, a sentence each.
    """

    acts: list[str] = field(default_factory=list)
    back: list[float] = field(default_factory=list)
    made: int = 0
    stored: int = 0
    steps: int = 0
    verdict: str = ""
    wrong: list[str] = field(default_factory=list)


class Play:
    """The room, and who is in it."""

    def __init__(self, place: Place, host: Host, phones: Sequence[Phone], luck: random.Random):
        self.place, self.host, self.luck = place, host, luck
        self.phones, self.inside = list(phones), []
        self.tally = Tally()

    async def whole(self) -> Tally:
        acts = (self.join, self.practice, self.rank, self.reward, self.ppo, self.vote, self.talk)
        for act in acts:
            await act()
        self.tally.made = sum(len(phone.made) for phone in self.phones)
        self.tally.stored = len(await asyncio.to_thread(self.host.kept))
        return self.tally

    # --- the acts ---------------------------------------------------------------------------------

    async def join(self) -> None:
        """Half are in, half stand at the door, the model writes."""
        await self.host.open(steps=STEPS)
        for phone in self.phones:
            phone.code, phone.tab.query = self.host.code, f"room={self.host.code}"
        early, late = self.phones[::2], self.phones[1::2]
        await self._enter(early)
        await asyncio.gather(*(phone.scan() for phone in late))
        await self.host.look(self._writes, "the model to begin to write")
        await self.killed(JOIN)
        await self._enter(late)
        await self.by_itself("the answers were not written", self.host.written_pairs)
        self.compare(JOIN)

    async def practice(self) -> None:
        await self.host.on(PRACTICE)
        await self.killed(PRACTICE, tapping=True)

    async def rank(self) -> None:
        await self.host.on(RANK)
        await self.killed(RANK, tapping=True)
        await asyncio.gather(*(self._judge(phone, JUDGED) for phone in self.phones))
        for phone in self.phones:
            phone.put_aside(3)

    async def reward(self) -> None:
        await self.host.on(REWARD)
        await self.host.press("room_fit")
        await self.host.look(lambda: "fit" in self.host.jobs() or self._learned(), "the fit")
        await self.killed(REWARD, [phone.send_aside(1) for phone in self.phones])
        await self.by_itself("no reward model", self._learned)
        await self.by_itself("no majority and minority", lambda: self.host.standing()["groups"])

    async def ppo(self) -> None:
        await self.host.on(PPO)
        await self.host.play()
        before = self.host.standing()["steps"]
        await self.killed(PPO, [phone.send_aside(1) for phone in self.phones])
        if (after := self.host.standing()["steps"]) < before:
            self.tally.wrong.append(f"PPO had made {before} steps, and then {after}")
        await self.by_itself("PPO did not go on", lambda: self.host.standing()["steps"] >= STEPS)
        steps = [row["step"] for row in self.host.session().tuned.metrics]
        self.tally.steps = len(steps) - 1
        if steps != list(range(STEPS + 1)):
            self.tally.wrong.append(f"the steps are {steps}")

    async def vote(self) -> None:
        """Killed while both models answer, and again while people vote."""
        await self.host.on(VOTE)
        await self.host.look(lambda: "room_vote" in self.host.jobs(), "both models to answer")
        await self.killed(VOTE)
        await self.by_itself("no pairs to vote on", lambda: self.host.votes()["pairs"])
        await self.killed(VOTE, tapping=True)
        pairs = self.host.votes()["pairs"]
        await asyncio.gather(*(self._judge(phone, 1_000) for phone in self.phones))
        if (votes := self.host.votes()["votes"]) != pairs * len(self.phones):
            self.tally.wrong.append(f"{votes} votes on {pairs} pairs by {len(self.phones)} people")

    async def talk(self) -> None:
        await self.host.on(TALK)
        before = self.host.votes()["conclusion"]
        await self.killed(TALK, [phone.send_aside(1) for phone in self.phones])
        await asyncio.gather(*(phone.ask([]) for phone in self.phones))
        told = {phone.said["room"]["verdict"] for phone in self.phones}
        self.tally.verdict = before
        if not before or told != {before}:
            self.tally.wrong.append(f"the verdict was {before!r}, phones say {sorted(told)}")

    # --- the kill ---------------------------------------------------------------------------------

    async def killed(
        self, act: str, meanwhile: Sequence[Coroutine] = (), tapping: bool = False
    ) -> None:
        """kill -9 while ``meanwhile`` goes on, or everybody taps; start again; everybody is back
        and every tap has its answer.
        """
        stop = asyncio.Event()
        taps = [phone.keep_tapping(EVERY, stop) for phone in self.inside] if tapping else []
        if tapping:
            await asyncio.sleep(EVERY)
        work = [asyncio.create_task(one) for one in [*meanwhile, *taps]]
        await asyncio.sleep(self.luck.uniform(*BUSY))
        await asyncio.to_thread(self.place.kill)
        await asyncio.sleep(DOWN)
        began = time.perf_counter()
        await asyncio.to_thread(self.place.start)
        await self.host.come_back()
        self.tally.back.append(time.perf_counter() - began)
        self.tally.acts.append(act)
        if tapping:
            await asyncio.sleep(2 * EVERY)
        stop.set()
        await asyncio.wait_for(asyncio.gather(*work), GOES_ON)
        self.compare(act)

    def compare(self, act: str) -> None:
        """What everybody tapped against what is stored, while nobody taps."""
        rows, wrong = self.host.kept(), self.tally.wrong
        made = {one for phone in self.phones for one in phone.made if one in phone.acknowledged}
        there = {row.judgement_id for row in rows}
        voices = {(row.person, row.pair_id) for row in rows}
        room = self.host.row()
        if lost := made - there:
            wrong.append(f"{act}: {len(lost)} judgements are lost")
        if strange := there - made:
            wrong.append(f"{act}: {len(strange)} judgements nobody made")
        if twice := len(rows) - len(voices):
            wrong.append(f"{act}: {twice} judgements are there twice")
        if refused := [why for phone in self.phones for why in phone.refused.values()]:
            wrong.append(f"{act}: {len(refused)} were refused, as “{refused[0]}”")
        if room.act != act or room.people != len(self.inside):
            wrong.append(f"{act}: the room is in {room.act}, with {room.people} people")

    async def by_itself(self, otherwise: str, holds) -> None:
        """Wait for the end of what was under way, which nobody presses again."""
        try:
            await self.host.look(lambda: bool(holds()), otherwise, GOES_ON)
        except TabError:
            self.tally.wrong.append(f"{self.host.row().act}: {otherwise}")
            raise

    # --- people -----------------------------------------------------------------------------------

    async def _enter(self, phones: Sequence[Phone]) -> None:
        """Scan the code where the page is gone or was never there, and press Join."""
        for phone in phones:
            if not phone.tab.connected:
                phone.tab.errors.clear()
                await phone.scan()
            await phone.press_join()
            self.inside.append(phone)

    async def _judge(self, phone: Phone, least: int) -> None:
        """Until so many are judged of this act, or all."""
        done = 0
        while done < least and await phone.tap():
            done += 1

    def _writes(self) -> bool:
        return "room_answers" in self.host.jobs() or self.host.written_pairs() > 0

    def _learned(self) -> bool:
        return bool(self.host.standing()["summary"])


def say(figures: Figures, tally: Tally) -> None:
    figures.add("kills of the server", len(tally.acts), "")
    figures.times("from its new start to the host's page", tally.back)
    figures.add("judgements tapped", tally.made, "")
    figures.add("of them not stored, or stored twice", abs(tally.made - tally.stored), "", target=0)
    figures.add("PPO steps", tally.steps, "")
    figures.note(f"The verdict: {tally.verdict}")
    figures.troubles(tally.wrong)
