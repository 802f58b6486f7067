"""A worker that is gone in the middle of a job: another takes it up, and comes to the same numbers
as a run that nothing happened to.

Most workers here are driven by hand in this process and left where they stand, as a killed one
leaves what it had (it writes nothing more); the last tests kill real ones (SIGKILL).
"""

from __future__ import annotations

import json
import math
import os
import secrets
import signal
import time

import dying
import pytest

from rlhf_core.common.lab_settings import NoiseSettings
from rlhf_core.common.settings import PPOSettings, RewardModelSettings, SamplingSettings
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.session import registry, saving
from rlhf_core.session.state import Session
from rlhf_core.store import job_rows
from rlhf_core.work import catalogue, held, jobs, pool, watch, worker
from rlhf_core.work.posted import Posted
from rlhf_core.work.running import Order

PATIENCE = 240
CLOCKS = ("seconds", "processor_seconds", "milliseconds", "parts", "made_at")
BY_LOT = ("run", "process", "jobs")
STEPS = PPOSettings(steps=7, batch_size=8, minibatch_size=8, epochs=1, max_new_tokens=6)
HEAD = RewardModelSettings(features=8, reference_samples=128)
ANSWERS = SamplingSettings(seed=3, max_new_tokens=8)
NOISE = NoiseSettings(steps=2, comparisons=12)


@pytest.fixture(scope="module", autouse=True)
def runs(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPOSSUM_RUNS", str(runs))
        yield runs


class Crew:
    """Workers in this process, one after the other."""

    def __init__(self):
        self.keeper = registry.keeper()
        self.line = Posted(self.keeper.database, changed=registry.look_again)
        self.left = []  # as they stood: a generator that is thrown away would close, and save
        self.begin()

    def begin(self) -> None:
        self.worker = worker.Worker(self.keeper, secrets.token_urlsafe(8), threads=2)
        self.worker.sign_in()

    def die(self) -> None:
        with self.keeper.database.change() as db:
            watch.bury(db, self.worker.name)
        self.left.append(self.worker)
        self.begin()

    def view(self, job: str) -> dict:
        self.line.stale()
        return self.line.view(job)

    def submit(self, session: Session, name: str, *args) -> str:
        kind = catalogue.JOBS[name]
        about = {"label": kind.label, "owner": session.id, "long": kind.long}
        return self.line.submit(Order(name, session, args), **about)

    def until_done(self, job: str) -> list[dict]:
        while (view := self.view(job))["status"] in jobs.ALIVE:
            self.worker.turn()
        assert view["status"] == "done", view
        return self.line.records(job)

    def until(self, job: str, *, records: int = 10**9, slices: int = 10**9) -> None:
        """Drive the job until it has made so much, and write down nothing of the last slice."""
        made = 0
        while True:
            mine = self.worker.held.get(job)
            made += mine is not None
            if mine is not None and made >= slices - 1 or self.about_to(mine, records):
                self.worker.queue.advance()
                return
            self.worker.turn()
            assert self.view(job)["status"] in jobs.ALIVE, "nothing was tested"

    def about_to(self, mine, records: int) -> bool:
        return mine is not None and len(mine.job.records) >= records - 1 and mine.told > 0


@pytest.fixture(scope="module")
def crew(runs):
    return Crew()


def numbers(value: object) -> object:
    """Without what a clock said, and names by lot; of what is no number, that it is none."""
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items() if k not in CLOCKS + BY_LOT}
    if isinstance(value, list):
        return [numbers(one) for one in value]
    return "none" if isinstance(value, float) and math.isnan(value) else value


def state_of(session: Session) -> dict:
    session.refresh()
    kept = saving.to_dict(session)
    kept["settings"] = {k: v for k, v in kept["settings"].items() if k != "spent"}  # a clock's
    for name in ("id", "status", "on_disk", "made_by"):
        kept.pop(name, None)
    return numbers(kept)


def ready(crew: Crew, upto: str) -> Session:
    """A session in which what comes before ``upto`` was done."""
    session = registry.create(PRESETS["biology-homework"])
    for name, args in (("scripted", (12,)), ("fit", (HEAD,)), ("ppo", (STEPS,))):
        if name == upto:
            break
        crew.until_done(crew.submit(session, name, *args))
    return session


CASES = {  # what was done before, the job, its arguments, where the worker dies
    "generate": ("scripted", "generate", ("An opossum is", ANSWERS), {"records": 5}),
    "generate, at its end": ("scripted", "generate", ("An opossum is", ANSWERS), {"records": 9}),
    "pool": ("scripted", "pool", (6,), {"records": 3}),
    "scripted": ("scripted", "scripted", (40,), {"records": 35}),
    "fit": ("fit", "fit", (HEAD,), {"records": 4}),
    "ppo": ("ppo", "ppo", (STEPS,), {"records": 7}),
    "ppo, before it has a step": ("ppo", "ppo", (STEPS,), {"slices": 9}),
    "retry": ("", "retry", (3, STEPS), {"records": 4}),
    "back": ("", "back", (3,), {"slices": 2}),
    "evaluate": ("", "evaluate", (20,), {"slices": 20}),
    "run_once": ("scripted", "run_once", (20, 4), {"records": 70}),
    "noise": ("ppo", "noise", (NOISE,), {"slices": 30}),
}


