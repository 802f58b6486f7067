"""What host and wall are told, against the same numbers counted by hand."""

from __future__ import annotations

import io
import json
import zipfile
from types import SimpleNamespace

import pytest
from databases import url  # noqa: F401
from room_people import Phone, at_once, here, judging_room, left, likes, opened  # noqa: F401

from rlhf_core.judging.annotators import krippendorff_alpha
from rlhf_core.judging.preferences import pair_from_row
from rlhf_core.rooms import acts, desk, exporting, figures, integrity
from rlhf_core.rooms.fresh import Fresh
from rlhf_core.session import registry
from rlhf_core.store import room_rows
from rlhf_core.store.room_counts import Choices


def pairs_of(room) -> list:
    """The room's judgements as an import reads them."""
    held = zipfile.ZipFile(io.BytesIO(exporting.export(room.code, room.host)))
    lines = held.read("preferences.jsonl").decode().splitlines()
    return [pair_from_row(json.loads(line), "row") for line in lines]


def test_an_empty_room_has_figures_too(room):
    found = figures.for_host(room.code, room.host)
    assert (found["people"], found["judged"], found["everybody"]) == (0, 0, [])
    assert found["agreement"][0]["alpha"] is None and found["disputed"] == []
    assert found["by_minute"] == [] and found["votes"][0]["judge"] is None
    assert json.loads(json.dumps(found)) == found, "plain values"


def test_agreement_is_that_of_the_judgements_one_by_one(room):
    tastes = [likes("LOUD"), likes("LOUD"), likes("longer"), left]
    for taste in tastes:
        Phone(room).judge(taste, most=40)
    told = figures.for_host(room.code, room.host)["agreement"][0]
    by_hand = krippendorff_alpha(pairs_of(room), seed=0)
    assert told["alpha"] == pytest.approx(by_hand["alpha"], abs=1e-9)
    assert (told["units"], told["annotators"]) == (by_hand["units"], by_hand["annotators"])
    assert told["low"] < told["alpha"] < told["high"]


def test_what_people_did_is_counted_person_by_person(room):
    careful, hasty = Phone(room, "Ana"), Phone(room)
    careful.judge(likes("LOUD"), most=30, seconds=4.0)
    hasty.judge(left, most=30, seconds=0.3)
    one, other = figures.for_host(room.code, room.host)["everybody"]
    assert (one["name"], one["judged"], one["seconds"], one["fast"]) == ("Ana", 30, 4.0, 0)
    assert one["marks"] == [] or one["marks"][0].startswith("As the known")
    assert (other["judged"], other["decided"], other["left"], other["fast"]) == (30, 30, 30, 30)
    assert any("left answer in 30 of 30" in mark for mark in other["marks"])
    assert any("Under a second in 30 of 30" in mark for mark in other["marks"])
    assert one["here"] and other["here"]


def test_known_answers_are_held_against_what_was_said(room):
    with registry.keeper().database.look() as db:
        every = room_rows.pairs(db, room_rows.by_code(db, room.code).room_id)
    known = {pair.pair_id: getattr(pair, pair.right_choice) for pair in every if pair.right_choice}
    good, bad = Phone(room), Phone(room)
    good.judge(lambda p: "a" if p["a"] == known.get(p["id"], p["a"]) else "b")
    bad.judge(lambda p: "b" if p["a"] == known.get(p["id"], p["a"]) else "a")
    one, other = figures.for_host(room.code, room.host)["everybody"]
    assert (one["gold_right"], one["gold_of"]) == (9, 9)
    assert not any("known answers" in mark for mark in one["marks"])
    assert (other["gold_right"], other["gold_of"]) == (0, 9)
    assert "As the known answers say in 0 of 9." in other["marks"]


def test_who_agrees_with_the_others_is_told_without_their_own_vote():
    said = [(person, 0, "p", "a") for person in (1, 2, 3)] + [(4, 0, "p", "b")]
    said += [(1, 0, "q", "a"), (2, 0, "q", "b")]  # one other is no majority
    assert figures.agreeing(said) == {1: (1, 1), 2: (1, 1), 3: (1, 1), 4: (0, 1)}
    even = [(1, 0, "p", "a"), (2, 0, "p", "a"), (3, 0, "p", "b")]
    assert figures.agreeing(even) == {3: (0, 1)}, "of the two others, one each: no majority"
    assert figures.agreeing([(1, 0, "p", "a"), (2, 1, "p", "a"), (3, 1, "p", "a")]) == {}


def test_what_splits_the_room_comes_first():
    texts = {
        name: SimpleNamespace(prompt="P is", a=" one", b=f" {name}") for name in ("x", "y", "z")
    }
    counted = [Choices(0, "x", 4, 1, 0), Choices(0, "y", 3, 3, 0), Choices(0, "z", 6, 0, 0)]
    found = figures.disputed(counted, texts)
    assert [(row["pair"], row["of"], row["split"]) for row in found] == [
        ("y", 6, 0.5),
        ("x", 5, pytest.approx(0.2)),
    ]


def test_a_second_is_how_long_an_answer_serves(room, monkeypatch):
    monkeypatch.undo()
    assert figures.SERVES <= 1.0 and desk.live.SERVES <= 2.0


def test_the_wall_is_told_nothing_that_only_the_host_may_know(room):
    phone = Phone(room, "Ana Lovelace")
    phone.judge(left, most=20, seconds=0.2)
    integrity.write(room.code, phone.me, "prompt", "A secret prompt is")
    told = json.dumps(figures.for_wall(room.code, room.wall))
    for hidden in (
        "Ana Lovelace",
        "secret prompt",
        "marks",
        "left_out",
        "Under a second",
        phone.me,
    ):
        assert hidden not in told
    assert room.host not in told and room.session_id not in told


def test_the_halves_are_counted_apart(here):  # noqa: F811
    room = opened(briefs=("biology-homework", "meme-bot"))
    acts.step(room.code, room.host, "rank")
    phones = [Phone(room) for _ in range(6)]
    for phone in phones:
        phone.judge(likes("LOUD" if phone.number % 2 else "longer"), most=50)
    found = figures.for_host(room.code, room.host)
    assert [one["annotators"] for one in found["agreement"]] == [3, 3]
    assert all(one["alpha"] > 0.9 for one in found["agreement"]), "each half agrees with itself"
    assert {row["half"] for row in found["everybody"]} == {0, 1}
    assert [one["half"] for one in found["trained"]] == [0, 1]


def test_what_was_tapped_counts_at_once_and_not_after_a_second(room, monkeypatch):
    """A poll each second and a figure kept for a second were two seconds behind."""
    monkeypatch.setattr(figures, "_COUNTED", Fresh(3600.0))
    assert figures.for_host(room.code, room.host)["judged"] == 0
    Phone(room).judge(left, most=5)
    for found in (figures.for_host(room.code, room.host), figures.for_wall(room.code, room.wall)):
        assert (found["people"], found["judged"]) == (1, 5)
