"""Every screen counts the same things: people, practice, judgements and votes; who was left out is
in none of them, and a skip, practice and a vote are no judgements.
"""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, at_once, here, left, opened  # noqa: F401
from test_votes import measured

from rlhf_core.rooms import acts, desk, figures, integrity, training, votes
from rlhf_core.session import registry


@pytest.fixture
def played(here):  # noqa: F811
    """Three people, each with two practice pairs, five judgements, a skip and four votes (one of
    them a skip); then the third is left out.
    """
    room = opened()
    phones = [Phone(room) for _ in range(3)]
    acts.step(room.code, room.host, "practice")
    for phone in phones:
        phone.judge(left, most=2)
    acts.step(room.code, room.host, "rank")
    for phone in phones:
        phone.judge(left, most=5)
        phone.tap(desk.next_pairs(room.code, phone.me)[0]["id"], "skip")
    measured(room.session_id)
    votes.prepare(room.code, room.host)
    acts.step(room.code, room.host, "vote")
    for phone in phones:
        phone.judge(left, most=3)
        phone.tap(desk.next_pairs(room.code, phone.me)[0]["id"], "skip")
    integrity.leave_out(room.code, room.host, 3)
    return room, phones


def test_the_screens_agree_on_every_count(played):
    room, phones = played
    host = figures.for_host(room.code, room.host)
    wall = figures.for_wall(room.code, room.wall)
    for told in (host, wall):
        assert (told["people"], told["here"], told["practised"]) == (2, 2, 2)
        assert (told["judged"], told["minute"]) == (10, 10)
        assert sum(row["judged"] for row in told["by_minute"]) == 10
        [vote] = told["votes"]
        assert (vote["votes"], vote["people"]) == (6, 2), "2 of 2 have voted, not 2 of 3"
    assert host["left_out"] == 1 and "left_out" not in wall
    said = desk.take(room.code, phones[0].me)["room"]
    assert (said["people"], said["judged"]) == (2, 10)


def test_a_phone_counts_its_own_the_same_way(played):
    room, phones = played
    host = figures.for_host(room.code, room.host)
    for phone, row in zip(phones, host["everybody"], strict=True):
        you = desk.take(room.code, phone.me)["you"]
        assert (you["practised"], you["judged"], you["voted"]) == (2, 5, 3)
        assert you["judged"] == row["judged"] and you["practised"] == row["practice"]
        assert you["done"] == 4, "of this act, the skip too: it is not asked again"


def test_what_is_trained_on_is_what_is_counted_and_who_left_since_is_told(played):
    room, _ = played
    integrity.take_in(room.code, room.host, 3)
    found = training.gather(room.code, room.host)
    assert (found["judgements"], found["people"]) == (15, 3)
    told = training.standing(room.code, room.host)
    assert (told["gathered"], told["new"], told["gone"]) == (15, 0, 0)
    integrity.leave_out(room.code, room.host, 3)
    told = training.standing(room.code, room.host)
    assert (told["gathered"], told["new"], told["gone"]) == (15, 0, 5)
    acts.step(room.code, room.host, "rank")
    Phone(room).judge(left, most=2)
    assert training.standing(room.code, room.host)["new"] == 2
    training.gather(room.code, room.host)
    told = training.standing(room.code, room.host)
    assert (told["gathered"], told["new"], told["gone"]) == (12, 0, 0)
    rows = registry.get(room.session_id).judged.rankings
    assert len(rows) == 12 + 2, "two skips are kept, and counted nowhere"
