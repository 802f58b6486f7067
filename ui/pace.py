"""How often pages look for news: as often as they like, until all of them together ask too much.

A poll takes some 10 ms of the server's one interpreter. A hundred open pages that each look twice a
second would take five times what there is, and whoever presses a button waits behind them.
"""

from __future__ import annotations

import time
from collections import deque

BUDGET = 25.0  # polls a second that the server may spend on looking: a quarter of a core
WINDOW = 8.0  # seconds over which they are counted

_polls: deque[float] = deque(maxlen=4096)


def polled() -> None:
    """A page has looked for news."""
    _polls.append(time.monotonic())


def every(seconds: float | None) -> float | None:
    """The time between two looks of a page that would like ``seconds``; longer in a crowd."""
    return None if seconds is None else seconds * max(1.0, _a_second() / BUDGET)


def _a_second() -> float:
    """Polls a second, lately."""
    since = time.monotonic() - WINDOW
    while _polls and _polls[0] < since:
        try:
            _polls.popleft()
        except IndexError:  # another thread was here first
            break
    return len(_polls) / WINDOW
