"""How often pages look for news: as often as they like, until all of them together ask too much.

What counts is what the looks cost, for one that draws charts costs thirty times one that says where
a run is. A hundred open pages could use up the server's one interpreter by looking, and whoever
presses a button waits behind them. So where looks would take more than their share, some are not
answered: of each page and part as many, whatever it costs. The browser asks again at its next turn.
"""

from __future__ import annotations

import math
import time
from collections import deque

BUDGET = 0.1  # of the interpreter's time, for the scripts of all looks together
WINDOW = 8.0  # seconds over which they are counted

_asked: deque[tuple[float, float]] = deque(maxlen=4096)  # (when, what it costs), answered or not
_cost: dict[tuple, float] = {}  # of each part's last look, in processor seconds
_passed: dict[tuple, int] = {}  # how many questions of it were not answered since


def may_look(part: tuple) -> bool:
    """Is this question of ``part`` (whose tab, which fragment) to be answered?"""
    _asked.append((time.monotonic(), _cost.get(part, 0.0)))
    _passed[part] = _passed.get(part, 0) + 1
    return _passed[part] >= math.floor(max(1.0, _share() / BUDGET) + 0.5)


def looked(part: tuple, seconds: float) -> None:
    """It was answered, which took so much processor time."""
    if len(_cost) > 4096:  # tabs that are long gone
        _cost.clear()
        _passed.clear()
    _cost[part], _passed[part] = seconds, 0


def _share() -> float:
    """Of the interpreter's time: what all that was asked lately would take."""
    since = time.monotonic() - WINDOW
    while _asked and _asked[0][0] < since:
        try:
            _asked.popleft()
        except IndexError:  # another thread was here first
            break
    return sum(cost for _, cost in list(_asked)) / WINDOW
