"""What a phone sends is stored once, whatever the network does; what it gets follows the act."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import python, url  # noqa: F401
from room_people import Phone, here, judging_room, left, likes, opened  # noqa: F401

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, answers, desk, doors, integrity, pairs, plans
from rlhf_core.session import registry
from rlhf_core.store import room_rows


def repr_short(value: object) -> str:
    return repr(value)[:12]


def stored(room) -> list:
    with registry.keeper().database.look() as db:
        row = room_rows.by_code(db, room.code)
        purposes = ("practice", "rank", "gold", "vote")
        return room_rows.judgements(db, row.room_id, purposes, included=False)


# --- stored once ----------------------------------------------------------------------------------


def test_a_tap_is_stored_and_the_next_pairs_come(room):
    phone = Phone(room)
    first = desk.take(room.code, phone.me)
    assert len(first["pairs"]) == desk.AHEAD and first["you"]["judged"] == 0
    chosen = first["pairs"][0]
    held = [pair["id"] for pair in first["pairs"][1:]]
    row = {"id": "tap-000a", "pair": chosen["id"], "choice": "a", "seconds": 2.5, "at": 7}
    reply = desk.take(room.code, phone.me, [row], held)
    assert reply["stored"] == ["tap-000a"] and not reply["refused"] and not reply["drop"]
    assert [pair["id"] not in [*held, chosen["id"]] for pair in reply["pairs"]] == [True]
    assert (reply["you"]["judged"], reply["room"]["people"]) == (1, 1)
    [kept] = stored(room)
    assert (kept.seconds, kept.at_ms, kept.side) == (2.5, 7, "left")


def test_what_is_sent_again_counts_once(room):
    phone = Phone(room)
    chosen = desk.next_pairs(room.code, phone.me)[0]["id"]
    phone.tap(chosen, "b")
    for _ in range(3):
        reply = desk.take(room.code, phone.me, phone.sent)
        assert reply["stored"] == [phone.sent[0]["id"]] and not reply["refused"]
    assert len(stored(room)) == 1


def test_a_long_queue_that_arrives_in_a_later_act_is_stored_whole(room):
    phone = Phone(room)
    with registry.keeper().database.look() as db:
        every = room_rows.pairs(db, room_rows.by_code(db, room.code).room_id)
    asked = [pair.pair_id for pair in every if pair.purpose == "rank"][:40]
    rows = [{"id": f"off-{pair}", "pair": pair, "choice": "tie"} for pair in asked]
    acts.step(room.code, room.host, "reward")
    reply = desk.take(room.code, phone.me, rows)
    assert len(reply["stored"]) == 40 and reply["act"]["name"] == "reward"
    assert reply["pairs"] == [] and len(stored(room)) == 40


def test_the_same_pair_from_a_second_device_is_one_voice(room):
    phone = Phone(room)
    chosen = desk.next_pairs(room.code, phone.me)[0]["id"]
    phone.tap(chosen, "a")
    reply = phone.tap(chosen, "b")
    [refused] = reply["refused"]
    assert "already" in refused["why"] and refused["again"] is False and not reply["stored"]
    [kept] = stored(room)
    assert kept.judgement_id == phone.sent[0]["id"]


def test_two_people_may_draw_the_same_id(room):
    one, other = Phone(room), Phone(room)
    row = {"id": "same-id-1", "choice": "a"}
    for phone in (one, other):
        chosen = desk.next_pairs(room.code, phone.me)[0]["id"]
        assert desk.take(room.code, phone.me, [{**row, "pair": chosen}])["stored"] == ["same-id-1"]
    assert len(stored(room)) == 2


def test_many_at_once_lose_nothing_and_double_nothing(room):
    phones = [Phone(room) for _ in range(8)]

    def work(phone):
        count = phone.judge(left, most=5)
        desk.take(room.code, phone.me, phone.sent)  # the network had hidden the answers
        return count

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, phones)) == [5] * 8
    kept = stored(room)
    assert len(kept) == 40 and len({(one.person, one.pair_id) for one in kept}) == 40


def test_another_server_goes_on_where_this_one_was(room, here):  # noqa: F811
    phone = Phone(room)
    phone.judge(left, most=3)
    code = """
        import json, sys
        from rlhf_core.rooms import desk
        print(json.dumps(desk.take(sys.argv[1], sys.argv[2])))
    """
    done = python(code, room.code, phone.me)
    out, errors = done.communicate(timeout=120)
    assert done.returncode == 0, errors[-2000:]
    mine = desk.take(room.code, phone.me)
    for ahead in ('"stored"', f'"{mine["pairs"][0]["id"]}"', '"judged": 3'):
        assert ahead in out
    assert [pair["id"] for pair in mine["pairs"]] == [
        pair["id"] for pair in json.loads(out)["pairs"]
    ]


# --- not stored, and told why ---------------------------------------------------------------------


def test_a_frozen_room_has_the_phone_keep_it_and_takes_it_later(room):
    phone = Phone(room)
    chosen = desk.next_pairs(room.code, phone.me)[0]["id"]
    acts.freeze(room.code, room.host, True)
    reply = phone.tap(chosen, "a")
    assert reply["act"]["frozen"] and "paused" in reply["act"]["say"]
    assert [(row["again"], row["why"]) for row in reply["refused"]] == [(True, desk.FROZEN)]
    acts.freeze(room.code, room.host, False)
    assert desk.take(room.code, phone.me, phone.sent)["stored"] == [phone.sent[0]["id"]]


@pytest.mark.parametrize("pair", ["nothing", "", None, 3, ["x"], "x" * 10_000])
def test_a_pair_that_is_none_is_refused_alone(room, pair):
    phone = Phone(room)
    good = desk.next_pairs(room.code, phone.me)[0]["id"]
    rows = [
        {"id": "bad-00001", "pair": pair, "choice": "a"},
        {"id": "good-0001", "pair": good, "choice": "a"},
    ]
    reply = desk.take(room.code, phone.me, rows)
    assert reply["stored"] == ["good-0001"]
    assert [row["id"] for row in reply["refused"]] == ["bad-00001"]


@pytest.mark.parametrize("choice", ["c", "", None, 1, "A", "both_bad", {}])
def test_a_choice_that_is_none_is_refused(room, choice):
    phone = Phone(room)
    reply = phone.tap(desk.next_pairs(room.code, phone.me)[0]["id"], choice)
    assert "a, b, tie or skip" in reply["refused"][0]["why"] and not stored(room)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "x",
        {"id": "tap-00001"},
        [None],
        ["x"],
        [{}],
        [{"id": 3}],
        [{"id": "short"}],
        [{"id": "with space"}],
        [{"id": "x" * 65}],
        [{"id": "tap-00001"}] * 101,
    ],
)
def test_what_is_no_list_of_judgements_is_one_sentence(room, sent):
    with pytest.raises(RoomError, match="What was sent"):
        desk.take(room.code, Phone(room).me, sent)


@pytest.mark.parametrize(
    "value", [-1, 1e18, float("nan"), float("inf"), "3", True, [], pow(10, 400)], ids=repr_short
)
def test_a_phones_clock_is_not_trusted(room, value):
    phone = Phone(room)
    reply = phone.tap(desk.next_pairs(room.code, phone.me)[0]["id"], "a", value, at=value)
    assert reply["stored"]
    [kept] = stored(room)
    assert kept.seconds is None and kept.at_ms is None


def test_the_other_halfs_check_is_none_of_ones_business(here):  # noqa: F811
    room = opened(briefs=("biology-homework", "meme-bot"))
    acts.step(room.code, room.host, "practice")
    one, other = Phone(room), Phone(room)
    mine, theirs = (desk.next_pairs(room.code, phone.me) for phone in (one, other))
    assert not {p["id"] for p in mine} & {p["id"] for p in theirs}
    assert one.tap(theirs[0]["id"], "a")["refused"][0]["why"] == desk.UNKNOWN


def test_nobody_judges_without_having_joined(room):
    for me in ("", "x" * 24, None, 5):
        with pytest.raises(RoomError, match="not in this room yet"):
            desk.take(room.code, me)


# --- what comes next ------------------------------------------------------------------------------


def test_each_act_asks_its_own(here):  # noqa: F811
    room = opened()
    phone = Phone(room)
    asked = {}
    for act in ("join", "practice", "rank", "reward", "ppo", "talk"):
        acts.step(room.code, room.host, act)
        reply = desk.take(room.code, phone.me)
        asked[act] = {pair["for"] for pair in reply["pairs"]}
        assert reply["act"]["name"] == act and reply["act"]["say"] and reply["act"]["next"]
    assert asked.pop("practice") == {"practice"} and asked.pop("rank") == {"rank"}
    assert all(not kinds for kinds in asked.values())


@pytest.fixture
def now(monkeypatch):
    """What phones are told of the room is made anew every time."""
    monkeypatch.setattr(desk.live.Fresh, "get", lambda self, key, make: make())


def test_nothing_to_vote_on_yet_is_not_everything_voted(here, now):  # noqa: F811
    room = opened()
    acts.step(room.code, room.host, "vote")
    phone = Phone(room)
    assert desk.take(room.code, phone.me)["act"]["say"] == plans.NOT_TUNED
    session = registry.get(room.session_id)
    with session.change():
        session.tuned.metrics = [{"step": n} for n in range(3)]
    assert desk.take(room.code, phone.me)["act"]["say"] == desk.PREPARING


def test_ppo_that_has_nothing_to_climb_or_has_not_begun_is_said(here, now):  # noqa: F811
    room = opened()
    acts.step(room.code, room.host, "ppo")
    phone = Phone(room)
    assert desk.take(room.code, phone.me)["act"]["say"] == plans.NO_MODEL
    session = registry.get(room.session_id)
    with session.change():
        session.learned.head = "of-this-name"
    assert desk.take(room.code, phone.me)["act"]["say"] == plans.NOT_PLAYED
    with session.change():
        session.tuned.metrics = [{"step": n} for n in range(3)]
    assert desk.take(room.code, phone.me)["act"]["say"] == plans.SCREENS["ppo"].phone


def test_who_is_left_out_is_not_told_that_the_model_learns_from_them(here, now):  # noqa: F811
    room = opened()
    phones = [Phone(room), Phone(room)]
    integrity.leave_out(room.code, room.host, 1)
    session = registry.get(room.session_id)
    with session.change():
        session.tuned.metrics = [{"step": n} for n in range(3)]
    for act in ("reward", "ppo"):
        acts.step(room.code, room.host, act)
        out, in_ = (desk.take(room.code, phone.me)["act"]["say"] for phone in phones)
        assert "others" in out and "others" not in in_


def test_a_phone_holds_twenty_pairs_and_fewer_where_they_are_long(room, monkeypatch):
    phone = Phone(room)
    held = [pair["id"] for pair in desk.next_pairs(room.code, phone.me)]
    assert len(set(held)) == desk.AHEAD == 20
    assert desk.take(room.code, phone.me, (), held[:15])["drop"] == []
    assert len(desk.next_pairs(room.code, phone.me, held[:15])) == 5
    monkeypatch.setattr(desk, "AHEAD_CHARACTERS", 300)
    few = desk.next_pairs(room.code, phone.me)
    assert desk.AHEAD_LEAST <= len(few) < 12
    monkeypatch.setattr(desk, "AHEAD_CHARACTERS", 1)
    assert len(desk.next_pairs(room.code, phone.me)) == desk.AHEAD_LEAST


def test_a_late_joiner_lands_in_the_act_under_way(room):
    late = Phone(room, "Late")
    assert desk.take(room.code, late.me)["pairs"][0]["for"] == "rank"


def test_what_another_act_asked_is_dropped(here):  # noqa: F811
    room = opened()
    phone = Phone(room)
    acts.step(room.code, room.host, "practice")
    held = [pair["id"] for pair in desk.next_pairs(room.code, phone.me)]
    acts.step(room.code, room.host, "rank")
    reply = desk.take(room.code, phone.me, (), held)
    assert reply["drop"] == held and len(reply["pairs"]) == desk.AHEAD


def test_practice_tells_the_answer_on_the_side_where_it_stands_and_nothing_else_does(here):  # noqa: F811
    room = opened()
    acts.step(room.code, room.host, "practice")
    phones = [Phone(room) for _ in range(6)]
    right = {}
    for phone in phones:
        for pair in desk.next_pairs(room.code, phone.me):
            assert pair["right"] in ("a", "b") and pair["why"]
            right.setdefault(pair["id"], set()).add(pair[pair["right"]])
    assert len(right) == pairs.PRACTICED and all(len(texts) == 1 for texts in right.values())
    acts.step(room.code, room.host, "rank")
    for phone in phones:
        for pair in desk.next_pairs(room.code, phone.me):
            assert set(pair) == {"id", "prompt", "a", "b", "for"}, "no check is given away"


def test_sides_are_the_persons_own_and_stay(room):
    phones = [Phone(room) for _ in range(24)]
    with registry.keeper().database.look() as db:
        row = room_rows.by_code(db, room.code)
    sides = [pairs.swapped(row.seed, phone.number, "some-pair") for phone in phones]
    assert 4 < sum(sides) < 20
    phone = phones[0]
    first, again = (desk.next_pairs(room.code, phone.me) for _ in range(2))
    assert first == again


def test_a_judgement_is_kept_of_the_pair_whatever_side_it_was_on(room):
    phones = [Phone(room) for _ in range(12)]
    for phone in phones:
        phone.judge(likes("LOUD"), most=30)
    with registry.keeper().database.look() as db:
        row = room_rows.by_code(db, room.code)
        texts = {pair.pair_id: pair for pair in room_rows.pairs(db, row.room_id)}
    said = [one for one in stored(room) if one.choice in ("a", "b")]
    assert len(said) > 100
    assert all("LOUD" in getattr(texts[one.pair_id], one.choice) for one in said)
    assert {one.side for one in said} == {"left", "right"}


def test_everybody_runs_out_of_pairs_in_the_end_and_is_thanked(room):
    phone = Phone(room)
    count = phone.judge(left)
    reply = desk.take(room.code, phone.me)
    assert reply["you"]["left"] == 0 and reply["pairs"] == [] and "Thank you" in reply["act"]["say"]
    assert count == reply["you"]["done"] == len(stored(room))


def test_a_room_whose_model_is_still_writing_practises(here):  # noqa: F811
    room = opened(written=False)
    phone = Phone(room)
    acts.step(room.code, room.host, "practice")
    assert len(desk.next_pairs(room.code, phone.me)) == pairs.PRACTICED
    acts.step(room.code, room.host, "rank")
    assert doors.by_code(room.code).pairs == 0
    assert desk.take(room.code, phone.me)["act"]["say"] == desk.WRITING, "not: that was all"
    assert {pair["for"] for pair in desk.next_pairs(room.code, phone.me)} == {"rank"}, "checks"


def test_answers_that_are_put_twice_are_there_once(room):
    before = doors.by_code(room.code).pairs
    assert answers.put(registry.get(room.session_id)) == before == 54
