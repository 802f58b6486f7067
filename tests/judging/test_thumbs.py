"""Thumbs up and down: a ranking of two tiers that compares nothing within a tier, and what every
form of judgement says of single answers.
"""

import json
from dataclasses import replace

import pytest

from rlhf_core.common.errors import PreferenceError
from rlhf_core.exchange.label_studio import import_annotations
from rlhf_core.exchange.label_studio_tasks import export_tasks
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import (
    Pair,
    Ranking,
    as_first_given,
    groups_of,
    nothing_to_learn,
    pairs_from_rankings,
)
from rlhf_core.judging.thumbs import Thumb, thumbs_from_pairs, thumbs_from_rankings
from rlhf_core.session import judged, saving
from rlhf_core.session.state import Session

TEXTS = [" a.", " b.", " c.", " d."]


def ranking(groups=(), texts=TEXTS, good=None, **more) -> Ranking:
    everyone = list(range(len(texts)))
    groups = [list(g) for g in groups] if good is None else groups_of(good, everyone)
    return Ranking("r", "A cat is", list(texts), everyone, groups, good=good, **more)


def said(*rankings):
    return [(thumb.text, thumb.good) for thumb in thumbs_from_rankings(list(rankings))]


def pairs(*rankings):
    return [(p.a, p.b, p.choice, p.weight) for p in pairs_from_rankings(list(rankings))]


# --- a ranking of two tiers -----------------------------------------------------------------------


def test_good_stands_above_bad_and_nothing_is_said_within_a_tier():
    """No ties: nobody compared two good answers, and a tie would train."""
    found = pairs(ranking(good=[0, 2]))
    assert found == [
        (" a.", " b.", "a", 0.25),
        (" a.", " d.", "a", 0.25),
        (" b.", " c.", "b", 0.25),
        (" c.", " d.", "a", 0.25),
    ]
    # Put in order with the same tiers, they are ties.
    assert [row[2] for row in pairs(ranking([[0, 2], [1, 3]]))].count("tie") == 2


@pytest.mark.parametrize("good", [[], [0, 1, 2, 3]])
def test_all_alike_gives_no_pair_and_counts_all_the_same(good):
    one = ranking(good=good)
    assert one.groups == [[0, 1, 2, 3]] and pairs(one) == []
    assert nothing_to_learn(pairs_from_rankings([one])) == "no pair was judged yet"
    assert said(one) == [(text, bool(good)) for text in TEXTS]
    # An ideal answer still beats them all.
    assert [row[0] for row in pairs(ranking(good=good, ideal=" e."))] == [" e."] * 4


@pytest.mark.parametrize(
    "impossible",
    [
        {"groups": [[0], [1], [2], [3]], "good": [0]},
        {"groups": [[1, 2, 3], [0]], "good": [0]},
        {"groups": [], "verdict": "skip", "good": [0]},
        {"groups": [[7], [0, 1, 2, 3]], "good": [7]},
        {"groups": [[0, 1, 2, 3]], "good": 3},
        {"groups": [[0, 1, 2, 3]], "good": "all"},
    ],
)
def test_what_cannot_be_is_refused(impossible):
    row = {"id": "r", "prompt": "A cat is", "candidates": TEXTS, "shown": [0, 1, 2, 3]}
    with pytest.raises(PreferenceError):
        Ranking.from_dict(row | impossible)


def test_it_comes_back_from_a_file_and_old_rows_are_what_they_were():
    one = ranking(good=[1, 3], ideal=" e.", seconds=2.5)
    assert Ranking.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    old = ranking([[0], [1], [2], [3]])
    assert "good" not in old.to_dict() and Ranking.from_dict(old.to_dict()) == old


