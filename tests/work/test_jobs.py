"""The job queue: order, pause, stop, crashes, expiry, bounds and estimates. Driven by hand with a
fake clock; real threads only where they are the point.
"""

import gc
import json
import logging
import subprocess
import sys
import threading
import weakref

import pytest

from rlhf_core.common.errors import BriefError, QueueError
from rlhf_core.common.events import Progress
from rlhf_core.work.jobs import JobQueue
from rlhf_core.work.line import Room

WAIT = 10  # seconds a test waits for a thread before it fails; a pass takes milliseconds


class Clock:
    """Seconds that only a test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def made_by(factory):
    """These tests order a factory: the queue starts what it makes."""
    return factory()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return JobQueue(made_by, clock=clock, threaded=False)


@pytest.fixture
def threaded_queue():
    queue = JobQueue(made_by)
    yield queue
    queue.close(timeout=WAIT)


def counting(count, *, each=None):
    """A factory: ``count`` records {"n": 0}, {"n": 1}, ...; ``each`` is called before each."""

    def run():
        for n in range(count):
            if each:
                each()
            yield {"n": n}

    return run


def slow(clock, seconds, count):
    """A factory: ``count`` training steps, each of which takes ``seconds`` on the test's clock."""

    def run():
        for n in range(1, count + 1):
            clock.now += seconds
            yield {"step": n}

    return run


def submit(queue, factory, *, long=True, label="job", owner="me", total=None, kin=""):
    return queue.submit(factory, label=label, owner=owner, long=long, total=total, kin=kin)


def drive(queue, most=1000):
    """Ids of the jobs whose slices ran, until nothing wants to run."""
    ran = []
    while (job_id := queue.advance()) is not None:
        ran.append(job_id)
        assert len(ran) < most, "the queue never comes to rest"
    return ran


def status(queue, job_id):
    return queue.view(job_id)["status"]


# Order


def test_long_jobs_run_whole_and_first_in_first_out(queue):
    first, second = submit(queue, counting(3)), submit(queue, counting(2))
    assert [queue.view(j)["status"] for j in (first, second)] == ["queued", "queued"]
    queue.advance()
    assert [queue.view(j)["status"] for j in (first, second)] == ["running", "queued"]
    assert drive(queue) == [first] * 3 + [second] * 3  # each has one more slice, in which it ends
    assert queue.records(first) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert queue.records(first, start=2) == [{"n": 2}]
    assert [queue.view(j)["status"] for j in (first, second)] == ["done", "done"]


def test_short_jobs_slip_in_between_the_slices_of_a_long_one_round_robin(queue):
    long = submit(queue, counting(50))
    queue.advance()
    queue.advance()
    a, b = submit(queue, counting(2), long=False), submit(queue, counting(3), long=False)
    assert [queue.advance() for _ in range(13)] == [
        a,
        b,
        long,
        a,
        b,
        long,
        a,
        b,
        long,
        b,
        long,
        long,
        long,
    ]
    assert status(queue, a) == status(queue, b) == "done"
    assert status(queue, long) == "running"


def test_short_jobs_go_before_a_long_one_that_was_submitted_earlier(queue):
    long, short = submit(queue, counting(1)), submit(queue, counting(1), long=False)
    assert queue.advance() == short
    assert queue.advance() == long


def test_new_short_jobs_without_end_do_not_starve_the_long_one(queue):
    long = submit(queue, counting(1000))
    ran = []
    for _ in range(30):
        submit(queue, counting(1), long=False)  # two slices: its record and its end
        ran += [queue.advance() for _ in range(3)]
    assert ran.count(long) == 30


def test_advance_runs_exactly_one_slice_and_says_whose(queue):
    asked = []
    job = submit(queue, counting(2, each=lambda: asked.append(1)))
    assert asked == []  # the factory's generator is not touched before its slice
    assert queue.advance() == job and len(asked) == 1
    assert queue.advance() == job and len(asked) == 2
    assert queue.advance() == job and status(queue, job) == "done"
    assert queue.advance() is None


def test_factory_is_called_in_its_first_slice_only(queue):
    calls = []

    def factory():
        calls.append(threading.current_thread())
        return counting(2)()

    submit(queue, factory)
    assert calls == []
    drive(queue)
    assert len(calls) == 1


# Pause, resume, step


def test_pause_frees_the_worker_and_resume_queues_at_the_end(queue):
    a, b, c = (submit(queue, counting(2)) for _ in range(3))
    queue.advance()
    queue.pause(a)
    assert status(queue, a) == "paused"
    assert queue.advance() == b
    queue.resume(a)
    assert status(queue, a) == "queued" and queue.view(a)["position"] == 2
    assert drive(queue) == [b, b, c, c, c, a, a]
    assert queue.records(a) == [{"n": 0}, {"n": 1}]


