"""A Ray of two nodes, one of which dies in the middle of a run: what it had is done again
elsewhere, once, and nothing hangs. In a process of its own: a process knows one Ray.
"""

from __future__ import annotations

import json
import subprocess
import sys

import cluster
import databases
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCENARIO = """
import json, os, sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
import cluster, fakes, ray
from asking import submit, until
from ray.cluster_utils import Cluster
from rlhf_core.store.database import Database
from rlhf_core.work import jobs, pool

SMALL = {{"num_cpus": 1, "object_store_memory": 100_000_000}}
fakes.known()
nodes = Cluster(initialize_head=True, head_node_args=SMALL)
second = nodes.add_node(**SMALL)
nodes.connect()
line = pool.PooledLine(Database({url!r}), 2, start=cluster.start)
firsts = [submit(line, "wait", os.path.abspath("door"), owner=f"early {{n}}") for n in range(2)]
until(lambda: all(line.records(job) for job in firsts))  # each node has a worker
Path("door").touch()
until(lambda: all(line.view(job)["status"] == "done" for job in firsts))
runs = [submit(line, "count", 300, 0.05, owner=f"learner {{n}}", total=300) for n in range(2)]
until(lambda: all(len(line.records(run)) > 20 for run in runs))
before = cluster.workers_of(line)
nodes.remove_node(second, allow_graceful=False)
began = time.monotonic()
until(lambda: set(before) - set(cluster.workers_of(line)))
seen = time.monotonic() - began
views = [until(lambda: (v := line.view(run))["status"] not in jobs.ALIVE and v) for run in runs]
nodes.add_node(**SMALL)
until(lambda: len(cluster.workers_of(line)) == 2)
last = submit(line, "count_short", 3, owner="another")
until(lambda: line.view(last)["status"] == "done")
found = {{"workers": len(before), "seen": seen, "ends": [view["status"] for view in views]}}
found["numbers"] = [[row["n"] for row in line.records(run)] for run in runs]
found["pids"] = [len({{row["pid"] for row in line.records(run)}}) for run in runs]
line.close()
ray.shutdown()
nodes.shutdown()
print(json.dumps(found), flush=True)
"""


def test_a_node_that_dies_costs_nothing(tmp_path, monkeypatch):
    cluster.needed()
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    url = databases.empty("sqlite", tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)
    text = SCENARIO.format(root=str(databases.ROOT), here=cluster.HERE, url=url)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=500, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["workers"] == 2 and found["ends"] == ["done", "done"]
    assert found["numbers"] == [list(range(300))] * 2, "each record is there once"
    assert sorted(found["pids"]) == [1, 2], "one run went on in another worker"
