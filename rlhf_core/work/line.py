"""Who is next, and how long the others wait: what follows from the jobs there are.

Functions of a list of jobs, in the order of submission, and of the time. Only ``give_way`` changes
anything.

A long job has the worker until it is done, or until it has worked for a budget of seconds while
somebody else's waits: then it goes one turn back and comes again by itself. Short ones share the
time between two slices of the long one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rlhf_core.work.job import CLOSING, QueuedJob


class Room(NamedTuple):
    """How many long jobs may be begun and not finished, each with weights in memory; and how many
    of them large ones.
    """

    open: int = 16
    large: int = 3


ROOM = Room()
SHORT_SHARE = 0.75  # of the worker's time, at least, while short jobs want it


def line(jobs: Sequence[QueuedJob]) -> list[QueuedJob]:
    """Long jobs that run or wait: the running one, then by turns, then first in, first out."""
    return sorted(filter(_in_line, jobs), key=_place)


def next_turn(owner: str, jobs: Iterable[QueuedJob]) -> int:
    """The turn of a long job of ``owner`` that comes now: the one under way, but after those of the
    owner's that wait. So everybody has a turn before anybody has a second.

    Source: start-time fair queuing (Goyal, Vin & Cheng 1996), a job's budget counting as one.
    """
    jobs = list(jobs)
    under_way = max((job.turn for job in jobs if job.long and job.last_slice), default=0)
    own = [job.turn + 1 for job in jobs if job.owner == owner and _in_line(job)]
    return max([under_way, *own])


def give_way(
    job: QueuedJob, jobs: Sequence[QueuedJob], budget: float, place: int, room: Room
) -> bool:
    """Whether the running ``job`` has worked for ``budget`` seconds and somebody else's comes
    first now. It may end the step that it is in, with as much time again: what is half done takes
    memory, and its seconds would count the others' turns.

    It goes one turn back, to ``place``, the last one there; and with it what its owner has behind
    it: an owner's jobs never interrupt each other.
    """
    enough = job.spent >= (budget if job.whole else 2 * budget)
    if not enough or job.status != "running" or job.wish:
        return False
    # Long jobs of other owners that wait, and can run.
    waiting = [o for o in jobs if o.long and o.status == "queued" and _may_run(o, jobs, room)]
    others = [other for other in waiting if other.owner != job.owner]
    if not others:
        return False
    job.spent, job.place = 0.0, place
    for own in jobs:
        if own.owner == job.owner and _in_line(own):
            own.turn += 1
    return any(_key(other) < _key(job) for other in others)


def _key(job: QueuedJob) -> tuple[int, int]:
    return job.turn, job.place


def _place(job: QueuedJob) -> tuple[bool, int, int]:
    return job.status == "queued", *_key(job)


def _in_line(job: QueuedJob) -> bool:
    return job.long and job.status in ("queued", "running")


def begun(jobs: Iterable[QueuedJob]) -> list[QueuedJob]:
    """Long jobs that hold weights."""
    return [job for job in jobs if job.long and job.generator is not None]


def _may_run(job: QueuedJob, jobs: Sequence[QueuedJob], room: Room) -> bool:
    """Whether a long job has begun, or has room to begin."""
    open_ = begun(jobs)
    large = sum(one.large for one in open_)
    fits = len(open_) < room.open and not (job.large and large >= room.large)
    return job.generator is not None or fits


def choose(
    jobs: Sequence[QueuedJob], now: float, room: Room, owed: float = 0.0
) -> QueuedJob | None:
    """Whose slice is next: a generator to close; else the job whose last slice is longest ago among
    the short ones and the first long one that may run.

    ``owed``: seconds that short jobs may have before the long one goes on.
    """
    for job in jobs:
        if job.wish in CLOSING:
            return job
    short = [job for job in jobs if not job.long and job.status in ("queued", "running")]
    short = [job for job in short if job.due <= now]
    first = next((job for job in line(jobs) if _may_run(job, jobs, room)), None)
    if first is not None and first.due <= now and not (short and owed > 0):
        short = [*short, first]
    return min(short, key=lambda job: (job.last_slice, job.long), default=None)


def owed(job: QueuedJob, seconds: float, before: float) -> float:
    """Seconds that short jobs are owed after a slice of ``job``; ``before``: before it.

    After x seconds of a long job they are owed as many as make their share; what they do not want
    at once, nobody owes them later.
    """
    if job.long:
        return seconds * SHORT_SHARE / (1 - SHORT_SHARE)
    return max(0.0, before - seconds)


# --- what a waiting person is told ----------------------------------------------------------------


def position(job: QueuedJob, jobs: Sequence[QueuedJob]) -> int | None:
    """The place of a long job among those that wait (1: next); None for one that does not."""
    if job.status != "queued" or not job.long:
        return None
    return 1 + sum(other.status == "queued" for other in _ahead(job, jobs))


def wait(
    job: QueuedJob,
    jobs: Sequence[QueuedJob],
    now: float,
    budget: float = math.inf,
    room: Room = ROOM,
) -> float | None:
    """Seconds until a running job is done, or until one in line starts or goes on; None where
    nothing to go by has been measured.
    """
    if job.status == "running":
        left = time_left(job, jobs, now)
        if left is None or not job.long or not job.counts_records:
            return left  # Progress counts a stage, not the whole
        return _with_others_turns(job, left, jobs, now, budget, guess=True)
    if job.status != "queued" or not job.long:
        return None
    if not _may_run(job, jobs, room):
        return None  # until one of those begun is done
    ahead = [whole(other, jobs, now) for other in _ahead(job, jobs) if other.owner == job.owner]
    own = [seconds for seconds in ahead if seconds is not None]
    return None if len(own) < len(ahead) else _with_others_turns(job, sum(own), jobs, now, budget)


def _ahead(job: QueuedJob, jobs: Sequence[QueuedJob]) -> list[QueuedJob]:
    return [other for other in line(jobs) if _place(other) < _place(job)]


def whole(job: QueuedJob, jobs: Sequence[QueuedJob], now: float) -> float | None:
    """Seconds of its own that a job still needs. One that is about to stop or pause makes room at
    its next yield.
    """
    if job.wish:
        return 0.0
    return time_left(job, jobs, now) if job.counts_records else None


def _with_others_turns(
    job: QueuedJob,
    own: float,
    jobs: Sequence[QueuedJob],
    now: float,
    budget: float,
    guess: bool = False,
) -> float | None:
    """Seconds until ``job`` has had ``own`` seconds (its owner's jobs ahead of it included) and is
    next: these, and the turns that others have meanwhile. ``guess``: one of whom nothing is known
    is taken to use all of its turns; else there is no telling.
    """
    others = [other for other in line(jobs) if other.owner != job.owner]
    running = next((one for one in line(jobs) if one.status == "running"), None)
    mine = running if running is not None and running.owner == job.owner else None
    # 1. How often does its owner give way?
    each = budget * pace_beside_short_ones(mine or job, now)
    first = _of_turn(mine, now, budget) if mine else each
    turns = 1 + math.floor((own - first) / each) if others and own > first else 0
    # 2. Who comes before it then, how often, and for how long?
    total, then = own, job.turn + turns
    for other in others:
        before = other.turn == job.turn and (other is running or other.place < job.place)
        before |= bool(turns) and job.turn < other.turn <= then
        comes = max(0, then - other.turn) + before
        if other is running:
            comes = max(1, comes)
        if comes and (turns or not mine):
            left = whole(other, jobs, now)
            if left is None and not guess:
                return None
            turn = budget * pace_beside_short_ones(other, now)
            most = _of_turn(other, now, budget) + (comes - 1) * turn
            total += most if left is None else min(left, most)
    return total


def _of_turn(job: QueuedJob, now: float, budget: float) -> float:
    """Seconds that are left of a job's turn."""
    return max(0.0, budget - job.spent) * pace_beside_short_ones(job, now)


def pace_beside_short_ones(job: QueuedJob, now: float) -> float:
    """Seconds that go by while the job works for one: short jobs' slices come between."""
    return max(1.0, job.ran_until(now) / job.busy) if job.busy else 1.0


def time_left(job: QueuedJob, jobs: Sequence[QueuedJob], now: float) -> float | None:
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
