"""What strangers typed, on the host's page and on the wall: only ever text, and on the wall only
what the host let through.
"""

from __future__ import annotations

import re

import pytest
import room_stand_ins as stand_in
from test_untrusted_text import HARM, MARK, evil

from rlhf_core.common.untrusted import TURNING
from rlhf_core.rooms.records import ACTS, Room
from rlhf_core.session.state import Session
from ui.room import host_links, host_people, names, reach, wall

ZERO_WIDTH = "\u200b\u2060\ufeff"
TAGS = re.compile(r"<(script|img|a|b|iframe)[ >]", re.IGNORECASE)


@pytest.fixture(autouse=True)
def at_an_address(monkeypatch):
    monkeypatch.setattr(reach, "address", lambda **_: "http://192.168.1.7:8501/room?room=KHTWPZ")
    monkeypatch.setattr(wall, "sessions", lambda room: [tuned() for _ in room.halves])


def tuned() -> Session:
    session = Session()
    session.tuned.metrics = [{"step": n, "reward_mean": n / 9} for n in range(3)]
    session.tuned.samples = [
        {"step": n, "prompt": evil("prompt"), "text": evil(f"written{n}"), "reward": 0.1}
        for n in (0, 2)
    ]
    return session


def harmful(act: str, slugs: tuple[str, ...] = ("meme-bot",)) -> tuple[Room, dict]:
    """A room whose every text means harm, as the host is told of it."""
    where = stand_in.room(act, slugs=slugs, title=evil("title"), names_on_wall=True)
    for half in where.halves:
        half.brief.update({name: evil(name) for name in ("title", "audience", "prefer", "avoid")})
    about = {"prompt": evil("about")}
    words = [
        {"word": "1", "kind": "name", "text": evil("name"), "status": "waiting", "prompt": ""},
        {"word": "2", "kind": "ideal", "text": evil("ideal") + ZERO_WIDTH, "status": "shown"},
        {"word": "3", "kind": "prompt", "text": evil("kept"), "status": "hidden"},
    ]
    told = stand_in.figures(
        where,
        everybody=[
            stand_in.person(1, name=evil("name"), pseudonym=evil("pseudonym"), marks=["fast"]),
            stand_in.person(2, name=evil("other"), left_out=True),
        ],
        words=[{**about, **word, "number": 1, "pseudonym": evil("pseudonym")} for word in words],
        disputed=[stand_in.pair(prompt=evil("prompt"), a=evil("a"), b=evil("b"))],
    )
    told["split"] = told["disputed"][0]
    told["contest"] = {
        what: told["everybody"][0] | {"low": 0.2, "high": 0.9} for what in ("fastest", "surest")
    }
    for half in told["votes"]:
        half["prompts"] = [stand_in.vote(evil("vote"), before=evil("was"), after=evil("is"))]
    return where, told


def only_text(drawn: str) -> None:
    """``drawn`` is HTML in which a stranger's words are words."""
    assert MARK in drawn
    assert not TURNING & set(drawn)
    ours = re.sub(r"<img class=\"op-qr\"[^>]*>", "", drawn)
    assert "onerror" not in re.sub(r"&lt;img[^&]*&gt;", "", ours)
    found = [tag for tag in TAGS.findall(ours) if tag.lower() != "b"]
    assert not found, found
    assert "<b>Zq" not in ours.replace("<b>Better:", "")


@pytest.mark.parametrize("slugs", [("meme-bot",), ("meme-bot", "biology-homework")])
@pytest.mark.parametrize("act", ACTS)
def test_the_wall_draws_a_strangers_text_as_text(act, slugs):
    where, told = harmful(act, slugs)
    only_text(wall.page(where, stand_in.for_wall(told)))


@pytest.mark.parametrize("act", ACTS)
def test_the_wall_shows_what_was_let_through_and_nothing_else(act):
    where, told = harmful(act)
    drawn = wall.page(where, stand_in.for_wall(told))
    assert f"{MARK}kept" not in drawn and f"{MARK}name" not in drawn and f"{MARK}other" not in drawn
    if act in ("join", "practice", "rank", "talk"):
        assert f"{MARK}ideal" in drawn


RIGHT_TO_LEFT = "שלום"


@pytest.mark.parametrize("act", ACTS)
def test_a_name_from_right_to_left_turns_nothing_beside_it(act):
    where = stand_in.room(act, title=RIGHT_TO_LEFT)
    told = stand_in.for_wall(stand_in.figures(where))
    for row in (*told["everybody"], *told["contest"].values()):
        row["name"] = RIGHT_TO_LEFT
    drawn = wall.page(where, told)
    assert wall.charts_of(where, told) or act not in ("reward", "ppo")
    assert RIGHT_TO_LEFT in drawn
    assert drawn.count(RIGHT_TO_LEFT) == drawn.count(f"<bdi>{RIGHT_TO_LEFT}</bdi>")
    row = stand_in.person(1, name=RIGHT_TO_LEFT)
    assert f"(<bdi>{RIGHT_TO_LEFT}</bdi>)" in host_people.table([row])
    for said in (names.markdown(row), names.line(row)):
        assert f"(\u2068{RIGHT_TO_LEFT}\u2069)" in said or f"\u2068{RIGHT_TO_LEFT}\u2069" in said


def test_the_table_of_people_is_text():
    _, told = harmful("rank")
    only_text(host_people.table(told["everybody"]))


def test_the_sheet_to_print_is_text():
    where, _ = harmful("join")
    page = host_links.sheet(where, {name: f"http://h/?{name}" for name in ("join", "wall", "host")})
    assert MARK in page.decode() and HARM not in page.decode()
    assert "<img src=x" not in page.decode() and "http://h/?host" in page.decode()
