"""The room's answers become pairs, once, whoever wrote them and however often it is tried."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, opened, sets  # noqa: F401

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, answers, desk, doors, pairs
from rlhf_core.session import registry

OWN = {"title": "Pirate", "prefer": "Arr.", "training_prompts": ["A ship is", "A cat is"]}


@pytest.fixture
def model(monkeypatch):
    """Writes sets without a model, and notes what it was asked."""
    calls = []

    def write(session, *asked):
        calls.append(asked)
        with session.change():
            session.asked.candidate_sets = sets(count=6)
        yield {"kind": "set", "set_id": "set-6", "prompt": "Prompt 6 is"}

    monkeypatch.setattr(answers, "generate_pool", write)
    monkeypatch.setattr(answers, "pool_again", write)
    return calls


def test_the_job_writes_and_makes_the_pairs(here, model):  # noqa: F811
    room = opened(written=False)
    records = list(answers.write(registry.get(room.session_id)))
    assert records[-1] == {"kind": "room", "pairs": 18} == {"kind": "room", **counted(room)}
    assert model == [(answers.SETS, answers.ANSWERS)]


def counted(room) -> dict:
    return {"pairs": doors.by_code(room.code).pairs}


def test_after_a_workers_death_it_goes_on_and_doubles_nothing(here, model):  # noqa: F811
    room = opened(written=False)
    session = registry.get(room.session_id)
    list(answers.write(session))
    begun = {"drawn": 0, "made": 1}
    assert list(answers.write_again(session, begun))[-1]["pairs"] == 18
    assert model[-1] == (begun, answers.SETS, answers.ANSWERS)
    assert counted(room) == {"pairs": 18}


def test_a_session_of_no_room_is_told_so_before_anything_is_written(here, model):  # noqa: F811
    with pytest.raises(RoomError, match="belongs to no room"):
        next(answers.write(registry.create()))
    assert not model


def test_a_brief_without_known_answers_practises_on_answers_of_the_model(here, model):  # noqa: F811
    room = opened(written=False, briefs=("pirate",), own_briefs={"pirate": OWN})
    phone = Phone(room)
    acts.step(room.code, room.host, "practice")
    assert desk.take(room.code, phone.me)["act"]["say"] == desk.WRITING
    list(answers.write(registry.get(room.session_id)))
    shown = desk.next_pairs(room.code, phone.me)
    assert len(shown) == pairs.PRACTICED
    assert all((pair["right"], pair["why"]) == ("", "") for pair in shown), "nobody knows"
    phone.judge(lambda pair: "a")
    acts.step(room.code, room.host, "rank")
    assert desk.take(room.code, phone.me)["you"]["left"] == 18, "practice counts for nothing"
