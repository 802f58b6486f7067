"""The page by which one joins a room, without a browser: what it says in each case, how codes are
guarded, and that nothing that a host typed is more than text.
"""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest
from test_untrusted_text import HARM, MARK, harm_in, messages, texts

from rlhf_core.common.errors import RoomError, StoreError
from rlhf_core.rooms import desk as engine
from rlhf_core.rooms import doors
from rlhf_core.rooms.records import Act, Half, Joined, Person, Room, RoomSettings
from ui import addresses, rates
from ui.room import desk, join

pytestmark = pytest.mark.slow  # with the others of its kind it would be minutes of `make test`

EVIL = f"{MARK} {HARM}"
BRIEF = {name: EVIL for name in ("slug", "title", "audience", "prefer", "avoid", "ties")}
LOOKED = {
    "code": "BCDFGH",
    "title": EVIL,
    "briefs": [BRIEF],
    "consent": EVIL,
    "people": 3,
    "most": 100,
    "full": False,
    "closed": False,
    "locked": False,
    "act": "rank",
}
ACT = Act("rank", 0, None, 0, False, 1)
HALVES = (Half(0, "session-of-the-room", BRIEF),)
ROOM = Room("BCDFGH", RoomSettings(title=EVIL), HALVES, ACT, 3, 9, 0, 9, 9, False)
ME = "token-of-somebody-at-home"
SAID = {"stored": [], "refused": [], "drop": [], "pairs": [], "act": {"name": "rank"}}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nothing was tried yet, time stands still, and the engine knows one room and nobody."""
    monkeypatch.setattr(desk, "wrong_codes", rates.Buckets(rates.WRONG_CODES, lambda: 0.0))
    monkeypatch.setattr(join, "wrong_of_tab", rates.Buckets(rates.WRONG_CODES_OF_TAB, lambda: 0.0))
    monkeypatch.setattr(doors, "look", found(lambda code: LOOKED, "BCDFGH"))
    monkeypatch.setattr(
        doors, "by_person", found(lambda code, me: (ROOM, somebody()), "BCDFGH", ME)
    )
    monkeypatch.setattr(engine, "take", lambda *_: SAID)
    monkeypatch.setattr(addresses, "address_of", lambda *_: "the hall")


def found(make, *known):
    """An engine's function that knows these arguments only."""

    def ask(*asked):
        if asked != known:
            raise RoomError("There is no room of this code here.", "unknown")
        return make(*asked)

    return ask


def somebody(name: str = EVIL) -> Person:
    return Person(1, name, "Teal otter", 0, False)


def page(code: str = "BCDFGH", me: str = "") -> AppTest:
    def script(code, me):
        import streamlit as st

        from ui.room import join

        join.draw(st.query_params.get("room", code), st.query_params.get("me", me))

    app = AppTest.from_function(script, args=(code, me), default_timeout=60).run()
    assert not app.exception, app.exception
    return app


def said(app: AppTest) -> list[tuple[str, str, str]]:
    return [one for message in messages(app.main) for one in texts(message)]


def words(app: AppTest) -> str:
    return " ".join(text for *_, text in said(app))


def test_what_a_host_typed_is_only_ever_text():
    app = page()
    harm = [why for kind, field, text in said(app) if (why := harm_in(kind, field, text))]
    assert not harm and MARK in words(app)
    assert [one.label for one in app.button] == ["Join"]


def test_the_phone_gets_its_words_as_data_and_no_secret_of_the_host():
    app = page(me=ME)
    data = [
        json.loads(text)
        for kind, _, text in said(app)
        if kind == "BidiComponent" and text[:1] == "{"
    ]
    phone = next(one for one in data if "me" in one)
    assert phone["me"] == ME and phone["brief"]["title"] == EVIL and phone["name"] == EVIL
    assert phone["pseudonym"] == "Teal otter"
    assert phone["reply"]["act"]["name"] == "rank"
    assert "session-of-the-room" not in words(app)
    assert not app.button


def test_joining_puts_the_token_into_the_address_once(monkeypatch):
    tokens = []

    def joined(code, nickname, me):
        tokens.append((code, nickname, me))
        return Joined(ME, somebody())

    monkeypatch.setattr(doors, "join", joined)
    app = page()
    app.text_input[0].input("Kim")
    app.button[0].click().run()
    assert not app.exception
    assert app.query_params["me"] in (ME, [ME]) and app.query_params["room"] in (
        "BCDFGH",
        ["BCDFGH"],
    )
    (code, nickname, drawn), *more = tokens
    assert (code, nickname) == ("BCDFGH", "Kim") and len(drawn) >= 22 and not more


@pytest.mark.parametrize(
    ("looked", "sentence"),
    [
        ({"full": True}, "This room is full"),
        ({"closed": True}, "This room is closed"),
        ({"locked": True}, "The host has closed the door"),
    ],
)
def test_a_room_that_takes_nobody_says_why_and_has_no_button(monkeypatch, looked, sentence):
    monkeypatch.setattr(doors, "look", lambda code: LOOKED | looked)
    app = page()
    assert sentence in app.warning[0].value
    assert [one.label for one in app.button] == ["To the start, without a code"]


def test_what_went_wrong_while_joining_is_one_sentence(monkeypatch):
    def no(*_):
        raise RoomError("This room is full: 100 people are in it.", "full")

    monkeypatch.setattr(doors, "join", no)
    app = page()
    app.button[0].click().run()
    assert "100 people" in app.warning[0].value and "me" not in app.query_params


def test_an_unknown_code_asks_for_another_and_an_unknown_phone_may_join_again():
    app = page("<b>XX</b>")
    assert "no room of this code" in app.warning[0].value
    assert app.text_input[0].label == "The code on the wall"
    app = page(me="token-of-nobody-here")
    assert "not known here any more" in app.info[0].value and app.button[0].label == "Join"


def test_a_busy_database_says_so(monkeypatch):
    def busy(*_):
        raise StoreError("locked at /somewhere")

    monkeypatch.setattr(doors, "look", busy)
    app = page()
    assert "busy" in app.warning[0].value and "/somewhere" not in words(app)


def test_codes_are_not_tried_out_and_who_is_in_stays_in():
    for _ in range(rates.WRONG_CODES.at_once):
        assert not desk.wrong_codes.take("the hall")
    app = page()  # even the right one: else a guess would be told from it
    assert "Too many codes" in app.warning[0].value
    assert "BidiComponent" in {kind for kind, *_ in said(page(me=ME))}


def test_one_tab_tries_a_few_codes_only(monkeypatch):
    tried = []
    monkeypatch.setattr(doors, "look", lambda code: tried.append(code) or found(None)(code))
    app = page("BBBBBB")
    for number in range(20):
        app.text_input[0].input(f"CCCC{number:02}")
        app.button[0].click().run()
    assert len(tried) < 2 * rates.WRONG_CODES_OF_TAB.at_once
    assert "Too many codes" in app.warning[0].value
