"""Before and after: counts by hand, intervals against hand cases and simulation, and a sentence
that claims no more than they say.
"""

import json
import random

import pytest

from rlhf_core.common.intervals import clustered_interval
from rlhf_core.evaluation.before_after import (
    FEWEST_PROMPTS,
    distinct_n,
    mean_words,
    sentence,
    summarise,
    win_rate,
)

# --- diversity and length -------------------------------------------------------------------------


def test_distinct_n_by_hand():
    texts = [
        "a cat sat",
        "a cat ran",
    ]  # pairs: (a cat) (cat sat) (a cat) (cat ran): 3 different of 4
    assert distinct_n(texts, 2) == 3 / 4
    assert distinct_n(texts, 1) == 4 / 6
    assert distinct_n(texts, 3) == 1.0
    assert distinct_n(["A Cat, sat.", "a cat SAT"], 2) == 2 / 4  # case and punctuation don't count
    assert distinct_n(["one", "", "two"], 2) == 0.0 and distinct_n([], 2) == 0.0


def test_distinct_n_does_not_join_neighbouring_texts():
    assert distinct_n(["a b", "c d"], 2) == 1.0 and distinct_n(["a b", "b a", "a b"], 2) == 2 / 3


def test_mean_words_by_hand():
    assert mean_words(["one two three", "", " four "]) == 4 / 3
    assert mean_words([]) == 0.0


# --- win rate -------------------------------------------------------------------------------------


def by_hand(outcomes_by_prompt: list[list[float]]) -> tuple[list[float], list[str]]:
    outcomes = [outcome for group in outcomes_by_prompt for outcome in group]
    return outcomes, [f"prompt {i}" for i, group in enumerate(outcomes_by_prompt) for _ in group]


def test_ties_count_half():
    assert win_rate(*by_hand([[1, 0.5], [0, 0.5], [1], [1], [0.5]]))[0] == pytest.approx(4.5 / 7)


def test_nothing_to_compare_says_nothing():
    assert win_rate([], []) == (0.5, (0.0, 1.0))


@pytest.mark.parametrize("groups", [[[1, 1, 0], [1]], [[1]] * 20, [[0, 0]] * 8, [[1, 0, 1]] * 12])
def test_the_interval_is_that_of_the_prompts(groups):
    outcomes, prompts = by_hand(groups)
    rate, interval = win_rate(outcomes, prompts)
    assert rate == pytest.approx(sum(outcomes) / len(outcomes))
    assert interval == clustered_interval([sum(g) for g in groups], [len(g) for g in groups])


def test_one_prompt_says_nothing_about_others_however_many_answers():
    assert win_rate([1.0] * 150 + [0.0] * 50, ["A cat is"] * 200) == (0.75, (0.0, 1.0))


def test_ten_answers_alike_count_as_one():
    """Ten prompts with ten answers each, all alike within a prompt: worth ten observations, not a
    hundred. The bounds solve Wilson's equation, (p - q)^2 = t^2 q (1 - q) / n, for q.
    """
    outcomes, prompts = by_hand([[1.0] * 10] * 6 + [[0.0] * 10] * 4)
    rate, bounds = win_rate(outcomes, prompts)
    worth = 100 / (10 * 10 / 9)  # a design effect of 10, and G / (G - 1)
    assert rate == 0.6
    for bound in bounds:
        assert (0.6 - bound) ** 2 == pytest.approx(2.262**2 * bound * (1 - bound) / worth)
    _, (alone_low, alone_high) = win_rate(outcomes, [str(i) for i in range(100)])
    # A hundred independent answers: Binomial(100, 0.6) / 100, from 0.50 to 0.70.
    assert alone_low == pytest.approx(0.5, abs=0.01) and alone_high == pytest.approx(0.7, abs=0.01)


def test_the_rate_weighs_answers_and_not_prompts():
    outcomes, prompts = by_hand([[1.0] * 30, [0.0], [0.0], [0.0], [0.0], [0.0]])
    assert win_rate(outcomes, prompts)[0] == pytest.approx(30 / 35)


