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
from dataclasses import dataclass, field

from rlhf_core.common.known import known
from rlhf_core.work import line
from rlhf_core.work.job import QueuedJob

MOST_EVENTS = 4_000  # of a line that is played through; who comes after that is told nothing


@dataclass
class _Player:
    """A job in the play. ``left``: seconds that it needs; inf: nobody knows. ``rest``: seconds that
    are left of its turn.
    """

    job: QueuedJob
    turn: int
    place: int
    left: float
    rest: float
    whole_turn: float


@dataclass
class _Play:
    """``at``: the job of each worker. ``blind``: whether a worker had one of which nobody knows how
    long it takes. ``serves``: the worker that an owner's begun jobs are in; ``begun``: which.
    """

    at: list[_Player | None]
    blind: list[bool]
    waiting: list[_Player] = field(default_factory=list)
    serves: dict[str, int] = field(default_factory=dict)
    begun: dict[str, set[str]] = field(default_factory=dict)

    def may_go_on(self, one: _Player, number: int) -> bool:
        return self.serves.get(one.job.owner, number) == number

    def next(self, number: int) -> _Player | None:
        found = [one for one in self.waiting if self.may_go_on(one, number)]
        return min(found, key=lambda one: (one.turn, one.place), default=None)

    def gives_way(self, number: int) -> bool:
        owner = known(self.at[number]).job.owner
        others = (other for other in self.waiting if other.job.owner != owner)
        return any(self.may_go_on(other, number) for other in others)

    def begin(self, one: _Player, number: int) -> None:
        self.at[number] = one
        self.blind[number] |= one.left == math.inf
        self.holds(one, number)

    def holds(self, one: _Player, number: int) -> None:
        self.serves[one.job.owner] = number
        self.begun.setdefault(one.job.owner, set()).add(one.job.id)

    def end(self, number: int) -> None:
        job = known(self.at[number]).job
        self.at[number] = None
        self.begun[job.owner].discard(job.id)
        if not self.begun[job.owner]:
            del self.serves[job.owner]


def waits(
    jobs: Sequence[QueuedJob],
    now: float,
    budget: float,
    workers: int,
    homes: Mapping[str, str | None],
) -> dict[str, float | None]:
    """Of every long job in line, by its id: seconds until a running one is done, or until one that
    waits starts or goes on; None where nothing to go by has been measured.

    Args:
        workers: how many there are, or will be when they are needed. homes: which worker has a job,
        by the job's id.
    """
    there = line.line(jobs)
    busy = {worker for one in there if (worker := homes.get(one.id))}
    names = {name: number for number, name in enumerate(sorted(busy))}
    workers = max(1, workers, len(names))
    play = _Play([None] * workers, [False] * workers)
    found: dict[str, float | None] = {}
    for job in there:
        one, home = _player(job, jobs, now, budget), names.get(homes.get(job.id) or "")
        if job.status == "running" and not job.counts_records:
            found[job.id] = line.time_left(job, jobs, now)  # Progress counts a stage, not the whole
        if job.status == "running" and home is None:
            home = next((n for n, other in enumerate(play.at) if other is None), None)
        if job.status == "running" and home is not None and play.at[home] is None:
            play.begin(one, home)
            continue
        play.waiting.append(one)
        if home is not None:
            play.holds(one, home)
    _played(play, found)
    return {job.id: found.get(job.id) for job in there}


def _player(job: QueuedJob, jobs: Sequence[QueuedJob], now: float, budget: float) -> _Player:
    left, pace = line.whole(job, jobs, now), line.pace_beside_short_ones(job, now)
    rest = max(0.0, budget - job.spent) * pace
    left = math.inf if left is None else left
    return _Player(job, job.turn, job.place, left, rest, budget * pace)


def _played(play: _Play, found: dict[str, float | None]) -> None:
    """Play to the end; adds to ``found`` when each job is done, or starts."""
    clock, place = 0.0, 1 + max((one.place for one in play.waiting), default=0)
    place += sum(one.place for one in play.at if one is not None)
    for _ in range(MOST_EVENTS):
        for number, one in enumerate(play.at):
            while one is None and (one := play.next(number)) is not None:
                play.waiting.remove(one)
                if one.job.status == "queued":
                    found.setdefault(one.job.id, None if play.blind[number] else clock)
                play.begin(one, number)
        ends = [
            (min(one.left, one.rest if play.gives_way(number) else math.inf), number)
            for number, one in enumerate(play.at)
            if one is not None
        ]
        passed, number = min(ends, default=(math.inf, 0))
        if passed == math.inf:
            return
        clock += passed
        for player in filter(None, play.at):
            player.left, player.rest = player.left - passed, max(0.0, player.rest - passed)
        first = known(play.at[number])
        if first.left <= 1e-9:
            found.setdefault(first.job.id, clock)
            play.end(number)
        else:
            first.turn, first.place, first.rest = first.turn + 1, place, first.whole_turn
            place += 1
            play.at[number] = None
            play.waiting.append(first)
