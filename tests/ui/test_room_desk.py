"""What a phone may send to the room's desk: checked value by value, counted by person and address,
and answered in one sentence where it is no.
"""

from __future__ import annotations

import random

import pytest

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import desk as engine
from ui import rates
from ui.room import desk

ROW = {"id": "a" * 32, "pair": "pair-1", "choice": "a", "seconds": 2.5, "at": 1_790_000_000_000}
ASKED = {"code": "BCDFGH", "me": "t" * 24, "judged": [ROW], "holds": ["pair-2"]}
SAID = {"stored": [ROW["id"]], "refused": [], "pairs": [], "drop": []}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Clock:
    """Every test counts from nothing, by a clock of its own."""
    clock = Clock()
    for name, rate in (
        ("asked_of_person", rates.DESK),
        ("asked_of_address", rates.DESK_OF_ADDRESS),
        ("wrong_codes", rates.WRONG_CODES),
    ):
        monkeypatch.setattr(desk, name, rates.Buckets(rate, clock))
    return clock


@pytest.fixture
def taken(monkeypatch) -> list[tuple]:
    """What came to the engine."""
    came: list[tuple] = []
    monkeypatch.setattr(engine, "take", lambda *asked: came.append(asked) or SAID)
    return came


def refuse(monkeypatch, error: Exception) -> None:
    def take(*_):
        raise error

    monkeypatch.setattr(engine, "take", take)


def test_what_is_well_formed_reaches_the_engine_as_it_came(taken):
    status, said = desk.answer(ASKED, "10.0.0.1")
    assert status == 200 and taken == [("BCDFGH", "t" * 24, [ROW], ["pair-2"])]
    assert said["stored"] == [ROW["id"]] and 2 <= said["poll"] <= 10


WRONG = {
    "no object": [1, 2],
    "nothing": None,
    "a field is missing": {k: v for k, v in ASKED.items() if k != "holds"},
    "a field too many": ASKED | {"host": "me"},
    "a code of markup": ASKED | {"code": "<b>"},
    "a long code": ASKED | {"code": "B" * 50},
    "no token": ASKED | {"me": ""},
    "a token with a space": ASKED | {"me": "t" * 10 + " " + "t" * 10},
    "judged is no list": ASKED | {"judged": {}},
    "too many": ASKED | {"judged": [ROW] * 51},
    "too many held": ASKED | {"holds": ["x"] * 51},
    "a held number": ASKED | {"holds": [7]},
    "a held path": ASKED | {"holds": ["../etc"]},
    "a row that is text": ASKED | {"judged": ["x"]},
    "a row with more": ASKED | {"judged": [ROW | {"person": 3}]},
    "an id too short": ASKED | {"judged": [ROW | {"id": "x"}]},
    "an id of markup": ASKED | {"judged": [ROW | {"id": "<script>alert()"}]},
    "no such choice": ASKED | {"judged": [ROW | {"choice": "left"}]},
    "a choice that is a list": ASKED | {"judged": [ROW | {"choice": ["a"]}]},
    "seconds of text": ASKED | {"judged": [ROW | {"seconds": "2"}]},
    "seconds that are true": ASKED | {"judged": [ROW | {"seconds": True}]},
    "endless seconds": ASKED | {"judged": [ROW | {"seconds": float("inf")}]},
    "no number": ASKED | {"judged": [ROW | {"at": float("nan")}]},
    "before time": ASKED | {"judged": [ROW | {"at": -1}]},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_anything_else_is_one_sentence_and_reaches_nothing(taken, wrong):
    status, said = desk.answer(wrong, "10.0.0.1")
    assert status == 400 and not taken and list(said) == ["sorry"]
    assert said["sorry"].endswith(".") and "<" not in said["sorry"] and len(said["sorry"]) < 120


def test_no_junk_gets_past_the_check(taken):
    """Any value in any place: 400, or exactly the five fields of plain values."""
    luck = random.Random(7)
    junk = [None, True, -1, 0, 1e400, "", "a", "\u202e", [], {}, [[]], "x" * 5000, b"a", 1j]
    for _ in range(2000):
        row = {name: luck.choice([value, value, luck.choice(junk)]) for name, value in ROW.items()}
        asked = ASKED | {"judged": [row]}
        asked[luck.choice(list(asked))] = luck.choice([*junk, [row], [luck.choice(junk)]])
        taken.clear()
        status, _ = desk.answer(asked, str(luck.random()))
        assert (status == 200) == bool(taken)
        for code, me, judged, holds in taken:
            assert isinstance(code, str) and 22 > len(code) and len(me) <= 64
            assert all(set(one) == set(ROW) and one["choice"] in "a b tie skip" for one in judged)
            assert all(isinstance(one, str) for one in holds)


@pytest.mark.parametrize(
    ("kind", "status"), [("unknown", 404), ("closed", 410), ("full", 403), ("refused", 403)]
)
def test_what_the_engine_refuses_is_its_own_sentence(monkeypatch, kind, status):
    refuse(monkeypatch, RoomError("There is no room of this code here.", kind))
    assert desk.answer(ASKED, "1") == (status, {"sorry": "There is no room of this code here."})


def test_a_busy_database_asks_to_come_again(monkeypatch):
    refuse(monkeypatch, StoreError("database is locked at /somewhere"))
    status, said = desk.answer(ASKED, "1")
    assert status == 503 and "/somewhere" not in said["sorry"]


def test_a_hall_behind_one_address_meets_no_limit(taken, clock):
    """A hundred phones that tap once a second and ask every five, for three minutes."""
    for second in range(180):
        clock.now = float(second)
        for person in range(100):
            asked = ASKED | {"me": f"token-of-person-{person:03}"}
            assert desk.answer(asked, "the hall").status == 200
            if second % 5 == 0:
                assert desk.answer(asked | {"judged": []}, "the hall").status == 200


def test_one_person_who_floods_is_slowed_and_nobody_else(taken):
    said = [desk.answer(ASKED, "the hall") for _ in range(rates.DESK.at_once + 1)]
    assert {one.status for one in said[:-1]} == {200} and said[-1].status == 429
    assert said[-1].said["wait"] >= 1
    assert desk.answer(ASKED | {"me": "u" * 24}, "the hall").status == 200


def test_who_guesses_codes_is_soon_told_nothing_and_the_hall_goes_on(monkeypatch, taken):
    known = engine.take

    def take(code, *more):
        if code != "BCDFGH":
            raise RoomError("There is no room of this code here.", "unknown")
        return known(code, *more)

    monkeypatch.setattr(engine, "take", take)
    guesses = [
        desk.answer(ASKED | {"code": f"GUESS{n}", "me": f"guess-{n:020}"}, "the hall").status
        for n in range(rates.WRONG_CODES.at_once + 50)
    ]
    assert guesses[0] == 404 and guesses[-1] == 429
    assert desk.answer(ASKED, "the hall").status == 200
