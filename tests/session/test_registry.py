"""The sessions of an app: found again by their id from memory, from the database, from a folder of
before; deleted, expired, and kept within bounds.
"""

from __future__ import annotations

import os
import shutil
import time
from types import SimpleNamespace

import pytest
import torch

from rlhf_core.common.errors import StoreError
from rlhf_core.judging import briefs
from rlhf_core.loop import comparing, workbench
from rlhf_core.session import asked, in_database, judged, registry, rounds, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store import job_rows, marker
from rlhf_core.work import running

MEMES = briefs.PRESETS["meme-bot"]
clock = SimpleNamespace(ahead=0.0)  # seconds that the registry's clock is ahead of the real one


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(registry, "time", SimpleNamespace(time=lambda: time.time() + clock.ahead))
    clock.ahead += 100
    return tmp_path / "runs"


@pytest.fixture
def saved(tmp_path):
    """A run that a person made with the command line."""
    session = Session(MEMES, id="saved-session-16", directory=tmp_path / "saved-session-16")
    tuned(session, 1.0)
    return saving.save(session, status="done")


def tuned(session: Session, value: float) -> str:
    """A policy of one number, after one step."""
    with session.change():
        session.tuned.weights = workbench.put(session, {"w": torch.full((4,), value)})
        session.tuned.metrics = [*session.tuned.metrics, {"step": session.tuned.steps_done + 1}]
        weights.drop_unused(session)
    return session.tuned.weights


def tidied() -> Session:
    """A session that somebody begins a minute later: the registry tidies up."""
    clock.ahead += 61
    return registry.create()


def leave_the_memory(monkeypatch) -> None:
    """What a restart of the server does to all sessions."""
    with monkeypatch.context() as patch:
        patch.setattr(registry, "MOST", 0)
        tidied()


def test_ids_cannot_be_guessed_and_no_folder_is_made_before_there_is_something_for_it(runs):
    made = {registry.create().id for _ in range(50)}
    assert len(made) == 50 and all(registry.is_id(run_id) for run_id in made)
    assert not any(place.is_dir() for place in runs.iterdir())


def test_a_fresh_session_is_found_by_another_server(runs):
    session = registry.create(MEMES)
    found = registry.keeper().load(session.id)
    assert found is not session and found.asked.brief == MEMES and found.seed == session.seed


def test_a_session_that_left_the_memory_is_found_again(runs, monkeypatch):
    session = registry.create(MEMES)
    asked.add_prompt(session, "A yak is")
    leave_the_memory(monkeypatch)
    again = registry.get(session.id)
    assert again is not session and again.asked.user_prompts == ["A yak is"]
    assert again.asked.brief == MEMES and again.directory == session.directory
    assert registry.get(session.id) is again


def test_what_is_not_saved_does_not_leave_the_memory(runs, monkeypatch):
    session = registry.create()
    with monkeypatch.context() as patch:

        def full(*_):
            raise StoreError("The disk is full.")

        patch.setattr(in_database.InDatabase, "save", full)
        asked.add_prompt(session, "A yak is")
        assert session.save_problem.startswith("The disk is full. Your work goes on here")
        leave_the_memory(monkeypatch)
        assert registry.get(session.id) is session
    asked.add_prompt(session, "A gnu is")
    assert session.save_problem == ""
    assert registry.keeper().load(session.id).asked.user_prompts == ["A yak is", "A gnu is"]


def test_a_database_out_of_reach_is_told_and_is_no_missing_session(runs, monkeypatch):
    session = registry.create()
    leave_the_memory(monkeypatch)
    (runs / "opossum.db").rename(runs / "elsewhere.db")
    with pytest.raises(StoreError):
        registry.get(session.id)
    (runs / "elsewhere.db").rename(runs / "opossum.db")
    assert registry.get(session.id).id == session.id


def test_only_work_that_was_under_way_was_interrupted(runs, monkeypatch):
    session = registry.create(MEMES)
    monkeypatch.setattr(
        comparing,
        "evaluate",
        lambda *_: (record for record in ({"kind": "evaluation"}, {"kind": "more"})),
    )

    def work():
        return running.begin(running.Order("evaluate", session))

    def after_a_crash() -> str:
        """What somebody is told who comes back to a server that was killed right now."""
        with monkeypatch.context() as patch:
            patch.setattr(in_database.machine, "alive", lambda process: False)
            return registry.keeper().load(session.id).note

    asked.add_prompt(session, "A yak is")
    assert after_a_crash() == "", "nobody was interrupted in reading"
    job = work()
    next(job)
    assert "stopped while something of yours was under way" in after_a_crash()
    assert registry.keeper().load(session.id).note == "", "its process still runs"
    asked.add_prompt(session, "A gnu is")  # saved by the page, while the worker works
    assert "0 judgements, no reward model yet, no PPO steps yet" in after_a_crash()
    job.close()  # stopped by its button
    assert after_a_crash() == ""
    list(work())
    assert after_a_crash() == ""
    job = work()
    next(job)
    monkeypatch.setattr(
        "threading.main_thread", lambda: type("Ended", (), {"is_alive": lambda self: False})()
    )
    job.close()  # the queue closes it because the server is closed
    assert after_a_crash() != ""


