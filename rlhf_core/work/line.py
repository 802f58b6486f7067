"""Who is next, and how long the others wait: what follows from the jobs there are.

Functions of a list of jobs, in the order of submission, and of the time; they change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rlhf_core.work.job import CLOSING, QueuedJob


def line(jobs: Sequence[QueuedJob]) -> list[QueuedJob]:
    """Long jobs that run or wait: the running one, then by turns, then first in, first out."""
    return sorted(filter(_in_line, jobs), key=_place)


def next_turn(owner: str, jobs: Iterable[QueuedJob]) -> int:
    """The turn of a long job of ``owner`` that comes now: the one under way, but after those of the
    owner's that wait. So everybody has a turn before anybody has a second.

    Source: start-time fair queuing (Goyal, Vin & Cheng 1996), a job counting as one.
    """
    jobs = list(jobs)
    under_way = max((job.turn for job in jobs if job.long and job.last_slice), default=0)
    own = [job.turn + 1 for job in jobs if job.owner == owner and _in_line(job)]
    return max([under_way, *own])


def _place(job: QueuedJob) -> tuple[bool, int, int]:
    return job.status == "queued", job.turn, job.place


def _in_line(job: QueuedJob) -> bool:
    return job.long and job.status in ("queued", "running")


def choose(jobs: Sequence[QueuedJob], now: float, max_open: int) -> QueuedJob | None:
    """Whose slice is next: a generator to close; else the job whose last slice is longest ago among
    the short ones and the first long one.
    """
    for job in jobs:
        if job.wish in CLOSING:
            return job
    short = [job for job in jobs if not job.long and job.status in ("queued", "running")]
    long = line(jobs)
    if sum(job.long and job.generator is not None for job in jobs) >= max_open:
        # No room to begin another: those begun go first.
        long = [job for job in long if job.generator is not None]
    return min(
        (job for job in short + long[:1] if job.due <= now),
        key=lambda job: (job.last_slice, job.long),
        default=None,
    )


def position(job: QueuedJob, jobs: Sequence[QueuedJob]) -> int | None:
    """The place of a long job among those that wait (1: next); None for one that does not."""
    if job.status != "queued" or not job.long:
        return None
    return 1 + sum(other.status == "queued" for other in _ahead(job, jobs))


def wait(job: QueuedJob, jobs: Sequence[QueuedJob], now: float) -> float | None:
    """Seconds until a running job is done, or until one in line starts; None where nothing to go by
    has been measured.
    """
    if job.status == "running":
        return _time_left(job, jobs, now)
    if job.status != "queued" or not job.long:
        return None
    # Progress counts a stage, not the whole: no estimate. One that is about to stop or pause makes
    # room at its next yield.
    left = [
        0.0 if other.wish else _time_left(other, jobs, now) if other.counts_records else None
        for other in _ahead(job, jobs)
    ]
    return None if None in left else sum(left)


def _ahead(job: QueuedJob, jobs: Sequence[QueuedJob]) -> list[QueuedJob]:
    return [other for other in line(jobs) if _place(other) < _place(job)]


def _time_left(job: QueuedJob, jobs: Sequence[QueuedJob], now: float) -> float | None:
    """Seconds until a job in line or running is done, from its own pace, else from the newest job
    of the same label and kin that has one; its owner's before anybody's.

    A unit that takes longer than the others takes nothing off the time of those to come.
    """
    alike = (job.label, job.kin)
    others = [other for other in reversed(jobs) if (other.label, other.kin) == alike]
    same = [job, *sorted(others, key=lambda other: other.owner != job.owner)]
    pace = next((pace for other in same if (pace := other.pace()) is not None), None)
    if pace is None or job.total is None:
        return None
    at_hand = 0.0
    if job.done < job.total:
        at_hand = max(0.0, pace - (job.ran_until(now) - job.marked))
    return max(0, job.total - job.done - 1) * pace + at_hand
