"""A job over a session, as the worker drives it: saved after a record and at the end, counted while
it is under way, and told when it is stopped in the middle.
"""

from __future__ import annotations

import threading
import time

import pytest

from rlhf_core.common.events import Progress
from rlhf_core.session import asked, saving
from rlhf_core.session.state import Session
from rlhf_core.store.bundle import read_bundle
from rlhf_core.work import catalogue, running


@pytest.fixture
def session(tmp_path) -> Session:
    session = Session(directory=tmp_path / "run")
    session.store, session.status = saving.Folder(), "done"
    return session


def on_disk(session: Session) -> tuple[list[str], str]:
    """The prompts that were saved, and the status with them."""
    run = read_bundle(session.directory, tensors=False)["run"]
    return run["state"]["asked"]["user_prompts"], run["status"]


PROMPTS = ["A yak is", "A gnu is", "An emu is"]


def adding(session: Session, notes: list | None = None):
    """A job that changes the session before each record, and after the last one."""
    try:
        for prompt in PROMPTS:
            yield Progress("adding", 0, 1)
            asked.add_prompt(session, prompt)
            yield Progress("adding", 1, 1)
            yield {"prompt": prompt}
        asked.add_prompt(session, "An owl is")
    finally:
        if notes is not None:
            notes.append(session.worker)


def test_it_is_saved_after_a_record_and_at_the_end(session, monkeypatch):
    monkeypatch.setattr(running, "SHARE", 1.0)  # however long a save takes, the next one is due
    work = running.kept(session, adding(session))
    seen = []
    for item in work:
        assert session.under_way == 1 and session.worker is None
        prompts, status = on_disk(session)
        assert status == "running"
        seen.append((isinstance(item, dict), len(prompts)))
    first, second, third = [[(False, n), (False, n), (True, n + 1)] for n in range(3)]
    assert seen == [*first, *second, *third]
    assert session.under_way == 0 and session.worker is None
    assert on_disk(session) == ([*PROMPTS, "An owl is"], "done")


def test_a_save_that_takes_long_waits_a_while_for_the_next(session, monkeypatch):
    times = []
    save = saving.Folder.save

    def slow(self, session) -> None:
        times.append(len(session.asked.user_prompts))
        time.sleep(0.2)
        save(self, session)

    monkeypatch.setattr(saving.Folder, "save", slow)
    list(running.kept(session, adding(session)))
    assert times == [0, 1, 4], "when it begins, after the first record, at the end"


def test_stopped_in_the_middle_it_is_told_and_what_is_finished_is_saved(session):
    notes = []
    work = running.kept(session, adding(session, notes))
    for item in work:
        if isinstance(item, dict):
            break
    assert session.under_way == 1 and notes == []
    work.close()
    assert notes == [threading.get_ident()], "closed once, on the worker"
    assert session.under_way == 0 and session.worker is None
    assert on_disk(session) == (PROMPTS[:1], "done")


def test_one_that_breaks_is_over_too(session):
    def broken():
        asked.add_prompt(session, "A yak is")
        yield {"prompt": "A yak is"}
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(running.kept(session, broken()))
    assert session.under_way == 0 and session.worker is None
    assert on_disk(session) == (PROMPTS[:1], "done")


def test_two_at_once_are_counted(session):
    one, other = (running.kept(session, adding(session)) for _ in range(2))
    next(one)
    next(other)
    assert session.under_way == 2
    one.close()
    assert session.under_way == 1 and on_disk(session)[1] != "done"
    other.close()
    assert session.under_way == 0 and on_disk(session)[1] == "done"


def test_an_order_begins_with_its_first_next_and_needs_no_session(session, monkeypatch):
    called = []

    def job(*args, **more):
        called.append((args, more))
        yield {"kind": "here"}

    monkeypatch.setattr(catalogue, "function_of", lambda name: job)
    ours = running.begin(running.Order("compare", session, (1,), {"two": 2}))
    nobodys = running.begin(running.Order("compare", None, (3,)))
    assert called == [] and session.under_way == 0
    assert [*ours, *nobodys] == [{"kind": "here"}] * 2
    assert called == [((session, 1), {"two": 2}), ((3,), {})] and session.under_way == 0
