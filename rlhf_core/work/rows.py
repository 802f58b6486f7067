"""A job's row as the line knows jobs (``job.QueuedJob``), and how far it is, for the row."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from rlhf_core.work.job import FINISHED, QueuedJob

# What the row has columns for, or only its process knows; all else is how far the job is.
_ELSEWHERE = {"id", "label", "owner", "long", "order", "counts_records", "place", "since", "viewed"}
_ELSEWHERE |= {"status", "wish", "stepping", "in_slice", "due", "last_slice", "generator"}
_ELSEWHERE |= {"records", "error", "forgotten", "kin", "turn"}
PROGRESS = {field.name for field in dataclasses.fields(QueuedJob)} - _ELSEWHERE
_BEGUN: Any = object()  # where another process has the generator


def progress(job: QueuedJob, now: float) -> dict:
    """How far ``job`` is, as its row keeps it."""
    found = {name: getattr(job, name) for name in sorted(PROGRESS)}
    return found | {"ran": round(job.ran_until(now), 3)}


def go_on(job: QueuedJob, found: dict) -> None:
    """``job`` as far as its row says."""
    for name in PROGRESS & found.keys():
        setattr(job, name, found[name])


def queued_job(row, now: float) -> QueuedJob:
    """The job of a row that was read ``now``."""
    job = QueuedJob(
        id=row.job_id,
        label=row.label,
        owner=row.owner,
        long=row.long,
        order=None,
        counts_records=row.total is not None,
        total=row.total,
        place=row.place,
        since=now,
        viewed=now,
        status=row.status,
        wish=row.wish,
        stepping=row.stepping,
        error=row.error,
        forgotten=row.forgotten,
        kin=row.kin,
        turn=row.turn,
    )
    go_on(job, row.progress)
    job.records = cast("list[dict]", range(row.records))  # only how many there are
    if row.progress:
        job.last_slice = 1
        job.generator = None if row.status in FINISHED else _BEGUN
    return job