def test_pause_during_a_slice_takes_effect_at_its_yield(queue):
    seen = {}

    def run():
        queue.pause(job)
        seen.update(queue.view(job))
        yield {"n": 0}
        yield {"n": 1}

    job = submit(queue, run)
    queue.advance()
    assert (seen["status"], seen["wish"]) == ("running", "paused")
    view = queue.view(job)
    assert (view["status"], view["wish"], view["records"]) == ("paused", None, 1)
    assert queue.advance() is None


def test_resume_takes_back_a_pause_that_has_not_happened_yet(queue):
    def run():
        queue.pause(job)
        queue.resume(job)
        yield {"n": 0}

    job = submit(queue, run)
    queue.advance()
    assert status(queue, job) == "running"


def test_a_job_paused_in_line_never_begins_until_resumed(queue):
    asked = []
    job = submit(queue, counting(1, each=lambda: asked.append(1)))
    queue.pause(job)
    assert drive(queue) == [] and asked == []
    queue.resume(job)
    drive(queue)
    assert status(queue, job) == "done"


def test_step_runs_to_the_next_record_whatever_progress_comes_before_it(queue):
    def run():
        for n in range(5):
            yield Progress("thinking", 0, 2)
            yield Progress("thinking", 1, 2)
            yield {"n": n}

    job = submit(queue, run)
    queue.step(job)  # while queued
    assert drive(queue) == [job] * 3
    assert (status(queue, job), len(queue.records(job))) == ("paused", 1)
    queue.step(job)  # while paused
    queue.step(job)  # pressed twice: still one step
    assert drive(queue) == [job] * 3
    assert (status(queue, job), len(queue.records(job))) == ("paused", 2)
    queue.resume(job)
    queue.advance()
    queue.step(job)  # while running
    drive(queue)
    assert (status(queue, job), len(queue.records(job))) == ("paused", 3)
    queue.resume(job)
    drive(queue)
    assert (status(queue, job), len(queue.records(job))) == ("done", 5)


def test_resume_ends_stepping(queue):
    job = submit(queue, counting(3))
    queue.step(job)
    queue.resume(job)
    drive(queue)
    assert status(queue, job) == "done"


def test_pause_ends_stepping(queue):
    job = submit(queue, counting(3))
    queue.step(job)
    queue.pause(job)
    queue.resume(job)
    drive(queue)
    assert status(queue, job) == "done"


# Stop


def closing_notes(notes):
    def run():
        try:
            for n in range(100):
                yield {"n": n}
                yield Progress("step", n, 100)
        except GeneratorExit:
            notes.append(threading.current_thread())
            raise

    return run


@pytest.mark.parametrize("paused_first", [False, True])
def test_stop_closes_the_generator_and_keeps_the_records(queue, paused_first):
    notes = []
    job = submit(queue, closing_notes(notes))
    for _ in range(3):
        queue.advance()
    if paused_first:
        queue.pause(job)
    queue.stop(job)
    assert notes == [], "it is the worker that closes generators, not the page's thread"
    assert queue.view(job)["wish"] == "stopped"
    assert queue.advance() == job
    assert len(notes) == 1
    view = queue.view(job)
    assert (view["status"], view["wish"], view["error"]) == ("stopped", None, None)
    assert queue.records(job) == [{"n": 0}, {"n": 1}]
    assert queue.advance() is None


def test_stop_during_a_slice_keeps_the_record_it_ends_with(queue):
    def run():
        queue.stop(job)
        yield {"n": 0}
        yield {"n": 1}

    job = submit(queue, run)
    drive(queue)
    assert status(queue, job) == "stopped" and queue.records(job) == [{"n": 0}]


def test_a_job_that_has_not_begun_stops_at_once(queue):
    asked = []
    job = submit(queue, counting(1, each=lambda: asked.append(1)))
    queue.stop(job)
    assert status(queue, job) == "stopped"
    assert drive(queue) == [] and asked == []


def test_stop_while_the_factory_works_closes_what_it_makes(queue):
    closed, seen = [], {}

    def factory():
        queue.stop(job)
        seen.update(queue.view(job))

        def run():
            try:
                yield {"n": 0}
                yield {"n": 1}
            finally:
                closed.append(1)

        return run()

    job = submit(queue, factory)
    drive(queue)
    assert (seen["status"], seen["wish"]) == ("running", "stopped")
    assert status(queue, job) == "stopped" and closed == [1] and len(queue.records(job)) == 1


def test_stop_during_a_single_step_stops(queue):
    def run():
        queue.stop(job)
        yield {"n": 0}
        yield {"n": 1}

    job = submit(queue, run)
    queue.step(job)
    drive(queue)
    assert status(queue, job) == "stopped"