def test_a_broken_bundle_in_the_runs_folder_is_no_session(runs):
    folder = runs / ("x" * 16)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    assert registry.get("x" * 16) is None


def test_path_tricks_reach_nothing(runs, saved):
    shutil.copytree(saved, runs.parent / "outside-session1")
    (runs / "inside").mkdir(parents=True)
    for run_id in (
        "../outside-session1",
        "..",
        ".",
        "",
        None,
        "/etc/passwd",
        "a/../../outside1",
        "outside-session1\n",
        "outside-session1 ",
        "%2e%2e%2foutside",
    ):
        assert registry.get(run_id) is None
        registry.delete(run_id)
    assert (runs.parent / "outside-session1" / "run.json").is_file() and (runs / "inside").is_dir()


# --- deleting, expiring ---------------------------------------------------------------------------


def test_delete_removes_all_there_is_also_when_it_left_the_memory(runs, monkeypatch):
    one, other = registry.create(), registry.create()
    for session in (one, other):
        tuned(session, float(len(session.id)) + (session is one))
        (session.directory / "checkpoints").mkdir(parents=True)
        asked.add_prompt(session, "A yak is")
    assert len(list((runs / "blobs").iterdir())) == 2
    assert registry.delete(one.id)
    leave_the_memory(monkeypatch)
    assert registry.delete(other.id)
    assert not one.directory.exists() and not other.directory.exists()
    assert list((runs / "blobs").iterdir()) == []
    assert registry.get(one.id) is None and registry.get(other.id) is None


def test_a_session_that_another_server_deleted_is_gone_here_too(runs, monkeypatch):
    session = registry.create()
    store = registry.keeper()
    store.delete(store.load(session.id))
    clock.ahead += 1
    assert registry.get(session.id) is None
    asked.add_prompt(session, "A yak is")  # a page that was still open
    assert registry.keeper().load(session.id) is None, "it does not come back"


PERSONS = ("my-best-run-2026", "saved-session-16")  # 16 characters, as ours have


@pytest.mark.parametrize("name", PERSONS)
def test_a_folder_that_a_person_named_is_never_swept_nor_deleted(runs, saved, monkeypatch, name):
    """Neither a bundle of the command line, nor one that bears the name of our own ids."""
    put = shutil.copytree(saved, runs / name)
    link = runs / "a-link-elsewhere"
    link.symlink_to(saved, target_is_directory=True)
    past = time.time() - 2 * registry.KEPT_SECONDS
    os.utime(put / "run.json", (past, past))
    leave_the_memory(monkeypatch)
    tidied()
    for folder in (put, link):
        assert (folder / "run.json").is_file()
        registry.delete(folder.name)  # not in memory
        assert (folder / "run.json").is_file()
    if name == PERSONS[0]:
        for _ in range(2):
            found = registry.get(name)  # an address opens it ...
            assert found.id == name and found.tuned.steps_done == 1
            assert weights.tensors(found, found.tuned.weights)["w"].tolist() == [1.0] * 4
            asked.add_prompt(found, "A yak is")
            registry.delete(name)  # ... and "Start over" forgets it
            assert (put / "run.json").is_file()


def test_a_folder_of_before_is_taken_in_once_and_goes_with_its_session(runs, saved, monkeypatch):
    folder = shutil.copytree(saved, runs / "saved-session-16")
    first = registry.get(folder.name)
    tuned(first, 2.0)
    leave_the_memory(monkeypatch)
    again = registry.get(folder.name)
    assert again.tuned.steps_done == 2, "from the database: the folder still says 1"
    assert weights.tensors(again, again.tuned.weights)["w"].tolist() == [2.0] * 4
    assert marker.is_ours(folder), "the app's folders bear their session's id"
    registry.delete(folder.name)
    assert not folder.exists()


def test_what_a_session_has_on_disk_is_its_owners_only(runs):
    session = registry.create()
    tuned(session, 1.0)
    (session.directory / "checkpoints").mkdir(parents=True)
    asked.add_prompt(session, "A gnu is")
    for place in (runs, runs / "opossum.db", *(runs / "blobs").rglob("*"), session.directory):
        assert place.stat().st_mode & 0o077 == 0, place


