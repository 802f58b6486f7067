"""What was learned under another brief or with another model waits on the shelf, and comes back."""

from __future__ import annotations

import pytest
import torch

from rlhf_core.judging import briefs
from rlhf_core.loop import workbench
from rlhf_core.session import asked, judged, rounds, saving, shelf, weights
from rlhf_core.session.in_database import InDatabase
from rlhf_core.session.state import ABOUT_HEAD, Session
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database

BIOLOGY, MEMES = briefs.PRESETS["biology-homework"], briefs.PRESETS["meme-bot"]
CUSTOMER = next(b for slug, b in briefs.PRESETS.items() if b not in (BIOLOGY, MEMES))


@pytest.fixture(params=["in a folder", "in a database"])
def session(request, tmp_path) -> Session:
    session = Session(BIOLOGY, directory=tmp_path / "run")
    if request.param == "in a database":
        url = f"sqlite:///{tmp_path}/opossum.db"
        session.store = InDatabase(Database(url), Blobs(str(tmp_path / "blobs")))
        session.keep()
    return session


def train(session: Session, value: float) -> None:
    """A reward model and a policy of one number each, after one step."""
    with session.change():
        session.learned.head = workbench.put(session, {"head": torch.full((2,), value)})
        session.learned.summary = {"fit": 1, "heldout_accuracy": value}
        session.tuned.weights = workbench.put(session, {"w": torch.full((3,), value)})
        session.tuned.metrics = [{"step": 0}, {"step": 1, "reward_mean": value}]
        session.labs = {**session.labs, ABOUT_HEAD: {"heatmap": [value]}}
        session.settings = {**session.settings, "ppo": {"beta": value}}
        weights.drop_unused(session)


def stands_at(session: Session, value: float) -> bool:
    head, policy = session.learned.head, session.tuned.weights
    return (
        session.learned.summary["heldout_accuracy"] == value
        and weights.tensors(session, head)["head"].tolist() == [value] * 2
        and weights.tensors(session, policy)["w"].tolist() == [value] * 3
        and session.labs[ABOUT_HEAD] == {"heatmap": [value]}
    )


def test_each_brief_has_its_own_and_finds_it_again(session):
    train(session, 0.25)
    rounds.start_next(session)
    train(session, 0.5)
    run = session.tuned.run
    name = asked.add_set(session, BIOLOGY.training_prompts[0], [" a.", " b."], [True, True], 0)[
        "id"
    ]
    judged.add_ranking(session, name, groups=[[0], [1]])
    waits = asked.add_set(session, BIOLOGY.training_prompts[1], [" c.", " d."], [True, True], 0)[
        "id"
    ]
    asked.set_brief(session, MEMES)
    assert not session.learned.head and not session.tuned.metrics and not session.history.rounds
    assert ABOUT_HEAD not in session.labs and len(session.judged.rankings) == 1
    train(session, 0.75)
    asked.set_brief(session, BIOLOGY)
    assert stands_at(session, 0.5) and session.tuned.run == run
    assert session.history.current_round == 2 and len(session.history.rounds) == 1
    assert waits in {row["id"] for row in asked.unranked(session)}
    rounds.roll_back(session, 1)
    assert weights.tensors(session, session.history.start)["w"].tolist() == [0.25] * 3
    asked.set_brief(session, MEMES)
    assert stands_at(session, 0.75)


def test_a_new_version_of_a_brief_puts_nothing_away(session):
    train(session, 0.5)
    asked.set_brief(session, session.asked.brief.edited(prefer="Short facts."))
    assert stands_at(session, 0.5) and session.shelf == {}


def test_models_too_with_the_settings_that_were_meant_for_them(session):
    train(session, 0.5)
    with session.change():
        head = workbench.put(session, {"head": torch.ones(2)})
        session.labs = {**session.labs, "context_flip": {"heads": [head, head], "flips": 0.5}}
    session.model_hash = "one"
    asked.set_model(session, "somebody/else")
    assert session.model_hash == "" and "ppo" not in session.settings
    assert session.labs["context_flip"] == {"flips": 0.5} and not session.learned.head
    train(session, 0.75)
    asked.set_brief(session, MEMES)  # neither was ever here
    assert not session.learned.head and len(session.shelf) == 2
    asked.set_brief(session, BIOLOGY)
    asked.set_model(session, "bundled")
    assert stands_at(session, 0.5) and session.model_hash == "one"
    assert session.settings["ppo"] == {"beta": 0.5}
    assert weights.tensors(session, session.labs["context_flip"]["heads"][0])["head"].sum() == 2
    asked.set_model(session, "somebody/else")
    assert stands_at(session, 0.75)


def test_nothing_learned_takes_no_place(session):
    for brief in (MEMES, BIOLOGY, MEMES):
        asked.set_brief(session, brief)
    assert session.shelf == {}


def test_the_learners_guesses_stay_whatever_the_brief(session):
    train(session, 0.5)
    with session.change():
        session.history.predictions = [{"round": 1, "to": 3}]
    asked.set_brief(session, MEMES)
    with session.change():
        session.history.predictions = [*session.history.predictions, {"round": 1, "to": 9}]
    asked.set_brief(session, BIOLOGY)
    assert [one["to"] for one in session.history.predictions] == [3, 9]


def test_the_shelf_is_bounded_and_what_was_put_away_first_goes_first(session, monkeypatch):
    monkeypatch.setattr(shelf, "MOST", 1)
    for value, brief in ((0.25, MEMES), (0.5, CUSTOMER), (0.75, BIOLOGY)):
        train(session, value)
        asked.set_brief(session, brief)
    assert not session.learned.head, "biology's was put away first"
    asked.set_brief(session, CUSTOMER)
    assert stands_at(session, 0.75)
    assert len(weights.in_use(session)) == 2


def test_too_many_bytes_cost_the_shelf_first(session, monkeypatch):
    train(session, 0.5)
    asked.set_brief(session, MEMES)
    train(session, 0.75)
    rounds.start_next(session)
    monkeypatch.setattr(rounds, "MOST_BYTES", 1)
    rounds.tidy(session)
    assert session.shelf == {}


def test_the_shelf_comes_back_from_where_it_is_kept(session):
    train(session, 0.5)
    asked.set_brief(session, MEMES)
    if session.store is None:
        again = saving.from_dict(saving.to_dict(session))
        again.directory = session.directory
    else:
        again = session.store.load(session.id)
    asked.set_brief(again, BIOLOGY)
    assert stands_at(again, 0.5)


def test_a_row_of_another_version_is_left_where_it_is(session):
    session.shelf = {"biology-homework@bundled": {"learned": {}}, "x": None}
    assert not any(map(shelf.readable, session.shelf.values()))
    data = saving.to_dict(session)
    assert saving.from_dict(data).shelf == {}