@pytest.mark.parametrize("control", ["pause", "resume", "step", "stop"])
def test_nothing_undoes_a_stop(queue, control):
    job = submit(queue, counting(5))
    queue.advance()
    queue.stop(job)
    getattr(queue, control)(job)
    assert queue.view(job)["wish"] == "stopped"
    drive(queue)
    assert status(queue, job) == "stopped" and len(queue.records(job)) == 1
    getattr(queue, control)(job)
    assert status(queue, job) == "stopped" and queue.advance() is None


def test_controls_on_unknown_jobs_do_nothing(queue):
    for control in (queue.pause, queue.resume, queue.step, queue.stop):
        control("no such job")
    assert queue.view("no such job") is None and queue.records("no such job") == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_generator_that_refuses_to_stop_is_dropped(queue, caplog):
    def stubborn():
        while True:
            try:
                yield {"n": 0}
            except GeneratorExit:
                pass

    job, other = submit(queue, stubborn), submit(queue, counting(1))
    queue.advance()
    queue.stop(job)
    with caplog.at_level(logging.ERROR, logger="rlhf_core.work.slices"):
        ran = drive(queue)
    gc.collect()
    assert ran == [job, other, other]
    view = queue.view(job)
    assert (
        view["status"] == "stopped"
        and "did not stop cleanly" in view["error"]
        and "GeneratorExit" in view["error"]
    )
    assert view["records"] == 1 and status(queue, other) == "done"
    assert "did not close" in caplog.text


def test_a_crash_while_closing_fails_nobody_else(queue):
    def run():
        try:
            yield {"n": 0}
        finally:
            raise KeyError("weights")

    job, other = submit(queue, run), submit(queue, counting(1))
    queue.advance()
    queue.stop(job)
    drive(queue)
    assert status(queue, job) == "stopped" and "KeyError" in queue.view(job)["error"]
    assert status(queue, other) == "done"


# Crashes


def crashing(error):
    def run():
        yield {"n": 0}
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            BriefError("The brief has no prompts."),
            "The brief has no prompts.",
        ),  # ours, a ValueError, written for people
        (
            ValueError("shapes (3,) and (4,)"),
            "Something went wrong inside (ValueError: shapes (3,) and (4,))",
        ),
        (RuntimeError("inner\nlong trace"), "Something went wrong inside (RuntimeError: inner)"),
        (
            json.JSONDecodeError("Expecting value", "x", 0),
            (
                "Something went wrong inside (JSONDecodeError: Expecting value: line 1 column 1"
                " (char 0))"
            ),
        ),
        (BriefError(""), "Something went wrong inside (BriefError)"),
        (SystemExit(3), "Something went wrong inside (SystemExit: 3)"),
    ],
)
def test_a_crash_fails_that_job_alone_and_says_why(queue, caplog, error, sentence):
    bad, good = submit(queue, crashing(error)), submit(queue, counting(2))
    with caplog.at_level(logging.ERROR, logger="rlhf_core.work.slices"):
        drive(queue)
    view = queue.view(bad)
    assert (view["status"], view["error"]) == ("failed", sentence)
    assert queue.records(bad) == [{"n": 0}]
    assert (status(queue, good), queue.view(good)["error"]) == ("done", None)
    refused = sentence == str(
        error
    )  # in words, for the page: no traceback in the log of a server that did nothing wrong
    assert ("Traceback" in caplog.text and type(error).__name__ in caplog.text) != refused


@pytest.mark.parametrize("error", [OSError("no weights"), StopIteration()])
def test_a_factory_that_raises_fails_its_job(queue, error):
    def factory():
        raise error

    bad, good = submit(queue, factory), submit(queue, counting(1))
    drive(queue)
    assert status(queue, bad) == "failed" and type(error).__name__ in queue.view(bad)["error"]
    assert status(queue, good) == "done"


@pytest.mark.parametrize("wrong", [None, 3, "text", ("stage", 1, 2), Progress("stage", None, 3)])
def test_a_job_that_yields_something_else_fails_and_is_closed(queue, caplog, wrong):
    closed = []

    def run():
        try:
            yield Progress("stage", 0, 3)
            yield wrong
        finally:
            closed.append(1)
            raise OSError("while closing")

    bad, good = submit(queue, run), submit(queue, counting(1))
    drive(queue)
    assert status(queue, bad) == "failed" and "TypeError" in queue.view(bad)["error"]
    assert (
        closed == [1] and "did not close" in caplog.text
    )  # closed by the worker, not by the garbage collector
    assert status(queue, good) == "done"


# Expiry


def test_paused_jobs_expire_and_are_closed(queue, clock):
    notes = []
    job = submit(queue, closing_notes(notes))
    queue.advance()
    queue.pause(job)
    clock.now += 1799
    assert queue.advance() is None and status(queue, job) == "paused"
    queue.pause(job)  # pressing it again buys no time
    clock.now += 1
    assert queue.advance() == job and len(notes) == 1
    view = queue.view(job)
    assert view["status"] == "expired" and "30 minutes" in view["error"]
    assert queue.records(job) == [{"n": 0}]
    queue.resume(job)
    assert status(queue, job) == "expired"


