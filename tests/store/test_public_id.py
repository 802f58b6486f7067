"""A bundle is given away; what opens the live session stays behind."""

import json
import time

import pytest

from rlhf_core.session import asked, registry, saving
from rlhf_core.store import marker
from rlhf_core.store.public_id import public_id

times = {"ahead": 0}


@pytest.fixture
def runs(tmp_path, monkeypatch):
    clock = time.time
    monkeypatch.setattr("time.time", lambda: clock() + times["ahead"])
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def leave_the_memory(monkeypatch):
    """What a restart of the server does."""
    with monkeypatch.context() as patch:
        patch.setattr(registry, "MOST", 0)
        times["ahead"] += 61
        registry.create()  # a minute later: the registry tidies up


def live(prompt="A yak is"):
    session = registry.create()
    asked.add_prompt(session, prompt)
    return session


def test_every_id_that_opens_a_session_has_a_name_that_does_not():
    ids = [registry.create().id for _ in range(200)]
    assert all(map(registry.is_id, ids)) and len({*map(public_id, ids)}) == 200
    for one in ids:
        name = public_id(one)
        assert not registry.is_id(name) and one not in name
        assert public_id(name) == name == public_id(one)
    assert public_id("0123456789abcdef01234567") == "0123456789abcdef01234567", "the command line's"


def given_away(session, place):
    """The bundle of a live session."""
    return saving.save(session, place, status="done")


def test_nothing_in_a_bundle_holds_the_id_of_its_session(runs, tmp_path):
    session = live()
    files = [file for file in given_away(session, tmp_path / "bundle").rglob("*") if file.is_file()]
    assert len(files) > 3
    assert not [file for file in files if session.id.encode() in file.read_bytes()]


def test_a_stranger_with_the_bundle_has_another_session(runs, tmp_path):
    session = live()
    copy = given_away(session, tmp_path / "downloaded")
    theirs = saving.load(copy)
    assert theirs.asked.user_prompts == ["A yak is"]
    assert theirs.id != session.id and registry.get(theirs.id) is None
    saving.save(theirs, copy)  # and can go on in it
    assert json.loads((copy / "run.json").read_text())["id"] == public_id(session.id)


def test_the_server_finds_its_own_again_and_goes_on(runs, monkeypatch):
    session = live()
    leave_the_memory(monkeypatch)
    again = registry.get(session.id)
    assert again is not session and again.id == session.id
    asked.add_prompt(again, "A gnu is")
    assert not again.save_problem
    leave_the_memory(monkeypatch)
    assert registry.get(session.id).asked.user_prompts == ["A yak is", "A gnu is"]
    assert registry.delete(session.id) and not session.directory.exists()


def test_a_folder_of_before_loses_its_id_when_it_is_taken_in(runs, tmp_path, monkeypatch):
    session = live()
    place = given_away(session, runs / session.id)
    registry.keeper().delete(session)  # as if there had been no database
    run = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps({**run, "id": session.id}))
    (place / marker.MARKER).write_text(f"{session.id}\n")
    assert marker.is_ours(place)
    leave_the_memory(monkeypatch)
    again = registry.get(session.id)
    assert again.id == session.id and again.asked.user_prompts == ["A yak is"]
    bundle = given_away(again, tmp_path / "again")
    assert session.id not in (bundle / "run.json").read_text()


def test_another_runs_folder_is_still_refused(runs, tmp_path):
    one, other = live(), live("A gnu is")
    copy = given_away(one, tmp_path / "copy")
    with pytest.raises(ValueError, match="a different run"):
        saving.save(other, copy)