def test_what_was_first_given_is_told_from_what_was_changed_later():
    session = Session(PRESETS["biology-homework"])
    row = {"id": "s", "prompt": "A cat is", "texts": TEXTS, "finished": [True] * 4, "round": 1}
    session.asked.candidate_sets = [row]
    judged.add_ranking(session, "s", groups=groups_of([0], [0, 1, 2, 3]), good=[0], seconds=1.0)
    again = judged.change_ranking(session, "s", groups=[[0, 1, 2, 3]], good=[], seconds=9.0)
    assert again.good == [] and again.first["good"] == [0] and again.seconds == 9.0
    (first,) = as_first_given([again])
    assert (first.good, first.groups, first.seconds) == ([0], [[0], [1, 2, 3]], 1.0)
    # One that was put in order first says nothing of good and bad.
    ordered = judged.change_ranking(session, "s", groups=[[0], [1], [2], [3]])
    assert ordered.first["good"] == [0] and as_first_given([ordered])[0].good == [0]
    plain = ranking([[0], [1], [2], [3]], first={"groups": [], "verdict": "skip", "seconds": 1.0})
    assert as_first_given([plain])[0].verdict == "skip"


def test_a_saved_session_brings_it_back(tmp_path):
    session = Session(PRESETS["biology-homework"], directory=tmp_path / "s")
    session.judged.rankings = [ranking(good=[1]), replace(ranking([[0], [1], [2], [3]]), id="q")]
    place = saving.save(session)
    rows = [json.loads(line) for line in (place / "rankings.jsonl").read_text().splitlines()]
    assert rows[0]["good"] == [1] and "good" not in rows[1]
    back = saving.load(place)
    assert back.judged.rankings == session.judged.rankings
    assert judged.pairs(back) == judged.pairs(session)


# --- single answers -------------------------------------------------------------------------------


def test_the_best_of_a_list_counts_as_good_and_the_last_as_bad():
    assert said(ranking([[2], [0], [3], [1]])) == [(" c.", True), (" b.", False)]
    assert said(ranking([[2, 0], [3, 1]])) == [
        (" c.", True),
        (" a.", True),
        (" d.", False),
        (" b.", False),
    ]
    assert said(ranking([[0, 1, 2, 3]])) == []  # ties: nobody is good


def test_none_will_do_makes_all_bad_and_a_skip_says_nothing():
    assert said(ranking(verdict="both_bad")) == [(text, False) for text in TEXTS]
    assert said(ranking(verdict="skip")) == []
    assert said(ranking(verdict="skip", ideal=" e.")) == [(" e.", True)]


def test_the_same_text_twice_counts_once():
    assert said(ranking(texts=[" a.", " a.", " b."], good=[0, 1])) == [
        (" a.", True),
        (" b.", False),
    ]


def test_pairs_that_were_brought_in_say_better_is_good():
    rows = [
        Pair("p", "x", "y", "b", weight=0.5),
        Pair("p", "x", "y", "tie"),
        Pair("p", "x", "y", "skip"),
    ]
    assert thumbs_from_pairs(rows) == [Thumb("p", "y", True, 0.5), Thumb("p", "x", False, 0.5)]


def test_a_session_tells_what_counts_under_its_brief_and_keeps_evaluation_prompts_out():
    session = Session(PRESETS["biology-homework"])
    brief = session.asked.brief
    kept = {"brief": brief.slug, "brief_version": brief.version}
    held = Ranking(
        "h", brief.evaluation_prompts[0], TEXTS, [0, 1, 2, 3], [[0, 1, 2, 3]], good=[], **kept
    )
    session.judged.rankings = [ranking(good=[0], **kept), ranking(good=[0], brief="other"), held]
    session.judged.imported = [Pair("p", "x", "y", "a")]
    assert [(t.prompt, t.text, t.good) for t in judged.thumbs(session)] == [
        ("p", "x", True),
        ("p", "y", False),
        *(("A cat is", text, text == " a.") for text in TEXTS),
    ]


@pytest.mark.parametrize("good", [[1, 3], [], [0, 1, 2, 3]])
def test_label_studio_brings_it_back(good):
    one = ranking(good=good, brief="x", annotator="Kim")
    tasks, _ = export_tasks([one])
    report = import_annotations(json.dumps(tasks).encode(), "x.json")
    (back,) = report.rankings
    assert (back.good, back.groups, back.annotator) == (good, one.groups, "Kim")
    assert pairs(back) == pairs(one)
    # Put in another order over there, it is a ranking like any other.
    tasks[0]["annotations"][0]["result"][0]["value"] = {
        "ranker": {"place_1": ["a"], "place_2": list("bcd")}
    }
    changed = import_annotations(json.dumps(tasks).encode(), "x.json").rankings[0]
    assert changed.good is None and changed.groups == [[0], [1, 2, 3]]
