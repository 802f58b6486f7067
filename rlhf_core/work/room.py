"""How many worker processes this machine has room for, by its cores and its memory. Imports no
torch.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

SERVER, WORKER = 1.0e9, 0.8e9  # bytes for the server and the system; for a worker that trains
CGROUP = Path("/sys/fs/cgroup")  # a container's own bounds, where it has any


@functools.cache
def for_workers() -> int:
    """One a core, as far as memory goes; at least one."""
    return how_many(cores(), memory())


def how_many(cores: int, memory: float | None) -> int:
    """``memory``: bytes; None: the system does not tell, and two are enough."""
    most = 2 if memory is None else int((memory - SERVER) // WORKER)
    return max(1, min(cores, most))


def cores(cgroup: Path = CGROUP) -> int:
    """That this process may use."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit, _, period = _read(cgroup / "cpu.max").partition(" ")
    if limit.isdecimal() and period.isdecimal() and int(period):
        found = min(found or 1, max(1, int(limit) // int(period)))
    return found or 1


def memory(cgroup: Path = CGROUP) -> float | None:
    """Bytes that this process and its children may use; None: the system does not tell."""
    try:
        found = float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    bound = _read(cgroup / "memory.max")
    return min(found, float(bound)) if bound.isdecimal() else found


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
