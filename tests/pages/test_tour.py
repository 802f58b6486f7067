"""The tour: every station points at a control that its page draws, waits until it was touched, can
be left and gone on with, and believes no session file that says nonsense.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_helpers import again, open_page, press, session_of, still_queue, words_of
from stand_ins import FACT, MEME, add_set, evaluation, made

from rlhf_core.session import tour
from rlhf_core.session.state import Session
from ui.before_after.blind_vote import to_vote_on
from ui.tour import frame
from ui.tour.stations import STATIONS, Station


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    return still_queue(monkeypatch)


def drawn(app) -> str:
    """What the page sends to the browser, widgets and containers with their keys."""
    found, waiting = [], [app._tree]
    while waiting:
        block = waiting.pop()
        found.append(str(getattr(block, "proto", "")))
        waiting += list(getattr(block, "children", {}).values())
    return "\n".join(found)


def script(station: Station) -> str:
    return Path(station.page).stem


def on_tour(session: Session, number: int, **more) -> Session:
    tour.keep(session, station=number, open=True, **more)
    return session


@pytest.mark.parametrize("number", range(len(STATIONS)))
def test_a_station_points_at_something_that_its_page_draws(number):
    station = STATIONS[number]
    session = made("tuned")
    add_set(session, [FACT, MEME])
    if "before_after" in station.page:
        session.tuned.evaluation = evaluation(changed=True)
    app = open_page(script(station), on_tour(session, number))
    assert re.search(rf'"[^"]*\b{station.control}"', drawn(app)), station.control
    assert station.title in words_of(app) and f"{number + 1} of {len(STATIONS)}" in words_of(app)


def test_the_stations_tell_little_and_are_told_apart():
    assert len({(station.page, station.control) for station in STATIONS}) == len(STATIONS)
    for station in STATIONS:
        assert len(f"{station.story} {station.do}".split()) <= 50, station.title


def test_it_waits_until_the_control_was_touched():
    session = made("empty")
    app = open_page("loop", on_tour(session, 0))
    assert app.button(key="tour_next").label == "Skip"
    app = app.pills(key="brief_pick").set_value("meme-bot").run()
    assert session_of(app).asked.brief.slug == "meme-bot"
    assert app.button(key="tour_next").label == "Next"


def test_what_was_done_before_the_station_does_not_count_as_its_touch():
    app = open_page("ppo", on_tour(made("tuned"), 7))
    assert app.button(key="tour_next").label == "Skip"


def test_the_blind_vote_asks_about_other_prompts_than_those_with_names():
    rows = [
        {"prompt": f"Animal {n % 4} is", "before": f" a{n}.", "after": f" b{n}."} for n in range(8)
    ]
    first = [pair["prompt"] for pair in to_vote_on(rows, {"Animal 2 is"})]
    assert first[0] == "Animal 3 is", "0 and 1 stand above it, 2 was asked"
    assert all(row not in rows[:2] for row in to_vote_on(rows, set()))
    assert len(to_vote_on(rows[:5], set())) == 3, "of animal 1, only what stands above"
    assert len(to_vote_on(rows[:1], set())) == 1, "better that than nothing"


def test_a_station_may_frame_what_to_press_and_not_the_whole_card():
    assert ".st-key-rank_card :is(" in frame("rank_card", ":is(.st-key-answer_0) button")
    for rule in (frame("rank_card"), frame("rank_card", "button")):
        assert rule.count("{") == rule.count("}") == 1, "a rule that a browser reads"
    pressed = [station.control for station in STATIONS if station.press]
    assert pressed == ["rank_card", "blind_vote"]


def test_next_leads_to_the_next_stations_page():
    app = press(open_page("loop", on_tour(made("empty"), 0)), "tour_next")
    assert tour.state(session_of(app))["station"] == 1
    assert STATIONS[1].title in words_of(app)


def test_it_can_be_left_and_gone_on_with():
    app = press(open_page("loop", on_tour(made("empty"), 3)), "tour_leave")
    assert "tour_next" not in {button.key for button in app.button}
    assert app.button(key="tour_begin").label == f"Go on with the tour (4 of {len(STATIONS)})"
    app = press(again(app), "tour_begin")
    assert STATIONS[3].title in words_of(app)


def test_it_ends_and_can_be_taken_again():
    app = open_page("loop", on_tour(made("empty"), len(STATIONS)))
    assert "That was the loop" in words_of(app)
    app = press(app, "tour_leave")
    assert app.button(key="tour_begin").label == "Take the tour"


def test_a_host_is_told_what_to_say():
    app = open_page("loop", on_tour(made("empty"), 0, host=True))
    assert STATIONS[0].say in words_of(app)
    app = open_page("loop", on_tour(made("empty"), 0))
    assert STATIONS[0].say not in words_of(app)


@pytest.mark.parametrize(
    "nonsense", ["yes", 7, None, {"station": -3}, {"station": "two", "open": 1}, {"station": 10**9}]
)
def test_nonsense_in_a_session_file_is_no_tour(nonsense):
    session = made("empty")
    session.labs = {"tour": nonsense}
    now = tour.state(session)
    assert now["station"] >= 0 and now["open"] is False
    assert not open_page("loop", session).exception
    tour.keep(session, open=True)
    assert not open_page("loop", session).exception
