"""Thumbs that are half given: whose they are, how long they stand, and that they survive a save."""

from __future__ import annotations

from pathlib import Path

from rlhf_core.judging import briefs
from rlhf_core.session import judged, people, saving, thumbs_begun
from rlhf_core.session.state import Session

CARD = {"how": "lot", "why": "Drawn by lot.", "brief": ("biology-homework", 1)}


def made(directory: Path | None = None) -> Session:
    session = Session(briefs.PRESETS["biology-homework"], directory=directory)
    prompts = session.asked.brief.training_prompts
    session.asked.candidate_sets = [
        {
            "id": f"set-{number}",
            "prompt": prompts[number],
            "texts": [" a", " b", " c", " d"],
            "finished": [True] * 4,
            "seed": 0,
            "round": 1,
            "drawn": 4,
            "tokens": [],
            "asked": False,
        }
        for number in (1, 2)
    ]
    return session


def test_the_last_word_on_an_answer_counts_and_the_last_thumb_goes_first():
    session = made()
    thumbs_begun.say(session, "set-1", 2, True, **CARD)
    thumbs_begun.say(session, "set-1", 0, True, **CARD)
    assert thumbs_begun.say(session, "set-1", 2, False, **CARD) == {0: True, 2: False}
    assert thumbs_begun.take_back(session, "set-1")
    assert thumbs_begun.said(session, "set-1") == {0: True}
    assert thumbs_begun.take_back(session, "set-1")
    assert not thumbs_begun.take_back(session, "set-1")
    assert judged.thumbs(session) == [] and judged.pairs(session) == []


def test_each_person_at_the_screen_has_their_own():
    session = made()
    thumbs_begun.say(session, "set-1", 0, True, **CARD)
    people.sit_down(session, "Ada")
    assert thumbs_begun.said(session, "set-1") == {} and thumbs_begun.latest(session) is None
    thumbs_begun.say(session, "set-1", 0, False, **CARD)
    people.sit_down(session, "you")
    assert thumbs_begun.said(session, "set-1") == {0: True}


def test_those_that_can_no_longer_be_finished_are_forgotten():
    session = made()
    thumbs_begun.say(session, "set-1", 0, True, **CARD)
    thumbs_begun.say(session, "set-2", 0, True, **CARD)
    assert thumbs_begun.latest(session)["set"] == "set-2"
    judged.add_ranking(session, "set-2", groups=[[0], [1, 2, 3]])
    assert thumbs_begun.latest(session)["set"] == "set-1"
    thumbs_begun.say(session, "set-1", 1, True, **CARD)
    assert [row["set"] for row in session.judged.thumbs_begun] == ["set-1"]
    thumbs_begun.leave(session, "set-1")
    assert session.judged.thumbs_begun == []


def test_they_survive_a_save(tmp_path):
    session = made(tmp_path / "run")
    thumbs_begun.say(session, "set-1", 3, False, **CARD)
    saving.save(session)
    opened = saving.load(session.directory)
    assert thumbs_begun.latest(opened) == {
        "set": "set-1",
        "who": "you",
        "how": "lot",
        "why": "Drawn by lot.",
        "brief": ["biology-homework", 1],
        "said": [[3, False]],
    }
    assert thumbs_begun.said(opened, "set-1") == {3: False} and opened.judged.rankings == []
