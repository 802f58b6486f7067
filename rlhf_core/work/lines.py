"""The line of jobs that is in force in this process: worker processes where OPOSSUM_WORKERS says
how many, else a thread here. Imports no torch.
"""

from __future__ import annotations

import os
import threading

from rlhf_core.session import registry
from rlhf_core.work import jobs, pool
from rlhf_core.work.protocol import Line

SETTING = "OPOSSUM_WORKERS"
_LOCK = threading.Lock()
_LINES: dict[tuple, pool.PooledLine] = {}


def workers() -> int:
    """How many worker processes this server may have; 0: a thread of its own does the work."""
    given = os.environ.get(SETTING, "").strip()
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
