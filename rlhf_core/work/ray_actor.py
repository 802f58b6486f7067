"""What is inside a Ray actor: a worker as in a process of its own (``worker``), in a thread of the
actor's. Imports torch.
"""

from __future__ import annotations

import threading

from rlhf_core.work import worker


class Inside:
    def __init__(self, name: str, workers: int):
        self._made, self._changed = 0, threading.Condition()
        self._ending = threading.Event()
        self._worker = worker.begin(name, workers, self._tell)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        worker.work(self._worker, self._ending)

    def _tell(self) -> None:
        with self._changed:
            self._made += 1
            self._changed.notify_all()

    def wake(self) -> None:
        self._worker.awake.set()

    def news(self, known: int, seconds: float) -> int:
        """How often something was written; returns when that is more than ``known``, or after so
        many seconds. RuntimeError: the worker works no more.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._made != known, seconds)
        if not self._thread.is_alive():
            raise RuntimeError("the worker has ended")
        return self._made

    def end(self) -> None:
        """Hand back what it has; returns when that is done."""
        self._ending.set()
        self.wake()
        self._thread.join()
