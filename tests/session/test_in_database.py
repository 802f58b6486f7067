"""Several processes with the same session: here two ``Session`` objects of one database, which know
of each other only what lies there.
"""

from __future__ import annotations

import json
import random
import threading

import pytest
import torch
from databases import url  # noqa: F401

from rlhf_core.common.errors import InputError, StoreError
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import workbench
from rlhf_core.session import asked, judged, merging, parts, saving, weights
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session, Tuned
from rlhf_core.store import bundle
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database

MEMES = briefs.PRESETS["meme-bot"]


@pytest.fixture
def store(url, tmp_path) -> InDatabase:  # noqa: F811
    return InDatabase(Database(url), Blobs(str(tmp_path / "blobs")))


@pytest.fixture
def session(store) -> Session:
    session = Session(MEMES, seed=3)
    session.store, session.restartable = store, True
    session.keep()
    return session


def elsewhere(session: Session) -> Session:
    """The same session in another process."""
    return session.store.load(session.id)


def a_set(session: Session, *texts: str) -> str:
    return asked.add_set(session, "A yak is", list(texts), [True] * len(texts), 0)["id"]


def same(one: Session, other: Session) -> bool:
    return saving.to_dict(one) == saving.to_dict(other)


def filled(session: Session) -> None:
    """Something in every field of every part."""
    asked.add_prompt(session, "A yak is")
    for number in range(3):
        name = a_set(session, f" {number}.", " no.")
        judged.add_ranking(session, name, groups=[[0], [1]], seconds=2.5, reason="why? \U0001f43e")
    judged.add_vote(session, "A yak is", "after")
    with session.change():
        pairs = [Pair("p\x00", "a", "b", "a", weight=0.5), Pair("p", "c", "d", "tie")]
        session.judged.imported = pairs
        session.judged.imports = [{"file": "x.csv", "pairs": 2}]
        session.judged.exploits = [Pair("p", "!!", "b", "b")]
        session.judged.people, session.judged.sitting = ["Ada"], "Ada"
        session.learned.head = workbench.put(session, {"w": torch.ones(2)})
        session.learned.fit_records = [{"iteration": 0, "loss": 0.7}]
        session.learned.summary = {"fit": 1, "heldout_accuracy": 0.8}
        session.tuned.weights = workbench.put(session, {"w": torch.zeros(2)})
        session.tuned.metrics = [{"step": 0, "reward_mean": float("nan")}, {"step": 1}]
        session.tuned.samples = [{"step": 1, "prompt": "p", "text": "t\\n\u2028"}]
        session.tuned.evaluation = {"win_rate": 0.5}
        session.tuned.broke = {"step": 2, "sentence": "no"}
        session.history.predictions = [{"round": 1, "to": 3}]
        session.labs = {"goodhart": {"rows": [1, 2]}, "tour": {"at": 2}}
        session.settings, session.step_times = {"ppo": {"beta": 0.1}}, {"m": {"seconds": 1.0}}
        session.model_hash = "abc"


def test_every_field_comes_back(session):
    filled(session)
    again = elsewhere(session)
    one, other = (json.dumps(saving.to_dict(each)) for each in (session, again))
    assert one == other, "as texts: nan is no equal of itself"
    for name in weights.in_use(session):
        assert torch.equal(weights.tensors(again, name)["w"], session.held[name]["w"])
    kinds = {name for name, kind in parts.PARTS.items() for _ in vars(kind)}
    assert kinds == set(parts.PARTS)


def test_a_bundle_is_written_from_blobs_as_they_are(session, tmp_path):
    filled(session)
    again = elsewhere(session)
    place = saving.save(again, tmp_path / "bundle", status="done")
    assert again.held == {}, "no tensor was made of them, so no torch was needed"
    stored = bundle.read_bundle(place)["tensors"]
    for role, name in (("policy", session.tuned.weights), ("reward_model", session.learned.head)):
        assert torch.equal(stored[role]["w"], session.held[name]["w"])