def test_a_long_job_that_nobody_watches_is_paused_then_expires(queue, clock):
    left = submit(queue, counting(100))
    queue.advance()
    queue.pause(left)
    watched = submit(queue, counting(100), owner="you")
    queue.resume(left)  # begun, and in line again
    for _ in range(9):
        queue.advance()
        clock.now += 66.6
        queue.view(watched)
    clock.now += 0.6  # 600 seconds
    assert (
        queue.advance() == watched
    )  # the sweep that comes with the slice pauses the other, which waits in line
    # Whether it is paused cannot be asked: that would count as watching. If it expires, it was.
    clock.now += 1800
    queue.view(watched)
    queue.advance()
    assert status(queue, watched) == "running"
    view = queue.view(left)
    assert view["status"] == "expired" and "paused for 30 minutes" in view["error"]


def test_what_nobody_watches_and_has_not_begun_leaves_the_line(queue, clock):
    running = submit(queue, counting(100))
    queue.advance()
    seen, unseen = (submit(queue, counting(1), owner=name) for name in ("a", "b"))
    short = submit(queue, counting(1), long=False, owner="c")
    for _ in range(4):
        clock.now += 40
        queue.view(seen)
        queue.view(running)
    queue.pause(running)
    drive(queue)
    assert [status(queue, one) for one in (seen, unseen, short)] == ["done", "expired", "expired"]
    assert "Nobody was watching" in queue.view(unseen)["error"] and not queue.records(unseen)


def test_in_line_everybody_has_a_turn_before_anybody_has_a_second(queue):
    mine = [submit(queue, counting(1), owner="me") for _ in range(3)]
    yours = submit(queue, counting(1), owner="you")
    assert [queue.view(one)["position"] for one in (*mine, yours)] == [1, 3, 4, 2]
    queue.advance()  # whoever runs one has had a turn
    assert [queue.view(one)["position"] for one in (*mine, yours)] == [None, 2, 3, 1]
    assert list(dict.fromkeys(drive(queue))) == [mine[0], yours, mine[1], mine[2]]


def test_a_line_full_of_long_jobs_keeps_nobody_from_a_short_one(clock):
    queue = JobQueue(made_by, clock=clock, threaded=False, max_jobs=3)
    for number in range(3):
        submit(queue, counting(9), owner=f"session {number}")
    with pytest.raises(QueueError, match="try again"):
        submit(queue, counting(1))
    short = submit(queue, counting(1), long=False)
    while status(queue, short) != "done":
        queue.advance()
    clock.now += 120  # the three were begun and left by nobody's eye: those in line go
    submit(queue, counting(1))


def test_abandoning_a_running_job_frees_the_worker(queue, clock):
    left = submit(queue, counting(100))
    queue.advance()
    clock.now += 600
    other = submit(queue, counting(1))
    assert queue.advance() == other
    assert status(queue, left) == "paused"
    queue.resume(left)
    assert drive(queue)[-1] == left and status(queue, left) == "done"


def test_short_jobs_are_not_abandoned(queue, clock):
    job = submit(queue, counting(3), long=False)
    queue.advance()
    clock.now += 10_000
    drive(queue)
    assert status(queue, job) == "done"


def test_finished_jobs_are_forgotten(queue, clock):
    job = submit(queue, counting(1))
    drive(queue)
    clock.now += 3599
    queue.advance()
    assert status(queue, job) == "done"
    clock.now += 1
    queue.advance()
    assert queue.view(job) is None and queue.records(job) == []


# Memory


def test_a_finished_job_lets_go_of_its_generator_and_factory(queue, caplog):
    caplog.set_level(
        logging.CRITICAL, logger="rlhf_core.work.slices"
    )  # or caplog itself keeps the traceback, and with it the weights

    class Weights:
        pass

    def factory_with(weights):
        def run():
            yield {"n": 0}
            yield {"n": 1, "kind": type(weights).__name__}

        return run

    kept = []
    for end in ("done", "stopped", "failed"):
        weights = Weights()
        kept.append(weakref.ref(weights))
        job = submit(queue, factory_with(weights) if end != "failed" else crash_with(weights))
        queue.advance()
        if end == "stopped":
            queue.stop(job)
        drive(queue)
        assert status(queue, job) == end
        del weights
    gc.collect()
    assert [reference() for reference in kept] == [None, None, None]


def crash_with(weights):
    def run():
        yield {"n": 0}
        raise OSError(type(weights).__name__)

    return run


