"""Whose preferences: a reward model a person and one of the majority, on synthetic features with
known tastes, and once on the bundled model.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from lab_data import normal, plain
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.annotators import krippendorff_alpha, majority_pairs
from rlhf_core.judging.gold_items import gold_items
from rlhf_core.judging.preferences import Pair
from rlhf_core.labs import reward_lab, whose_preferences
from rlhf_core.loop import next_question, reward
from rlhf_core.rewards import comparisons
from rlhf_core.session import saving
from rlhf_core.session.state import Session


def votes_of(who: str, taste: list[float], states: torch.Tensor) -> list[Pair]:
    """Clear votes on 40 pairs over 20 prompts, by a taste on known features."""
    margins = (states[0::2] - states[1::2]).double() @ torch.tensor(taste, dtype=torch.float64)
    return [
        Pair(f"prompt {i % 20}", f"left {i}", f"right {i}", "a" if m > 0 else "b", annotator=who)
        for i, m in enumerate(margins.tolist())
    ]


@pytest.fixture(scope="module")
def data():
    states = normal(80, 2, seed=4).float()
    people = {"Ada": [3.0, 0.0], "Ben": [3.0, 0.3], "Cleo": [-3.0, 0.0]}
    votes = {who: votes_of(who, taste, states) for who, taste in people.items()}
    votes = {
        whose_preferences.MAJORITY: [replace(pair, annotator="majority") for pair in votes["Ada"]],
        **votes,
    }
    rows = comparisons.rows_of(votes["Ada"])
    return {
        who: comparisons.from_states(plain(2), pairs, rows, states) for who, pairs in votes.items()
    }


def test_everybody_is_known_by_their_own_model_and_the_minority_not_by_the_majoritys(data):
    right = whose_preferences.cross_predict(data, torch.ones(2, dtype=torch.float64), seed=0)
    share = {
        model: {person: sum(r) / len(r) for person, r in row.items()}
        for model, row in right.items()
    }
    assert (
        share["Cleo"]["Cleo"] > 0.9
        and share[whose_preferences.MAJORITY]["Cleo"] < 0.1
        and share["Ben"]["Ada"] > 0.85
    )
    row = whose_preferences.gap(
        "Cleo", right["Cleo"]["Cleo"], right[whose_preferences.MAJORITY]["Cleo"]
    )
    assert (
        row["low"] > 0.5
        and row["words"].startswith("Cleo loses by the majority")
        and row["of"] == 40
    )
    row = whose_preferences.gap(
        "Ada", right["Ada"]["Ada"], right[whose_preferences.MAJORITY]["Ada"]
    )
    assert row["difference"] == 0 and row["words"].startswith("Too few to tell whether Ada")


def test_a_model_never_saw_the_prompt_it_is_asked_about():
    """Votes that can only be learned by heart: each prompt has a feature of its own. On unseen
    prompts nothing is known, so nothing is right.
    """
    states = torch.zeros(40, 20)
    for i in range(20):
        states[2 * i, i], states[2 * i + 1, i] = 1.0, -1.0
    pairs = [
        Pair(f"prompt {i}", f"left {i}", f"right {i}", "a", annotator="Ada") for i in range(20)
    ]
    data = {"Ada": comparisons.from_states(plain(20), pairs, comparisons.rows_of(pairs), states)}
    assert (
        whose_preferences.cross_predict(data, torch.ones(20, dtype=torch.float64), seed=0)["Ada"][
            "Ada"
        ]
        == [False] * 20
    )


def test_who_has_enough_votes():
    ada = [Pair(f"p{i}", "x", "y", "a", annotator="Ada") for i in range(6)]
    few = [Pair(f"p{i}", "x", "y", "a", annotator="Few") for i in range(5)]
    one = [Pair("p", f"x{i}", "y", "a", annotator="One prompt") for i in range(9)]
    both = [
        replace(pair, annotator="Both ways", choice=choice)
        for pair in ada[:3]
        for choice in ("a", "b")
    ]
    ties = [replace(pair, annotator="Ties", choice="tie") for pair in ada]
    enough, left_out = whose_preferences.sift([*ada, *few, *one, *both, *ties])
    assert list(enough) == ["Ada"] and enough["Ada"] == ada
    assert {row["who"]: row["why"] for row in left_out} == {
        "Few": "5 clear votes on 5 prompts",
        "One prompt": "9 clear votes on 1 prompts",
        "Both ways": "every preference is taken back by its opposite",
        "Ties": "0 clear votes on 0 prompts",
    }
    crowd = [
        replace(pair, annotator=f"person {n}")
        for n in range(whose_preferences.MOST_PEOPLE + 2)
        for pair in ada
    ]
    enough, left_out = whose_preferences.sift(crowd)
    assert len(enough) == whose_preferences.MOST_PEOPLE and len(left_out) == 2


def test_there_is_no_majority_where_two_agree_on_one_pair_of_nine():
    """A "majority" was once drawn from a single agreed pair, at an alpha of -0.73."""
    ada = [Pair(f"p{i}", f"x{i}", f"y{i}", "a", annotator="Ada") for i in range(9)]
    ben = [replace(pair, annotator="Ben", choice="ab"[i > 0]) for i, pair in enumerate(ada)]
    majority, split = majority_pairs([*ada, *ben])
    assert len(majority) == 1 and krippendorff_alpha([*ada, *ben])["alpha"] < -0.5
    why = whose_preferences.no_majority(majority, split)
    assert why.startswith("of 9 pairs that two or more judged, 1 got the same answer from most")
    # Two of three that always agree are a majority, however low the alpha of all three.
    cleo = [replace(pair, annotator="Cleo") for pair in ada]
    three = [*ada, *ben, *cleo]
    assert krippendorff_alpha(three)["alpha"] < 0
    assert whose_preferences.no_majority(*majority_pairs(three)) == ""
    alone = majority_pairs(ada)
    assert whose_preferences.no_majority(*alone) == "no two people judged the same pair"


def test_too_few_people_are_told_who_lacks_what():
    session = Session(briefs.PRESETS["biology-homework"])
    session.judged.imported = [Pair("An owl is", " x.", " y.", "a", annotator="Ada")]
    with pytest.raises(
        InputError, match=r"Two people or more are needed.*Ada: 1 clear votes on 1 prompts"
    ):
        list(whose_preferences.compare_people(session))


def test_on_the_bundled_model_also_with_a_prompt_that_is_too_long_for_it():
    session = Session(briefs.PRESETS["biology-homework"])
    gold = gold_items("biology-homework")
    votes = [
        Pair(g.prompt, g.better, g.worse, "a" if who != "Cleo" else "b", annotator=who)
        for who in ("Ada", "Ben", "Cleo")
        for g in gold
    ]
    session.judged.imported = [*votes, Pair("mot " * 900, " x.", " y.", "a", annotator="Ada")]
    session.settings = {"reward_model": {"reference_samples": 64}}
    for work in (
        reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)),
        reward_lab.report(session),
        next_question.prepare(session),
    ):
        list(work)  # one row that can't be read is no reason to refuse the others
    assert (
        "Left out, because the prompt is too long for this model: 1 of 37 pairs"
        in session.learned.summary["note"]
    )
    (record,) = [
        item for item in whose_preferences.compare_people(session) if not isinstance(item, Progress)
    ]
    assert record["models"] == [whose_preferences.MAJORITY, "Ada", "Ben", "Cleo"] and record[
        "people"
    ] == ["Ada", "Ben", "Cleo"]
    assert record["table"]["Ada"] == record["table"]["Ben"], "the same votes make the same model"
    for person in ("Ada", "Cleo"):
        assert record["table"]["Ada"][person]["of"] == 12
    assert (
        record["table"]["Ada"]["Ada"]["right"]
        > 6
        > record["table"][whose_preferences.MAJORITY]["Cleo"]["right"]
    )
    assert "too long for this model" in " ".join(record["notes"])
    json.dumps(record)


def test_a_bundle_of_before_the_parts_keeps_what_was_found():
    found = {"kind": "whose", "people": ["Ada", "Ben"], "votes": 24}
    parts = saving.from_before({"files": {}}, {"annotation": {"whose": found}})
    assert parts["labs"] == {"whose_preferences": found}