def test_a_save_that_fails_does_not_tell_the_page_where_it_lies(runs, monkeypatch):
    session = registry.create()
    (runs / "opossum.db").chmod(0o400)
    monkeypatch.setattr(session.store.weights.blobs, "put", lambda data: 1 / 0)

    def broken(*_, **__):
        raise StoreError(f"The folder {session.directory} cannot be written.")

    monkeypatch.setattr(in_database.session_rows, "write", broken)
    asked.add_prompt(session, "A yak is")
    assert "Your work goes on here" in session.save_problem
    assert str(runs) not in session.save_problem and session.id not in session.save_problem


def test_idle_sessions_expire_and_nobody_elses_folder_does(runs, saved):
    idle, busy = registry.create(), registry.create()
    for session in (idle, busy):
        (session.directory / "checkpoints").mkdir(parents=True)
        asked.add_prompt(session, "A yak is")
    shutil.copytree(saved, runs / "my-own-run")  # what a person wrote there with the command line
    (runs / "notes").mkdir()
    clock.ahead += 2 * registry.KEPT_SECONDS
    assert registry.get(busy.id) is busy
    tidied()
    assert not idle.directory.exists() and registry.get(idle.id) is None
    assert registry.get(busy.id) is busy and busy.directory.exists()
    assert (runs / "my-own-run" / "run.json").is_file() and (runs / "notes").is_dir()


def test_memory_is_bounded_and_the_longest_idle_leave_first(runs, monkeypatch):
    monkeypatch.setattr(registry, "MOST", 3)
    made = []
    for _ in range(5):
        session = registry.create()
        asked.add_prompt(session, "A yak is")
        clock.ahead += 1
        made.append(session)
    new = tidied()
    found = [registry.get(session.id) for session in made]
    still = [one is session for one, session in zip(found, made, strict=True)]
    assert still == [False, False, False, True, True] and registry.get(new.id) is new
    assert found[0].asked.user_prompts == ["A yak is"]


def test_memory_is_bounded_by_what_sessions_hold_too(runs, monkeypatch):
    monkeypatch.setenv(registry.MEMORY[0], "0.000001")
    session = registry.create()
    name = workbench.put(session, {"w": torch.zeros(1000)})
    with session.change():
        session.tuned.weights = name
    assert session.size() >= 4000
    tidied()
    again = registry.get(session.id)
    assert again is not session
    assert again.held == {} and weights.tensors(again, name)["w"].shape == (1000,)


def test_the_disk_is_bounded_over_all_sessions(runs, monkeypatch):
    monkeypatch.setenv(registry.DISK[0], "0.000001")
    one, other = registry.create(), registry.create()
    tuned(one, 1.0)
    with other.change():
        other.tuned.weights = workbench.put(other, {"w": torch.zeros(1000)})
    assert "most it may" in other.save_problem and one.save_problem == ""
    registry.delete(one.id)
    monkeypatch.setenv(registry.DISK[0], "1")
    other.store = registry.keeper()
    asked.add_prompt(other, "A yak is")
    assert other.save_problem == "" and weights.is_put_away(other, other.tuned.weights)


def test_finished_rounds_survive_a_restart(runs, monkeypatch):
    session = registry.create()
    for value in (1.0, 2.0):
        tuned(session, value)
        rounds.start_next(session)
    tuned(session, 3.0)
    row = judged.pairs(session)
    leave_the_memory(monkeypatch)
    again = registry.get(session.id)
    assert [kept["weights"] for kept in again.history.rounds] == [
        kept["weights"] for kept in session.history.rounds
    ]
    rounds.roll_back(again, 1)
    assert weights.tensors(again, again.history.start)["w"].tolist() == [1.0] * 4
    assert judged.pairs(again) == row


def test_what_a_dead_process_left_under_way_is_put_right_unless_a_worker_goes_on(runs):
    session = registry.create()
    tuned(session, 1.0)
    left = session.store.load(session.id)  # as the process has it that dies
    with left.change():
        left.under_way, left.process = 1, {"pid": 2**22 + 1, "mark": "gone"}
    about = {"slot": "ppo", "name": "ppo", "arguments": {}, "label": "PPO", "kin": "", "long": True}
    about |= {"total": None, "engine": "", "turn": 0}
    with session.store.database.change() as db:
        job_rows.add(db, {"job_id": "a", "owner": session.id, **about})
    registry.look_again(session.id)
    assert session.under_way == 1, "another worker will take it up"
    with session.store.database.change() as db:
        job_rows.change(db, "a", status="failed")
    registry.look_again(session.id)
    assert session.under_way == 0 and session.process is None
    assert session.store.load(session.id).under_way == 0, "for others too"
    assert session.tuned.steps_done == 1, "what was finished stays"