def test_the_oldest_finished_jobs_make_room_for_new_ones(clock):
    queue = JobQueue(made_by, clock=clock, threaded=False, max_jobs=5)
    ids = []
    for _ in range(12):
        ids.append(submit(queue, counting(1)))
        drive(queue)
        clock.now += 1
    assert [queue.view(j) is not None for j in ids] == [False] * 7 + [True] * 5


def test_a_queue_full_of_unfinished_jobs_refuses_in_words(clock):
    queue = JobQueue(made_by, clock=clock, threaded=False, max_jobs=3)
    ids = [submit(queue, counting(1)) for _ in range(3)]
    with pytest.raises(QueueError, match="try again"):
        submit(queue, counting(1))
    assert [status(queue, j) for j in ids] == ["queued"] * 3
    drive(queue)
    submit(queue, counting(1))


def test_a_job_with_too_many_records_is_stopped_and_says_so(clock):
    queue = JobQueue(made_by, clock=clock, threaded=False, max_records=10)
    job = submit(queue, counting(10**9))
    drive(queue)
    view = queue.view(job)
    assert (view["status"], view["records"]) == ("stopped", 10) and "10 records" in view["error"]


def test_few_long_jobs_are_held_open_at_once(clock):
    """Every one begins and is paused: weights of at most ``room.open`` are alive, and the longest
    paused ones have made room.
    """
    alive, most = set(), 0

    def factory(number):
        def run():
            alive.add(number)
            try:
                yield {"n": 0}
                yield {"n": 1}
            finally:
                alive.discard(number)

        return run

    queue = JobQueue(made_by, clock=clock, threaded=False, room=Room(open=3))
    ids = []
    for number in range(8):
        ids.append(submit(queue, factory(number)))
        while status(queue, ids[-1]) == "queued":
            queue.advance()
            most = max(most, len(alive))
        queue.pause(ids[-1])
        clock.now += 1
    drive(queue)
    assert most == 3
    assert [status(queue, j) for j in ids] == ["expired"] * 6 + ["paused"] * 2
    assert "room" in queue.view(ids[0])["error"]


def test_jobs_already_open_go_first_when_there_is_no_room_for_another(clock):
    queue = JobQueue(made_by, clock=clock, threaded=False, room=Room(open=2))
    a, b = submit(queue, counting(2)), submit(queue, counting(2))
    queue.advance()
    queue.pause(a)
    queue.advance()  # b
    c = submit(queue, counting(1))
    queue.resume(a)  # behind c
    queue.pause(b)
    assert drive(queue) == [a, a, c, c]


def test_records_are_copies_of_what_the_generator_goes_on_using(queue):
    def run():
        row = {}
        for n in range(3):
            row["n"] = n
            yield row

    job = submit(queue, run)
    drive(queue)
    assert queue.records(job) == [{"n": 0}, {"n": 1}, {"n": 2}]
    queue.records(job).clear()
    assert len(queue.records(job)) == 3


# What a page is told


def test_a_fresh_view(queue):
    job = submit(queue, counting(1), label="Train", owner="abc", long=False)
    assert queue.view(job) == {
        "id": job,
        "label": "Train",
        "owner": "abc",
        "long": False,
        "status": "queued",
        "wish": None,
        "records": 0,
        "begun": False,
        "stage": "",
        "done": 0,
        "total": None,
        "share": None,
        "position": None,
        "eta_seconds": None,
        "seconds": 0.0,
        "error": None,
        "note": "",
    }
    json.dumps(queue.view(job))


def test_the_share_of_the_whole_never_goes_back(queue):
    def work():
        for share in (0.1, 0.4, None, 0.2, 0.9):
            yield Progress("stage", 0, 2, share=share)

    job, seen = submit(queue, work), []
    while queue.advance():
        seen.append(queue.view(job)["share"])
    assert seen[0] is None or seen[0] == 0.1
    assert sorted(filter(None, seen)) == list(filter(None, seen)) and seen[-1] == 0.9


def test_time_left_from_records(queue, clock):
    job = submit(queue, slow(clock, 2.0, 10), total=10)
    for _ in range(2):
        queue.advance()
    assert (queue.view(job)["done"], queue.view(job)["total"], queue.view(job)["eta_seconds"]) == (
        2,
        10,
        16.0,
    )
    clock.now += 1.5  # it counts down while the third record is made
    assert queue.view(job)["eta_seconds"] == 14.5
    clock.now += 100  # one that is overdue takes nothing off the time of those to come
    assert queue.view(job)["eta_seconds"] == 14.0


def test_two_steps_at_once_pause_after_the_second_record(queue):
    job = submit(queue, counting(5), total=5)
    queue.step(job, 2)
    while queue.advance():
        pass
    assert (queue.view(job)["status"], queue.view(job)["records"]) == ("paused", 2)