def test_a_save_of_nothing_new_writes_nothing(session):
    filled(session)
    before = {name: known.version for name, known in session.known.items()}
    session.keep()
    assert {name: known.version for name, known in session.known.items()} == before
    asked.let_older_count(session, False)
    after = {name: known.version for name, known in session.known.items()}
    assert {name for name in after if after[name] != before[name]} == {"asked"}


def test_another_process_sees_what_was_changed_and_keeps_what_it_has_open(session):
    other = elsewhere(session)
    asked.add_prompt(session, "A yak is")
    assert other.asked.user_prompts == []
    rankings = other.judged.rankings
    other.refresh()
    assert other.asked.user_prompts == ["A yak is"]
    assert other.judged.rankings is rankings, "a part that nobody wrote is not read again"


def test_who_holds_a_part_sees_what_came_but_another_run_is_another_part(session):
    other = elsewhere(session)
    asked_here, tuned_here = session.asked, session.tuned
    asked.add_prompt(other, "A yak is")
    with other.change():
        other.tuned.metrics = [{"step": 0}]
    asked.add_prompt(session, "A gnu is")
    assert session.asked is asked_here and session.tuned is tuned_here
    assert asked_here.user_prompts == ["A yak is", "A gnu is"]
    assert tuned_here.metrics == [{"step": 0}]
    with other.change():
        other.tuned = Tuned()
    session.refresh()
    assert session.tuned is not tuned_here and session.tuned.metrics == []
    assert tuned_here.metrics == [{"step": 0}], "the run that was put away ends where it was"


def test_a_change_begins_with_what_others_wrote(session):
    other = elsewhere(session)
    name = a_set(session, " a.", " b.")
    judged.add_ranking(session, name, groups=[[0], [1]])
    with pytest.raises(InputError, match="already judged"):
        judged.add_ranking(other, name, groups=[[1], [0]])
    assert len(elsewhere(session).judged.rankings) == 1


@pytest.fixture
def blind(monkeypatch):
    """Nobody looks before a change, as if all had looked at the same moment."""
    monkeypatch.setattr(InDatabase, "refresh", lambda self, session: None)


def test_a_double_tap_on_two_servers_counts_once(session, blind):
    name = a_set(session, " a.", " b.")
    others = [elsewhere(session) for _ in range(4)]
    for number, other in enumerate(others):
        judged.add_ranking(other, name, groups=[[0], [1]], seconds=float(number))
    found = elsewhere(session).judged.rankings
    assert len(found) == 1 and found[0].seconds == 0.0
    session.keep()
    assert session.judged.rankings == found


def test_writers_that_are_behind_add_to_each_other(session, blind):
    one, other = elsewhere(session), elsewhere(session)
    asked.add_prompt(one, "A yak is")
    asked.add_prompt(other, "A gnu is")
    one.choose("ppo", {"beta": 1.0})
    other.choose("ppo", {"clip": 0.3})
    one.keep()
    other.keep()
    with one.change():
        one.labs = {**one.labs, "goodhart": {"rows": [1]}}
    with other.change():
        other.labs = {**other.labs, "tour": {"at": 1}}
    judged.add_vote(one, "A yak is", "after")
    judged.add_vote(other, "A yak is", "after")
    judged.add_vote(other, "A gnu is", "tie")
    found = elsewhere(session)
    assert found.asked.user_prompts == ["A yak is", "A gnu is"]
    assert found.settings["ppo_next"] == {"beta": 1.0, "clip": 0.3}
    assert found.labs == {"goodhart": {"rows": [1]}, "tour": {"at": 1}}
    assert [row["prompt"] for row in found.judged.votes] == ["A yak is", "A gnu is"]


def test_a_save_whose_answer_got_lost_counts_once(session, monkeypatch):
    """The rows are written, the line breaks: the writer does not know, and writes again."""
    name = a_set(session, " a.", " b.")
    with monkeypatch.context() as patch:

        def lost(*_):
            raise StoreError("The database is gone.")

        patch.setattr(session.store.weights, "wrote", lost)
        judged.add_ranking(session, name, groups=[[0], [1]])
        judged.add_vote(session, "A yak is", "after")
        with session.change():
            session.tuned.metrics = [{"step": 0}, {"step": 1}]
        assert session.save_problem
    asked.add_prompt(session, "A gnu is")
    found = elsewhere(session)
    assert session.save_problem == "" and len(found.judged.rankings) == 1
    assert len(found.judged.votes) == 1 and found.asked.user_prompts == ["A gnu is"]
    assert [row["step"] for row in found.tuned.metrics] == [0, 1]


