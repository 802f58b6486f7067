"""Pages look for news as they like, until all of them together ask too much."""

from __future__ import annotations

import pytest

from ui import pace

CHEAP, DEAR = ("a tab", "its state line"), ("another tab", "its charts")


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A clock that the test moves, and nobody who has looked yet."""
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    for kept in (pace._asked, pace._cost, pace._passed):
        kept.clear()
    yield now
    for kept in (pace._asked, pace._cost, pace._passed):
        kept.clear()


def watched(clock, parts: dict[tuple, float], every: float, seconds: float) -> dict[tuple, int]:
    """Each part asks ``every`` so many seconds, and a look costs what ``parts`` says; how often
    each was answered.
    """
    answered = dict.fromkeys(parts, 0)
    for _ in range(int(seconds / every)):
        clock[0] += every
        for part, cost in parts.items():
            if pace.may_look(part):
                answered[part] += 1
                pace.looked(part, cost)
    return answered


def test_one_page_looks_as_often_as_it_likes(clock) -> None:
    assert watched(clock, {DEAR: 0.06}, every=0.6, seconds=30) == {DEAR: 50}


def test_a_crowd_gets_its_share_and_no_more(clock) -> None:
    crowd = {(number, "charts"): 0.05 for number in range(40)}  # would take 2 of 1

    found = watched(clock, crowd, every=1.0, seconds=100)

    spent = sum(0.05 * times for times in found.values())
    assert spent / 100 == pytest.approx(pace.BUDGET, rel=0.25)
    assert min(found.values()) >= 4, "nobody is forgotten"
    assert max(found.values()) - min(found.values()) <= 2, "nobody is preferred"


def test_a_hundred_cheap_looks_are_all_answered(clock) -> None:
    crowd = {(number, "state"): 0.001 for number in range(100)}

    assert set(watched(clock, crowd, every=1.0, seconds=20).values()) == {20}


def test_when_the_crowd_has_left_pages_are_lively_again(clock) -> None:
    watched(clock, {(number, "charts"): 0.05 for number in range(40)}, every=1.0, seconds=20)
    clock[0] += pace.WINDOW + 1

    assert watched(clock, {CHEAP: 0.01}, every=0.6, seconds=6) == {CHEAP: 10}


def test_tabs_that_are_gone_are_not_kept_for_ever(clock) -> None:
    for number in range(5_000):
        pace.may_look((number, "state"))
        pace.looked((number, "state"), 0.001)

    assert len(pace._cost) <= 4_097 and len(pace._passed) <= 4_098
