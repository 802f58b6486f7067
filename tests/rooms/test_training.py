"""What the room's reward model learns from: what people tapped, as they saw it, and nobody who was
left out. No model here: what is fitted is read from the session.
"""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, left, likes, opened  # noqa: F401

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, desk, integrity, training
from rlhf_core.session import judged, registry


@pytest.fixture
def room(here):  # noqa: F811
    made = opened()
    acts.step(made.code, made.host, "practice")
    return made


def rank(room, *tastes, most=30) -> list[Phone]:
    acts.step(room.code, room.host, "rank")
    phones = [Phone(room) for _ in tastes]
    for phone, taste in zip(phones, tastes, strict=True):
        phone.judge(taste, most=most)
    return phones


def test_the_session_learns_what_people_saw_and_said(room):
    first, second = rank(room, likes("LOUD"), left)
    found = training.gather(room.code, room.host)
    assert (found["judgements"], found["people"], found["left_out"]) == (60, 2, 0)
    session = registry.get(found["session_id"])
    pairs = [pair for pair in judged.pairs(session) if pair.choice in ("a", "b")]
    names = {phone.joined.person.pseudonym: phone for phone in (first, second)}
    assert {pair.annotator for pair in pairs} == set(names)
    loud = [pair for pair in pairs if names[pair.annotator] is first]
    assert loud and all("LOUD" in (pair.a if pair.choice == "a" else pair.b) for pair in loud)
    lefts = [pair for pair in pairs if names[pair.annotator] is second]
    assert len(lefts) == 30 and all(pair.choice == "a" for pair in lefts), "the side is kept"
    assert {pair.seconds for pair in pairs} == {3.0}
    assert judged.rater(session) == " and ".join(names)


def test_whether_the_model_ended_an_answer_itself_travels(room):
    rank(room, likes("LOUD"))
    session = registry.get(training.gather(room.code, room.host)["session_id"])
    own = [one for one in session.judged.rankings if one.finished]
    assert own
    for one in own:
        assert one.finished == ["!" not in text for text in one.candidates]


def test_practice_teaches_nothing(room):
    phone = Phone(room)
    phone.judge(left)
    with pytest.raises(RoomError, match="nothing to learn from yet") as told:
        training.gather(room.code, room.host)
    assert told.value.kind == "early"


def test_gathering_again_changes_only_what_is_new(room):
    phones = rank(room, likes("LOUD"), likes("longer"))
    training.gather(room.code, room.host)
    session = registry.get(room.session_id)
    before = list(session.judged.rankings)
    training.gather(room.code, room.host)
    assert session.judged.rankings == before
    phones[0].judge(likes("LOUD"), most=2)
    assert training.standing(room.code, room.host)["new"] == 2
    training.gather(room.code, room.host)
    after = session.judged.rankings
    assert len(after) == len(before) + 2 and {id(one) for one in before} < {
        id(one) for one in after
    }
    assert training.standing(room.code, room.host)["new"] == 0


def test_who_is_left_out_leaves_the_session_and_comes_back(room):
    phones = rank(room, likes("LOUD"), likes("longer"), left)
    training.gather(room.code, room.host)
    spam = phones[2].joined.person
    integrity.leave_out(room.code, room.host, spam.number, "taps left")
    session = registry.get(room.session_id)
    found = training.gather(room.code, room.host)
    assert (found["judgements"], found["left_out"]) == (60, 1)
    assert spam.pseudonym not in {one.annotator for one in session.judged.rankings}
    integrity.take_in(room.code, room.host, spam.number)
    assert training.gather(room.code, room.host)["judgements"] == 90
    events = integrity.events(room.code, room.host)
    gathered = [one["about"]["left_out"] for one in events if one["kind"] == "gathered"]
    assert gathered == [0, 1, 0], "what each training went without is on record"


def test_another_server_finds_what_was_gathered(room, here):  # noqa: F811
    rank(room, likes("LOUD"))
    training.gather(room.code, room.host)
    read = here.load(room.session_id)
    assert len(read.judged.rankings) == 30
    assert read.judged.rankings == registry.get(room.session_id).judged.rankings


def test_two_halves_two_sessions_two_tastes(here):  # noqa: F811
    room = opened(briefs=("biology-homework", "meme-bot"))
    rank(room, likes("longer"), likes("LOUD"), likes("longer"), likes("LOUD"))
    for half, brief, word in ((0, "biology-homework", "longer"), (1, "meme-bot", "LOUD")):
        found = training.gather(room.code, room.host, half)
        pairs = judged.learnable(registry.get(found["session_id"]))
        clear = [pair for pair in pairs if pair.choice in ("a", "b")]
        assert found["people"] == 2 and {pair.brief for pair in pairs} == {brief}
        assert all(word in (pair.a if pair.choice == "a" else pair.b) for pair in clear)
    with pytest.raises(RoomError, match="no half number 2"):
        training.gather(room.code, room.host, 2)


def test_a_session_that_is_gone_is_told_and_nothing_else_is_lost(room):
    phone = rank(room, likes("LOUD"))[0]
    registry.delete(room.session_id)
    with pytest.raises(RoomError, match="session is gone"):
        training.gather(room.code, room.host)
    assert "gone" in training.standing(room.code, room.host)["problem"]
    assert desk.take(room.code, phone.me)["you"]["done"] == 30


def test_many_names_are_counted_not_listed(room):
    rank(room, *[likes("LOUD")] * 8, most=3)
    training.gather(room.code, room.host)
    assert judged.rater(registry.get(room.session_id)) == "8 people"
