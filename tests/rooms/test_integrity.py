"""The host leaves people out and takes them in, shows typed text or not; never silently."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, at_once, here, judging_room, left, likes, opened  # noqa: F401

from rlhf_core.common.errors import InputError, RoomError
from rlhf_core.rooms import acts, desk, figures, integrity, limits


def test_left_out_and_taken_in_again_each_on_record(room):
    phone = Phone(room, "Ana")
    phone.judge(left, most=3)
    integrity.leave_out(room.code, room.host, 1, "taps left")
    integrity.leave_out(room.code, room.host, 1, "again")  # a second tap changes nothing
    reply = desk.take(room.code, phone.me)
    assert reply["you"]["left_out"] and reply["you"]["done"] == 3, "told, and nothing is lost"
    integrity.take_in(room.code, room.host, 1)
    assert not desk.take(room.code, phone.me)["you"]["left_out"]
    events = [one for one in integrity.events(room.code, room.host) if one["number"] == 1]
    assert [(one["kind"], one["about"]) for one in events] == [
        ("left out", {"why": "taps left"}),
        ("taken in", {}),
    ]


def test_nobody_of_that_number_is_one_sentence(room):
    for number in (1, 0, -3, 99):
        with pytest.raises(RoomError, match="nobody of that number"):
            integrity.leave_out(room.code, room.host, number)


def test_who_is_left_out_counts_in_no_figure(room):
    phones = [Phone(room) for _ in range(4)]
    for phone in phones:
        phone.judge(likes("LOUD"), most=40)
    before = figures.for_host(room.code, room.host)
    integrity.leave_out(room.code, room.host, 4)
    after = figures.for_host(room.code, room.host)
    assert before["agreement"][0]["annotators"] == 4 and after["agreement"][0]["annotators"] == 3
    assert after["judged"] == before["judged"] * 3 // 4
    assert (after["people"], after["here"], after["left_out"]) == (3, 3, 1)
    assert [row["left_out"] for row in after["everybody"]] == [False, False, False, True]
    assert len(figures.for_wall(room.code, room.wall)["everybody"]) == 3


PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/a.png)",
    "\u202egnp.exe",
    "**bold** $x$ :material/home: [l](javascript:1)",
    "zero\u200bwidth\u2060here",
)


@pytest.mark.parametrize("typed", PAYLOADS)
def test_typed_text_reaches_the_wall_only_after_the_hosts_tap_and_as_text(room, typed):
    phone = Phone(room)
    word = integrity.write(room.code, phone.me, "prompt", typed)
    assert figures.for_wall(room.code, room.wall)["words"] == []
    [waiting] = figures.for_host(room.code, room.host)["words"]
    assert (waiting["word"], waiting["status"], waiting["number"]) == (word, "waiting", 1)
    integrity.show(room.code, room.host, word, True)
    [shown] = figures.for_wall(room.code, room.wall)["words"]
    assert (shown["pseudonym"], shown["name"]) == (phone.joined.person.pseudonym, "")
    assert not set(shown["text"]) & set("\u202e\u200b\u2060")
    integrity.show(room.code, room.host, word, False)
    assert figures.for_wall(room.code, room.wall)["words"] == []
    kinds = [one["kind"] for one in integrity.events(room.code, room.host)][-2:]
    assert kinds == ["text shown", "text hidden"]


def test_a_nickname_is_on_the_wall_only_where_host_and_room_allow_it(here):  # noqa: F811
    for allowed in (False, True):
        room = opened(names_on_wall=allowed)
        person = Phone(room, "Ana").joined.person
        for shown in (False, True):
            row = figures.for_wall(room.code, room.wall)["everybody"][0]
            assert row["pseudonym"] == person.pseudonym, "one name, with or without the nickname"
            assert row["name"] == ("Ana" if allowed and shown else "")
            integrity.show(room.code, room.host, "name-1", True)
        assert allowed or "Ana" not in repr(figures.for_wall(room.code, room.wall))


@pytest.fixture
def writing(here):  # noqa: F811
    """A room that takes ideal answers, in the act in which it judges."""
    made = opened(ideal_answers=True)
    acts.step(made.code, made.host, "rank")
    return made


def wrote(room, phone, text, name: str = "word-00001") -> dict:
    pair = desk.next_pairs(room.code, phone.me)[0]["id"]
    return desk.take(room.code, phone.me, (), (), [{"id": name, "pair": pair, "text": text}])


@pytest.mark.parametrize("typed", PAYLOADS)
def test_an_ideal_answer_waits_for_the_host_and_says_what_it_is_about(writing, typed):
    phone = Phone(writing)
    prompt = desk.next_pairs(writing.code, phone.me)[0]["prompt"]
    for _ in range(2):  # sent again, for the answer got lost: once is kept
        assert wrote(writing, phone, typed)["stored"] == ["word-00001"]
    assert figures.for_wall(writing.code, writing.wall)["words"] == []
    [waiting] = figures.for_host(writing.code, writing.host)["words"]
    assert (waiting["kind"], waiting["status"], waiting["prompt"]) == ("ideal", "waiting", prompt)
    integrity.show(writing.code, writing.host, waiting["word"], True)
    [shown] = figures.for_wall(writing.code, writing.wall)["words"]
    assert shown["prompt"] == prompt and not set(shown["text"]) & set("\u202e\u200b\u2060")
    assert desk.take(writing.code, phone.me)["act"]["write"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), (" \u200b ", "empty"), ("x" * 401, "at most 400"), ("a\x00", "control")]
    + [(value, "empty") for value in (None, 3, [], {})],
)
def test_an_ideal_answer_that_is_none_is_refused_in_a_sentence(writing, text, says):
    reply = wrote(writing, Phone(writing), text)
    [no] = reply["refused"]
    assert says in no["why"] and not no["again"] and reply["stored"] == []
    assert figures.for_host(writing.code, writing.host)["words"] == []


def test_where_the_host_takes_none_or_has_paused_none_is_kept(room, writing):
    assert not desk.take(room.code, Phone(room).me)["act"]["write"]
    [no] = wrote(room, Phone(room), "mine")["refused"]
    assert "takes no written answers" in no["why"] and not no["again"]
    phone = Phone(writing)
    acts.freeze(writing.code, writing.host, True)
    [no] = wrote(writing, phone, "mine")["refused"]
    assert no["again"], "the phone keeps it, and sends it when the room goes on"
    acts.freeze(writing.code, writing.host, False)
    assert wrote(writing, phone, "mine")["stored"] == ["word-00001"]


def test_two_phones_that_drew_the_same_id_keep_both_texts(writing):
    for phone in (Phone(writing), Phone(writing)):
        assert wrote(writing, phone, f"by {phone.number}")["stored"]
    assert len(figures.for_host(writing.code, writing.host)["words"]) == 2


def test_typing_has_its_bounds(room):
    phone = Phone(room)
    for kind, text, says in (
        ("name", "x", "Only a prompt"),
        ("prompt", "  \u200b ", "empty"),
        ("prompt", "x" * 121, "at most 120"),
        ("ideal", "a\x00", "control characters"),
    ):
        with pytest.raises((RoomError, InputError), match=says):
            integrity.write(room.code, phone.me, kind, text)
    for number in range(limits.WORDS):
        integrity.write(room.code, phone.me, "prompt", f"Prompt {number} is")
    with pytest.raises(RoomError, match="which is the most"):
        integrity.write(room.code, phone.me, "prompt", "One more is")
    with pytest.raises(RoomError, match="not there any more"):
        integrity.show(room.code, room.host, "no-such-word", True)
