"""A Ray of the tests' own: on this machine, of one node or several, which ends with them. Skipped
where Ray is not installed.
"""

from __future__ import annotations

import atexit
import functools
import os
from pathlib import Path

import pytest

from rlhf_core.store import job_rows
from rlhf_core.work import ray_hands

SMALL = {"num_cpus": 2, "object_store_memory": 100_000_000}
HERE = str(Path(__file__).parent)
start = functools.partial(ray_hands.RayHand, inside="fakes_in_ray", path=(HERE,))


def needed():
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    os.environ["RAY_worker_niceness"] = "0"  # 15 without: a busy machine would never come to it
    return pytest.importorskip(
        "ray", reason="Ray is not installed: pip install -r requirements-ray.txt"
    )


@functools.cache
def one_node():
    ray = needed()
    ray.init(**SMALL, include_dashboard=False, log_to_driver=False)
    atexit.register(ray.shutdown)
    return ray


def workers_of(line) -> list[str]:
    """That have signed in."""
    with line.pool.database.look() as db:
        return [row.worker_id for row in job_rows.workers(db)]
