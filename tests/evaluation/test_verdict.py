"""The verdict: luck against exact enumeration, judges by hand, and a sentence that claims no more
than they can show.
"""

import itertools
import json
import random

import numpy as np
import pytest

from rlhf_core.evaluation import conclusion as c
from rlhf_core.evaluation import verdict as v
from rlhf_core.evaluation.before_after import distinct_n


def pair(before=" a pest.", after=" a marsupial.", *, gain=1.0, prompt="A cat is", ended=True):
    return {
        "prompt": prompt,
        "before": before,
        "after": after,
        "reward_before": 0.25,
        "reward_after": 0.25 + gain,
        "ended_before": True,
        "ended_after": ended,
    }


def row(name, rate, low, high, *, count=200, as_far=0.001):
    return {
        "name": name,
        "pairs": count,
        "win_rate": rate,
        "interval": [low, high],
        "luck": [0.44, 0.56],
        "as_far": as_far,
        "wins": 1,
        "ties": 0,
        "losses": 0,
    }


# --- luck -----------------------------------------------------------------------------------------


def test_shuffled_labels_agree_with_all_ways_to_shuffle_them():
    differences = [0.5, 0.5, -0.5, 0.0, 0.5, 0.5, -0.5, 0.5]
    means = [
        sum(sign * d for sign, d in zip(signs, differences, strict=True)) / 8
        for signs in itertools.product((-1, 1), repeat=8)
    ]
    found = v.luck(differences, seed=1, draws=20_000)
    real = sum(differences) / 8
    assert found["as_far"] == pytest.approx(
        sum(abs(mean) >= abs(real) - 1e-12 for mean in means) / len(means), abs=0.01
    )
    assert (found["low"], found["high"]) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975])), abs=0.07
    )  # steps of 1/8
    assert v.luck([], seed=1) == {"low": 0.0, "high": 0.0, "as_far": 1.0}
    assert v.luck(differences, seed=1) == v.luck(differences, seed=1)


def test_luck_calls_no_difference_a_difference_about_5_times_in_100():
    rng = random.Random(3)
    wrong = sum(
        v.luck([rng.choice((-0.5, 0.0, 0.5)) for _ in range(60)], seed=trial, draws=300)["as_far"]
        <= 0.05
        for trial in range(300)
    )
    assert 3 <= wrong <= 27  # 15 expected; binomial, 99.9%


def test_luck_of_variety_sees_a_collapse_and_no_more():
    rng = random.Random(0)
    words = "cat dog owl bee fox yak ant elk hen emu cow pig".split()
    varied = [" ".join(rng.sample(words, 5)) for _ in range(60)]
    other = [" ".join(rng.sample(words, 5)) for _ in range(60)]
    same = ["the cat is a cat"] * 60
    collapsed, alike = (
        v.luck_of_variety(varied, same, 2, seed=0),
        v.luck_of_variety(varied, other, 2, seed=0),
    )
    change = distinct_n(same, 2) - distinct_n(varied, 2)
    assert change < collapsed["low"] and collapsed["as_far"] <= 0.01
    assert (
        alike["low"] <= distinct_n(other, 2) - distinct_n(varied, 2) <= alike["high"]
        and alike["as_far"] > 0.05
    )
    assert v.luck_of_variety([], [], 2, seed=0)["as_far"] == 1.0


# --- judges ---------------------------------------------------------------------------------------


def test_a_judge_counts_a_tie_as_half_and_carries_its_control():
    outcomes, prompts = [1.0] * 60 + [0.5] * 20 + [0.0] * 20, [f"p{i % 40}" for i in range(100)]
    found = v.judged(v.REWARD_MODEL, outcomes, prompts)
    assert (found["wins"], found["ties"], found["losses"], found["pairs"]) == (
        60,
        20,
        20,
        100,
    ) and found["win_rate"] == 0.7
    low, high = found["luck"]
    assert 0.5 - low == pytest.approx(high - 0.5, abs=0.02) and high - 0.5 == pytest.approx(
        1.96 * 0.5 * 0.8**0.5 / 10, abs=0.02
    )  # sd of a mean of 80 coin flips of 1/2 in 100
    assert c.direction(found) == 1 and c.direction({**found, "as_far": 0.2}) == 0
    assert (
        c.direction(v.judged(v.REWARD_MODEL, [1 - outcome for outcome in outcomes], prompts)) == -1
    )
    assert json.loads(json.dumps(found)) == found


