"""A worker that is killed where a test says: ``python -m rlhf_core.work.worker``, but a file
die.json in the folder of runs, {"job": name, "records": n} or {"job", "items"}, has it end by
SIGKILL as soon as the job has made so many (counted in this process), before that is written down.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from rlhf_core.session import registry  # noqa: E402
from rlhf_core.work import held, pool, worker  # noqa: E402

COMMAND = (sys.executable, __file__, "--nice=0")
start = functools.partial(pool.Process, command=COMMAND)
FILE = "die.json"
made: Counter = Counter()


class Mortal(held.Started):
    def __init__(self, claimed, *about):
        super().__init__(claimed, *about)
        self.name, self.id = claimed.row.name, claimed.row.job_id

    def __next__(self):
        item = super().__next__()
        made[self.id, "items"] += 1
        made[self.id, "records"] += isinstance(item, dict)
        file = registry.folder() / FILE
        if file.exists():
            told = json.loads(file.read_text())
            if told.pop("job") == self.name and all(made[self.id, k] >= n for k, n in told.items()):
                file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        return item


if __name__ == "__main__":
    worker.Started = Mortal
    sys.exit(worker.main())
