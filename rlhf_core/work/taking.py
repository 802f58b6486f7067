"""Which job a worker claims, or goes on with. Functions of the rows that are alive and of what the
worker holds; they change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from rlhf_core.common.source import engine_version
from rlhf_core.work import watch

MOST_SHORT = 3  # short jobs that a worker has at once, where others could take them
LAST_CHANCE = watch.MOST_DEATHS - 1
MOST_OPEN = 16  # long jobs begun and not finished, each with weights in memory


def under_way(held: dict):
    """The long job that goes on in this worker, or None."""
    found = (one for one in held.values() if one.job.long and not one.lost)
    return next((one for one in found if one.job.status in ("queued", "running")), None)


def wanted(rows: list, held: dict, worker: str, workers: int):
    """The row to claim or, where it is held already, to go on with; None: there is nothing.

    A job that was at hand when two workers died gets one by itself: whether it was their death is
    not known before.
    """
    active = [one for one in held.values() if one.job.status in ("queued", "running")]
    if any(one.row.deaths >= LAST_CHANCE for one in active):
        return None
    rows = [row for row in rows if row.deaths < LAST_CHANCE or not active]
    short = sum(not one.job.long for one in held.values())
    if short < (MOST_SHORT if workers > 1 else MOST_OPEN):
        found = [row for row in rows if not row.long and _is_free(row, worker, rows)]
        if found:
            return found[0]
    if under_way(held) is not None:
        return None
    found = [row for row in rows if row.long and is_next(row, held, worker, rows)]
    return min(found, key=lambda row: (row.turn, row.place), default=None)


def is_next(row, held: dict, worker: str, rows: list) -> bool:
    """Whether this worker may go on with a long job that waits."""
    if row.status != "queued":
        return False
    if row.job_id in held:
        return held[row.job_id].waits
    begun = sum(one.job.long for one in held.values())
    return begun < MOST_OPEN and _is_free(row, worker, rows)


def _is_free(row, worker: str, rows: Iterable) -> bool:
    """Whether nobody has it, nor another job of its owner."""
    if row.worker is not None or row.status != "queued" or row.engine != engine_version():
        return False
    return all(other.worker in (None, worker) for other in rows if other.owner == row.owner)


def threads_for(row, rows: list, threads: int, workers: int) -> int:
    """torch's threads for a job that begins: one, where another long job runs or waits and there is
    a worker for it; else all of them.
    """
    others = [other for other in rows if other.long and other.job_id != row.job_id]
    crowded = any(other.status in ("queued", "running") for other in others)
    return 1 if workers > 1 and crowded else threads
