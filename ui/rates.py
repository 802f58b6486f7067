"""So many at once, and so many a minute after that: token buckets, in memory, bounded.

The figures are the server's own protection. A room of a hundred people behind one address, who all
begin in the same minute, stays below every one of them.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

MOST_KEYS = 20_000  # addresses or sessions remembered; the one heard of least lately goes first


class Rate(NamedTuple):
    """``at_once``: how many may come together; ``a_minute``: how many, in the long run."""

    at_once: int
    a_minute: int


# A tab that polls three charts asks 6 times a second.
RERUNS = Rate(at_once=120, a_minute=900)  # of one tab
TABS = Rate(at_once=600, a_minute=600)  # opened from one address
JOBS = Rate(at_once=120, a_minute=240)  # of one session
JOBS_OF_ADDRESS = Rate(at_once=6_000, a_minute=6_000)
UPLOADS = Rate(at_once=40, a_minute=40)  # of one tab; the page takes 12 files at a time
UPLOADS_OF_ADDRESS = Rate(at_once=1_200, a_minute=1_200)
# A phone in a workshop room asks at each tap, and every few seconds by itself.
DESK = Rate(at_once=90, a_minute=150)  # of one person
DESK_OF_ADDRESS = Rate(at_once=6_000, a_minute=9_000)
# Codes of rooms that do not exist; there are 64 million codes.
WRONG_CODES = Rate(at_once=300, a_minute=120)  # of one address
WRONG_CODES_OF_TAB = Rate(at_once=12, a_minute=6)


class Buckets:
    """A token bucket for each key. Every method may be called from any thread."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic):
        self.rate, self._clock, self._lock = rate, clock, threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, at what time

    def take(self, key: str = "") -> float:
        """Take one: 0, or the seconds until there is one again (then none is taken)."""
        with self._lock:
            tokens, now = self._now(key)
            if tokens >= 1:
                self._left[key] = tokens - 1, now
                self._left.move_to_end(key)
                if len(self._left) > MOST_KEYS:
                    self._left.popitem(last=False)
                return 0.0
            return (1 - tokens) * 60 / self.rate.a_minute

    def wait(self, key: str = "") -> float:
        """What ``take`` would say, with nothing taken."""
        with self._lock:
            tokens, _ = self._now(key)
            return max(0.0, 1 - tokens) * 60 / self.rate.a_minute

    def _now(self, key: str) -> tuple[float, float]:
        now = self._clock()
        tokens, at = self._left.get(key, (self.rate.at_once, now))
        return min(self.rate.at_once, tokens + (now - at) * self.rate.a_minute / 60), now
