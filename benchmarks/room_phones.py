"""Phones of a workshop room without a browser: they join as a tab does (Streamlit's websocket, the
page's own button), and judge as the phone's script does (HTTP, a store of pairs, the same id again
after a failure, a poll while nothing is tapped). Draws nothing.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from benchmarks.load.drawn import TabError
from benchmarks.load.learner import Crowd
from benchmarks.load.tab import PATIENCE, Tab

POLL, AGAIN = 5.0, 1.0  # seconds: between two looks; after a failure
PHONE, JOIN = "room_phone", "Join"  # the component's key; the button's label


@dataclass
class Phone:
    """One participant.

    Attributes:
        loaded, asked, joined: seconds for a new browser's files; from then to the page with the
            button; from the press to the first pair in the phone.
        stored: seconds from each tap to the answer that says it is stored.
        acknowledged: when the server said of which judgement that it has it.
        refused: what it would not take, and why. made, done: the ids of all that was
            tapped, and of the pairs.
        aside: tapped while the phone was offline, to be sent later.
        taste: what is tapped of a pair; by lot where there is none. reads: for how
            many seconds, as the phone tells it.
    """

    tab: Tab
    http: httpx2.AsyncClient
    code: str
    luck: random.Random
    me: str = ""
    pairs: list[dict] = field(default_factory=list)
    loaded: float = 0.0
    asked: float = 0.0
    joined: float = 0.0
    stored: list[float] = field(default_factory=list)
    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    aside: list[dict] = field(default_factory=list)
    line: asyncio.Lock = field(default_factory=asyncio.Lock)
    said: dict = field(default_factory=dict)  # the desk's last answer
    taste: Callable[[dict], str] | None = None
    reads: tuple[float, float] = (1.5, 6.0)
    polls: int = 0
    troubles: list[str] = field(default_factory=list)
    at: float = 0.0  # when it asked last

    async def come_in(self, seconds: float = 120.0) -> None:
        """Scan the code, press Join; returns with pairs in hand, where the act has any."""
        await self.scan(seconds)
        await self.press_join(seconds)

    async def scan(self, seconds: float = 120.0) -> None:
        """Until the page with the button is there."""
        began = time.perf_counter()
        await self.tab.get_files()
        self.loaded = time.perf_counter() - began
        began = time.perf_counter()
        await self.tab.open(seconds)
        self.asked = time.perf_counter() - began

    async def press_join(self, seconds: float = 120.0) -> None:
        began = time.perf_counter()
        await self.tab.press(JOIN)
        await self.tab.until(lambda: bool(self._given().get("reply")), seconds, "the phone")
        given = self._given()
        self.me, self.said = given["me"], given["reply"]
        self.pairs = list(self.said["pairs"])
        self.joined = time.perf_counter() - began
        self.at = time.perf_counter()

    def _given(self) -> dict:
        """What the page has handed to the phone's script."""
        node = self.tab.find(PHONE, "bidi_component")
        return json.loads(node.body.json) if node is not None else {}

    async def tap(self) -> bool:
        """Judge the pair on top, and send that until it is acknowledged; whether there was one."""
        if not self.pairs:
            await self.ask([])
        if not self.pairs:
            return False
        began = time.perf_counter()
        row = self._judged()
        await self.send([row])
        self.stored.append(self.acknowledged[row["id"]] - began)
        return True

    def put_aside(self, most: int) -> None:
        """Judge pairs in hand while the phone is offline; ``send_aside`` sends them."""
        self.aside += [self._judged() for _ in self.pairs[:most]]

    async def send_aside(self, most: int = 25) -> None:
        rows, self.aside = self.aside[:most], self.aside[most:]
        if rows:
            await self.send(rows)

    def _judged(self) -> dict:
        pair = self.pairs.pop(0)
        choice = self.taste(pair) if self.taste else self.luck.choice(["a", "b", "b", "tie"])
        row = {"id": secrets.token_hex(16), "pair": pair["id"], "at": int(time.time() * 1000)}
        row |= {"choice": choice, "seconds": round(self.luck.uniform(*self.reads), 2)}
        self.made.add(row["id"])
        self.done.add(pair["id"])
        return row

    async def send(self, rows: list[dict]) -> None:
        """Again and again, under the same ids, until the server has said what became of each."""
        left = rows
        while True:
            await self.ask(left)
            left = [row for row in rows if row["id"] not in self.acknowledged]
            if not left:
                return
            await asyncio.sleep(AGAIN)

    async def ask(self, judged: list[dict]) -> bool:
        """One request; whether it was answered. A phone has one under way at a time."""
        async with self.line:
            return await self._ask(judged)

    async def _ask(self, judged: list[dict]) -> bool:
        holds = [pair["id"] for pair in self.pairs]
        body = {"code": self.code, "me": self.me, "judged": judged, "holds": holds}
        self.at = time.perf_counter()
        try:
            reply = await self.http.post(f"{self.tab.url}/room-desk", json=body, timeout=10.0)
        except httpx2.HTTPError as error:
            self.troubles.append(f"no answer: {type(error).__name__}")
            return False
        now = time.perf_counter()
        if reply.status_code != 200:
            self.troubles.append(f"{reply.status_code}: {reply.text[:80]}")
            return False
        said = self.said = reply.json()
        self.acknowledged |= dict.fromkeys(said["stored"], now)
        for one in said["refused"]:  # as the phone does: told, and let go
            if not one["again"]:
                self.refused[one["id"]] = one["why"]
                self.acknowledged[one["id"]] = now
        known = self.done | {pair["id"] for pair in self.pairs}
        kept = [pair for pair in self.pairs if pair["id"] not in said["drop"]]
        self.pairs = kept + [pair for pair in said["pairs"] if pair["id"] not in known]
        return True

    async def keep_looking(self) -> None:
        """Ask every few seconds while nothing is tapped, as a phone in a hand does."""
        while True:
            every = self.said.get("poll", POLL) * self.luck.uniform(0.85, 1.15)
            wait = every - (time.perf_counter() - self.at)
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                self.polls += 1
                await self.ask([])

    async def keep_tapping(self, every: float, stop: asyncio.Event) -> None:
        """A tap every so many seconds on average (exponential pauses)."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), self.luck.expovariate(1 / every))
            except TimeoutError:
                await self.tap()


def client() -> httpx2.AsyncClient:
    """As the tabs' own (``load.tab.client``), but it lets go of a connection before the server does
    (5 s): a browser asks again by itself where both do at once, this one would not.
    """
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    limits = httpx2.Limits(max_connections=None, keepalive_expiry=2.0)
    return httpx2.AsyncClient(timeout=PATIENCE, limits=limits, cookies=none)


def gather(crowd: Crowd, http: httpx2.AsyncClient, code: str, people: int) -> list[Phone]:
    """So many phones, each in a pocket of its own."""
    found = []
    for number in range(people):
        tab = crowd.tab("room", f"room={code}")
        tab.http = http
        found.append(Phone(tab, http, code, crowd.luck("phone", number)))
    return found


async def join(phones: list[Phone], seconds: float, luck: random.Random) -> None:
    """All come in, spread over so many seconds."""
    arrivals = sorted(luck.uniform(0, seconds) for _ in phones)

    async def come(phone: Phone, at: float) -> None:
        await asyncio.sleep(at)
        try:
            await phone.come_in()
        except TabError as error:
            phone.troubles.append(str(error))

    await asyncio.gather(*map(come, phones, arrivals))
