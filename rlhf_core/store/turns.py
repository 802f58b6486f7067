"""Turns for threads: so many at once, who came first goes first.

Python's locks and the database's pool let latecomers slip in; in a crowd the unlucky would wait for
seconds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """At most ``places`` threads at once."""

    def __init__(self, places: int):
        self._free = places
        self._line: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, patience: float) -> Iterator[bool]:
        """False: it was not one's turn within ``patience`` seconds."""
        mine = self._have_or_wait(patience)
        try:
            yield mine
        finally:
            if mine:
                self._hand_on()

    def _have_or_wait(self, patience: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            called = threading.Event()
            self._line.append(called)
        if called.wait(patience):
            return True
        with self._lock:
            if called.is_set():  # in the very last moment
                return True
            self._line.remove(called)
            return False

    def _hand_on(self) -> None:
        with self._lock:
            if self._line:
                self._line.popleft().set()
            else:
                self._free += 1
