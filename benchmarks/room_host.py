"""The host of a workshop room without a browser: a tab of the host's page that presses what a host
presses, act by act, and what the store beside it tells of the room.
"""

from __future__ import annotations

import asyncio
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from benchmarks.load.drawn import TabError
from benchmarks.load.learner import Crowd
from benchmarks.load.tab import Tab
from rlhf_core.rooms import doors, reading, training, votes
from rlhf_core.session import registry, rounds
from rlhf_core.session.state import Session
from rlhf_core.store import job_rows, room_rows
from rlhf_core.work.job import FINISHED

LONG = 900.0  # seconds that anything may take on a busy machine
PURPOSES = ("practice", "rank", "gold", "vote")
PLACES = {"plan": "room_plan", "steps": "room_steps"}  # of the form that opens a room


class Host:
    """A host.

    Attributes:
        code, secret: of the room, once it is open. session_id: of its session.
        seen: (judgements that the counter showed, since when), each time that it changed.
    """

    def __init__(self, crowd: Crowd, url: str = ""):
        self.crowd, self.url = crowd, url or crowd.url
        self.tab = self._tab()
        self.code = self.secret = self.session_id = ""
        self.seen: list[tuple[int, float]] = []

    def _tab(self, query: str = "") -> Tab:
        tab = self.crowd.tab("room", query)
        tab.url = self.url
        return tab

    # --- what a host does -------------------------------------------------------------------------

    async def open(self, **form: object) -> None:
        """Open a room; ``form``: what is set before, by ``PLACES``."""
        await self.tab.open()
        for name, value in form.items():
            await self._set(PLACES[name], value)
        await self.tab.press("room_open")
        asked = lambda: parse_qs(self.tab.query)  # noqa: E731
        await self.tab.until(lambda: "host" in asked(), LONG, "the open room")
        self.code, self.secret = asked()["room"][0], asked()["host"][0]
        room = await asyncio.to_thread(doors.by_host, self.code, self.secret)
        self.session_id = room.session_id

    async def written(self) -> None:
        """Wait until the model has written the room's answers."""
        await self.look(lambda: self.written_pairs() > 0, "the room's answers")

    async def on(self, *to: str) -> None:
        """Press "Go on", once for each act."""
        for act in to:
            await self.press("room_on")
            await self.look(lambda act=act: self.row().act == act, f"the act {act}")

    async def fit(self) -> None:
        await self.press("room_fit")
        await self.look(lambda: bool(self.standing()["summary"]), "the reward model")

    async def play(self) -> None:
        """Press Play; returns with PPO's first step."""
        before = (await asyncio.to_thread(self.standing))["steps"]
        await self.press("room_play")
        await self.look(lambda: self.standing()["steps"] > before, "PPO's next step")

    async def ballots(self) -> int:
        """Wait until both models have answered and the votes' pairs are there; how many."""
        await self.look(lambda: self.votes()["pairs"] > 0, "the vote's pairs")
        return self.votes()["pairs"]

    async def come_back(self, seconds: float = LONG) -> None:
        """Open the host's link anew, as after a crash of server or laptop."""
        await self.leave()
        self.tab = self._tab(f"room={self.code}&host={self.secret}")
        await self.tab.open(seconds)
        await self.tab.until(lambda: self.tab.find("room_back", "button") is not None, seconds)

    async def leave(self) -> None:
        """Close the laptop."""
        await self.tab.close()
        self.tab.errors.clear()  # that it lost a dead server is no mistake

    async def press(self, key: str, seconds: float = LONG) -> None:
        await self.tab.until(lambda: self.ready(key), seconds, f"the button {key}")
        runs = self.tab.runs
        await self.tab.press(key)
        await self.tab.until(lambda: self.tab.runs > runs and not self.tab.running, seconds, key)

    def ready(self, key: str) -> bool:
        node = self.tab.find(key, "button")
        return node is not None and not node.body.disabled and not self.tab.running

    async def _set(self, key: str, value: object) -> None:
        runs = self.tab.runs
        await self.tab.set(key, value)
        await self.tab.until(lambda: self.tab.runs > runs and not self.tab.running, what=key)

    # --- what the counter shows -------------------------------------------------------------------

    async def count_along(self) -> None:
        """Note what the counter of judgements shows, until this is cancelled."""
        while True:
            await asyncio.sleep(0.05)
            found = next(iter(self._counts()), None)
            if found and (not self.seen or found[0] != self.seen[-1][0]):
                self.seen.append(found)

    def _counts(self) -> list[tuple[int, float]]:
        rows = self.tab.under("room_counts", "metric")
        return [
            (int(re.sub(r"\D", "", node.body.body) or 0), node.changed)
            for node in rows
            if node.body.label == "Judgements"
        ]

    # --- what the store tells ---------------------------------------------------------------------

    async def look(self, holds: Callable[[], bool], what: str, seconds: float = LONG) -> None:
        """Wait until the store says so."""
        until = time.monotonic() + seconds
        while not await asyncio.to_thread(holds):
            if time.monotonic() > until:
                raise TabError(f"Waited {seconds:.0f} s for {what}.")
            await asyncio.sleep(0.3)

    def row(self):
        with reading.database().look() as db:
            return room_rows.by_code(db, self.code)

    def written_pairs(self) -> int:
        """Of the model's answers; those with a known answer are there from the start."""
        room_id = self.row().room_id
        with reading.database().look() as db:
            return sum(pair.purpose == "rank" for pair in room_rows.pairs(db, room_id))

    def kept(self) -> list:
        """Every judgement that the store has of the room."""
        room_id = self.row().room_id
        with reading.database().look() as db:
            return room_rows.judgements(db, room_id, PURPOSES, included=False)

    def jobs(self) -> list[str]:
        """What is at work for the room, by the jobs' names."""
        with reading.database().look() as db:
            rows = job_rows.all_of(db)
        return [r.name for r in rows if r.owner == self.session_id and r.status not in FINISHED]

    def standing(self) -> dict:
        return training.standing(self.code, self.secret)

    def votes(self) -> dict:
        return votes.standing(self.code, self.secret)

    def session(self) -> Session:
        """The room's session, as it stands in the store now."""
        return registry.get(self.session_id)

    def seconds_a_step(self) -> list[float]:
        """Of each PPO step so far."""
        rows = self.session().tuned.metrics
        return [float(row["seconds"]) for row in rows if row["step"] > 0]

    def start_over(self) -> None:
        """Forget the PPO steps; the reward model stays."""
        rounds.restart(self.session())


def behind(
    seen: Sequence[tuple[int, float]], acknowledged: Sequence[float], since: float = 0.0
) -> list[float]:
    """How many seconds the counter came late, each time that it moved: from the acknowledgement of
    the first judgement that it did not show before, where that was after ``since``.

    ``acknowledged``: when each judgement of the room was, any order; all of them, for the counter
    counts them all.
    """
    times, found = sorted(acknowledged), []
    for (before, _), (_, shown) in zip(seen, seen[1:], strict=False):
        if before < bisect_right(times, shown) and times[before] >= since:
            found.append(shown - times[before])
    return found
