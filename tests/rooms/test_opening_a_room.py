"""What a host may choose, and what a room is opened with."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import here, opened  # noqa: F401

from rlhf_core.common.errors import BriefError, InputError, RoomError
from rlhf_core.judging import briefs
from rlhf_core.rooms import doors, limits, opening
from rlhf_core.rooms.records import RoomSettings
from rlhf_core.session import asked, registry


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"briefs": ()}, "one brief, or two"),
        ({"briefs": ("meme-bot", "meme-bot")}, "one brief, or two"),
        ({"briefs": ("a", "b", "c")}, "one brief, or two"),
        ({"briefs": ("no-such-brief",)}, "not known here"),
        ({"plan": 30}, "20, 45, 90"),
        ({"gold_share": 0.9}, "known answer"),
        ({"shared_share": -1}, "known answer"),
        ({"steps": 0}, "between 1 and 40"),
        ({"steps": 4_000}, "between 1 and 40"),
        ({"model": "/etc/passwd"}, "not on this server"),
        ({"prompts": ("Only one is",)}, "At least 2 prompts"),
        ({"prompts": tuple(f"Prompt {n} is" for n in range(25))}, "at most 24"),
        ({"prompts": ("x" * 121, "y")}, "at most 120"),
        ({"prompts": ("a\x00b", "y")}, "control characters"),
        ({"title": "x" * 61}, "at most 60"),
        ({"consent": "x" * 601}, "at most 600"),
    ],
)
def test_what_cannot_be_is_one_sentence(settings, says):
    with pytest.raises((RoomError, InputError), match=says):
        opening.check(RoomSettings(**settings))


def test_a_brief_of_the_hosts_own_is_checked_too():
    own = {"title": "Pirate", "prefer": "Arr.", "training_prompts": ["A ship is", "A cat is"]}
    chosen = RoomSettings(briefs=("pirate",), own_briefs={"pirate": own})
    [brief] = opening.halves(opening.check(chosen))
    assert brief.title == "Pirate" and brief.training_prompts == ("A ship is", "A cat is")
    broken = RoomSettings(briefs=("pirate",), own_briefs={"pirate": {"title": "Pirate"}})
    with pytest.raises(BriefError, match="what to prefer"):
        opening.check(broken)


def test_typed_lines_lose_what_turns_or_hides_them():
    chosen = opening.check(
        RoomSettings(
            title="\u202eOur\u200b room", prompts=("A \u202ecat is", "A dog is", "A dog is")
        )
    )
    assert chosen.title == "Our room" and chosen.prompts == ("A cat is", "A dog is")
    assert opening.check(RoomSettings(title="  ", consent=" ")).consent == limits.CONSENT


def test_a_room_has_a_session_ready_for_its_model_and_steps(here):  # noqa: F811
    room = opened(written=False, steps=7, prompts=("A cat is", "An opossum is"))
    session = registry.get(room.session_id)
    assert session.settings["ppo_next"]["steps"] == 7
    assert asked.training_prompts(session) == ["A cat is", "An opossum is"]
    assert not {"A cat is", "An opossum is"} & {*session.asked.brief.evaluation_prompts}
    found = doors.by_host(room.code, room.host)
    assert found.session_id == session.id and found.pairs == 0


def test_two_halves_answer_the_same_prompts_under_a_brief_each(here):  # noqa: F811
    room = opened(written=False, briefs=("biology-homework", "customer-reply"))
    halves = doors.by_host(room.code, room.host).halves
    sessions = [registry.get(half.session_id) for half in halves]
    assert [half.brief["slug"] for half in halves] == ["biology-homework", "customer-reply"]
    assert len({session.id for session in sessions}) == 2
    for what in ("training_prompts", "evaluation_prompts"):
        one, other = (getattr(session.asked.brief, what) for session in sessions)
        assert one == other and one
    assert sessions[1].asked.brief.prefer == briefs.PRESETS["customer-reply"].prefer


def test_so_many_rooms_and_no_more(here, monkeypatch):  # noqa: F811
    monkeypatch.setenv("OPOSSUM_ROOMS", "2")
    opened(written=False), opened(written=False)
    with pytest.raises(RoomError, match="2 rooms are open") as told:
        opened(written=False)
    assert told.value.kind == "full"
