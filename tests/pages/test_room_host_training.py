"""The host's panels once the room has judged, over the real engine: reward model, PPO, vote, talk;
for a room of one brief and for one of two halves. No browser.
"""

from __future__ import annotations

import pytest
from page_helpers import ROOT, alts, finish, press, said, still_queue
from streamlit.testing.v1 import AppTest

from rlhf_core.rooms import acts, desk, doors, figures, opening
from rlhf_core.rooms.records import RANK, TALK, VOTE, RoomSettings
from rlhf_core.session import registry
from ui import state
from ui.room import wall

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ONE, TWO = ("biology-homework",), ("biology-homework", "meme-bot")


def host_of(opened) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    app.run()
    app.switch_page("pages/room.py")
    app.query_params.clear()
    app.query_params["room"], app.query_params["host"] = opened.code, opened.host
    app.run()
    assert not app.exception, app.exception
    return app


def judge(opened, me: str, pairs: int, name: str) -> int:
    """So many taps of one person, left and right in turn; how many were stored."""
    done = 0
    for n in range(pairs):
        asked = desk.take(opened.code, me)["pairs"]
        if not asked:
            break
        row = {"id": f"{name}-{me[:8]}-{n:03}", "pair": asked[0]["id"], "choice": "ab"[n % 2]}
        done += len(desk.take(opened.code, me, [{**row, "seconds": 3.0, "at": None}])["stored"])
    return done


def test_answers_that_are_no_longer_in_line_are_asked_for_again(monkeypatch):
    monkeypatch.setattr(state, "warm_up", lambda: "")
    queue = still_queue(monkeypatch)
    opened = opening.open_room(RoomSettings(briefs=ONE))
    app = host_of(opened)
    session = registry.get(opened.session_id)
    first = session.jobs["room_answers"]
    app.run()
    assert registry.get(opened.session_id).jobs["room_answers"] == first, "it waits: once is enough"
    queue.forget(opened.session_id)
    app.run()
    assert registry.get(opened.session_id).jobs["room_answers"] != first


@pytest.mark.parametrize("briefs", [ONE, TWO], ids=["one brief", "two halves"])
def test_from_judgements_to_the_verdict(monkeypatch, briefs):
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setenv("OPOSSUM_ROOMS", "1000")
    queue = still_queue(monkeypatch)
    opened = opening.open_room(RoomSettings(briefs=briefs, steps=2, plan=20))
    room = doors.by_host(opened.code, opened.host)
    state.submit_for(registry.get(opened.session_id), "room_answers")
    finish(queue)
    acts.step(opened.code, opened.host, RANK)
    people = [doors.join(opened.code).me for _ in range(7 * len(briefs))]
    assert sum(judge(opened, me, 12, "rank") for me in people) == 12 * len(people)

    app = host_of(opened)
    press(app, "room_on")
    press(app, "room_fit")
    finish(queue)
    app.run()
    finish(queue)  # the groups' models, which the page asks for after the room's own
    app.run()
    assert not app.exception, app.exception
    assert "Right on prompts it never saw" in str([one.label for one in app.metric])
    for half in room.halves:
        session = registry.get(half.session_id)
        assert session.learned.head and session.labs["room_groups"]["table"]
    assert any("Majority and minority" in alt for alt in alts(app))

    press(app, "room_on")
    press(app, "room_play")
    finish(queue)
    app.run()
    assert not app.exception, app.exception
    assert all(registry.get(half.session_id).tuned.steps_done == 2 for half in room.halves)

    press(app, "room_on")
    assert doors.by_host(opened.code, opened.host).act.name == VOTE
    finish(queue)
    app.run()
    assert "Which answer is which shows only after the vote" in said(app)
    assert sum(judge(opened, me, 4, "vote") for me in people) == 4 * len(people)

    press(app, "room_on")
    assert doors.by_host(opened.code, opened.host).act.name == TALK and not app.exception
    found = figures.for_wall(opened.code, opened.wall)
    assert [one["votes"] for one in found["votes"]] == [28] * len(briefs)
    sentence = found["votes"][0]["conclusion"]
    assert sentence and sentence.replace("%", "") in said(app).replace("%", "")
    monkeypatch.setattr(wall.reach, "address", lambda **_: "http://h/room")
    drawn = wall.page(doors.by_wall(opened.code, opened.wall), found)
    assert drawn.count("op-verdict") == len(briefs) and drawn.count("op-votes") == len(briefs)