def test_what_is_taken_back_stays_taken_back_and_can_be_judged_again(session):
    names = [a_set(session, f" {n}.", " b.") for n in range(3)]
    for name in names:
        judged.add_ranking(session, name, groups=[[0], [1]])
    judged.undo_ranking(session)
    assert [r.id for r in elsewhere(session).judged.rankings] == names[:2]
    judged.add_ranking(session, names[2], groups=[[1], [0]])
    judged.change_ranking(session, names[0], verdict="both_bad")
    found = elsewhere(session).judged.rankings
    assert [r.id for r in found] == names and found == session.judged.rankings
    assert found[0].verdict == "both_bad" and found[2].groups == [[1], [0]]


def test_a_lab_that_is_gone_is_gone_there_too(session):
    filled(session)
    with session.change():
        session.labs = {"tour": {"at": 3}}
    found = elsewhere(session)
    assert found.labs == {"tour": {"at": 3}}
    with found.change():
        found.labs = {**found.labs, "goodhart": {"rows": []}}
    session.refresh()
    assert session.labs == found.labs


def test_threads_and_objects_lose_and_double_nothing(session):
    """Four processes' worth of judging at the same time, each adding what is its own."""
    store, names = session.store, {}
    for number in range(40):
        names[number] = a_set(session, f" {number}.", " b.")

    def judge(which: int) -> None:
        mine = store.load(session.id)
        for number in range(40):
            try:
                if number % 4 == which:
                    judged.add_ranking(mine, names[number], groups=[[0], [1]])
                judged.add_vote(mine, f"A yak {which}-{number}", "tie")
            except InputError:
                pass

    threads = [threading.Thread(target=judge, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = elsewhere(session)
    assert sorted(r.id for r in found.judged.rankings) == sorted(names.values())
    votes = [row["prompt"] for row in found.judged.votes]
    assert len(votes) == len(set(votes)) == 160


def test_the_same_weights_of_two_sessions_are_one_blob_and_live_as_long_as_either(session, store):
    other = Session(MEMES)
    other.store = store
    for each in (session, other):
        with each.change():
            each.tuned.weights = workbench.put(each, {"w": torch.ones(3)})
    assert len(list(store.weights.blobs)) == 1
    for each, left in ((session, 1), (other, 0)):
        with each.change():
            each.tuned.weights = ""
            each.on_disk = {}
        assert len(list(store.weights.blobs)) == left


def test_weights_of_every_step_do_not_pile_up(session, store):
    for step in range(1, 6):
        with session.change():
            session.tuned.weights = workbench.put(session, {"w": torch.full((3,), float(step))})
            session.tuned.metrics = [*session.tuned.metrics, {"step": step}]
            weights.drop_unused(session)
    assert len(list(store.weights.blobs)) == 1
    assert weights.tensors(elsewhere(session), session.tuned.weights)["w"].tolist() == [5.0] * 3


def test_a_missing_or_damaged_blob_is_told_and_costs_only_itself(session, store):
    filled(session)
    again = elsewhere(session)
    for name in store.weights.blobs:
        store.weights.blobs.file(name).write_bytes(b"damaged")
    with pytest.raises(StoreError, match="damaged"):
        weights.tensors(again, again.learned.head)
    for name in store.weights.blobs:
        store.weights.blobs.delete(name)
    with pytest.raises(StoreError, match="missing"):
        weights.tensors(again, again.learned.head)
    assert not weights.is_whole(again, again.learned.head)
    asked.add_prompt(again, "A gnu is")
    assert again.save_problem == ""


def test_a_large_policy_is_kept_every_so_often_and_a_run_that_ended_between_goes_on_from_there(
    session, monkeypatch
):
    monkeypatch.setattr(weights, "SMALL", 0)
    with session.change():
        session.under_way = 1
    for step in range(1, weights.SAVE_EVERY + 3):
        with session.change():
            session.tuned.weights = workbench.put(session, {"w": torch.full((3,), float(step))})
            session.tuned.metrics = [*session.tuned.metrics, {"step": step}]
            session.tuned.samples = [*session.tuned.samples, {"step": step}]
            weights.drop_unused(session)
    again = elsewhere(session)  # its process is none that lives
    assert again.tuned.steps_done == weights.SAVE_EVERY == again.tuned.samples[-1]["step"]
    assert weights.tensors(again, again.tuned.weights)["w"].tolist() == [weights.SAVE_EVERY] * 3
    assert f"{weights.SAVE_EVERY} PPO steps" in again.note
    with session.change():
        session.under_way = 0
    assert elsewhere(session).tuned.steps_done == weights.SAVE_EVERY + 2


def test_rows_of_a_later_version_are_refused_in_words(session, store, monkeypatch):
    real = parts.fields
    later = {"history": {"rounds": [], "new": 1}}
    monkeypatch.setattr(parts, "fields", lambda session: real(session) | later)
    session.keep()
    with pytest.raises(StoreError, match="another version of Opossum"):
        store.load(session.id)


# --- merging --------------------------------------------------------------------------------------


def test_merging_by_hand():
    assert merging.merged({"a": 1}, {"a": 1, "b": 2}, {"c": 3}) == {"b": 2, "c": 3}
    assert merging.merged({"a": 1}, {}, {"a": 1}) == {}
    assert merging.merged({"a": 1}, {}, {"a": 2}) == {"a": 2}, "what they changed stays"
    assert merging.merged([1, 2], [2, 3], [1, 2, 4]) == [2, 4, 3]
    assert merging.merged("x", "y", "z") == "y"
    assert merging.merged([], [1], [1, 2]) == [1, 2], "sent twice"


def test_merging_loses_no_addition_and_brings_nothing_back():
    """Random changes on both sides of a list without twins."""
    lot = random.Random(5)
    for _ in range(500):
        base = lot.sample(range(100), lot.randrange(8))

        def changed(new: int) -> list[int]:
            kept = [row for row in base if lot.random() < 0.7]  # noqa: B023
            return [*kept, *range(new, new + lot.randrange(4))]

        mine, theirs = changed(1000), changed(2000)
        found = merging.merged(base, mine, theirs)
        gone = {*base} - ({*mine} & {*theirs})
        assert len(found) == len(set(found))
        assert {*found} == ({*mine} | {*theirs}) - gone
        keyed = merging.merged_rows(
            [str(row) for row in base],
            [(str(row), row) for row in mine],
            [(str(row), row) for row in theirs],
            lambda row: None,
        )
        assert {row for _, row in keyed} == {*found}


def test_any_sequence_of_changes_by_several_processes_reads_back_everywhere(session):
    """Each change is made on one of three copies, chosen at random; all end up alike."""
    lot = random.Random(7)
    copies, names = [elsewhere(session) for _ in range(3)], iter(range(10_000))

    def one_more(mine: Session) -> None:
        kind = lot.randrange(6)
        if kind == 0:
            asked.add_prompt(mine, f"A yak {next(names)} is")
        elif kind == 1:
            judged.add_ranking(mine, a_set(mine, f" {next(names)}.", " b."), groups=[[0], [1]])
        elif kind == 2:
            judged.undo_ranking(mine)
        elif kind == 3:
            with mine.change():
                step = mine.tuned.steps_done + 1
                mine.tuned.metrics = [*mine.tuned.metrics, {"step": step}]
        elif kind == 4:
            with mine.change():
                keep = lot.randrange(len(mine.tuned.metrics) + 1)
                mine.tuned.metrics = mine.tuned.metrics[:keep]
        else:
            with mine.change():
                mine.labs = {**mine.labs, lot.choice("abc"): {"n": next(names)}}

    for _ in range(120):
        one_more(lot.choice(copies))
    for each in copies:
        each.refresh()
    found = elsewhere(session)
    assert all(same(each, found) for each in copies)
    assert found.judged.rankings and found.asked.user_prompts and found.labs
