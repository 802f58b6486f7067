"""What a long computation reports while it runs.

Every long computation here is a generator. It yields two kinds of things, and yields often (once a
decoded token or a minibatch), because a yield is the only place where a run can be paused or
stopped:

- ``Progress``: "I am here", for a progress bar; nobody keeps it.
- a plain ``dict``: a record, kept; its values are JSON-able (str, int, float, bool, None, lists and
  dicts of these).

Knows nothing about models, threads or pages.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar


class Progress(NamedTuple):
    """Where a generator is, between two records.

    Attributes:
        stage: what it is doing, in a word or two that a page can show ("writing", "scoring").
        done: units finished in this stage, from 0.
        total: units in this stage, or None when it cannot know.
        wait: seconds for which there is nothing to do (another process works); the worker turns to
        other jobs meanwhile.
        share: how far the whole computation is, over all its stages, from 0 to 1; None: not known.
    """

    stage: str
    done: int
    total: int | None
    wait: float = 0.0
    share: float | None = None


T = TypeVar("T")
Record = dict[str, Any]  # what is kept, by name
Reporting = Generator[Progress, None, T]  # tells how far it is, and returns a T
Recording = Generator[Progress | Record, None, T]  # yields records too


def last(steps: Iterable[Progress | T]) -> Reporting[T]:
    """Pass every ``Progress`` on; return the one value that is not."""
    for item in steps:
        if isinstance(item, Progress):
            yield item
        else:
            result = item
    return result


def only_progress(work: Iterable[object]) -> Iterator[Progress]:
    """``work`` without its records: they are nobody's here, or stand in the session."""
    return (item for item in work if isinstance(item, Progress))
