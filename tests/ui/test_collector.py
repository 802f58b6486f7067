"""The server's garbage collection: seldom, of everything, and as before when it ends."""

from __future__ import annotations

import gc
import time
import weakref

from ui import collector


class Ring:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.me = self


def forgotten() -> weakref.ref:
    return weakref.ref(Ring())


def test_full_collections_come_at_their_time_and_find_what_was_let_be() -> None:
    before = gc.get_threshold()
    with collector.seldom(every=3600):
        ring = Ring()
        seen = weakref.ref(ring)
        collector.tidy()  # it lives: from now on it is let be
        del ring
        gc.collect()
        assert seen() is not None
        collector.tidy()
        assert seen() is None
    assert gc.get_threshold() == before


def test_the_collector_works_by_itself_and_ends_with_the_server() -> None:
    with collector.seldom(every=0.05):
        seen, until = forgotten(), time.monotonic() + 10
        while seen() is not None and time.monotonic() < until:
            time.sleep(0.05)
        assert seen() is None
    assert gc.get_freeze_count() == 0


def test_no_full_collection_begins_by_itself_in_a_crowd() -> None:
    with collector.seldom(every=3600):
        full = gc.get_stats()[2]["collections"]
        held = [[number] for number in range(400_000)]
        assert gc.get_stats()[2]["collections"] == full
        assert len(held) == 400_000
