"""Workshop rooms for tests: a place to keep them, a room whose answers are written without a model,
and people who judge by a taste of their own.

``from room_people import here  # noqa: F401`` gives a test the fixture ``here``: it runs once on
SQLite and once on PostgreSQL, each time with nothing in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from databases import url  # noqa: F401

from rlhf_core.rooms import acts, answers, desk, doors, figures, opening
from rlhf_core.rooms.records import Opened, RoomSettings
from rlhf_core.session import registry

NUMBERS = itertools.count(1)


@pytest.fixture
def here(url, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    yield registry.keeper()
    registry.keeper().database.close()


@pytest.fixture(name="room")
def judging_room(here):
    """A room in the act in which it judges: ``room``, for a test file that imports this."""
    made = opened()
    acts.step(made.code, made.host, "rank")
    return made


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """In a test file that imports this, figures are counted anew every time."""
    monkeypatch.setattr(figures.Fresh, "get", lambda self, key, make: make())


def sets(prompts: int = 12, count: int = 18) -> list[dict]:
    """Candidate sets as a session keeps them: of three answers one is plain, one long, one loud."""
    found = []
    for number in range(1, count + 1):
        texts = [f" plain {number}.", f" a longer answer, number {number}.", f" LOUD {number}!"]
        about = {"id": f"set-{number}", "texts": texts, "finished": [True, True, False]}
        found.append({**about, "prompt": f"Prompt {number % prompts} is", "seed": 1, "round": 1})
    return found


def opened(written: bool = True, **settings) -> Opened:
    """A room; ``written``: with its answers."""
    made = opening.open_room(RoomSettings(**settings))
    if written:
        session = registry.get(made.session_id)
        with session.change():
            session.asked.candidate_sets = sets()
        answers.put(session)
    return made


@dataclass
class Phone:
    """One participant: what a phone would send, and what it got."""

    room: Opened
    nickname: str = ""
    me: str = ""
    sent: list[dict] = field(default_factory=list)

    def __post_init__(self):
        self.joined = doors.join(self.room.code, self.nickname, self.me)
        self.me = self.joined.me

    @property
    def number(self) -> int:
        return self.joined.person.number

    def tap(self, pair: str, choice: str, seconds: float | None = 3.0, **more) -> dict:
        row = {"id": f"tap-{next(NUMBERS):06d}", "pair": pair, "choice": choice}
        row |= {"seconds": seconds, **more}
        self.sent.append(row)
        return desk.take(self.room.code, self.me, [row])

    def judge(self, taste: Callable[[dict], str], most: int = 1_000, seconds: float = 3.0) -> int:
        """Judge what comes, up to ``most``; how many that were."""
        done, pairs = 0, desk.next_pairs(self.room.code, self.me)
        while pairs and done < most:
            reply = self.tap(pairs[0]["id"], taste(pairs[0]), seconds)
            assert not reply["refused"]
            done, pairs = done + 1, reply["pairs"]
        return done


def likes(word: str) -> Callable[[dict], str]:
    """Prefers the answer with ``word`` in it; a tie where both or neither have it."""

    def taste(pair: dict) -> str:
        a, b = word in pair["a"], word in pair["b"]
        return "tie" if a == b else "a" if a else "b"

    return taste


def left(pair: dict) -> str:
    return "a"
