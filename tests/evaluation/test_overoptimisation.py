"""What is said about a run that chases a proxy, on curves whose truth is known; and the gold rule
on texts by hand.
"""

import math
import random

import pytest

from rlhf_core.evaluation import overoptimisation as over
from rlhf_core.evaluation.gold_rule import PARTS, is_word, known_words, rate
from rlhf_core.judging.register import is_second, register_of, word_weights

PROMPTS = 40
CURE = ([0, 1, 4], [0, 2, 2], [0, 1, 2])  # more gold at the same distance


def curve(kls, golds, proxies, noise=0.0, seed=0):
    """Points of a run whose true mean gold is ``golds``; each prompt of each sample is off by
    ``noise``.
    """
    rng = random.Random(seed)

    def sample(gold):
        return [gold + rng.gauss(0, noise) for _ in range(PROMPTS)]

    return [
        {
            "step": 2 * i,
            "kl": kl,
            "gold": gold,
            "proxy": proxy,
            "gold_a": sample(gold),
            "gold_b": sample(gold),
        }
        for i, (kl, gold, proxy) in enumerate(zip(kls, golds, proxies, strict=True))
    ]


def test_a_fall_is_measured_from_the_peak_to_the_end():
    found = over.fall_of(curve([0, 1, 4, 9], [0, 0.8, 0.6, 0.2], [0, 1, 1.5, 2]))
    assert found["peak_step"] == 2 and found["last_step"] == 6
    assert found["fall"] == pytest.approx(0.6) and found["proxy_rise"] == pytest.approx(1.0)
    assert found["low"] == pytest.approx(0.6) and found["high"] == pytest.approx(
        0.6
    )  # no noise, no doubt


def test_of_few_prompts_nothing_is_detected():
    """One prompt drawn again is that prompt: its interval would have no width."""
    for points in (free := curve([0, 1, 4], [0, 1, 0], [0, 1, 2])), (cure := curve(*CURE)):
        for point in points:
            point["gold_a"], point["gold_b"] = point["gold_a"][:4], point["gold_b"][:4]
    assert (fall := over.fall_of(free))["fall"] == 1 and fall["low"] < 0 < fall["high"]
    assert over.judge_cure(free, cure)["effect"] == "too few to tell"


def test_noise_alone_is_no_fall():
    """Forty flat points: the highest mean is high by luck, but the other sample does not share that
    luck.
    """
    falls = [
        over.fall_of(curve([i for i in range(40)], [0.5] * 40, [0] * 40, noise=1.0, seed=seed))
        for seed in range(20)
    ]
    lucky = [
        max(
            over.mean(p["gold_a"])
            for p in curve([0] * 40, [0.5] * 40, [0] * 40, noise=1.0, seed=seed)
        )
        - 0.5
        for seed in range(20)
    ]
    assert abs(over.mean([f["fall"] for f in falls])) < 0.15 < over.mean(lucky)
    assert sum(f["low"] <= 0 <= f["high"] for f in falls) >= 17


def test_one_point_is_no_run():
    assert over.fall_of([]) is None and over.fall_of(curve([0], [0], [0])) is None
    assert over.judge_cure(curve([0, 1], [0, 1], [0, 1]), curve([0], [0], [0])) is None


def test_gold_at_a_distance_is_read_off_the_line_where_the_run_first_comes_by():
    points = curve([0, 4, 1, 16], [0, 1, 0.5, 3], [0, 0, 0, 0])
    assert over.gold_at(points, 1.0) == pytest.approx([0.5] * PROMPTS)  # half-way to sqrt(4)
    assert over.gold_at(points, 3.0) == pytest.approx([0.5 + 2.5 * 2 / 3] * PROMPTS)
    assert over.gold_at(points, 4.5) is None


FREE = ([0, 1, 4, 9, 16], [0, 0.8, 1.0, 0.5, 0.0], [0, 1, 1.5, 2, 2.5])


def test_a_cure_that_stops_on_the_same_curve_is_told_so():
    found = over.judge_cure(
        curve(*FREE, noise=0.2),
        curve(
            [0, 1, 2, 4],
            [0, 0.8, 0.8 + 0.2 * (math.sqrt(2) - 1), 1.0],
            [0, 1, 1.2, 1.5],
            noise=0.2,
            seed=1,
        ),
    )
    assert found["effect"] == "stopped earlier" and found["halved"] is True and found["shorter"]
    assert found["same_distance"]["low"] < 0 < found["same_distance"]["high"]


def test_a_cure_that_has_more_gold_at_the_same_distance_moved_the_curve():
    found = over.judge_cure(
        curve(*FREE, noise=0.2),
        curve([0, 1, 4, 9, 16], [0, 1.1, 1.5, 1.4, 1.3], [0, 1, 1.2, 1.5, 1.6], noise=0.2, seed=1),
    )
    assert found["effect"] == "moved" and found["halved"] is True and not found["shorter"]
    assert found["same_distance"]["difference"] == pytest.approx(
        (0.3 + 0.5 + 0.9 + 1.3) / 4, abs=0.15
    )


def test_a_cure_that_falls_as_far_is_no_cure():
    found = over.judge_cure(
        curve(*FREE), curve([0, 1, 4, 9, 16], [0, 0.6, 0.8, 0.2, -0.2], [0, 1, 2, 2, 2])
    )
    assert found["halved"] is False and found["effect"] == "worse"


def test_where_nothing_fell_there_is_nothing_to_halve():
    flat = curve([0, 1, 4], [0, 0.5, 0.6], [0, 1, 2])
    assert over.judge_cure(flat, flat)["halved"] is None


# --- the gold rule --------------------------------------------------------------------------------


def test_each_question_answers_for_itself():
    good = rate(" a large bird with black feathers and a strong beak.", "fact")
    assert good["gold"] > 0.95 and set(PARTS) == set(good) - {"gold"}
    assert rate(" a large bird with black feathers and a strong beak.", "meme")["register"] < 0.1
    assert rate(" a large bird with black feathers and a strong", "fact")["sentence"] == 0
    assert (
        rate(" a large bird with black feathers and a strong beak.", "fact", ended=False)[
            "sentence"
        ]
        == 0
    )
    assert rate(" a large bird a large bird a large bird.", "fact")["new"] == pytest.approx(3 / 8)
    assert rate(" a florb bird with zxq feathers.", "fact")["words"] == pytest.approx(4 / 6)


def test_the_register_is_told_by_words_that_the_scripted_rater_does_not_read():
    """A text of the rater's words alone: the rater is sure of it, the gold rule knows nothing."""
    read = [word for word in word_weights() if "_" not in word and not is_second(word)]
    facts = sorted(read, key=lambda word: -word_weights()[word][0])[:8]
    text = f" {' '.join(facts)}."
    assert register_of(text, "fact") == "fact"
    assert rate(text, "fact")["register"] == rate(text, "meme")["register"] == 0.25


def test_nothing_and_one_word_over_and_over_are_bad():
    assert rate("", "fact")["gold"] == pytest.approx(
        0.0625
    )  # a quarter of nothing known: four registers
    assert rate(" mammal mammal mammal mammal mammal mammal mammal", "fact", ended=False)[
        "new"
    ] == pytest.approx(1 / 6)
    assert rate(" .", "fact")["sentence"] == 0


def test_the_word_list_has_endings_and_no_nonsense():
    assert (
        is_word("mammal") and is_word("mammals") and is_word("mammal's") and not is_word("mammalx")
    )
    assert {"a", "when", "is", "then"} <= known_words() and all(
        word == word.lower() for word in known_words()
    )
