"""The labeller mirror: known labellers (consistent, leaning left, hasty, drifting) are told from
what they did; nothing is told from too little.
"""

import json
import random

import pytest

from rlhf_core.common.intervals import bootstrap_interval, difference_interval, wilson_interval
from rlhf_core.judging.contradictions import contradictions, reconsider
from rlhf_core.judging.gold_items import GoldItem, gold_items
from rlhf_core.judging.labeller_mirror import (
    care_against_speed,
    drift_of_correctness,
    drift_of_pace,
    gold_accuracy,
    length_bias,
    mirror,
    points,
    position_bias,
    repeats,
    self_consistency,
)
from rlhf_core.judging.preferences import Pair


def many(count: int, choice="a", **more) -> list[Pair]:
    return [Pair(f"p{i}", " x.", " y.", choice, **more) for i in range(count)]


def swapped(pair: Pair, same: bool = True, **more) -> Pair:
    flip = {"a": "b", "b": "a"}.get(pair.choice, pair.choice)
    return Pair(
        pair.prompt, pair.b, pair.a, flip if same else {"a": "b", "b": "a"}.get(flip, "a"), **more
    )


# --- intervals ------------------------------------------------------------------------------------


def test_the_difference_of_two_shares_as_newcombe_published_it():
    assert difference_interval(56, 70, 48, 80) == pytest.approx(
        (0.0524, 0.3339), abs=5e-5
    )  # Newcombe 1998, table II, (a), method 10
    assert difference_interval(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)  # (b)
    assert difference_interval(10, 10, 0, 20) == pytest.approx((0.6791, 1.0), abs=5e-5)  # (g)
    assert difference_interval(0, 0, 1, 2) == (-1.0, 1.0)


def test_the_bootstrap_is_seeded_and_near_the_normal_interval_of_a_mean():
    draw = random.Random(0)
    numbers = [draw.gauss(5, 2) for _ in range(200)]

    def mean(x):
        return sum(x) / len(x)

    low, high = bootstrap_interval([numbers], mean, seed=1)
    error = (sum((x - mean(numbers)) ** 2 for x in numbers) / len(numbers)) ** 0.5 / len(
        numbers
    ) ** 0.5
    assert (low, high) == pytest.approx(
        (mean(numbers) - 1.96 * error, mean(numbers) + 1.96 * error), abs=0.06
    )
    assert (
        bootstrap_interval([numbers], mean, seed=1)
        == (low, high)
        != bootstrap_interval([numbers], mean, seed=2)
    )
    assert (
        bootstrap_interval([[]], mean, seed=0) is None
        and bootstrap_interval([[1.0]], lambda x: float("nan"), seed=0) is None
    )


# --- repeats and gold -----------------------------------------------------------------------------


def test_a_repeat_is_the_same_two_texts_by_the_same_person_under_the_same_brief():
    first = Pair("p", " x.", " y.", "a", seconds=3.0)
    rows = repeats(
        [
            first,
            swapped(first, seconds=2.0),
            Pair("p", " x.", " y.", "tie"),
            Pair("p", " x.", " y.", "skip"),
            Pair("p", " x.", " y.", "a", annotator="Kim"),
        ]
    )
    assert [
        (row["index"], row["earlier"], row["same"], row["swapped"], row["seconds"]) for row in rows
    ] == [(1, 0, True, True, 2.0), (2, 1, False, True, None)]
    assert (
        repeats([first, Pair("p", " x.", " y.", "a", brief="other")])
        == []
        == repeats([Pair("p", " x.", " x.", "a")] * 2)
    )


def test_self_consistency_counts_answers_and_knows_when_it_is_too_early():
    pairs = many(20)
    same, often = (
        self_consistency([*pairs, *(swapped(p) for p in pairs)]),
        self_consistency([*pairs, *(swapped(p, same=False) for p in pairs)]),
    )
    assert (same.value, same.count, same.low) == (
        1.0,
        20,
        pytest.approx(wilson_interval(20, 20)[0]),
    ) and "can be learned from" in same.words
    assert often.value == 0 and "slow down" in often.words and same.enough and often.enough
    few = self_consistency([*pairs, swapped(pairs[0])])
    assert (
        not few.enough
        and few.words.startswith("Too few to tell: 1 pair came up")
        and few.count == 1
    )
    none = self_consistency([])
    assert (none.value, none.low, none.high, none.enough) == (None, None, None, False)


def test_gold_accuracy_counts_a_tie_as_wrong_and_leaves_skips_out():
    gold = gold_items("biology-homework")
    right = [Pair(item.prompt, item.worse, item.better, "b") for item in gold]
    measure = gold_accuracy(
        [
            *right,
            Pair(gold[0].prompt, gold[0].better, gold[0].worse, "tie"),
            Pair(gold[1].prompt, gold[1].better, gold[1].worse, "skip"),
        ],
        gold,
    )
    assert (measure.value, measure.count) == (12 / 13, 13)
    assert (
        gold_accuracy(right, ()).count == 0
        and "as its author meant it" in gold_accuracy(right * 2, gold).words
    )