def test_time_left_is_measured_by_steps_that_train_and_by_nothing_else(queue, clock):
    def run():
        for name in ("pool", "free", "penalty"):
            if name == "pool":
                clock.now += 60.0  # comparisons, a fit, best-of-n
                yield {"kind": "pool"}
                continue
            yield {"kind": "point", "run": name, "step": 0}  # only looks: no time at all
            for step in (2, 4):
                clock.now += 6.0
                yield {"kind": "point", "run": name, "step": step}

    etas = []
    job = submit(queue, run, total=7)
    for _ in range(7):
        queue.advance()
        etas.append(queue.view(job)["eta_seconds"])
    # At "2 of 46" it once said that a second was left, of more than three minutes.
    assert etas == [None, None, 24.0, 18.0, 12.0, 6.0, 0.0]
    queue.advance()
    assert queue.view(job)["status"] == "done"
    again = submit(queue, run, total=7)
    queue.advance()
    assert queue.view(again)["eta_seconds"] == 36.0, (
        "before its first step, another run of its kind says how long one takes"
    )


def test_a_slow_beginning_promises_nobody_a_long_wait(queue, clock):
    """The model is woken for the first record (24 s); the other 15 take a second each."""

    def run():
        for n in range(16):
            clock.now += 1.0 if n else 24.0
            yield {"step": n}

    submit(queue, run, label="PPO", total=16)
    waiting = submit(queue, run, label="PPO", total=16)
    queue.advance()
    assert queue.view(waiting)["eta_seconds"] is None, "it said 15 x 24 s: 6 minutes"
    queue.advance()
    assert queue.view(waiting)["eta_seconds"] == 14.0


def test_the_own_former_run_is_a_better_measure_than_somebody_elses(queue, clock):
    for owner, seconds in (("ann", 1.0), ("bob", 20.0)):
        submit(queue, slow(clock, seconds, 3), label="PPO", owner=owner, total=3)
        while queue.advance():
            pass
    again = submit(queue, slow(clock, 1.0, 4), label="PPO", owner="ann", total=4)
    queue.advance()
    assert queue.view(again)["eta_seconds"] == 3.0


def test_time_left_from_progress_counts_the_stage(queue, clock):
    def run():
        clock.now += 30.0  # getting ready
        yield Progress("writing", 0, 4)
        clock.now += 3.0
        yield Progress("writing", 1, 4)
        clock.now += 5.0
        yield Progress("writing", 2, 4)
        clock.now += 1.0
        yield Progress("scoring", 1, 9)
        yield {"n": 0}

    job = submit(queue, run)
    etas = []
    for _ in range(4):
        queue.advance()
        view = queue.view(job)
        etas.append((view["stage"], view["done"], view["total"], view["eta_seconds"]))
    assert etas == [
        ("writing", 0, 4, None),
        ("writing", 1, 4, None),
        ("writing", 2, 4, 10.0),
        ("scoring", 1, 9, None),
    ]


def test_progress_names_the_stage_of_a_job_that_counts_records(queue):
    def run():
        yield Progress("writing", 7, 32)
        yield {"n": 0}

    job = submit(queue, run, total=2)
    queue.advance()
    view = queue.view(job)
    assert (view["stage"], view["done"], view["total"]) == ("writing", 0, 2)
    queue.advance()
    assert queue.view(job)["done"] == 1


def test_seconds_count_running_and_neither_waiting_nor_pauses(queue, clock):
    job = submit(queue, slow(clock, 2.0, 10), total=10)
    clock.now += 50
    queue.advance()
    clock.now += 1  # another's slice
    queue.pause(job)
    clock.now += 50
    assert queue.view(job)["seconds"] == 3.0
    queue.resume(job)
    clock.now += 50
    assert queue.view(job)["seconds"] == 3.0
    queue.advance()
    assert queue.view(job)["seconds"] == 5.0
    assert (
        queue.view(job)["eta_seconds"] == 8 * 3.0
    )  # the other's slice counts: it will want more of them


def test_position_and_wait_are_sums_of_what_is_ahead(queue, clock):
    running = submit(queue, slow(clock, 2.0, 10), label="PPO", total=10)
    second = submit(queue, slow(clock, 2.0, 5), label="PPO", total=5)
    third = submit(queue, slow(clock, 1.0, 5), label="PPO", total=5)
    assert [queue.view(j)["position"] for j in (running, second, third)] == [1, 2, 3]
    assert (
        queue.view(running)["eta_seconds"] == 0 and queue.view(second)["eta_seconds"] is None
    )  # nothing measured yet
    for _ in range(2):
        queue.advance()
    assert [queue.view(j)["position"] for j in (running, second, third)] == [None, 1, 2]
    assert queue.view(second)["eta_seconds"] == 16.0
    assert (
        queue.view(third)["eta_seconds"] == 16.0 + 5 * 2.0
    )  # the second is taken to be as slow as its like
    queue.pause(running)
    assert [queue.view(j)["position"] for j in (running, second, third)] == [None, 1, 2]
    assert queue.view(second)["eta_seconds"] == 0
    assert queue.view(running)["eta_seconds"] is None


