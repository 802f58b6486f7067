"""What the queue knows of one job: its records, how far it is, and how fast.

Knows nothing about other jobs, threads or locks: ``jobs`` sees to those.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from rlhf_core.common.events import Progress
from rlhf_core.common.known import known

FINISHED = ("done", "stopped", "failed", "expired")
CLOSING = ("stopped", "expired")  # what a job can be asked to become; "paused" is the third wish
_SHOWN = (
    *("id", "label", "owner", "long", "status", "wish", "stage", "done", "total", "share"),
    *("error", "note"),
)


class Begun(Protocol):
    """A job under way: a generator, or what goes on like one."""

    def __next__(self) -> Progress | dict: ...

    def close(self) -> None: ...


@dataclass(eq=False)
class QueuedJob:
    """One job. Every field but ``generator`` is read and written under the queue's lock.

    Attributes:
        id, label, owner, long, kin: as submitted. large: its weights take gigabytes.
        order: what was ordered; dropped, as is the generator, when the job ends: weights.
        counts_records: the unit of ``done`` and ``total``: records (submitted with a total) or what
            ``Progress`` counts.
        turn, place: in line: a smaller turn goes first, then a smaller place; a resumed job gets
        new ones.
        since: clock: when ``status`` last changed. viewed: when somebody last asked about it.
        wish: what it becomes at its next yield: "paused", "stopped" or "expired".
        stepping: pause after so many more records; 0: do not.
        due: clock: no slice before that.
        last_slice: number of its last slice, counted over the whole queue; 0: never had one.
        ran: seconds spent running, up to ``since``.
        marked: seconds run when the count ``done`` last changed.
        first, first_at: of a count of units: how many, and the seconds run, when the first came.
        trained: counted records of steps that trained ("step" above 0); training: the seconds that
            they took. A job's first record is none: the model may have been woken for it.
        share: how far the whole is, 0 to 1, where ``Progress`` says so; it never goes back.
        busy: seconds of its own slices; spent: those of the turn under way (``line.give_way``).
        whole: its last slice ended in a record: no step is half done.
        note: a sentence about how it came to its records, "" where there is nothing to tell.
        forgotten: its owner is gone: nobody sees it any more, and it leaves when it has ended.
    """

    id: str
    label: str
    owner: str
    long: bool
    order: Any
    counts_records: bool
    total: int | None
    place: int
    since: float
    viewed: float
    status: str = "queued"
    wish: str | None = None
    stepping: int = 0
    in_slice: bool = False
    due: float = 0.0
    last_slice: int = 0
    generator: Begun | None = None
    records: list[dict] = field(default_factory=list)
    stage: str = ""
    done: int = 0
    ran: float = 0.0
    marked: float = 0.0
    first: int = 0
    first_at: float = 0.0
    trained: int = 0
    training: float = 0.0
    share: float | None = None
    busy: float = 0.0
    spent: float = 0.0
    whole: bool = False
    error: str | None = None
    note: str = ""
    forgotten: bool = False
    kin: str = ""
    large: bool = False
    turn: int = 0

    def ran_until(self, now: float) -> float:
        """Seconds spent running, other jobs' slices in between included, waiting and pauses not."""
        return self.ran + (now - self.since if self.status == "running" else 0.0)

    def worked(self, seconds: float) -> None:
        """A slice of its own took so long."""
        self.busy += seconds
        self.spent += seconds

    def become(self, status: str, now: float) -> None:
        self.ran = self.ran_until(now)
        self.status, self.since = status, now
        if status in FINISHED:
            self.generator = self.order = self.wish = None

    def pace(self) -> float | None:
        """Seconds a unit so far, None where nothing was measured.

        Of counted records, only those of a step that trained are a measure: what comes before them,
        and a step 0, which only looks, take much longer or no time at all. Of other units, the
        first is none: the model may have been woken for it.
        """
        if self.counts_records:
            return self.training / self.trained if self.trained else None
        later = self.done - self.first if self.first else 0
        return (self.marked - self.first_at) / later if later > 0 else None

    def take(self, item: dict | Progress, now: float) -> None:
        """Keep a record, or note how far it is."""
        seconds, self.whole = self.ran_until(now), isinstance(item, dict)
        if isinstance(item, dict):
            self.records.append(dict(item))  # a copy: the generator may go on using its own
            if self.counts_records:
                if _trained(item) and len(self.records) > 1:
                    self.trained += 1
                    self.training += seconds - self.marked
                self.done, self.marked = min(len(self.records), known(self.total)), seconds
            if self.stepping:
                self.stepping -= 1
                if not self.stepping and self.wish is None:
                    self.wish = "paused"
            return
        self.due = now + item.wait
        if item.share is not None:
            self.share = max(self.share or 0.0, item.share)
        if not self.counts_records:
            if item.stage != self.stage or item.done < self.done:  # a new count starts
                self.first = 0
            self._count(item.done, seconds)
            self.total = item.total
        self.stage = item.stage

    def _count(self, done: int, seconds: float) -> None:
        self.done, self.marked = done, seconds
        if done and not self.first:
            self.first, self.first_at = done, seconds

    def shown(self, now: float) -> dict:
        """What a page shows of the job alone."""
        seconds = self.ran_until(now)
        facts = {name: getattr(self, name) for name in _SHOWN}
        begun = self.last_slice > 0
        return {**facts, "records": len(self.records), "seconds": seconds, "begun": begun}


def _trained(record: dict) -> bool:
    step = record.get("step")
    return isinstance(step, int | float) and step > 0


# --- why one ended --------------------------------------------------------------------------------


def ours(error: BaseException) -> bool:
    """Whether an error is one of this project's own, with a message written for people."""
    package = type(error).__module__.split(".")[0]
    known = isinstance(error, ValueError | RuntimeError) and package == __name__.split(".")[0]
    return known and bool(str(error).strip())


def sentence(error: BaseException) -> str:
    """Why a job failed, for the page: the message if the error is one of this project's own,
    written for people; else what kind it is.
    """
    message = str(error).strip()
    if ours(error):
        return message
    if isinstance(error, OSError) and error.strerror:
        message = error.strerror  # without the path: the page shows it to whoever looks
    first_line = message.split("\n")[0][:200]
    colon = ": " if first_line else ""
    return f"Something went wrong inside ({type(error).__name__}{colon}{first_line})"