def test_a_few_votes_cannot_be_sure():
    five = v.by_votes([{"prompt": f"p{i}", "choice": "after"} for i in range(5)])
    assert five["win_rate"] == 1.0 and five["interval"][0] < 0.5 and c.direction(five) == 0, (
        "five coins fall alike once in sixteen times"
    )
    eight = v.by_votes(
        [{"prompt": f"p{i}", "choice": "before"} for i in range(8)]
        + [{"prompt": "p9", "choice": "tie"}]
    )
    assert eight["win_rate"] == pytest.approx(0.5 / 9) and c.direction(eight) == -1
    assert c.direction(v.by_votes([{"prompt": "p", "choice": "tie"}])) == 0


def test_the_word_rule_prefers_the_wanted_register_and_ties_what_it_grades_alike():
    fact, meme = (
        " a small wild mammal that lives in the forest.",
        " a great character for memes on Monday.",
    )
    pairs = [
        pair(meme, fact),
        pair(fact, meme),
        pair(fact, fact),
        pair(fact, fact[:-1], ended=False),
    ]
    assert v.by_rule(pairs, "fact") == [1.0, 0.0, 0.5, 0.0]
    assert v.by_rule(pairs, "meme") == [0.0, 1.0, 0.5, 0.0]


def test_the_graded_rule_sees_what_the_word_rule_ties():
    fact, broken = (
        " a small wild mammal that lives in the forest.",
        " a small wild mammal that lives in the forest in the forest in the forest.",
    )
    assert v.by_rule([pair(broken, fact)], "fact") == [0.5] and v.by_graded_rule(
        [pair(broken, fact), pair(fact, broken), pair(fact, fact)], "fact"
    ) == [1.0, 0.0, 0.5]


def test_who_judged_decides_what_the_rule_is_called():
    assert [
        judge["name"] for judge in v.verdict([pair()] * 6, wanted="fact", scripted=True)["judges"]
    ] == [v.REWARD_MODEL, v.TEACHER, v.GRADED]
    assert [
        judge["name"] for judge in v.verdict([pair()] * 6, wanted="fact", scripted=False)["judges"]
    ] == [v.REWARD_MODEL, v.RULE, v.GRADED]
    assert [
        judge["name"] for judge in v.verdict([pair()] * 6, wanted=None, scripted=False)["judges"]
    ] == [v.REWARD_MODEL]


# --- language -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt, text, ended, kept",
    [
        ("A cat is", " a small animal. It sleeps a lot.", True, True),
        ("A cat is", " a small animal. it sleeps a lot.", True, False),
        ("A cat is", " a small animal", True, False),
        ("A cat is", " a small animal.", False, False),
        ("My order is late.", " Sorry about that.", True, True),
        ("My order is late.", " sorry about that.", True, False),
        ("A cat is", " 3.5 kg on average.", True, True),
        ("A cat is", "", True, False),
    ],
)
def test_capitals_and_full_stops_by_hand(prompt, text, ended, kept):
    assert v.well_formed(prompt, text, ended) is kept


def test_repetition_by_hand():
    assert (
        v.repetition(" the cat and the cat") == 2 / 5
        and v.repetition("") == 0.0
        and v.repetition("Cat cat") == 0.5
    )


def test_language_says_what_was_lost_and_only_that():
    rng = random.Random(1)
    words = "small brown animal with a long tail that likes the wood and eats fruit at night"
    words = [*words.split(), "near", "water"]
    good = [" a " + " ".join(rng.sample(words, 8)) + "." for _ in range(120)]
    prompts = [f"Animal {i % 30} is" for i in range(120)]
    fluent = {
        "before": [-0.5 + rng.gauss(0, 0.1) for _ in good],
        "after": [-2.0 + rng.gauss(0, 0.1) for _ in good],
    }
    broken = [
        {**pair(a, " the the the cat", prompt=p, ended=False)}
        for a, p in zip(good, prompts, strict=True)
    ]
    kept = [
        {**pair(a, b, prompt=p)}
        for a, b, p in zip(good, rng.sample(good, len(good)), prompts, strict=True)
    ]
    assert [row["name"] for row in c.lost(v.language(broken, fluent))] == [
        "well_formed",
        "repetition",
        "fluency",
        "distinct_2",
    ]
    rows = {row["name"]: row for row in v.language(kept, wanted="fact")}
    assert (
        c.lost(list(rows.values())) == []
        and "fluency" not in rows
        and rows["wanted"]["before"] > 0.8
    )
    assert (
        not rows["repetition"]["beyond"]
        and rows["repetition"]["luck"][0] < 0 < rows["repetition"]["luck"][1]
    )
    assert (
        v.language(broken, fluent)[1]["before"] == 1.0 and v.language([], None)[0]["after"] == 0.0
    )
