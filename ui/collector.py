"""When the server looks for garbage: seldom, and not in the middle of a crowd.

Python's full collection looks at every object that the process holds while all pages wait: 0.3 s of
processor time with ten open sessions, seconds with a hundred, and a crowd that comes in sets off
one after the other. What a server holds lives as long as its sessions, so nearly all of that is in
vain. Here the young are collected as ever (a little less often), and all the others every ten
minutes; in between, what has lived so long is not looked at.
"""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

EVERY = 600.0  # seconds between two full collections
YOUNG, MIDDLE, OLD = 10_000, 20, 1_000_000  # gc.set_threshold: full ones never begin by themselves


@contextlib.contextmanager
def seldom(every: float = EVERY) -> Iterator[None]:
    """Within the block, collect so; after it, as before."""
    before, ended = gc.get_threshold(), threading.Event()

    def work() -> None:
        while not ended.wait(every):
            tidy()

    gc.set_threshold(YOUNG, MIDDLE, OLD)
    tidy()  # what was imported until now stays for good
    threading.Thread(target=work, name="collector", daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        gc.set_threshold(*before)
        gc.unfreeze()


def tidy() -> None:
    """Collect whatever is garbage, and let what is none be until the next time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
