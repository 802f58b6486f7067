"""The line of jobs that is in force in this process: worker processes where OPOSSUM_WORKERS says
how many, else a thread here. Imports no torch.

The app's server says "auto" where nothing is set (``serve.py``); notebooks, tests and the command
line keep to the thread.
"""

from __future__ import annotations

import os
import threading

from rlhf_core.session import registry
from rlhf_core.work import jobs, pool, room
from rlhf_core.work.protocol import Line

SETTING, AUTO = "OPOSSUM_WORKERS", "auto"
_LOCK = threading.Lock()
_LINES: dict[tuple, pool.PooledLine] = {}


def processes_by_default() -> None:
    """As many worker processes as this machine has room for, where nothing else is set."""
    if not os.environ.get(SETTING, "").strip():
        os.environ[SETTING] = AUTO


def workers() -> int:
    """How many worker processes this server may have; 0: a thread of its own does the work."""
    given = os.environ.get(SETTING, "").strip().lower()
    if given == AUTO:
        return room.for_workers()
    return max(0, int(given)) if given.isdecimal() else 0


def line_in_force() -> Line:
    """Where this process's jobs go. Raises StoreError: no usable database."""
    most = workers()
    if not most:
        return jobs.queue()
    database = registry.keeper().database
    key = (str(database.url), most)
    with _LOCK:
        if key not in _LINES:
            _LINES[key] = pool.PooledLine(database, most, changed=registry.look_again)
        return _LINES[key]
