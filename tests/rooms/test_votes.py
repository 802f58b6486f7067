"""Blind votes: one pair a prompt, one vote a prompt, whoever is many; the verdict hears them."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, left, opened  # noqa: F401

from rlhf_core.common.errors import RoomError
from rlhf_core.evaluation import verdict
from rlhf_core.rooms import acts, desk, figures, integrity, limits, votes
from rlhf_core.session import judged, registry
from rlhf_core.session.state import Session


@pytest.fixture
def room(here):  # noqa: F811
    made = opened()
    measured(made.session_id)
    return made


def measured(session_id: str, step: int = 5, prompts: int = 20) -> None:
    """A session whose before and after were measured, as ``comparing.evaluate`` leaves it."""
    session = registry.get(session_id)
    pairs = []
    for number in range(2 * prompts):
        prompt = f"Unseen {number % prompts} is"
        texts = {"before": f" plain {number}.", "after": f" BETTER {number}."}
        if number % prompts == 3:
            texts["after"] = texts["before"]  # nothing to vote on
        scores = {"reward_before": 0.0, "reward_after": 1.0, "ended_before": True}
        pairs.append({"prompt": prompt, **texts, **scores, "ended_after": True})
    found = verdict.verdict(pairs, wanted=None, scripted=False)
    with session.change():
        session.tuned.metrics = [{"step": n, "reward_mean": 0.0} for n in range(step + 1)]
        session.tuned.evaluation = {"pairs": pairs, "round": 1, "step": step, **found}


def after(pair: dict) -> str:
    return "a" if "BETTER" in pair["a"] else "b"


def before(pair: dict) -> str:
    return "b" if "BETTER" in pair["a"] else "a"


def test_nothing_to_vote_on_before_it_was_measured(here):  # noqa: F811
    room = opened()
    with pytest.raises(RoomError, match="run PPO, then measure") as told:
        votes.prepare(room.code, room.host)
    assert told.value.kind == "early" and votes.standing(room.code, room.host)["pairs"] == 0


def test_a_prompt_is_asked_once_and_never_where_nothing_changed(room):
    assert votes.prepare(room.code, room.host) == limits.VOTES
    assert votes.prepare(room.code, room.host) == limits.VOTES
    acts.step(room.code, room.host, "vote")
    phone = Phone(room)
    assert phone.judge(after) == limits.VOTES
    rows = votes.standing(room.code, room.host)["prompts"]
    assert len(rows) == len({row["prompt"] for row in rows}) == limits.VOTES
    assert "Unseen 3 is" not in {row["prompt"] for row in rows}


def test_the_phone_does_not_tell_which_is_which(room):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    shown = desk.next_pairs(room.code, Phone(room).me)
    assert all(set(pair) == {"id", "prompt", "a", "b", "for"} for pair in shown)
    firsts = [
        "BETTER" in pair["a"]
        for _ in range(8)
        for pair in desk.next_pairs(room.code, Phone(room).me)
    ]
    assert 0.2 < sum(firsts) / len(firsts) < 0.8


def test_the_wall_does_not_tell_before_the_talk(room):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    Phone(room).judge(after)
    told = figures.for_wall(room.code, room.wall)["votes"]
    assert told == [{"half": 0, "pairs": 12, "votes": 12, "people": 1}]
    acts.step(room.code, room.host, "talk")
    assert figures.for_wall(room.code, room.wall)["votes"][0]["prompts"]


def test_a_crowd_is_one_vote_a_prompt(room):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    for taste in (after, after, after, before, lambda pair: "skip"):
        Phone(room).judge(taste)
    found = votes.count(room.code, room.host)
    assert (found["votes"], found["people"]) == (4 * limits.VOTES, 4)
    assert all((row["for_after"], row["for_before"]) == (3, 1) for row in found["prompts"])
    assert (found["judge"]["pairs"], found["judge"]["wins"]) == (limits.VOTES, limits.VOTES)
    session = registry.get(room.session_id)
    assert len(judged.votes_here(session)) == limits.VOTES
    assert found["verdict"] == "better" and "blind votes" in found["conclusion"]


def test_counting_again_replaces_and_a_left_out_voter_counts_no_more(room):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    phones = [Phone(room) for _ in range(3)]
    for phone, taste in zip(phones, (after, before, before), strict=True):
        phone.judge(taste)
    assert votes.count(room.code, room.host)["judge"]["losses"] == limits.VOTES
    integrity.leave_out(room.code, room.host, phones[1].number)
    found = votes.count(room.code, room.host)
    assert found["judge"]["ties"] == limits.VOTES, "one against one"
    assert len(judged.votes_here(registry.get(room.session_id))) == limits.VOTES


def test_votes_on_an_earlier_model_do_not_count_for_a_later_one(room):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    phone = Phone(room)
    phone.judge(after)
    measured(room.session_id, step=9)
    votes.prepare(room.code, room.host)
    reply = desk.take(room.code, phone.me)
    assert (reply["you"]["done"], reply["you"]["left"]) == (0, limits.VOTES)
    found = votes.standing(room.code, room.host)
    assert (found["votes"], found["people"]) == (0, 0), "nobody has voted on this one"


def test_the_job_that_measures_prepares_the_vote_with_no_page_open(room):
    session = registry.get(room.session_id)
    assert votes.put(session) == limits.VOTES == votes.standing(room.code, room.host)["pairs"]
    with session.change():
        session.tuned.evaluation = {}
    assert votes.put(session) == 0 and votes.put(Session()) == 0, "and says nothing"


@pytest.mark.parametrize(
    ("said", "most"),
    [((2, 1, 0), "before"), ((1, 2, 0), "after"), ((2, 2, 0), "tie"), ((1, 2, 3), "tie")],
)
def test_what_most_said(room, said, most):
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    tastes = [before] * said[0] + [after] * said[1] + [lambda pair: "tie"] * said[2]
    for taste in tastes:
        Phone(room).judge(taste, most=1_000)
    votes.count(room.code, room.host)
    cast = judged.votes_here(registry.get(room.session_id))
    assert {vote["choice"] for vote in cast} == {most}