def test_who_waits_behind_one_that_is_stopping_starts_at_once(queue, clock):
    """ "Starts in about 6 min" was said of a job that started in 20 s: the one ahead was ending."""
    ahead = submit(queue, slow(clock, 6.0, 60), label="PPO", total=60)
    behind = submit(queue, slow(clock, 2.0, 5), label="PPO", total=5)
    queue.advance()
    queue.advance()
    assert queue.view(behind)["eta_seconds"] == 58 * 6.0
    queue.stop(ahead)
    assert queue.view(behind)["eta_seconds"] == 0.0


def test_a_step_of_another_model_is_no_measure(queue, clock):
    submit(queue, slow(clock, 20.0, 2), label="PPO", total=2, kin="gpt2")
    drive(queue)
    small = submit(queue, slow(clock, 0.5, 15), label="PPO", total=15, kin="bundled")
    assert queue.view(submit(queue, counting(1), label="PPO"))["eta_seconds"] is None
    queue.advance()
    queue.advance()
    assert queue.view(small)["eta_seconds"] == 13 * 0.5


def test_wait_is_unknown_when_a_job_ahead_is_unlike_any_measured(queue, clock):
    submit(queue, slow(clock, 2.0, 10), label="PPO", total=10)
    submit(queue, slow(clock, 1.0, 3), label="Fit", total=3)
    last = submit(queue, slow(clock, 1.0, 3), label="PPO", total=3)
    queue.advance()
    view = queue.view(last)
    assert (view["position"], view["eta_seconds"]) == (2, None)


# Threads


def wait_until(condition, what):
    """Poll with a deadline; jobs are watched as a page does it."""
    pause = threading.Event()
    for _ in range(WAIT * 200):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(f"waited {WAIT} s for {what}")


def test_no_thread_before_the_first_job_then_one_daemon():
    before = set(threading.enumerate())
    queue = JobQueue(made_by)
    assert set(threading.enumerate()) == before
    seen = []
    job = submit(queue, counting(1, each=lambda: seen.append(threading.current_thread())))
    (worker,) = set(threading.enumerate()) - before
    wait_until(lambda: status(queue, job) == "done", "the job")
    job = submit(queue, counting(1, each=lambda: seen.append(threading.current_thread())))
    wait_until(lambda: status(queue, job) == "done", "a job submitted to an idle worker")
    assert seen == [worker, worker] and worker.daemon and worker is not threading.current_thread()
    queue.close(timeout=WAIT)
    assert not worker.is_alive()


def test_submits_from_many_threads_all_run_one_slice_at_a_time(threaded_queue):
    queue, count = threaded_queue, 16
    inside, overlaps, workers, ids, errors = [], [], set(), [], []
    start = threading.Barrier(count)

    def run():
        for n in range(5):
            inside.append(1)
            workers.add(threading.current_thread())
            if len(inside) > 1:
                overlaps.append(n)
            inside.pop()
            yield {"n": n}

    def submitter(number):
        try:
            start.wait(WAIT)
            for half in range(2):
                ids.append(submit(queue, run, long=(number + half) % 2 == 0, total=5))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=submitter, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert errors == [] and len(set(ids)) == 2 * count
    wait_until(lambda: all(status(queue, j) == "done" for j in ids), "all jobs")
    assert all(queue.records(j) == [{"n": n} for n in range(5)] for j in ids)
    assert overlaps == [] and len(workers) == 1


