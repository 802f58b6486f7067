"""What the tests of lines ask of one."""

from __future__ import annotations

import time
from collections.abc import Callable

import fakes

from rlhf_core.work.running import Order

PATIENCE = 150  # seconds, on a busy machine; a pass takes a fraction of it


def submit(line, name: str, *args, owner: str = "me", total: int | None = None, **more) -> str:
    """Order one of the fake jobs; its id."""
    kind = fakes.JOBS[name]
    about = {"label": kind.label, "owner": owner, "long": kind.long, "total": total}
    return line.submit(Order(name, None, args, more), **about)


def until(what: Callable[[], object], seconds: float = PATIENCE):
    """Wait for something true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)
    return found