# --- the verdict ----------------------------------------------------------------------------------


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


def test_summary_by_hand():
    pairs = [
        pair(gain=1.0),
        pair(gain=-0.5),
        pair(gain=0.0),
        pair(before=" same.", after=" same.", gain=0.3),  # equal texts tie, whatever the scores say
        pair(gain=2.0, after=" a large mammal that lives in the forest", ended=False),
    ]
    verdict = summarise(pairs, wanted="fact", judge="reward model")
    assert (verdict["wins"], verdict["ties"], verdict["losses"]) == (2, 2, 1)
    assert verdict["win_rate"] == pytest.approx(3 / 5)
    assert verdict["full_sentences"] == {"before": 1.0, "after": 0.8}
    assert verdict["mean_reward"]["after"] - verdict["mean_reward"]["before"] == pytest.approx(
        (1 - 0.5 + 0 + 0.3 + 2) / 5
    )
    assert (
        verdict["rule"]["name"] == "fact" and verdict["rule"]["after"] > verdict["rule"]["before"]
    )
    assert verdict["mean_words"] == {"before": 9 / 5, "after": pytest.approx((2 * 3 + 1 + 8) / 5)}
    assert json.loads(json.dumps(verdict))["pairs"] == pairs
    assert summarise(pairs, wanted=None, judge="reward model")["rule"] is None


def test_no_pairs_give_a_verdict_that_says_so():
    verdict = summarise([], wanted="fact", judge="reward model")
    assert verdict["sentence"] == "There is nothing to compare yet." and verdict["interval"] == [
        0.0,
        1.0,
    ]


def test_sentence_claims_only_what_the_interval_says():
    assert (
        sentence(0.8, 0.7, 0.9, 50, "reward model", 20)
        == "The reward model prefers the tuned model: its win rate, ties counted half, is 80% over"
        " 50 pairs (95% interval 70% to 90%)."
    )
    assert sentence(0.2, 0.1, 0.3, 50, "reward model", 20).startswith(
        "The reward model prefers the original model: the tuned model's win rate, ties counted"
        " half, is 20% over 50 pairs"
    )
    for low, high in ((0.45, 0.8), (0.5, 0.9), (0.1, 0.5), (0.2, 0.55)):
        assert sentence(0.5, low, high, 50, "reward model", 20).startswith("No detectable change")


@pytest.mark.parametrize("prompts", range(1, FEWEST_PROMPTS))
def test_of_few_prompts_the_sentence_claims_nothing(prompts):
    rows = [pair(prompt=f"p{i % prompts}") for i in range(200)]  # all won
    verdict = summarise(rows, wanted=None, judge="reward model")
    assert verdict["sentence"].startswith(f"Too few prompts to tell ({prompts}): ")
    assert "100% of 200 pairs" in verdict["sentence"]
    enough = [pair(prompt=f"p{i % FEWEST_PROMPTS}") for i in range(200)]
    verdict = summarise(enough, wanted=None, judge="reward model")
    assert verdict["sentence"].startswith("The reward model prefers the tuned model")


def test_models_that_do_not_differ_show_no_detectable_change():
    rng = random.Random(0)
    same = [
        pair(
            before=f" text {rng.random()}.",
            after=f" text {rng.random()}.",
            gain=rng.gauss(0, 1),
            prompt=f"p{i % 20}",
        )
        for i in range(120)
    ]
    assert summarise(same, wanted=None, judge="reward model")["sentence"].startswith(
        "No detectable change"
    )
    better = [{**p, "reward_after": p["reward_before"] + rng.gauss(0.8, 1)} for p in same]
    assert summarise(better, wanted=None, judge="reward model")["sentence"].startswith(
        "The reward model prefers the tuned model"
    )
    worse = [
        {**p, "reward_before": p["reward_after"], "reward_after": p["reward_before"]}
        for p in better
    ]
    assert summarise(worse, wanted=None, judge="reward model")["sentence"].startswith(
        "The reward model prefers the original model"
    )
