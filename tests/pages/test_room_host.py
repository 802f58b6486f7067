"""The host's page and the wall, without a browser, over a room of the real engine."""

from __future__ import annotations

import io
import json
import time
import zipfile

import pytest
from page_helpers import ROOT, keys, offered, open_page, press, said, session_of, still_queue
from streamlit.testing.v1 import AppTest

from rlhf_core.common.errors import RoomError
from rlhf_core.rooms import (
    acts,
    desk,
    doors,
    exporting,
    figures,
    integrity,
    opening,
    pairs,
    plans,
    reading,
)
from rlhf_core.rooms.fresh import Fresh
from rlhf_core.rooms.records import ACTS, JOIN, PPO, PRACTICE, REWARD, VOTE, Room, RoomSettings
from rlhf_core.session import registry
from rlhf_core.store import room_rows
from ui import state
from ui.room import host_links, host_people, reach


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setenv("OPOSSUM_ROOMS", "1000")  # every test here opens one
    return still_queue(monkeypatch)


@pytest.fixture
def opened(queue):
    return opening.open_room(RoomSettings(title="A quiet room", plan=20))


def at(**query: str) -> AppTest:
    """The app at the room's page with this address."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()
    app.switch_page("pages/room.py")
    app.query_params.clear()
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def host_of(opened) -> AppTest:
    return at(room=opened.code, host=opened.host)


def asked(app: AppTest, name: str) -> str:
    """What the address says of ``name``."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def hosted(app: AppTest) -> Room:
    """The room whose host this tab is."""
    return doors.by_host(asked(app, "room"), asked(app, "host"))


def judge(opened, people: int, pairs: int = 1) -> list[str]:
    """People who come in and say "a" to so many pairs each; their tokens."""
    tokens = []
    for number in range(people):
        me = doors.join(opened.code).me
        tokens.append(me)
        for n in range(pairs):
            pair = desk.take(opened.code, me)["pairs"][0]
            row = {"id": f"tap-{number:03}-{n:03}", "pair": pair["id"], "choice": "a"}
            desk.take(opened.code, me, [{**row, "seconds": 2.0, "at": None}])
    return tokens


# --- opening --------------------------------------------------------------------------------------


def test_the_page_says_what_a_room_may_take_and_opens_one(queue):
    app = open_page("room")
    assert "100 people a room" in said(app) and "Workshop room" in said(app)
    app.text_input(key="room_title").set_value("Tuesday's room").run()
    app.segmented_control(key="room_plan").set_value(20).run()
    press(app, "room_open")
    room = hosted(app)
    assert room.settings.title == "Tuesday's room" and room.settings.plan == 20
    assert app.session_state["run_id"] == room.session_id
    assert registry.get(room.session_id).jobs["room_answers"]


def test_two_halves_and_prompts_of_ones_own(queue):
    app = open_page("room")
    app.toggle(key="room_two").set_value(True).run()
    app.segmented_control(key="room_prompts_whose").set_value("Typed here").run()
    app.text_area(key="room_prompts").set_value("An owl is\n\n  A  bat is\nA fox is").run()
    press(app, "room_open")
    room = hosted(app)
    assert len(room.halves) == 2
    assert room.settings.prompts == ("An owl is", "A bat is", "A fox is")


def test_what_cannot_be_opened_says_why_in_a_sentence(queue):
    app = open_page("room")
    app.segmented_control(key="room_prompts_whose").set_value("Typed here").run()
    press(app, "room_open")
    assert "No prompt is typed yet" in said(app) and "host" not in app.query_params
    app.text_area(key="room_prompts").set_value("x" * 130 + "\nAn owl is").run()
    press(app, "room_open")
    assert "characters" in said(app) and "host" not in app.query_params


# --- roles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["x", "a" * 32, "../../etc", "\u202e", "' or 1=1"])
def test_without_the_secret_nobody_is_host(opened, secret):
    app = at(room=opened.code, host=secret)
    assert "room_on" not in keys(app) and "not known here" in said(app)
    room = doors.by_host(opened.code, opened.host)
    assert room.act.name == JOIN and app.session_state["run_id"] != room.session_id


def test_the_walls_key_is_no_hosts_secret(opened):
    app = at(room=opened.code, host=opened.wall)
    assert "room_on" not in keys(app)
    with pytest.raises(RoomError):
        acts.step(opened.code, opened.wall)


def test_the_wall_has_no_session_and_no_menu(opened):
    app = at(room=opened.code, wall=opened.wall)
    assert "run" not in app.query_params and opened.session_id not in str(app.session_state)
    assert not app.button and opened.code in said(app) and "Next: a short practice." in said(app)


def test_a_wall_with_a_wrong_key_says_so(opened):
    app = at(room=opened.code, wall="wrong")
    assert "not known here" in said(app) and "sheet" in said(app)


