"""Turns between long jobs, the share of the short ones, and what a waiting person is told: driven
by hand with a fake clock.
"""

import random
from statistics import median

import pytest

from rlhf_core.common.events import Progress
from rlhf_core.work.jobs import JobQueue
from rlhf_core.work.line import Room

BUDGET = 60.0


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return queue_by(clock)


def queue_by(clock):
    """Nobody leaves the line here because nobody looks."""
    times = {"turn_seconds": BUDGET, "unseen_ttl": 1e9, "abandoned_ttl": 1e9, "max_jobs": 40}
    return JobQueue(lambda factory: factory(), clock=clock, threaded=False, **times)


def steps(clock, seconds, count):
    """A factory: ``count`` training steps of ``seconds`` each on the test's clock."""

    def run():
        for n in range(1, count + 1):
            clock.now += seconds
            yield {"step": n}

    return run


def submit(queue, factory, *, owner, long=True, total=None):
    return queue.submit(factory, label="PPO", owner=owner, long=long, total=total)


def status(queue, job):
    return queue.view(job)["status"]


def runs_of(queue, seconds):
    """Whose slices ran in the next so many seconds: [job, seconds] for each stretch."""
    clock, stretches, until = queue.clock, [], queue.clock.now + seconds
    while clock.now < until:
        began, job = clock.now, queue.advance()
        if job is None:
            break
        if clock.now == began:  # its last slice, in which it ends
            continue
        if not stretches or stretches[-1][0] != job:
            stretches.append([job, 0.0])
        stretches[-1][1] += clock.now - began
    return stretches


@pytest.fixture(autouse=True)
def _clock_of(queue, clock):
    queue.clock = clock


# Turns


def test_a_long_run_gives_way_after_its_budget_and_comes_back_by_itself(queue, clock):
    endless = submit(queue, steps(clock, 9.0, 200), owner="abuser", total=200)
    runs_of(queue, 300)  # alone it notices nothing
    assert status(queue, endless) == "running" and queue.view(endless)["done"] == 34
    short = submit(queue, steps(clock, 2.0, 16), owner="ann", total=16)
    longer = submit(queue, steps(clock, 2.0, 60), owner="bob", total=60)
    ran = runs_of(queue, 300)
    assert [job for job, _ in ran[:6]] == [endless, short, longer, endless, longer, endless]
    assert ran[0][1] == 9.0, "it had had its budget long before: one step is under way"
    assert [seconds for _, seconds in ran[1:5]] == [32.0, 60.0, 63.0, 60.0]
    assert status(queue, short) == status(queue, longer) == "done"
    assert status(queue, endless) == "running", "and ends where it would have"
    while queue.advance():
        pass
    assert status(queue, endless) == "done" and len(queue.records(endless)) == 200


def test_who_comes_while_others_take_turns_waits_for_one_turn_of_each(queue, clock):
    first = submit(queue, steps(clock, 6.0, 100), owner="a", total=100)
    second = submit(queue, steps(clock, 6.0, 100), owner="b", total=100)
    runs_of(queue, 90)
    late = submit(queue, steps(clock, 6.0, 100), owner="c", total=100)
    ran = runs_of(queue, 300)
    assert [job for job, _ in ran[:4]] == [second, first, late, second]
    fresh = [submit(queue, steps(clock, 6.0, 5), owner=f"d{n}", total=5) for n in range(30)]
    ran = [job for job, _ in runs_of(queue, 300)]
    assert ran.index(first) < ran.index(fresh[0]), "who waited for a second turn comes first"


def test_an_owners_jobs_never_interrupt_each_other(queue, clock):
    mine = [submit(queue, steps(clock, 6.0, 30), owner="me", total=30) for _ in range(2)]
    assert [job for job, _ in runs_of(queue, 360)] == mine
    more = [submit(queue, steps(clock, 6.0, 30), owner="me", total=30) for _ in range(2)]
    yours = submit(queue, steps(clock, 6.0, 30), owner="you", total=30)
    ran = [job for job, _ in runs_of(queue, 1000)]
    rest = [job for job in ran if job in more]
    assert ran.count(yours) == 3
    assert rest.index(more[1]) == rest.count(more[0]), "the second begins when the first is done"


def test_one_that_gives_way_says_so_and_can_be_paused_and_stopped(queue, clock):
    endless = submit(queue, steps(clock, 9.0, 200), owner="a", total=200)
    other = submit(queue, steps(clock, 9.0, 200), owner="b", total=200)
    runs_of(queue, 63)
    view = queue.view(endless)
    assert (view["status"], view["begun"], view["position"]) == ("queued", True, 2)
    assert not queue.view(other)["begun"]
    runs_of(queue, 18)
    assert view["seconds"] == queue.view(endless)["seconds"] == 63.0, "waiting is not running"
    assert queue.view(endless)["eta_seconds"] == 60.0 - 18.0
    queue.pause(endless)
    runs_of(queue, 200)
    assert status(queue, endless) == "paused" and status(queue, other) == "running"
    queue.stop(endless)
    queue.advance()
    assert status(queue, endless) == "stopped" and len(queue.records(endless)) == 7


def test_it_ends_its_step_before_it_gives_way_unless_that_takes_too_long(queue, clock):
    def in_parts(parts):
        def run():
            for n in range(100):
                for _ in range(parts):
                    clock.now += 1.0
                    yield Progress("updating", 0, 1)
                yield {"step": n}

        return run

    brisk = submit(queue, in_parts(25), owner="a", total=100)
    slow = submit(queue, in_parts(500), owner="b", total=100)
    ran = runs_of(queue, 400)
    assert [job for job, _ in ran[:4]] == [brisk, slow, brisk, slow]
    assert [seconds for _, seconds in ran[:3]] == [75.0, 2 * BUDGET, 75.0]


