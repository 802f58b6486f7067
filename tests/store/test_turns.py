"""Turns: so many at once, first come first served, and who gives up holds up nobody."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlhf_core.store.turns import Turns


def wait_until(true, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    assert true()


def test_so_many_at_once_and_no_more():
    turns, inside, most, lock = Turns(3), [0], [0], threading.Lock()

    def work(_) -> None:
        with turns.turn(30) as mine:
            assert mine
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            time.sleep(0.002)
            with lock:
                inside[0] -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(60)))
    assert most == [3] and inside == [0]


def test_who_came_first_goes_first():
    turns, waiting, order = Turns(1), [], []

    def work(number: int) -> None:
        waiting.append(number)
        with turns.turn(30):
            order.append(number)

    with turns.turn(1):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda n=number: len(waiting) == n + 1)
            time.sleep(0.05)  # between saying that it waits and waiting
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4]


def test_who_gives_up_or_fails_holds_up_nobody():
    turns = Turns(1)
    with turns.turn(1):
        for _ in range(3):
            with turns.turn(0.01) as mine:
                assert not mine
    with pytest.raises(ZeroDivisionError), turns.turn(0):
        raise ZeroDivisionError
    with turns.turn(0) as mine:
        assert mine


def test_many_who_give_up_at_the_moment_of_their_turn_lose_none():
    turns = Turns(1)

    def work(_) -> None:
        with turns.turn(0.001) as mine:
            time.sleep(0.001 * mine)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(2000)))
    with turns.turn(0) as mine:
        assert mine