def test_a_host_who_comes_back_by_the_menu_finds_the_room(opened):
    app = host_of(opened)
    app.switch_page("pages/glossary.py").run()
    app.switch_page("pages/room.py").run()
    assert asked(app, "room") == opened.code and "room_on" in keys(app)


def test_start_over_cannot_take_the_rooms_session(opened):
    assert "start_over" not in keys(host_of(opened))


# --- the acts -------------------------------------------------------------------------------------


def test_the_host_steps_through_every_act_and_reads_what_to_say(opened):
    app = host_of(opened)
    for act in ACTS:
        scene = plans.scene(20, act)
        assert all(line in said(app) for line in scene.say), act
        assert plans.SCREENS[act].next in said(app)
        assert not app.exception
        if plans.after(act):
            press(app, "room_on")
            assert doors.by_host(opened.code, opened.host).act.name == plans.after(act)
    assert "room_on" not in keys(app)
    press(app, "room_back")
    assert doors.by_host(opened.code, opened.host).act.name == ACTS[-2]


def test_clock_and_freeze(opened):
    app = host_of(opened)
    before = doors.by_host(opened.code, opened.host).act
    press(app, "room_more_time")
    after = doors.by_host(opened.code, opened.host).act
    assert after.until_ms - before.until_ms == pytest.approx(120_000, abs=5_000)
    press(app, "room_freeze")
    assert doors.by_host(opened.code, opened.host).act.frozen and "Frozen" in said(app)
    press(app, "room_freeze")
    assert not doors.by_host(opened.code, opened.host).act.frozen


def test_a_step_of_another_tab_is_taken_over(opened):
    app = host_of(opened)
    acts.step(opened.code, opened.host, PRACTICE)
    app.run()
    assert plans.scene(20, PRACTICE).say[0] in said(app)


def test_counters(opened):
    acts.step(opened.code, opened.host, PRACTICE)
    judge(opened, 3)
    integrity.leave_out(opened.code, opened.host, 3)
    app = host_of(opened)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["In the room"] == "2" and shown["Judgements"] == "0", "practice is none"
    assert shown["Have tried a pair"] == "2 of 2"
    [people] = [one.delta for one in app.metric if one.label == "In the room"]
    assert "1 left out" in people


def test_an_act_that_misses_what_it_needs_leads_back(opened):
    acts.step(opened.code, opened.host, PPO)
    app = host_of(opened)
    assert "there is none yet" in said(app)
    press(app, "room_back_to")
    assert doors.by_host(opened.code, opened.host).act.name == REWARD
    acts.step(opened.code, opened.host, VOTE)
    app = host_of(opened)
    assert "Nothing was trained yet" in said(app)
    press(app, "room_back_to")
    assert doors.by_host(opened.code, opened.host).act.name == PPO


def test_the_host_closes_the_door_and_opens_it(opened):
    app = host_of(opened)
    press(app, "room_door")
    assert doors.by_host(opened.code, opened.host).door_closed and "door is closed" in said(app)
    assert "closed the door" in said(at(room=opened.code))
    press(app, "room_door")
    assert not doors.by_host(opened.code, opened.host).door_closed
    kinds = [one["kind"] for one in integrity.events(opened.code, opened.host)]
    assert kinds == ["opened", "door closed", "door opened"]


def test_a_person_has_one_name_on_every_page_of_the_host(opened):
    acts.step(opened.code, opened.host, PRACTICE)
    judge(opened, 1)
    doors.join(opened.code, "Zaphod")
    one, two = figures.for_host(opened.code, opened.host)["everybody"]
    integrity.leave_out(opened.code, opened.host, 1)
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("People").run()
    assert one["pseudonym"] in said(app) and "Zaphod" in said(app)
    app.segmented_control(key="room_look").set_value("End").run()
    assert f"left out, {one['pseudonym']}" in said(app) and "person 1" not in said(app)


def troubles(app: AppTest) -> str:
    return " ".join(one.label for one in app.expander)


def test_what_is_over_is_not_advised_any_more(opened, monkeypatch):
    monkeypatch.setattr(figures, "_COUNTED", Fresh(0.0))  # no second has to pass in between
    acts.step(opened.code, opened.host, PRACTICE)
    assert "The model is still writing" in troubles(host_of(opened))
    written = [{"id": "set-1", "prompt": "An owl is", "texts": [" wise.", " late."]}]
    written[0]["finished"] = [True, True]
    with reading.database().change() as db:
        row = room_rows.by_code(db, opened.code)
        room_rows.add_pairs(db, row.room_id, pairs.of_sets(written, row.seed))
    app = host_of(opened)
    assert "The model is still writing" not in troubles(app)
    assert "writes its answers" not in said(app)


