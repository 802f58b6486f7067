"""Small jobs for the tests of lines and workers, and a worker that knows them.

Run as a script it is ``python -m rlhf_core.work.worker`` with these jobs in its catalogue, and
without the language model.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rlhf_core.common.errors import InputError  # noqa: E402
from rlhf_core.common.events import Progress  # noqa: E402
from rlhf_core.common.jobs import Job  # noqa: E402
from rlhf_core.work import catalogue, pool  # noqa: E402

COMMAND = (sys.executable, __file__, "--nice=0")
start = functools.partial(pool.Process, command=COMMAND)
A_MOMENT = 0.005


def counting(count: int, seconds: float = A_MOMENT):
    """``count`` records {"n"}."""
    for n in range(count):
        yield Progress("counting", n, count)
        time.sleep(seconds)
        yield {"n": n, "step": n, "pid": os.getpid()}


def waiting(path: str):
    """A record, and another one when there is a file at ``path``."""
    yield {"n": 0}
    while not Path(path).exists():
        time.sleep(A_MOMENT)
        yield Progress("waiting", 0, None)
    yield {"n": 1}


def refusing():
    yield {"n": 0}
    raise InputError("There is nothing to count.")


def breaking():
    yield {"n": 0}
    raise ZeroDivisionError("by hand")


def deadly(path: str):
    """The death of its worker, while there is no file at ``path``."""
    yield {"n": 0}
    if not Path(path).exists():
        os.kill(os.getpid(), 9)
    yield {"n": 1}


JOBS = {
    "count": Job("fakes:counting", "Counting", long=True),
    "count_on": Job("fakes:counting", "Counting on", long=True),
    "count_short": Job("fakes:counting", "A little counting"),
    "wait": Job("fakes:waiting", "Waiting", long=True),
    "wait_short": Job("fakes:waiting", "Waiting a little"),
    "refuse": Job("fakes:refusing", "Refusing"),
    "break": Job("fakes:breaking", "Breaking"),
    "die": Job("fakes:deadly", "Dying"),
}


def known() -> None:
    """Have this process's catalogue know them."""
    sys.modules["rlhf_core.fakes"] = sys.modules[__name__]
    catalogue.JOBS.update(JOBS)


if __name__ == "__main__":
    from rlhf_core.work import worker

    known()
    worker.language_model.load = lambda *_, **__: None
    sys.exit(worker.main())