def test_two_drivers_never_enter_one_generator_at_once(queue):
    """Python raises "generator already executing" if they do."""
    job = submit(queue, counting(400, each=lambda: threading.Event().wait(0.0001)))
    drivers = [threading.Thread(target=drive, args=(queue,)) for _ in range(4)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(WAIT)
    assert status(queue, job) == "done" and [row["n"] for row in queue.records(job)] == list(
        range(400)
    )


def test_views_and_controls_do_not_wait_for_a_slice(threaded_queue):
    queue = threaded_queue
    inside, go_on = threading.Event(), threading.Event()

    def run():
        inside.set()
        assert go_on.wait(WAIT)
        yield {"n": 0}
        yield {"n": 1}

    job = submit(queue, run)
    assert inside.wait(WAIT)
    answered = threading.Event()

    def page():
        queue.view(job)
        queue.records(job)
        queue.pause(job)
        submit(queue, counting(1), long=False)
        answered.set()

    threading.Thread(target=page, daemon=True).start()
    try:
        assert answered.wait(WAIT), "the page waited for the slice"
        assert queue.view(job)["wish"] == "paused"
    finally:
        go_on.set()
    wait_until(lambda: status(queue, job) == "paused", "the pause")
    queue.stop(job)
    wait_until(lambda: status(queue, job) == "stopped", "the stop of a paused job")


def test_the_thread_survives_crashes_of_every_kind(threaded_queue):
    bad = [
        submit(threaded_queue, crashing(error))
        for error in (
            ValueError("x"),
            SystemExit(1),
            KeyboardInterrupt(),
            GeneratorExit(),
            MemoryError(),
        )
    ]
    good = submit(threaded_queue, counting(1))
    wait_until(lambda: status(threaded_queue, good) == "done", "the job after the crashes")
    assert [status(threaded_queue, j) for j in bad] == ["failed"] * 5


def test_an_idle_worker_still_expires_jobs(clock):
    queue = JobQueue(made_by, clock=clock, sweep_seconds=0.01)
    before = threading.enumerate()
    notes = []

    def run():  # without end: it must not be done before the pause
        try:
            yield {"n": 0}
            while True:
                yield Progress("step", 0, 1)
        finally:
            notes.append(threading.current_thread())

    job = submit(queue, run)
    (worker,) = [thread for thread in threading.enumerate() if thread not in before]
    wait_until(lambda: queue.records(job), "its first record")
    queue.pause(job)
    wait_until(lambda: status(queue, job) == "paused", "the pause")
    clock.now += 1800
    wait_until(lambda: status(queue, job) == "expired", "the expiry")
    assert notes == [worker]
    queue.close(timeout=WAIT)


def test_a_forgotten_owner_leaves_nothing_behind(queue):
    notes = []
    begun, waiting = submit(queue, closing_notes(notes)), submit(queue, counting(1))
    queue.advance()
    other = queue.submit(counting(1), label="job", owner="somebody else", long=False)
    queue.forget(queue.view(begun)["owner"])
    assert queue.view(begun) is None and queue.view(waiting) is None and queue.records(begun) == []
    while queue.advance():
        pass
    queue.advance()
    assert len(notes) == 1, "the generator was closed, as by a stop"
    assert queue.view(begun) is None and queue.view(other)["status"] == "done"


def test_close_stops_everything_and_takes_no_more(queue):
    notes = []
    begun, waiting = submit(queue, closing_notes(notes)), submit(queue, counting(1))
    queue.advance()
    queue.close()
    assert [status(queue, j) for j in (begun, waiting)] == ["stopped", "stopped"] and len(
        notes
    ) == 1
    with pytest.raises(QueueError, match="shutting down"):
        submit(queue, counting(1))


def test_a_process_that_ends_closes_what_runs():
    """The shared queue: one for everybody, and an exit in the middle of a job is a clean one in
    which the generator is told.
    """
    code = """
import time
from rlhf_core.work import catalogue, jobs
from rlhf_core.work.running import Order
assert jobs.queue() is jobs.queue()
def run():
    try:
        while True:
            time.sleep(0.001)
            yield {}
    finally:
        print("closed", flush=True)
catalogue.function_of = lambda name: run
job = jobs.queue().submit(Order("run"), label="job", owner="me", long=True)
while not jobs.queue().records(job):
    time.sleep(0.001)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "closed\n", "")


def test_importing_jobs_imports_no_heavy_library():
    code = (
        "import sys, rlhf_core.work.jobs; print([name for name in ('torch', 'streamlit', 'pandas',"
        " 'plotly') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n"


# --- jobs that wait for something else ------------------------------------------------------------


def waiting(times: int, seconds: float):
    def run():
        for _ in range(times):
            yield Progress("fetching", 1, 2, wait=seconds)
        yield {"kind": "here"}

    return run


def test_a_job_that_waits_lets_the_others_work_and_comes_back_when_it_is_due(queue, clock):
    fetch, work = submit(queue, waiting(2, 5.0), long=False), submit(queue, counting(3))
    assert drive(queue).count(fetch) == 1 and queue.view(work)["status"] == "done"
    clock.now += 4.9
    assert queue.advance() is None
    clock.now += 0.1
    assert drive(queue) == [fetch]
    clock.now += 5.0
    drive(queue)
    assert queue.records(fetch) == [{"kind": "here"}]


def test_a_waiting_job_is_stopped_at_once(queue):
    fetch = submit(queue, waiting(1, 1000.0), long=False)
    drive(queue)
    queue.stop(fetch)
    assert drive(queue) == [fetch] and queue.view(fetch)["status"] == "stopped"


def test_the_worker_wakes_by_itself_when_a_waiting_job_is_due(threaded_queue):
    began = threading.Event()
    fetch = submit(threaded_queue, waiting(3, 0.05), long=False)
    for _ in range(WAIT * 20):
        if threaded_queue.view(fetch)["status"] == "done":
            break
        began.wait(0.05)
    assert threaded_queue.records(fetch) == [{"kind": "here"}]
