"""The line of jobs that is in force in this process: workers on a Ray cluster where OPOSSUM_RAY
says which, worker processes where OPOSSUM_WORKERS says how many, else a thread here. Imports no
torch.

The app's server says "auto" where nothing is set (``serve.py``); notebooks, tests and the command
line keep to the thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from rlhf_core.session import registry
from rlhf_core.work import jobs, pool, ray_hands, room
from rlhf_core.work.protocol import Line

SETTING, AUTO = "OPOSSUM_WORKERS", "auto"
_LOCK = threading.Lock()
_LINES: dict[tuple, pool.PooledLine] = {}


def processes_by_default() -> None:
    """As many worker processes as this machine has room for, where nothing else is set. Raises
    SystemExit where Ray is wanted and not there.
    """
    if ray_hands.address() and not ray_hands.is_installed():
        raise SystemExit(ray_hands.MISSING)
    if not os.environ.get(SETTING, "").strip():
        os.environ[SETTING] = AUTO


def workers() -> int:
    """How many workers this server may have; 0: a thread of its own does the work."""
    given = os.environ.get(SETTING, "").strip().lower()
    if given.isdecimal():
        return int(given)
    if ray_hands.address():
        return 1  # until the cluster has told how many it has room for
    return room.for_workers() if given == AUTO else 0


def line_in_force() -> Line:
    """Where this process's jobs go. Raises StoreError: no usable database."""
    ray, most = ray_hands.address(), workers()
    if not most:
        return jobs.queue()
    database = registry.keeper().database
    key = (str(database.url), os.environ.get(SETTING, ""), ray)
    with _LOCK:
        if key not in _LINES:
            start: Callable[[str, int], pool.Hand]
            start = ray_hands.starter(ray) if ray else pool.Process
            made = pool.PooledLine(database, most, changed=registry.look_again, start=start)
            _LINES[key] = made
            if ray and not os.environ.get(SETTING, "").strip().isdecimal():
                threading.Thread(target=_as_many_as, args=(made, ray), daemon=True).start()
        return _LINES[key]


def _as_many_as(made: pool.PooledLine, ray: str) -> None:
    """The cluster has processors."""
    with suppress(Exception):  # out of reach: whoever starts a worker says so
        made.pool.most = ray_hands.cpus(ray)
