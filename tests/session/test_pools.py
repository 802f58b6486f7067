"""Answers written ahead once for all who want the same; what a person typed is never shared."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401

from rlhf_core.common.errors import StoreError
from rlhf_core.judging import briefs
from rlhf_core.lm import texts
from rlhf_core.loop import workbench, writing
from rlhf_core.session import asked, pools
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import Session
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database

BIOLOGY = briefs.PRESETS["biology-homework"]


@pytest.fixture
def store(url, tmp_path) -> InDatabase:  # noqa: F811
    return InDatabase(Database(url), Blobs(str(tmp_path / "blobs")))


@pytest.fixture
def writes(monkeypatch) -> list:
    """One entry for every time that the model wrote."""
    made, real = [], writing.write
    monkeypatch.setattr(writing, "write", lambda *a, **k: made.append(1) or real(*a, **k))
    return made


def learner(store, **how) -> Session:
    session = Session(BIOLOGY, **how)
    session.store, session.restartable = store, True
    session.keep()
    return session


def alone() -> Session:
    return Session(BIOLOGY)


def told(session: Session) -> list[dict]:
    return session.asked.candidate_sets


def test_the_second_takes_what_the_first_wrote_and_gets_the_same_as_alone(store, writes):
    first, second, nobody = learner(store), learner(store), alone()
    records = list(writing.generate_pool(first, 3))
    again = list(writing.generate_pool(second, 3))
    assert len(writes) == 1
    assert [r for r in again if isinstance(r, dict)] == [r for r in records if isinstance(r, dict)]
    list(writing.generate_pool(nobody, 3))
    assert len(writes) == 2 and told(first) == told(second) == told(nobody)
    assert len(told(first)) == 3
    # So it is for what comes behind it, and after a restart.
    list(writing.generate_pool(first, 2))
    assert len(told(first)) == 5 and told(store.load(first.id)) == told(first)
    list(writing.generate_pool(second, 2))
    list(writing.generate_pool(nobody, 2))
    assert told(first) == told(second) == told(nobody) and len(writes) == 4


def filled_by_the_engine(session: Session) -> Session:
    """A desk as the worker fills it, pool by pool."""
    while count := pools.wanted(session, 2):
        list(writing.generate_pool(session, count))
    return session


def test_a_page_fills_the_desk_at_once_with_what_the_engine_would_write(store, writes):
    first, second = learner(store), learner(store)
    assert pools.fill(first, 2) == pools.FIRST and told(first) == []
    filled_by_the_engine(first)
    assert len(writes) == 2
    saves, real = [], store.save
    store.save = lambda session: saves.append(1) or real(session)
    assert pools.fill(second, 2) == 0 and told(second) == told(first)
    assert len(saves) == 1, "all in one"
    assert told(store.load(second.id)) == told(first) == told(filled_by_the_engine(alone()))
    assert pools.fill(second, 2) == 0 and len(saves) == 1, "enough"
    assert pools.fill(second, 4) == pools.FIRST, "nobody wrote those"


def test_the_rest_is_written_where_only_the_beginning_is_there(store):
    first, second = learner(store), learner(store)
    list(writing.generate_pool(first, pools.FIRST))
    assert pools.fill(second, 2) == pools.BATCH and told(second) == told(first)
    list(writing.generate_pool(second, pools.BATCH))
    assert told(second) == told(filled_by_the_engine(alone()))


def test_another_tab_that_was_quicker_has_taken_them(store, monkeypatch):
    first, second = learner(store), learner(store)
    filled_by_the_engine(first)
    here, there = store.load(second.id), store.load(second.id)
    real = pools.found

    def meanwhile(session, key):
        sets = real(session, key)
        if session is here:
            assert pools.fill(there, 2) == 0
        return sets

    monkeypatch.setattr(pools, "found", meanwhile)
    assert pools.fill(here, 2) == 0
    assert told(here) == told(store.load(second.id)) == told(first)


@pytest.mark.parametrize(
    "otherwise",
    [
        dict(count=2),
        dict(form=4),
        dict(seed=1),
        dict(brief=briefs.PRESETS["customer-reply"]),
        dict(drawn=3),
        dict(round=2),
        dict(model_hash="another version of the model"),
    ],
    ids=lambda how: next(iter(how)),
)
def test_whoever_wants_something_else_does_not_get_it(store, otherwise):
    list(writing.generate_pool(learner(store), 3))
    session = learner(store, seed=otherwise.get("seed", 0))
    key = pools.key_of(learner(store), 3, 2, 0)
    assert key and pools.found(learner(store), key)
    if "brief" in otherwise:
        asked.set_brief(session, otherwise["brief"])
    session.asked.drawn = otherwise.get("drawn", 0)
    session.history.current_round = otherwise.get("round", session.history.current_round)
    session.model_hash = otherwise.get("model_hash", "")
    drawn, count = session.asked.drawn, otherwise.get("count", 3)
    other = pools.key_of(session, count, otherwise.get("form", 2), drawn)
    assert not pools.found(session, other)
    assert ("model_hash" in otherwise) == (other == key)


def test_the_same_prompts_under_another_brief_are_the_same(store):
    """The model reads the prompt, not the brief."""
    first, other = learner(store), learner(store)
    filled_by_the_engine(first)
    asked.set_brief(other, briefs.PRESETS["meme-bot"])
    assert pools.fill(other, 2) == 0 and told(other) == told(first)


def test_what_a_person_typed_stays_with_that_person(store, writes):
    first, second = learner(store), learner(store)
    for session in (first, second):
        asked.add_prompt(session, "My secret opossum is")
        assert pools.key_of(session, 3, 2, 0) == ""
        list(writing.generate_pool(session, 3))
    assert len(writes) == 2 and store.pools.keys() == []
    own = learner(store)
    asked.set_brief(own, asked.draft_brief(own, {"training_prompts": "Our cat is\nMy dog is"}))
    assert pools.key_of(own, 3, 2, 0) == ""


def test_neither_are_tuned_models_and_models_in_folders_of_ones_own_shared(store, tmp_path):
    session = learner(store)
    session.history.start = "a" * 64
    assert pools.key_of(session, 3, 2, 0) == ""
    assert pools.key_of(learner(store, model_name=str(tmp_path)), 3, 2, 0) == ""
    assert pools.key_of(learner(store, model_name="gpt2"), 3, 2, 0)
    assert pools.key_of(alone(), 3, 2, 0) == "", "nobody keeps what a script's session has"


def test_a_room_that_comes_in_at_one_moment_has_them_written_once(store, writes):
    """Two jobs of one process by turns: the second waits for as long as the first gets on."""
    first, second = learner(store), learner(store)
    one, other = writing.generate_pool(first, 3), writing.generate_pool(second, 3)
    next(one)
    assert all(next(other).wait > 0 for _ in range(3))
    list(one)
    list(other)
    assert len(writes) == 1 and told(first) == told(second)


def test_a_store_that_cannot_be_reached_costs_nothing_but_the_writing(store, writes, monkeypatch):
    first, second = learner(store), learner(store)

    def gone(*_):
        raise StoreError("The database is gone.", "gone")

    monkeypatch.setattr(store.pools, "find", gone)
    monkeypatch.setattr(store.pools, "keep", gone)
    for session in (first, second):
        assert pools.fill(session, 2) == pools.FIRST
        list(writing.generate_pool(session, 3))
    assert len(writes) == 2 and told(first) == told(second)


def test_a_job_that_died_in_the_middle_goes_on_with_the_same(store, writes):
    first, second, third = learner(store), learner(store), learner(store)
    list(writing.generate_pool(first, 3))
    begun = {"drawn": 0}
    for session, until in ((second, 1), (third, 2)):
        work = (r for r in writing.generate_pool(session, 3) if isinstance(r, dict))
        for _ in range(until):
            next(work)
        work.close()
        assert len(told(session)) == until
        records = [r for r in writing.pool_again(session, begun, 3) if isinstance(r, dict)]
        assert len(records) == 3 and told(session) == told(first)
    assert len(writes) == 1


def test_how_many_are_wanted():
    session = alone()
    assert pools.wanted(session, 2) == pools.FIRST
    add = lambda *answers: asked.add_set(session, "A yak is", list(answers), [True] * 4, 0)  # noqa: E731
    add(" a.", " b.")
    assert pools.wanted(session, 2) == pools.BATCH and pools.wanted(session, 4) == pools.FIRST
    for number in range(pools.READY):
        add(f" {number}.", " no.")
    assert pools.wanted(session, 2) == 0 and pools.wanted(session, 4) == pools.FIRST
    for number in range(pools.MOST):
        add(f" {number}.", " never.")
    assert pools.wanted(session, 4) == 0


def test_the_engine_says_what_was_written_with_which_numbers(store):
    """An answer of a pool is what this seed draws, whoever took it."""
    list(writing.generate_pool(learner(store), pools.FIRST))
    taker = learner(store)
    pools.fill(taker, 2)
    lm, row = workbench.ready(taker), told(taker)[0]
    prompts = [texts.encode_prompt(lm, one["prompt"], texts.ROLLOUT_TOKENS) for one in told(taker)]
    work = texts.write(lm, lm.trunk, prompts, 2 + writing.SPARE, row["seed"])
    while True:
        try:
            next(work)
        except StopIteration as end:
            drawn = {text for number, text, _, _ in end.value if number == 0}
            break
    assert set(row["texts"]) <= drawn