def test_only_a_few_large_models_take_turns_and_small_ones_pass_them(clock):
    """GPT-2 in training takes two gigabytes."""
    times = {"turn_seconds": BUDGET, "unseen_ttl": 1e9, "abandoned_ttl": 1e9}
    queue = JobQueue(
        lambda factory: factory(),
        clock=clock,
        threaded=False,
        room=Room(large=2),
        large=lambda kin: kin == "gpt2",
        **times,
    )
    queue.clock = clock

    def put(owner, kin, count):
        about = {"label": "PPO", "owner": owner, "long": True, "kin": kin, "total": count}
        return queue.submit(steps(clock, 6.0, count), **about)

    large = [put(f"large {n}", "gpt2", 20) for n in range(3)]
    small = put("small", "bundled", 5)
    ran = [job for job, _ in runs_of(queue, 1_000)]
    assert ran == [large[0], large[1], small, large[0], large[1], large[2]]
    paused = [put(f"paused {n}", "gpt2", 20) for n in range(4)]
    for job in paused:
        while status(queue, job) == "queued":
            queue.advance()
        queue.pause(job)
        clock.now += 1
    while queue.advance():
        pass
    assert [status(queue, job) for job in paused] == ["expired"] * 3 + ["paused"]


# Short jobs


def decoding(clock, seconds=0.03, tokens=24):
    def run():
        for n in range(tokens):
            clock.now += seconds
            yield {"n": n}

    return run


def test_a_few_answers_wait_for_no_more_than_a_slice_and_their_share(queue, clock):
    submit(queue, steps(clock, 0.3, 10_000), owner="abuser", total=10_000)
    queue.advance()
    waits = []
    for _ in range(20):
        began = clock.now
        answers = submit(queue, decoding(clock), owner="ann", long=False)
        while status(queue, answers) != "done":
            queue.advance()
        waits.append(clock.now - began)
        queue.advance()
    assert max(waits) < 0.3 + 24 * 0.03 / 0.75 + 0.3, "24 slices of 0.3 s between: it was 8 s"


def test_short_jobs_without_end_leave_the_long_one_its_quarter(queue, clock):
    long = submit(queue, steps(clock, 0.3, 10_000), owner="a", total=10_000)
    shorts, began = [], clock.now
    for n in range(4):
        shorts.append(submit(queue, decoding(clock, tokens=100_000), owner=f"s{n}", long=False))
    for _ in range(5_000):
        queue.advance()
    of_long = 0.3 * queue.view(long)["records"]
    assert 0.2 < of_long / (clock.now - began) < 0.3
    counts = [queue.view(job)["records"] for job in shorts]
    assert max(counts) - min(counts) <= 1, "and share the rest evenly"


# What they are told, against what happens


def lines(seed):
    """A random line: (seconds when it comes, owner, seconds a step, steps), and short ones."""
    lot = random.Random(seed)
    owners = lot.randint(2, 8)
    runs = [
        (
            lot.uniform(0, 200),
            f"owner {lot.randrange(owners)}",
            lot.choice((0.5, 1.0, 3.0, 9.0)),
            lot.randint(8, 60),
        )
        for _ in range(lot.randint(2, 10))
    ]
    return lot, sorted(runs), lot.choice((0.0, 0.1, 0.4))


def told_and_happened(seed):
    """(told, happened) in seconds, of everybody who was told anything: until done, or until a turn
    begins. Nobody comes any more when they are asked: nobody can foresee that.
    """
    lot, runs, busy = lines(seed)
    clock = Clock()
    queue = queue_by(clock)

    def work(seconds, count):
        def run():
            for n in range(1, count + 1):
                clock.now += seconds * lot.uniform(0.8, 1.25)
                yield {"step": n}

        return run

    start, ids = clock.now, []
    told: list[tuple] = []

    def ask():
        for job in ids:
            view = queue.view(job)
            if view["eta_seconds"] is not None:
                told.append((job, view["status"], clock.now, view["eta_seconds"]))

    happened = {}
    was = {}
    short = None
    asked_at = 200 + lot.uniform(0, 100)
    while True:
        while runs and clock.now - start >= runs[0][0]:
            _, owner, seconds, count = runs.pop(0)
            about = {"label": f"PPO {seconds}", "owner": owner, "long": True, "total": count}
            ids.append(queue.submit(work(seconds, count), **about))
        if busy and (short is None or queue.view(short) is None or status(queue, short) == "done"):
            if lot.random() < busy:
                about = {"label": "answers", "owner": "x", "long": False}
                short = queue.submit(decoding(clock, 0.5, 3), **about)
        if not runs and clock.now - start >= asked_at:
            ask()
            asked_at += 40
        if not runs and all(status(queue, job) == "done" for job in ids):
            break
        if queue.advance() is None:
            clock.now = start + runs[0][0] + 0.01
        for job in ids:
            now = status(queue, job)
            if now != was.get(job):
                happened.setdefault(job, []).append((clock.now, now))
                was[job] = now
    pairs = []
    for job, then, at, seconds in told:
        awaited = "done" if then == "running" else "running"
        came = next((t for t, s in happened[job] if t > at and s in (awaited, "done")), None)
        if came is not None and came - at > 5:
            pairs.append((seconds, came - at))
    return pairs


def test_what_people_in_line_are_told_comes_true():
    pairs = [pair for seed in range(24) for pair in told_and_happened(seed)]
    errors = [abs(told - came) / came for told, came in pairs]
    assert len(pairs) > 500 and median(errors) <= 0.3, (len(pairs), median(errors))
    assert sum(error > 1 for error in errors) / len(errors) < 0.1
