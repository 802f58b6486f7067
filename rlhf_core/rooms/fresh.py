"""What many ask for at once is made once, and serves for a moment.

In memory only, and never older than it says: another server makes its own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Fresh:
    """Values by key, each for ``seconds``; the ``most`` newest keys."""

    def __init__(self, seconds: float, most: int = 400, clock: Callable[[], float] | None = None):
        self.seconds, self.most = seconds, most
        self._clock = clock or time.monotonic
        self._found: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], object]):
        """What stands under ``key``; one caller makes it anew, the others wait for that one."""
        with self._lock:
            if (found := self._fresh(key)) is not None:
                return found[1]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if (found := self._fresh(key)) is not None:
                    return found[1]
            made = make()
            with self._lock:
                self._found[key] = self._clock(), made
                self._found.move_to_end(key)
                while len(self._found) > self.most:
                    gone, _ = self._found.popitem(last=False)
                    self._making.pop(gone, None)
            return made

    def forget(self, key: Hashable) -> None:
        """The next to ask has it made anew."""
        with self._lock:
            self._found.pop(key, None)

    def _fresh(self, key: Hashable) -> tuple[float, object] | None:
        found = self._found.get(key)
        return found if found and 0 <= self._clock() - found[0] < self.seconds else None
