"""A room's rows: added once, counted by the database, gone with the room."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from databases import url  # noqa: F401
from sqlalchemy import text

from rlhf_core.store import room_counts, room_rows
from rlhf_core.store.database import Database

ROOM = {
    "room_id": "room",
    "code": "BCDFGH",
    "host_sha": "h",
    "wall_sha": "w",
    "settings": {"title": "Ours"},
    "seed": 1,
    "act": "join",
    "act_number": 1,
    "began_ms": 0,
    "until_ms": None,
    "frozen": False,
    "people": 0,
    "pairs": 0,
    "opened_ms": 0,
    "closes_ms": 10,
    "gone_ms": 20,
}
HALF = {"room_id": "room", "half": 0, "session_id": "s", "brief": {}}


def pair(name: str, purpose: str = "rank", **more) -> dict:
    texts = {"prompt": "P is", "a": " one", "b": " two"}
    usual = {"half": -1, "shared": False, "right_choice": "", "why": "", "about": {}}
    return {"pair_id": name, "purpose": purpose, **texts, **usual, **more}


def said(person: int, name: str, choice: str = "a", **more) -> dict:
    usual = {"side": "left" if choice in "ab" else "", "seconds": 2.0, "at_ms": None, "made_ms": 5}
    about = {"room_id": "room", "person": person, "judgement_id": f"{person}-{name}"}
    return {**about, "pair_id": name, "choice": choice, **usual, **more}


def join(db, number: int, half: int = 0) -> None:
    who = {"room_id": "room", "person": number, "token_sha": f"t{number}", "name": ""}
    who |= {"pseudonym": f"P{number}", "half": half, "left_out": False}
    room_rows.add_person(db, who | {"joined_ms": 0, "seen_ms": 0})


@pytest.fixture
def database(url):  # noqa: F811
    database = Database(url)
    with database.change() as db:
        assert room_rows.create(db, ROOM, [HALF])
        room_rows.add_pairs(db, "room", [pair("p"), pair("q", shared=True), pair("v", "vote")])
        for number in (1, 2, 3):
            join(db, number)
    yield database
    database.close()


def test_a_code_is_there_once(database):
    with database.change() as db:
        assert not room_rows.create(db, {**ROOM, "room_id": "other"}, [HALF])
        assert room_rows.by_code(db, "BCDFGH").room_id == "room"
        assert room_rows.by_code(db, "ZZZZZZ") is None
        assert room_rows.of_session(db, "s") == "room"
        assert (room_rows.open_rooms(db, 5), room_rows.open_rooms(db, 15)) == (1, 0)
        assert (room_rows.gone(db, 15), room_rows.gone(db, 20)) == ([], ["room"])


def test_numbers_are_given_once_and_no_more_than_there_are_places(database):
    def one_more(_):
        with database.change() as db:
            return room_rows.next_person(db, "room", 5)

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(one_more, range(8)))
    assert sorted(n for n in numbers if n) == [1, 2, 3, 4, 5] and numbers.count(None) == 3


def test_of_two_who_change_the_act_one_is_behind(database):
    with database.change() as db:
        assert room_rows.change(db, "room", number=1, act="rank")
        assert not room_rows.change(db, "room", number=1, act="vote")
        assert room_rows.by_code(db, "BCDFGH").act == "rank"


def test_pairs_are_added_once_and_numbered(database):
    with database.change() as db:
        assert room_rows.add_pairs(db, "room", [pair("p", prompt="else"), pair("r")]) == 4
        found = room_rows.pairs(db, "room")
    assert [(one.pair_id, one.number) for one in found] == [("p", 0), ("q", 1), ("v", 2), ("r", 3)]
    assert found[0].prompt == "P is", "a pair never changes"


def test_a_judgement_is_kept_once_by_its_id_and_once_a_pair(database):
    with database.change() as db:
        room_rows.add_judgements(db, [said(1, "p"), said(1, "p", "b")])
        room_rows.add_judgements(db, [said(1, "p", "b", judgement_id="another-id")])
        room_rows.add_judgements(db, [said(1, "q", judgement_id="1-p")])
        assert room_rows.judged_by(db, "room", 1) == [("1-p", "p", "a")]
        [kept] = room_rows.judgements(db, "room", ["rank"])
    assert kept.choice == "a"


def test_counts_are_those_of_the_rows(database):
    rows = [said(1, "p"), said(1, "q", "b", side="right", seconds=0.4), said(2, "p", "tie")]
    rows += [said(2, "q", "skip"), said(3, "q", "b", seconds=None), said(3, "v"), said(2, "v", "b")]
    with database.change() as db:
        room_rows.add_judgements(db, rows)
        room_rows.add_judgements(db, [said(1, "v", "tie", made_ms=70_000)])
        room_rows.leave_out(db, "room", 3, True)
    with database.look() as db:
        assert room_counts.totals(db, "room", 0) == (3, 3), "no skip, no vote, nobody left out"
        assert room_counts.totals(db, "room", 70_000) == (3, 0)
        assert room_counts.by_minute(db, "room") == [(0, 3)]
        found = sorted(room_counts.choices(db, "room"))
        assert [tuple(one) for one in found] == [(0, "p", 1, 0, 1), (0, "q", 0, 1, 0)]
        votes = room_counts.choices(db, "room", ("vote",))
        assert [tuple(one) for one in votes] == [(0, "v", 0, 1, 1)]
        assert (room_counts.voters(db, "room", ["v"]), room_counts.voters(db, "room", [])) == (2, 0)
        assert room_counts.of_half(db, "room", 0) == 3
        by_person = {one.person: one for one in room_counts.of_people(db, "room")}
        assert tuple(by_person[1])[1:] == (2, 0, 2, 1, 1, 2, 0, 0, 0)
        assert (by_person[2].judged, by_person[2].decided, by_person[2].skipped) == (1, 0, 1)
        assert by_person[3].judged == 1, "their own row they keep"
        assert room_counts.median_seconds(db, "room") == {1: 0.4, 2: 2.0}
        assert room_counts.of_shared(db, "room") == [(1, 0, "q", "b")]


def test_the_median_is_the_middle_one(database):
    with database.change() as db:
        names = [f"m{n}" for n in range(5)]
        room_rows.add_pairs(db, "room", [pair(name) for name in names])
        times = (9.0, 1.0, 5.0, 3.0, 7.0)
        room_rows.add_judgements(db, [said(1, n, seconds=t) for n, t in zip(names, times)])
    with database.look() as db:
        assert room_counts.median_seconds(db, "room") == {1: 5.0}


def test_seen_never_goes_back_and_left_out_says_whether_it_changed(database):
    with database.change() as db:
        for now in (50, 20):
            room_rows.seen(db, "room", 1, now)
        assert room_rows.person(db, "room", "t1").seen_ms == 50
        people = room_counts.people(db, "room", 50)
        assert people[0] > 1 and people[1] == 1
        changes = [room_rows.leave_out(db, "room", 1, out) for out in (True, True, False)]
    assert changes == [True, False, True]


def test_with_the_room_goes_all_that_it_has(database):
    with database.change() as db:
        room_rows.add_judgements(db, [said(1, "p")])
        room_rows.note(db, "room", "opened", why="x")
        word = {"room_id": "room", "word_id": "w", "person": 1, "kind": "prompt"}
        room_rows.add_word(db, word | {"text": "t", "status": "waiting"})
        assert room_rows.words_of(db, "room", 1) == 1
        assert [one.about for one in room_rows.events(db, "room")] == [{"why": "x"}]
        room_rows.remove(db, "room")
    with database.look() as db:
        for name in ("rooms", "room_halves", "room_people", "room_pairs", "room_judgements"):
            assert db.scalar(text(f"SELECT count(*) FROM {name}")) == 0
        assert db.scalar(text("SELECT count(*) FROM room_words")) == 0
        assert room_rows.events(db, "room") == []
