"""Worker processes beside the thread: how soon the first word comes, how many PPO steps two
learners get together, and what one learner costs a server.

    python -m benchmarks workers [--repeats 9] [--steps 8] [--judgements 30] [--quick]

Each arrangement is a process of its own, with sessions of its own, as a server has them but without
pages. The last part starts the app as it ships and sends it one learner (``benchmarks.load``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.load import learner, server
from benchmarks.load.learner import Crowd, Heard
from benchmarks.machine import processor, shipped
from rlhf_core.common.settings import PPOSettings, SamplingSettings
from rlhf_core.session import registry
from rlhf_core.session.state import Session
from rlhf_core.store.database import Database, url_of
from rlhf_core.work import catalogue, jobs, lines
from rlhf_core.work.running import Order

ROOT = Path(__file__).resolve().parent.parent
ARRANGED = {  # name -> its settings, and how many of two runs go on at once
    "thread of the server, 2 torch threads": ({"OPOSSUM_WORKERS": "thread"}, 1),
    "1 worker of 2 torch threads": ({"OPOSSUM_WORKERS": "1"}, 1),
    "2 workers of 1 torch thread": ({"OPOSSUM_WORKERS": "2", "OPOSSUM_THREADS": "1"}, 2),
    "2 workers as they ship": ({"OPOSSUM_WORKERS": "2"}, 2),
    "1 worker that sleeps while it waits": (
        {"OPOSSUM_WORKERS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
        1,
    ),
}
LOOK = 0.002  # seconds between two looks
TABLES = ("parts", "records", "judgements", "jobs", "job_records", "blob_refs")


# --- inside: one arrangement ----------------------------------------------------------------------


class Desk:
    """Orders jobs as a page does, and waits for them."""

    def __init__(self):
        self.line = lines.line_in_force()

    def order(self, session: Session | None, name: str, *args, total: int | None = None) -> str:
        kind = catalogue.JOBS[name]
        about = {"label": kind.label, "owner": session.id if session else "warm-up"}
        about |= {"long": kind.long, "total": total}
        return self.line.submit(Order(name, session, args), **about)

    def count(self, job: str) -> int:
        return (self.line.view(job) or {}).get("records", 0)

    def done(self, job: str) -> bool:
        view = self.line.view(job)
        if view["status"] == "failed":
            raise RuntimeError(view["error"])
        return view["status"] not in jobs.ALIVE

    def wait(self, what) -> None:
        while not what():
            time.sleep(LOOK)

    def first_word(self, session: Session, seed: int) -> float:
        """Seconds from the order to the first token that a page could show."""
        began = time.perf_counter()
        job = self.order(session, "generate", "An opossum is", SamplingSettings(seed=seed))
        self.wait(lambda: self.count(job))
        took = time.perf_counter() - began
        self.wait(lambda: self.done(job))
        return took

    def can_train(self) -> Session:
        session = registry.create()
        for name, args in (("scripted", (20,)), ("fit", ())):
            job = self.order(session, name, *args)
            self.wait(lambda job=job: self.done(job))
        return session

    def steps_a_second(self, steps: int, at_once: int) -> float:
        """Of two learners together, from when they train until the first of them is done."""
        sessions = [self.can_train() for _ in range(2)]
        settings = PPOSettings(steps=steps)
        runs = [self.order(one, "ppo", settings, total=steps + 1) for one in sessions]
        self.wait(lambda: sum(self.count(run) > 1 for run in runs) >= at_once)
        began, before = time.perf_counter(), sum(map(self.count, runs))
        self.wait(lambda: any(self.done(run) for run in runs))
        found = (sum(map(self.count, runs)) - before) / (time.perf_counter() - began)
        for run in runs:
            self.line.stop(run)
        return found


def inside(repeats: int, steps: int, at_once: int) -> int:
    desk = Desk()
    woken = desk.order(None, "wake")
    desk.wait(lambda: desk.done(woken))
    session = registry.create()
    words = [desk.first_word(session, n) for n in range(repeats + 1)][1:]
    found = {"words": words, "steps": desk.steps_a_second(steps, at_once)}
    desk.line.close()
    print(json.dumps(found), flush=True)
    return 0


# --- outside --------------------------------------------------------------------------------------


def arranged(settings: dict, repeats: int, steps: int, at_once: int, folder: Path) -> dict:
    command = [sys.executable, "-m", "benchmarks.workers_times", "--inside", str(at_once)]
    command += ["--repeats", str(repeats), "--steps", str(steps)]
    environment = shipped({"OPOSSUM_RUNS": str(folder), **settings})
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


async def one_learner(place: server.Server, judgements: int) -> dict:
    """Comes in, has the loop run once, judges by hand. What that took of the server."""
    async with Crowd(place.url, 1) as crowd:
        tab, luck, memory = crowd.tab(), crowd.luck("judge"), []
        crowd.begin(_watch(place, memory))
        costs = [place.cost()]
        await learner.come_in(tab, Heard())
        costs.append(place.cost())
        await learner.run_once(tab)
        costs.append(place.cost())
        await learner.to_rank(tab, Heard())
        for _ in range(judgements):
            await learner.judge(tab, Heard(), luck)
            await asyncio.sleep(2 * learner.DOOR)
        costs.append(place.cost())
        used = [after - before for before, after in zip(costs, costs[1:], strict=False)]
        run = learner.run_id(tab)
    names = ("first page", "run it once", f"{judgements} judgements")
    spent = {name: (one.server, one.workers) for name, one in zip(names, used, strict=True)}
    return {"spent": spent, "memory": memory, "kept": kept(place.runs, run)}


async def _watch(place: server.Server, memory: list) -> None:
    while True:
        memory.append(place.memory())
        await asyncio.sleep(0.5)


def kept(runs: Path, run: str) -> dict:
    """Rows by table, and MB of rows and of weights, of the one session there is."""
    with Database(url_of(runs)).look() as db:
        counts = {one: db.scalar(text(f"SELECT count(*) FROM {one}")) for one in TABLES}
    size = sum(file.stat().st_size for file in runs.glob("opossum.db*")) / 1e6
    weights = sum(f.stat().st_size for f in (runs / "blobs").rglob("*") if f.is_file()) / 1e6
    points = sum(f.stat().st_size for f in (runs / run).rglob("*") if f.is_file()) / 1e6
    return {"rows": counts, "database": size, "weights": weights, "checkpoints": points}


def tell(found: dict) -> None:
    for name, (pages, work) in found["spent"].items():
        print(f"  {name:<20} {pages:6.2f} s of the server, {work:6.2f} s of workers")
    most = max(found["memory"], key=sum)
    print(
        f"  memory at its most   {most[0]:.0f} MB of the server, {most[1]:.0f} MB of workers (PSS)"
    )
    kept_ = found["kept"]
    print("  rows                 " + ", ".join(f"{n} {name}" for name, n in kept_["rows"].items()))
    sizes = [f"{name} {kept_[name]:.1f} MB" for name in ("database", "weights", "checkpoints")]
    print("  on disk              " + ", ".join(sizes))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks workers", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="first words")
    parser.add_argument("--steps", type=int, default=8, help="PPO steps of each learner")
    parser.add_argument("--judgements", type=int, default=30)
    parser.add_argument("--quick", action="store_true", help="whether it runs")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.inside:
        return inside(args.repeats, args.steps, args.inside)
    if args.quick:
        args.repeats, args.steps, args.judgements = 1, 2, 2
    print(f"{processor()}, {os.cpu_count()} cores")
    print(f"{'':<38} {'first word':>10} {'worst':>7} {'steps/s of two':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, (settings, at_once)) in enumerate(ARRANGED.items()):
            place = Path(folder) / str(number)
            found = arranged(settings, args.repeats, args.steps, at_once, place)
            words = found["words"]
            print(
                f"{name:<38} {statistics.median(words):>8.3f} s {max(words):>6.3f}"
                f" {found['steps']:>15.2f}",
                flush=True,
            )
        print("One learner, the app as it ships:")
        with server.running(Path(folder) / "app") as place:
            tell(asyncio.run(one_learner(place, args.judgements)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
