"""One slice of a job: a ``next()`` on its generator, or the closing of it.

Nothing that a job raises may reach the worker. Knows nothing about other jobs, threads or locks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from rlhf_core.common.events import Progress
from rlhf_core.work.job import Begun, QueuedJob, ours, sentence

logger = logging.getLogger(__name__)

Ending = tuple[str | None, str | None]  # what the job becomes, and what went wrong
_NOTHING = object()


def next_item(
    job: QueuedJob,
    start: Callable[[Any], Begun],
    take: Callable[[QueuedJob, dict | Progress], None],
) -> Ending:
    """One ``next()``, whose item is given to ``take``: (None, None), or how the job ended and why.

    ``start`` makes the generator of a job that has none yet.
    """
    try:
        if job.generator is None:
            job.generator = start(job.order)
        item = next(job.generator, _NOTHING)
        if item is _NOTHING:
            return "done", None
        if not isinstance(item, (dict, Progress)):
            raise TypeError(f"a job yields records and Progress, not {type(item).__name__}")
        take(job, item)
        return None, None
    except BaseException as error:
        if ours(error):  # a refusal in words: the page has it
            logger.info("Job %s (%s) ended: %s", job.id, job.label, error)
        else:
            logger.exception("Job %s (%s) failed", job.id, job.label)
        # Here, not under a lock; does nothing if it is the generator that raised.
        close(job)
        return "failed", sentence(error)


def close(job: QueuedJob) -> Ending:
    """Close its generator. One that refuses is dropped."""
    try:
        if job.generator is not None:
            job.generator.close()
        return job.wish, None
    except BaseException as error:
        logger.exception("Job %s (%s) did not close", job.id, job.label)
        return job.wish, f"It did not stop cleanly: {sentence(error)}"