def test_typed_prompts_say_what_the_vote_asks_about(queue):
    app = open_page("room")
    assert "The blind vote asks about" not in said(app)
    app.segmented_control(key="room_prompts_whose").set_value("Typed here").run()
    assert "The blind vote asks about the brief's own" in said(app).replace("\\", "")


def test_a_wrong_code_has_a_way_out(queue):
    app = at(room="BBBBBB")
    assert "no room of this code" in said(app)
    press(app, "join_leave")
    assert "room" not in app.query_params and "room_open" in keys(app)


def test_a_wrong_code_costs_nobody_their_session(queue):
    app = open_page("room")
    mine = session_of(app).id
    app.text_input(key="room_code").set_value("BBBBBB")
    press(app, "room_join_go")
    assert "no room of this code" in said(app)
    press(app, "join_leave")
    assert session_of(app).id == mine


# --- people and what they typed -------------------------------------------------------------------


def test_leaving_out_asks_once_and_is_on_record(opened, monkeypatch):
    acts.step(opened.code, opened.host, PRACTICE)
    judge(opened, 2)
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("People").run()
    press(app, "room_out_1")
    found = figures.for_host(opened.code, opened.host)["everybody"]
    assert not any(row["left_out"] for row in found), "one press only asks"
    press(app, "room_out_1_yes")
    events = integrity.events(opened.code, opened.host)
    assert [(one["kind"], one["number"]) for one in events if one["number"]] == [("left out", 1)]


def test_a_name_reaches_the_wall_only_by_the_hosts_press(queue):
    opened = opening.open_room(RoomSettings(names_on_wall=True))
    doors.join(opened.code, "Zaphod")
    assert "Zaphod" not in said(at(room=opened.code, wall=opened.wall))
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("Typed text").run()
    (show,) = [key for key in keys(app) if key.endswith("_show")]
    press(app, show)
    assert [one["kind"] for one in integrity.events(opened.code, opened.host)][-1] == "text shown"
    time.sleep(figures.SERVES)
    assert "Zaphod" in said(at(room=opened.code, wall=opened.wall))


def test_where_names_are_not_allowed_none_is_offered(opened):
    doors.join(opened.code, "Zaphod")
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("Typed text").run()
    assert not [key for key in keys(app) if key.endswith("_show")]
    assert "never do in this room" in said(app)


def test_the_table_puts_those_to_look_at_first():
    rows = [{"number": 1, "judged": 9, "marks": []}, {"number": 2, "judged": 3, "marks": ["fast"]}]
    rows = [{**row, "pseudonym": f"Fox {row['number']}"} for row in rows]
    rest = {"name": "", "seconds": 1.0, "left": 0, "decided": 0, "agrees": 0}
    rest |= {"gold_right": 0, "gold_of": 0, "agrees_of": 0, "left_out": False}
    drawn = host_people.table([{**rest, **row} for row in rows])
    assert drawn.index("Fox 2") < drawn.index("Fox 1")


# --- links and the end ----------------------------------------------------------------------------


def test_the_links_lead_back_and_the_host_link_is_hidden_until_asked(opened):
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("Links").run()
    shown = " ".join(code.value for code in app.code)
    assert opened.wall in shown and opened.host not in shown
    app.toggle(key="room_show_host").set_value(True).run()
    assert any(opened.host in code.value for code in app.code)


def test_the_sheet_holds_all_three_links(opened, monkeypatch):
    monkeypatch.setattr(reach, "address", lambda **query: f"http://h/room?{sorted(query.items())}")
    room = doors.by_host(opened.code, opened.host)
    page = host_links.sheet(room, host_links.links(room, opened.host)).decode()
    assert opened.host in page and opened.wall in page and opened.code in page
    assert page.count("data:image/svg+xml") == 3 and "<script" not in page


def test_an_export_opens(opened):
    acts.step(opened.code, opened.host, PRACTICE)
    judge(opened, 2)
    data = exporting.export(opened.code, opened.host)
    archive = zipfile.ZipFile(io.BytesIO(data))
    lines = archive.read("judgements.jsonl").decode().splitlines()
    assert len(lines) == 2 and json.loads(lines[0])["choice"] in ("a", "b")
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("End").run()
    assert not app.exception and "the room was opened" in said(app)


def test_deleting_asks_and_leaves_nothing(opened):
    app = host_of(opened)
    app.segmented_control(key="room_look").set_value("End").run()
    assert "room_delete_go" not in offered(app)
    app.checkbox(key="room_delete_sure").check().run()
    press(app, "room_delete_go")
    with pytest.raises(RoomError):
        doors.by_host(opened.code, opened.host)
    assert "host" not in app.query_params and "The room is gone" in said(app)


def test_a_code_is_taken_to_the_door(opened):
    app = open_page("room")
    app.text_input(key="room_code").set_value(f" {opened.code.lower()} ")
    press(app, "room_join_go")
    assert asked(app, "room") == opened.code and "A quiet room" in said(app)
