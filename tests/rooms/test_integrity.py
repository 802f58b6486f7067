"""The host leaves people out and takes them in, shows typed text or not; never silently."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, at_once, here, judging_room, left, likes, opened  # noqa: F401

from rlhf_core.common.errors import InputError, RoomError
from rlhf_core.rooms import desk, figures, integrity, limits


def test_left_out_and_taken_in_again_each_on_record(room):
    phone = Phone(room, "Ana")
    phone.judge(left, most=3)
    integrity.leave_out(room.code, room.host, 1, "taps left")
    integrity.leave_out(room.code, room.host, 1, "again")  # a second tap changes nothing
    reply = desk.take(room.code, phone.me)
    assert reply["you"]["left_out"] and reply["you"]["total"] == 3, "told, and nothing is lost"
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
    assert after["judged"] == before["judged"], "what was tapped was tapped"
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
    assert shown["called"] == phone.joined.person.pseudonym
    assert not set(shown["text"]) & set("\u202e\u200b\u2060")
    integrity.show(room.code, room.host, word, False)
    assert figures.for_wall(room.code, room.wall)["words"] == []
    kinds = [one["kind"] for one in integrity.events(room.code, room.host)][-2:]
    assert kinds == ["text shown", "text hidden"]


def test_a_nickname_is_on_the_wall_only_where_host_and_room_allow_it(here):  # noqa: F811
    for allowed in (False, True):
        room = opened(names_on_wall=allowed)
        person = Phone(room, "Ana").joined.person
        assert figures.for_wall(room.code, room.wall)["everybody"][0]["called"] == person.pseudonym
        integrity.show(room.code, room.host, "name-1", True)
        called = figures.for_wall(room.code, room.wall)["everybody"][0]["called"]
        assert called == ("Ana" if allowed else person.pseudonym)
        assert allowed or "Ana" not in repr(figures.for_wall(room.code, room.wall))


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