LONG = ("retry", "back", "evaluate", "run_once", "noise")  # `make test-slow` runs them


@pytest.mark.parametrize(
    "what", [pytest.param(one, marks=pytest.mark.slow) if one in LONG else one for one in CASES]
)
def test_whoever_takes_it_up_comes_to_the_same(crew, what):
    upto, name, args, where = CASES[what]
    alone, disturbed = ready(crew, upto), ready(crew, upto)
    expected = crew.until_done(crew.submit(alone, name, *args))
    job = crew.submit(disturbed, name, *args)
    crew.until(job, **where)
    crew.die()
    assert not registry.keeper().load(disturbed.id).note, "it goes on: nothing was interrupted"
    found = crew.until_done(job)
    assert numbers(found) == numbers(expected)
    assert state_of(disturbed) == state_of(alone)
    assert disturbed.under_way == 0


def test_what_another_version_of_opossum_had_begun_says_so(crew):
    session = ready(crew, "scripted")
    job = crew.submit(session, "generate", "An opossum is", ANSWERS)
    crew.until(job, records=3)
    assert crew.view(job)["note"] == ""
    crew.die()
    with crew.keeper.database.change() as db:
        begun = job_rows.one(db, job).begun
        job_rows.change(db, job, begun=begun | {"engine": "an older one"})
    crew.until_done(job)
    assert crew.view(job)["note"] == held.OTHER_ENGINE


def test_a_page_reads_what_only_the_workers_memory_had(crew):
    session = ready(crew, "")
    row = crew.until_done(crew.submit(session, "generate", "An opossum is", ANSWERS))[-1]
    crew.until_done(crew.submit(session, "asking"))
    here = registry.keeper().load(session.id)  # another server
    asking = here.learned.asking
    assert asking["weights"].shape[0] == asking["covariance"].shape[0] > 0
    assert set(asking["features"]) and asking["judged"] == 12
    trace = here.tuned.traces[7]
    assert sorted(here.tuned.traces) == list(range(8)) and trace.tokens.shape == trace.kl.shape
    assert {type(token) for token in trace.pieces} == {int}
    (found,) = [one for one in here.asked.candidate_sets if one["id"] == row["set_id"]]
    assert found["tokens"] and "alternatives" in found["tokens"][0][0]
    assert "tokens" not in saving.to_dict(here)["asked"]["candidate_sets"][0]


def test_a_policy_in_memory_that_others_went_on_with_is_let_go(crew):
    session = ready(crew, "")
    first = crew.worker
    crew.begin()  # another worker goes on with the run, and the first one comes back to it
    crew.until_done(crew.submit(session, "ppo", STEPS))
    crew.worker = first
    crew.until_done(crew.submit(session, "ppo", STEPS))
    alone = ready(crew, "")
    for _ in range(2):
        crew.until_done(crew.submit(alone, "ppo", STEPS))
    assert state_of(session) == state_of(alone) and session.tuned.steps_done == 21


# --- real ones ------------------------------------------------------------------------------------


def done(line, job: str) -> dict:
    end = time.monotonic() + PATIENCE
    while (view := line.view(job))["status"] in jobs.ALIVE:
        assert time.monotonic() < end, view
        time.sleep(0.05)
    return view


def test_kill_9_in_the_middle_of_a_run(crew, runs):
    alone = ready(crew, "ppo")
    expected = crew.until_done(crew.submit(alone, "ppo", STEPS))
    disturbed = ready(crew, "ppo")
    with crew.keeper.database.change() as db:
        job_rows.sign_out(db, crew.worker.name)
    database = crew.keeper.database
    line = pool.PooledLine(database, 1, changed=registry.look_again, start=dying.start)
    try:
        (runs / dying.FILE).write_text(json.dumps({"job": "ppo", "records": 5}))
        kind = catalogue.JOBS["ppo"]
        about = {"label": kind.label, "owner": disturbed.id, "long": True, "total": 8}
        job = line.submit(Order("ppo", disturbed, (STEPS,)), **about)
        view = done(line, job)
        assert (view["status"], view["done"], view["records"]) == ("done", 8, 8)
        assert not (runs / dying.FILE).exists(), "nothing was tested"
        assert numbers(line.records(job)) == numbers(expected)
        assert state_of(disturbed) == state_of(alone)
        with database.look() as db:
            assert job_rows.one(db, job).deaths == 1
        (pid,) = line.pool.pids
        os.kill(pid, signal.SIGKILL)  # one that does nothing is replaced, too
        end = time.monotonic() + PATIENCE
        while line.pool.pids in ([], [pid]):
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        line.close()
        crew.begin()
