"""The host's page where the machine is busy, or where the host has it open twice. No browser."""

from __future__ import annotations

import contextlib

import pytest
from page_helpers import html_of, press, said, still_queue
from test_room_host import at, host_of

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import acts, closing, doors, figures, opening
from rlhf_core.rooms.records import JOIN, PPO, PRACTICE, REWARD, RoomSettings
from rlhf_core.session import registry
from rlhf_core.store.database_errors import store_error
from ui import state
from ui.room import host_mark, patience, wall


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setenv("OPOSSUM_ROOMS", "1000")
    return still_queue(monkeypatch)


@pytest.fixture
def opened(queue):
    return opening.open_room(RoomSettings(title="A quiet room", plan=20))


def busy(monkeypatch, times: int, kind: str = "busy") -> list[str]:
    """Let the database refuse so many steps; what was asked, as a list that grows."""
    tried, step = [], acts.step

    def refuses(*args):
        tried.append(args[2])
        if len(tried) <= times:
            raise store_error(kind)
        return step(*args)

    monkeypatch.setattr(acts, "step", refuses)
    monkeypatch.setattr(patience, "AGAIN", 0.001)
    return tried


def beside(app) -> bool:
    """Are there answers of before and now?"""
    return any('class="op-beside"' in block.proto.body for block in app.get("html"))


def act_of(opened) -> str:
    return doors.by_host(opened.code, opened.host).act.name


def test_a_press_is_made_again_while_the_database_is_busy(opened, monkeypatch):
    app = host_of(opened)
    tried = busy(monkeypatch, times=3)
    press(app, "room_on")
    assert tried == [PRACTICE] * 4 and act_of(opened) == PRACTICE
    assert not app.error


def test_a_press_that_finds_it_busy_for_long_is_told(opened, monkeypatch):
    app = host_of(opened)
    monkeypatch.setattr(patience, "SECONDS", 0.02)
    tried = busy(monkeypatch, times=10_000)
    press(app, "room_on")
    assert len(tried) > 1 and act_of(opened) == JOIN
    assert "busy" in app.error[0].value


def test_what_waiting_does_not_mend_is_told_at_once(opened, monkeypatch):
    app = host_of(opened)
    tried = busy(monkeypatch, times=10_000, kind="full")
    press(app, "room_on")
    assert tried == [PRACTICE] and "disk" in app.error[0].value


def test_the_host_learns_what_another_tab_of_theirs_has_started(opened, queue):
    """Its counters' look draws the page anew where the mark is another one."""
    acts.step(opened.code, opened.host, REWARD)
    room = doors.by_host(opened.code, opened.host)
    quiet = host_mark.of(room)
    session = registry.get(opened.session_id)
    state.submit_for(session, "fit")
    at_work = host_mark.of(room)
    assert at_work != quiet
    queue.forget(opened.session_id)
    with session.change():
        session.learned.head = "0" * 64
    assert host_mark.of(room) not in (quiet, at_work)


def test_before_the_run_has_answers_the_host_sees_none_as_the_wall(opened):
    acts.step(opened.code, opened.host, PPO)
    session = registry.get(opened.session_id)
    with session.change():
        session.learned.head = "0" * 64
        session.asked.candidate_sets = [
            {"id": "s", "prompt": "An opossum is", "texts": [" judged."], "round": 1}
        ]
    app = host_of(opened)
    assert "room_play" in {button.key for button in app.button}
    assert not beside(app)
    with session.change():
        row = {"prompt": "An opossum is", "text": " first.", "reward": 0.0, "step": 0}
        session.tuned.samples = [row]
    assert beside(app.run())


def deleted_at(monkeypatch, name: str, opened) -> None:
    """The room is deleted, by another tab, as the page takes its figures."""
    look = getattr(figures, name)

    def gone(*args):
        with contextlib.suppress(RoomError):
            closing.delete(opened.code, opened.host)
        return look(*args)

    monkeypatch.setattr(figures, name, gone)


def test_a_room_deleted_in_another_tab_takes_the_hosts_page_along(opened, monkeypatch):
    deleted_at(monkeypatch, "for_host", opened)
    app = host_of(opened)
    assert "not known here" in app.error[0].value
    assert "room_on" not in {button.key for button in app.button}, "nothing is left to press"


def test_the_wall_of_a_room_that_was_deleted_says_goodbye(opened, monkeypatch):
    deleted_at(monkeypatch, "for_wall", opened)
    assert wall.GONE in html_of(at(room=opened.code, wall=opened.wall))


@pytest.mark.parametrize("typed", ["x" * 25, "x" * 5_000, "\U0001f98a" * 25])
def test_a_nickname_that_is_too_long_is_told_and_stays_to_be_cut(opened, typed):
    app = at(room=opened.code)
    assert not app.text_input(key="join_nickname").max_chars, "the field would drop it in silence"
    app.text_input(key="join_nickname").set_value(typed)
    app.button[0].click().run()
    assert "at most 24 fit" in said(app) and "me" not in app.query_params
    assert app.text_input(key="join_nickname").value == typed
    assert doors.by_host(opened.code, opened.host).people == 0