# --- biases, pace and drift -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (30, 5, "lean to the left"),
        (5, 30, "lean to the right"),
        (50, 50, "No lean"),
        (3, 2, "Too few to tell: with 5 preferences"),
        (0, 0, "Too few to tell"),
    ],
)
def test_position_bias(left, right, words):
    measure = position_bias([*many(left), *many(right, "b"), *many(4, "tie"), *many(4, "skip")])
    assert (
        words in measure.words
        and measure.count == left + right
        and measure.enough == (left + right > 5)
    )
    if measure.count:
        assert (measure.value, measure.low, measure.high) == pytest.approx(
            (left / (left + right), *wilson_interval(left, left + right))
        )


def test_length_bias_looks_at_lengths_and_not_at_sides():
    longer = [
        Pair("p", " long text.", " x.", "a") if i % 2 else Pair("p", " x.", " long text.", "b")
        for i in range(20)
    ]
    assert length_bias(longer).value == 1 and "longer texts" in length_bias(longer).words
    shorter = [Pair(p.prompt, p.a, p.b, {"a": "b", "b": "a"}[p.choice]) for p in longer]
    assert (
        length_bias(shorter).value == 0
        and "shorter texts" in length_bias(shorter).words
        and position_bias(longer).value == 0.5
    )
    assert length_bias(many(9)).count == 0


GOLD = [GoldItem(f"p{i}", " x.", " y.", "because", True) for i in range(60)]


def test_haste_shows_where_slow_answers_are_right_and_quick_ones_wrong():
    hasty = [
        Pair(f"p{i}", " x.", " y.", "a" if i % 2 else "b", seconds=8.0 if i % 2 else 1.0)
        for i in range(24)
    ]
    measure = care_against_speed(hasty, GOLD)
    assert measure.value == 1 and "worth it" in measure.words and measure.count == 24
    other = care_against_speed(
        [Pair(p.prompt, p.a, p.b, p.choice, seconds=9 - p.seconds) for p in hasty], GOLD
    )
    assert other.value == -1 and "first impression" in other.words
    same = care_against_speed(
        [Pair(f"p{i}", " x.", " y.", "a", seconds=1.0 + i) for i in range(60)], GOLD
    )
    assert same.value == 0 and same.enough and "changes little" in same.words
    assert (
        not care_against_speed(hasty[:6], GOLD).enough
        and care_against_speed(many(30), GOLD).value is None
    )
    assert [(row["seconds"], row["right"], row["kind"]) for row in points(hasty[:2], GOLD)] == [
        (1.0, False, "gold"),
        (8.0, True, "gold"),
    ]


def test_drift_of_correctness_and_of_pace():
    tired = [
        Pair(
            f"p{i}",
            " x.",
            " y.",
            "a" if i < 12 else "b",
            seconds=10.0 + i % 3 if i < 12 else 2.0 + i % 3,
        )
        for i in range(24)
    ]
    worse, pace = drift_of_correctness(tired, GOLD), drift_of_pace(tired)
    assert worse.value == -1 and "take a break" in worse.words
    assert (
        pace.value == pytest.approx(3 / 11)
        and pace.high < 1
        and "sped up" in pace.words
        and pace == drift_of_pace(tired)
    )
    assert (
        "slowed down" in drift_of_pace(tired[::-1]).words
        and "kept your pace" in drift_of_pace(many(60, seconds=2.0)).words
    )
    assert (
        drift_of_pace(many(8, seconds=2.0)).words
        == "Too few to tell: 8 judgements with a time; ten are the least."
    )
    assert drift_of_pace([]).value is None
    varied = [
        Pair(f"p{i}", " x.", " y.", "a", seconds=random.Random(i).choice([1.0, 30.0]))
        for i in range(14)
    ]
    assert "varies too much" in drift_of_pace(varied).words


# --- contradictions and the whole mirror ----------------------------------------------------------


def better(x, y, prompt="p"):
    return Pair(prompt, x, y, "a")


def test_a_longer_circle_is_found_where_no_shorter_one_is():
    ring = [better(x, y) for x, y in zip("abcde", "bcdea")]
    assert contradictions(ring) == [{"prompt": "p", "texts": list("abcde")}]
    assert [row["texts"] for row in contradictions([*ring, better("c", "a")])] == [
        list("abc"),
        list("abcde"),
    ]  # d and e are in no shorter one
    assert (
        contradictions(ring[:-1]) == [] and contradictions([*ring[:2], better("c", "d", "q")]) == []
    )


def test_a_contradiction_leads_to_its_judgements():
    pairs = [
        better("x", "y"),
        better("a", "b"),
        Pair("p", "c", "b", "b"),
        better("c", "a"),
        Pair("p", "x", "y", "b"),
        better("a", "b", "q"),
    ]
    rows = {len(row["texts"]): row for row in reconsider(pairs)}
    assert rows[2]["indices"] == [0, 4] and "different times" in rows[2]["words"]
    assert (
        rows[3]["indices"] == [1, 2, 3]
        and rows[3]["words"] == "You said A > B, B > C, C > A: that goes round in a circle."
    )


def test_the_whole_mirror_is_plain_data():
    seen = mirror([*many(12, seconds=2.0), *(swapped(p, seconds=1.0) for p in many(12))], GOLD)
    assert json.loads(json.dumps(seen)) == seen and len(seen["measures"]) == 7
    assert {row["kind"] for row in seen["points"]} == {"repeat", "gold"} and seen[
        "contradictions"
    ] == []
    empty = mirror([])
    assert not any(measure["enough"] for measure in empty["measures"]) and empty[
        "words"
    ].startswith("0 of 7")
