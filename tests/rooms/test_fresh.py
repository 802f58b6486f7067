"""What many ask for at once is made once, and is never older than it says."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlhf_core.rooms.fresh import Fresh


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_serves_for_so_long_and_no_longer():
    clock = Clock()
    fresh, made = Fresh(1.0, clock=clock), []

    def make() -> int:
        made.append(clock.now)
        return len(made)

    # The last: a clock that stepped back.
    for now, then in ((0.0, 1), (0.9, 1), (1.1, 2), (1.5, 2), (9.0, 3), (0.5, 4)):
        clock.now = now
        assert fresh.get("room", make) == fresh.get("room", make) == then
    assert fresh.get("other", make) == 5


def test_a_hundred_at_once_make_it_once():
    fresh, made, begun = Fresh(60.0), [], threading.Event()

    def make():
        begun.wait(5)
        made.append(1)
        return "counted"

    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(fresh.get, "room", make) for _ in range(100)]
        begun.set()
        assert {one.result() for one in waiting} == {"counted"}
    assert len(made) == 1


def test_an_error_is_not_kept():
    fresh = Fresh(60.0)
    with pytest.raises(ZeroDivisionError):
        fresh.get("room", lambda: 1 / 0)
    assert fresh.get("room", lambda: "well") == "well"


def test_the_newest_keys_stay():
    fresh = Fresh(60.0, most=3)
    for key in range(5):
        fresh.get(key, lambda: "first")
    assert [fresh.get(key, lambda: "again") for key in (4, 3, 2, 1)] == ["first"] * 3 + ["again"]
    fresh.forget(4)
    assert fresh.get(4, lambda: "again") == "again"
