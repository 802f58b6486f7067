"""``with session.change():`` is the one way to lock and to save: once, at the end of the outermost
one, and never with what broke off half-way. And which weights a save writes.
"""

from __future__ import annotations

import threading

import pytest
import torch

from rlhf_core.common.errors import BundleError
from rlhf_core.loop import workbench
from rlhf_core.session import asked, saving, weights
from rlhf_core.session.state import Session, Tuned
from rlhf_core.store.bundle import read_bundle


class Counting:
    """A store that notes what it was asked to keep: how many prompts there were at each save."""

    def __init__(self):
        self.saved, self.problem = [], ""

    def refresh(self, session: Session) -> None:
        pass

    def save(self, session: Session) -> None:
        if self.problem:
            raise BundleError(self.problem)
        self.saved.append(len(session.asked.user_prompts))

    def delete(self, session: Session) -> None:
        raise AssertionError


@pytest.fixture
def session() -> Session:
    session = Session()
    session.store = Counting()
    return session


def free(session: Session) -> bool:
    """Whether another thread gets the lock."""
    got = []

    def take() -> None:
        got.append(session.lock.acquire(timeout=0.2))
        if got[0]:
            session.lock.release()

    other = threading.Thread(target=take)
    other.start()
    other.join()
    return got[0]


def test_nested_changes_save_once_at_the_end(session):
    with session.change() as same:
        assert same is session and not free(session)
        asked.add_prompt(session, "A yak is")
        with session.change():
            asked.add_prompt(session, "A gnu is")
        assert session.store.saved == []
    assert session.store.saved == [2] and free(session)
    asked.add_prompt(session, "An emu is")
    assert session.store.saved == [2, 3]


def test_on_the_worker_nothing_is_saved_until_it_says_so(session):
    session.worker = threading.get_ident()
    asked.add_prompt(session, "A yak is")
    asked.add_prompt(session, "A gnu is")
    assert session.store.saved == []
    session.save_changes()
    session.save_changes()
    assert session.store.saved == [2], "and once only: nothing changed meanwhile"


def test_a_page_saves_while_the_worker_works(session):
    session.worker = threading.get_ident()
    page = threading.Thread(target=asked.add_prompt, args=(session, "A yak is"))
    page.start()
    page.join()
    assert session.store.saved == [1]


@pytest.mark.parametrize("depth", [1, 2])
def test_an_error_saves_nothing_and_lets_go_of_the_lock(session, depth):
    def broken(depth: int) -> None:
        with session.change():
            if depth > 1:
                broken(depth - 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken(depth)
    assert session.store.saved == [] and free(session)
    session.save_changes()
    assert session.store.saved == [], "nothing was changed"
    asked.add_prompt(session, "A yak is")
    assert session.store.saved == [1], "the next change is an outermost one again"


def test_what_could_not_be_saved_is_told_and_saved_with_the_next_change(session):
    session.store.problem = "The disk is full."
    asked.add_prompt(session, "A yak is")
    assert session.save_problem.startswith("The disk is full. Your work goes on here")
    session.store.problem = ""
    session.save_changes()
    assert session.store.saved == [1] and session.save_problem == ""


def test_nobody_saves_a_session_without_a_store_or_a_deleted_one(session, tmp_path):
    alone = Session(directory=tmp_path / "run")
    asked.add_prompt(alone, "A yak is")
    assert not (tmp_path / "run").exists()
    session.deleted = True
    asked.add_prompt(session, "A yak is")
    assert session.store.saved == []


# --- which weights are written --------------------------------------------------------------------


@pytest.fixture
def training(tmp_path) -> Session:
    session = Session(directory=tmp_path / "run")
    session.store, session.under_way = saving.Folder(), 1
    return session


def stepped(session: Session, step: int) -> None:
    """A PPO step, whose weights are its number."""
    with session.change():
        session.tuned.weights = workbench.put(session, {"wte.weight": torch.full((2,), step / 1)})
        session.tuned.metrics = [*session.tuned.metrics, {"step": step, "reward_mean": 0.0}]
        weights.drop_unused(session)


def on_disk(session: Session) -> int:
    """The step whose weights its bundle holds, which is also the one that it says."""
    found = read_bundle(session.directory)
    step = int(found["tensors"]["policy"]["wte.weight"][0])
    assert found["run"]["state"]["on_disk"]["step"] == step == session.on_disk["step"]
    assert len(found["metrics"]) == session.tuned.steps_done, "numbers are saved with every step"
    return step


def test_a_small_policy_is_saved_with_every_step(training):
    seen = []
    for step in range(1, 8):
        stepped(training, step)
        seen.append(on_disk(training))
    assert seen == [1, 2, 3, 4, 5, 6, 7]


def test_a_large_policy_is_saved_every_so_often_and_at_the_end(training, monkeypatch):
    monkeypatch.setattr(weights, "SMALL", 0)
    seen = []
    for step in range(1, weights.SAVE_EVERY + 4):
        stepped(training, step)
        seen.append(on_disk(training))
    assert seen == [1, 1, 1, 1, 5, 5, 5, 5]
    again = saving.load(training.directory)
    assert again.tuned.steps_done == 5 and "weights are those of step 5" in again.note
    with training.change():
        training.under_way = 0
    assert on_disk(training) == 8 and saving.load(training.directory).tuned.steps_done == 8


def test_what_lies_there_already_is_not_written_again(training):
    stepped(training, 1)
    tensors, holds = weights.to_write(training, training.directory)
    assert "policy" not in tensors and holds == training.on_disk
    assert tensors == {"reward_model": None, "round_start": None}
    tensors, _ = weights.to_write(training, training.directory.with_name("copy"))
    assert tensors["policy"]["wte.weight"].tolist() == [1.0, 1.0], "another folder has nothing yet"


def test_weights_that_are_gone_are_not_saved_as_if_they_were_there(training):
    stepped(training, 1)
    training.tuned.weights = "0" * 64
    with training.change():
        pass
    assert "no longer kept" in training.save_problem
    assert on_disk(training) == 1, "the former save is whole"


def test_a_large_policy_that_went_back_is_written_at_once(training, monkeypatch):
    """Else the file's later step would be taken for the one that the run went back to."""
    monkeypatch.setattr(weights, "SMALL", 0)
    for step in range(1, weights.SAVE_EVERY + 1):
        stepped(training, step)
    assert on_disk(training) == 5
    with training.change():
        training.tuned.metrics = training.tuned.metrics[:3]
        training.tuned.weights = workbench.put(training, {"wte.weight": torch.full((2,), 3.0)})
    assert on_disk(training) == 3 and saving.load(training.directory).note == ""


def test_another_runs_large_policy_is_never_left_in_the_file(training, monkeypatch):
    monkeypatch.setattr(weights, "SMALL", 0)
    for step in range(1, weights.SAVE_EVERY + 1):
        stepped(training, step)
    with training.change():  # as returning to a branch does, while something else is under way
        training.tuned = Tuned(metrics=training.tuned.metrics)
    stepped(training, 6)
    opened = saving.load(training.directory)
    assert on_disk(training) == 6 == opened.tuned.steps_done
    assert opened.tuned.weights == training.tuned.weights


def test_a_bundle_that_does_not_say_which_step_it_holds_is_written_anew(training, monkeypatch):
    monkeypatch.setattr(weights, "SMALL", 0)
    stepped(training, 1)
    training.on_disk = {k: v for k, v in training.on_disk.items() if k not in ("step", "run")}
    stepped(training, 2)
    assert on_disk(training) == 2 and not training.save_problem
