"""The host steps through the acts, each with its clock; nobody else does; no step is doubled."""

from __future__ import annotations

import pytest
from databases import url  # noqa: F401
from room_people import Phone, here, opened  # noqa: F401

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import (
    acts,
    closing,
    desk,
    doors,
    exporting,
    figures,
    integrity,
    plans,
    reading,
    training,
    votes,
)
from rlhf_core.rooms.records import ACTS
from rlhf_core.store import tables


@pytest.fixture
def room(here):  # noqa: F811
    return opened(written=False)


def left_of(act) -> float:
    return (act.until_ms - act.now_ms) / 60_000


def test_the_acts_come_in_order_each_with_the_minutes_of_the_plan(here):  # noqa: F811
    room = opened(written=False, plan=20)
    seen = [doors.by_code(room.code).act]
    for _ in ACTS[1:]:
        seen.append(acts.step(room.code, room.host))
    assert [act.name for act in seen] == list(ACTS)
    minutes = [scene.minutes for scene in plans.PLANS[20]]
    assert [left_of(act) for act in seen] == pytest.approx(minutes, abs=0.2)
    assert len({act.number for act in seen}) == len(ACTS)
    with pytest.raises(RoomError, match="the last one is the talk"):
        acts.step(room.code, room.host)


def test_a_button_tapped_twice_steps_once(room):
    first = acts.step(room.code, room.host, "rank")
    again = acts.step(room.code, room.host, "rank")
    assert (again.number, again.until_ms) == (first.number, first.until_ms)


def test_the_host_may_go_back_and_set_the_clock(room):
    acts.step(room.code, room.host, "ppo")
    act = acts.step(room.code, room.host, "rank", minutes=3)
    assert act.name == "rank" and left_of(act) == pytest.approx(3, abs=0.1)
    assert left_of(acts.set_clock(room.code, room.host, 7.5)) == pytest.approx(7.5, abs=0.1)
    assert acts.set_clock(room.code, room.host, 0).until_ms is None


@pytest.mark.parametrize("minutes", [-1, 0.1, 1e6, float("nan"), float("inf"), "5", True])
def test_a_clock_that_is_none_is_refused(room, minutes):
    with pytest.raises(RoomError, match="minutes"):
        acts.set_clock(room.code, room.host, minutes)
    assert doors.by_code(room.code).act.number == 1


def test_an_act_that_is_none_is_refused(room):
    with pytest.raises(RoomError, match="no such act"):
        acts.step(room.code, room.host, "party")


def test_frozen_until_it_goes_on_and_a_step_thaws_it(room):
    assert acts.freeze(room.code, room.host, True).frozen
    number = acts.freeze(room.code, room.host, True).number
    assert doors.by_code(room.code).act.number == number
    assert not acts.freeze(room.code, room.host, False).frozen
    acts.freeze(room.code, room.host, True)
    assert not acts.step(room.code, room.host).frozen


def test_the_clock_stands_while_the_room_is_frozen(room, monkeypatch):
    clock = [tables.now_ms()]
    for module in (acts, reading, desk):
        monkeypatch.setattr(module, "now_ms", lambda: clock[0])
    phone = Phone(room)

    def told() -> tuple[float, float]:
        act = desk.take(room.code, phone.me)["act"]
        return left_of(doors.by_code(room.code).act), (act["until"] - act["now"]) / 60_000

    acts.set_clock(room.code, room.host, 5)
    clock[0] += 60_000
    acts.freeze(room.code, room.host, True)
    assert told() == (4, 4)
    clock[0] += 600_000
    assert told() == (4, 4), "ten minutes later"
    acts.set_clock(room.code, room.host, 6)
    clock[0] += 600_000
    assert told() == (6, 6)
    acts.freeze(room.code, room.host, False)
    assert told() == (6, 6)
    clock[0] += 60_000
    assert told() == (5, 5)
    acts.set_clock(room.code, room.host, 0)
    acts.freeze(room.code, room.host, True)
    acts.freeze(room.code, room.host, False)
    assert doors.by_code(room.code).act.until_ms is None
    acts.set_clock(room.code, room.host, 5)
    acts.freeze(room.code, room.host, True)
    clock[0] += 600_000
    assert left_of(acts.step(room.code, room.host, "rank", minutes=2)) == 2


def test_nobody_but_the_host_steers(room):
    phone = Phone(room)
    for secret in (room.wall, phone.me, "", None, room.session_id):
        for steer, more in (
            (acts.step, ()),
            (acts.set_clock, (5,)),
            (acts.freeze, (True,)),
            (acts.door, (True,)),
            (integrity.leave_out_silent, ()),
            (integrity.leave_out, (1,)),
            (integrity.take_in, (1,)),
            (integrity.show, ("name-1", True)),
            (integrity.events, ()),
            (figures.for_host, ()),
            (training.gather, ()),
            (training.standing, ()),
            (votes.prepare, ()),
            (votes.count, ()),
            (exporting.export, ()),
            (closing.delete, ()),
        ):
            with pytest.raises(RoomError) as told:
                steer(room.code, secret, *more)
            assert told.value.kind == "unknown"
    act = doors.by_code(room.code).act
    assert (act.name, act.number) == ("join", 1)


def test_every_step_leaves_an_event(room):
    acts.step(room.code, room.host, "practice")
    acts.freeze(room.code, room.host, True)
    acts.set_clock(room.code, room.host, 2)
    events = integrity.events(room.code, room.host)
    assert [one["kind"] for one in events] == ["opened", "act", "frozen", "clock"]
    assert events[1]["about"]["act"] == "practice"
