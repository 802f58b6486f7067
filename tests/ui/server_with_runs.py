"""A server as serve.py starts it, with one run under way and one in line behind it, for the tests
of ``ui.ending``: ``python server_with_runs.py PORT FILE``.

The two sessions' ids go to FILE once the first run works.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

import serve
from rlhf_core.session import registry
from rlhf_core.work import lines, running


def begin(file: Path) -> None:
    """Both press "Run it once for me"; nobody has judged anything."""
    line, ids = lines.line_in_force(), []
    for _ in range(2):
        session = registry.create()
        order = running.Order("run_once", session)
        job_id = line.submit(order, label="the whole loop", owner=session.id, long=True)
        with session.change():
            session.jobs = {"run_once": job_id}
        ids.append((session.id, job_id))
    while not all(line.view(job_id) for _, job_id in ids) or not line.view(ids[0][1])["stage"]:
        time.sleep(0.02)  # both are looked at: a run that nobody watches leaves the line
    part = file.with_suffix(".part")
    part.write_text(" ".join(session_id for session_id, _ in ids))
    part.replace(file)


def main() -> None:
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    threading.Thread(target=begin, args=(file,), daemon=True).start()
    uvicorn.run(Starlette(lifespan=serve.lifespan), host="127.0.0.1", port=port, access_log=False)


if __name__ == "__main__":
    main()
