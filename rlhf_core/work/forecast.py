"""How long people wait in a line that several workers feed on: the line is played through, with
each job as fast as it was so far.

What is played: a worker has one long job at a time; it goes to the next in line, by turns and then
by places, whose owner no other worker serves; after a budget of seconds it lets others go on, and a
job that gave way goes on in the same worker, which has its weights. Knows nothing about rows or
processes. Simplification: nobody else comes, and everybody keeps their pace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlhf_core.work import line
from rlhf_core.work.job import QueuedJob

MOST_EVENTS = 2_000  # of a line that is played through


@dataclass
class _Player:
    """A job in the play. ``left``: seconds that it needs; inf: nobody knows. ``home``: its worker,
    once it has begun. ``rest``: seconds that are left of its turn.
    """

    job: QueuedJob
    turn: int
    place: int
    left: float
    home: int | None
    rest: float
    whole_turn: float

    @property
    def key(self) -> tuple[int, int]:
        return self.turn, self.place


def wait(
    job: QueuedJob,
    jobs: Sequence[QueuedJob],
    now: float,
    budget: float,
    workers: int,
    homes: Mapping[str, str | None],
) -> float | None:
    """Seconds until a running job is done, or until a long one in line starts or goes on; None
    where nothing to go by has been measured.

    Args:
        workers: how many there are, or will be when they are needed. homes: which worker has a job,
        by the job's id.
    """
    if job.status == "running":
        left = line.time_left(job, jobs, now)
        if left is None or not (job.long and job.counts_records):
            return left  # Progress counts a stage, not the whole
    elif job.status != "queued" or not job.long:
        return None
    there = line.line(jobs)
    known = sorted({homes[one.id] for one in there if homes.get(one.id)})
    names = {name: number for number, name in enumerate(known)}
    workers = max(1, workers, len(names))
    players = [
        _player(one, jobs, now, budget, names.get(homes.get(one.id))) for one in line.line(jobs)
    ]
    return _played(job, players, workers)


def _player(job: QueuedJob, jobs, now: float, budget: float, home: int | None) -> _Player:
    left, pace = line.whole(job, jobs, now), line.pace_beside_short_ones(job, now)
    rest = max(0.0, budget - job.spent) * pace
    left = math.inf if left is None else left
    return _Player(job, job.turn, job.place, left, home, rest, budget * pace)


def _played(job: QueuedJob, players: list[_Player], workers: int) -> float | None:
    at: list[_Player | None] = [None] * workers
    unknown = [False] * workers  # whether it had a job of which nobody knows how long it takes
    waiting, clock = [], 0.0
    for one in players:
        if one.job.status == "running":
            home = one.home if one.home is not None and at[one.home] is None else None
            home = _free(at) if home is None else home
            if home is not None:
                at[home], one.home = one, home
                unknown[home] |= one.left == math.inf
                continue
        waiting.append(one)
    place = 1 + max((one.place for one in players), default=0)
    for _ in range(MOST_EVENTS):
        for number in range(workers):
            found = None if at[number] else _next(number, waiting, at)
            if found is not None:
                waiting.remove(found)
                at[number], found.home, found.rest = found, number, found.rest or found.whole_turn
                if found.job is job and job.status == "queued":
                    return None if unknown[number] else clock
                unknown[number] |= found.left == math.inf
        events = [
            (min(one.left, one.rest if _gives_way(number, one, waiting, at) else math.inf), number)
            for number, one in enumerate(at)
            if one is not None
        ]
        passed, number = min(events, default=(math.inf, 0))
        if passed == math.inf:
            return None
        clock += passed
        for one in at:
            if one is not None:
                one.left -= passed
                one.rest = max(0.0, one.rest - passed)
        one = at[number]
        if one.left <= 1e-9:
            at[number] = None
            if one.job is job:
                return clock
        else:
            one.turn, one.place, one.rest = one.turn + 1, place, one.whole_turn
            place += 1
            at[number] = None
            waiting.append(one)
    return None


def _free(at: list) -> int | None:
    return next((number for number, one in enumerate(at) if one is None), None)


def _may_go_on(one: _Player, number: int, at: list[_Player | None], waiting: list) -> bool:
    """Whether worker ``number`` may take it: no other has it, nor serves its owner."""
    owners = [o for o in (*at, *waiting) if o is not None and o.job.owner == one.job.owner]
    return all(other.home in (None, number) for other in owners)


def _next(number: int, waiting: list[_Player], at: list) -> _Player | None:
    found = [one for one in waiting if _may_go_on(one, number, at, waiting)]
    return min(found, key=lambda one: one.key, default=None)


def _gives_way(number: int, one: _Player, waiting: list[_Player], at: list) -> bool:
    others = [other for other in waiting if other.job.owner != one.job.owner]
    return any(_may_go_on(other, number, at, waiting) for other in others)
