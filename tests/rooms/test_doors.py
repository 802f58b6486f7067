"""Who comes in: by the code, by a secret, once however often somebody taps; nobody else."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, opened  # noqa: F401
from sqlalchemy import text

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, closing, desk, doors, integrity, reading
from rlhf_core.store import tables

HOSTILE = (
    "<script>alert(1)</script>",
    "![](https://evil.example/x.png)",
    "[x](javascript:alert(1))",
    "\u202eadmin\u202c",
    "a\u200bb\u2060c",
    "\x00\x1b[31mred",
    "a" + "\u0300" * 40,
    "'; DROP TABLE rooms; --",
    "\ud800",
    "{{7*7}} ${7*7} %s",
    "   \u3164 ",
)


@pytest.fixture
def room(here):  # noqa: F811
    return opened()


# --- by the code ----------------------------------------------------------------------------------


def test_a_code_is_found_however_it_is_typed(room):
    code = room.code
    for typed in (code, code.lower(), f" {code[:3]}-{code[3:]} ", f"{code[:2]} {code[2:]}"):
        assert doors.by_code(typed).code == code


def test_a_code_has_six_letters_and_no_look_alikes(here):  # noqa: F811
    codes = {opened(written=False).code for _ in range(8)}
    assert len(codes) == 8
    for code in codes:
        assert len(code) == 6 and not set(code) & set("ILOAEU0123456789")
    # A day of guessing at 30 look-ups a minute finds one of 20 open rooms with 1.4%, and what it
    # opens is the join page.
    assert len(reading.LETTERS) ** reading.CODE_LENGTH >= 60_000_000


@pytest.mark.parametrize("wrong", ["", "ABC", "BBBBBB", "IIIIII", "' OR 1=1", None, 7, "B" * 9000])
def test_an_unknown_code_is_one_sentence(room, wrong):
    with pytest.raises(RoomError, match="no room of this code") as told:
        doors.by_code(wrong)
    assert told.value.kind == "unknown"


def test_who_looks_reads_the_brief_and_the_consent_and_no_secret(room):
    seen = doors.look(room.code)
    assert seen["briefs"][0]["title"] == "Biology homework helper" and "tap" in seen["consent"]
    assert (seen["people"], seen["full"], seen["closed"]) == (0, False, False)
    told = repr(seen)
    assert not any(secret in told for secret in (room.host, room.wall, room.session_id))


# --- by a secret ----------------------------------------------------------------------------------


def test_a_role_follows_from_the_secret_alone(room):
    phone = Phone(room)
    assert doors.by_host(room.code, room.host).session_id == room.session_id
    assert doors.by_wall(room.code, room.wall).code == room.code
    every = {"host": room.host, "wall": room.wall, "me": phone.me, "id": room.session_id}
    for enter, own in ((doors.by_host, "host"), (doors.by_wall, "wall"), (doors.by_person, "me")):
        for name, secret in every.items():
            if name != own:
                with pytest.raises(RoomError):
                    enter(room.code, secret)


@pytest.mark.parametrize("wrong", ["", "x", None, 3, [], "x" * 100_000])
def test_a_wrong_secret_and_a_wrong_code_are_told_alike(room, wrong):
    for enter in (doors.by_host, doors.by_wall):
        with pytest.raises(RoomError) as secret:
            enter(room.code, wrong)
        with pytest.raises(RoomError) as code:
            enter("BBBBBB", room.host)
        assert str(secret.value) == str(code.value)


def test_two_rooms_are_strangers(room):
    other = opened()
    phone = Phone(room)
    for refused in (
        lambda: doors.by_host(other.code, room.host),
        lambda: doors.by_wall(other.code, room.wall),
        lambda: doors.by_person(other.code, phone.me),
        lambda: desk.take(other.code, phone.me),
        lambda: integrity.leave_out(other.code, room.host, 1),
    ):
        with pytest.raises(RoomError):
            refused()


def test_the_walls_key_follows_from_the_hosts_secret_and_does_not_lead_back(room):
    assert doors.wall_key(room.host) == room.wall and room.host not in room.wall
    with pytest.raises(RoomError):
        doors.by_host(room.code, doors.wall_key(room.wall))


def test_no_secret_lies_in_the_tables(room, here):  # noqa: F811
    phone = Phone(room, "Ana")
    with here.database.look() as db:
        for name in ("rooms", "room_people", "room_events", "room_words"):
            rows = repr(db.execute(text(f"SELECT * FROM {name}")).all())
            assert not any(secret in rows for secret in (room.host, room.wall, phone.me))


# --- joining --------------------------------------------------------------------------------------


def test_everybody_has_a_pseudonym_of_their_own(room):
    people = [Phone(room).joined.person for _ in range(12)]
    assert [one.number for one in people] == list(range(1, 13))
    assert len({one.pseudonym for one in people}) == 12
    assert all(one.pseudonym and not one.name for one in people)


def test_the_same_nickname_twice_gets_a_number(room):
    names = [Phone(room, typed).joined.person.name for typed in ("Ana", "ana", " ANA ", "Bo")]
    assert names == ["Ana", "ana 2", "ANA 3", "Bo"]


@pytest.mark.parametrize("typed", HOSTILE)
def test_a_hostile_nickname_is_text_without_what_turns_or_hides(room, typed):
    try:
        person = Phone(room, typed).joined.person
    except RoomError as told:
        assert "letters; at most 24 fit" in str(told)
        return
    name = person.name
    assert name.isprintable() and len(name) <= 26
    assert not set(name) & set("\u202e\u202c\u200b\u2060\u3164\ud800")
    assert max((name.count(mark) for mark in name), default=0) < 20
    assert doors.by_person(room.code, Phone(room, "x").me)[1].name.startswith("x")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("Ana", ""),
        ("", ""),
        ("  Ana  B ", ""),
        ("<>", "no letter to show, so you are"),
        ("![](//)", "no letter to show"),
        ("\u200b", "no letter to show"),
        ("A\u202ena", "is kept as \u2068Ana\u2069:"),
    ],
)
def test_a_nickname_that_is_not_kept_as_typed_is_said(room, typed, says):
    joined = Phone(room, typed).joined
    assert says in joined.note and bool(joined.note) == bool(says)
    if "so you are" in says:
        assert joined.person.pseudonym in joined.note and not joined.person.name


def test_the_second_of_a_name_is_told_the_number(room):
    assert Phone(room, "Ana").joined.note == ""
    assert "\u2068Ana 2\u2069" in Phone(room, "Ana").joined.note


def test_a_closed_door_lets_nobody_new_in_and_everybody_else_stay(room):
    phone = Phone(room)
    acts.door(room.code, room.host, True)
    acts.door(room.code, room.host, True)  # a second tap changes nothing
    assert doors.look(room.code)["locked"] and doors.by_code(room.code).door_closed
    with pytest.raises(RoomError, match="closed the door") as told:
        Phone(room)
    assert told.value.kind == "locked"
    assert doors.join(room.code, me=phone.me).person.number == 1
    assert desk.take(room.code, phone.me)["you"]["number"] == 1
    acts.door(room.code, room.host, False)
    assert Phone(room).number == 2
    kinds = [one["kind"] for one in integrity.events(room.code, room.host)]
    assert kinds == ["opened", "door closed", "door opened"]


def test_a_room_that_was_filled_with_made_up_people_can_be_emptied(room, monkeypatch):
    monkeypatch.setenv("OPOSSUM_ROOM_PEOPLE", "4")
    acts.step(room.code, room.host, "rank")
    real, *_ = [Phone(room) for _ in range(4)]
    real.tap(desk.next_pairs(room.code, real.me)[0]["id"], "a")
    with pytest.raises(RoomError, match="full"):
        Phone(room)
    assert integrity.leave_out_silent(room.code, room.host) == 3
    assert integrity.leave_out_silent(room.code, room.host) == 0
    assert Phone(room).number == 5 and not desk.take(room.code, real.me)["you"]["left_out"]
    why = [one["about"].get("why") for one in integrity.events(room.code, room.host)]
    assert why.count(integrity.SILENT) == 3


def test_one_person_on_two_devices_is_one_voice_and_is_told(room):
    phone = Phone(room, "Ana")
    again = doors.join(room.code, "Ben", phone.me)
    assert (again.person, again.note) == (phone.joined.person, doors.BACK)
    assert doors.by_code(room.code).people == 1


def test_a_tap_that_is_sent_twice_joins_once(room):
    drawn = "phone-drew-this-token-itself"
    first, second = (doors.join(room.code, "Ana", drawn) for _ in range(2))
    assert first.person == second.person and first.me == second.me == drawn
    assert doors.join(room.code, "Bo", "short").me != "short", "a weak token is not taken"


def test_the_one_too_many_is_told_so_and_nobody_else_suffers(room, monkeypatch):
    monkeypatch.setenv("OPOSSUM_ROOM_PEOPLE", "3")
    phones = [Phone(room) for _ in range(3)]
    with pytest.raises(RoomError, match="full: 3 people") as told:
        Phone(room)
    assert told.value.kind == "full" and doors.look(room.code)["full"]
    assert doors.join(room.code, me=phones[0].me).person.number == 1, "who is in stays in"


def test_who_was_left_out_takes_nobodys_place(room, monkeypatch):
    monkeypatch.setenv("OPOSSUM_ROOM_PEOPLE", "3")
    phones = [Phone(room) for _ in range(3)]
    for phone in phones[1:]:
        integrity.leave_out(room.code, room.host, phone.number, "one phone, many seats")
    assert not doors.look(room.code)["full"]
    assert [Phone(room).number for _ in range(2)] == [4, 5]
    with pytest.raises(RoomError, match="full"):
        Phone(room)


def test_two_halves_are_filled_in_turn(here):  # noqa: F811
    room = opened(briefs=("biology-homework", "meme-bot"))
    assert [Phone(room).joined.person.half for _ in range(4)] == [0, 1, 0, 1]


def test_a_room_that_has_closed_lets_nobody_in_and_says_so(room, monkeypatch):
    phone = Phone(room)
    later = tables.now_ms() + 25 * 3_600_000
    for module in (reading, desk):
        monkeypatch.setattr(module, "now_ms", lambda: later)
    assert doors.look(room.code)["closed"]
    with pytest.raises(RoomError, match="closed: it was open for 24 hours") as told:
        doors.join(room.code)
    assert told.value.kind == "closed"
    assert desk.take(room.code, phone.me)["act"]["closed"]


def test_a_room_that_is_gone_is_unknown(room):
    phone = Phone(room)
    closing.delete(room.code, room.host)
    for look in (
        lambda: doors.look(room.code),
        lambda: doors.by_host(room.code, room.host),
        lambda: desk.take(room.code, phone.me),
    ):
        with pytest.raises(RoomError) as told:
            look()
        assert told.value.kind == "unknown"
