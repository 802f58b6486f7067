"""Before and after: counts by hand, intervals against hand cases and simulation, and a sentence
that claims no more than they say.
"""

import json
import random

import pytest

from rlhf_core.common.intervals import wilson_interval
from rlhf_core.evaluation.before_after import distinct_n, mean_words, sentence, summarise, win_rate

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


@pytest.mark.parametrize(
    "groups",
    [[[1, 1, 0], [1]], [[1]] * 20, [[0, 0]] * 8, [[1, 0, 1]] * 12],
    ids=["few prompts", "all wins", "all losses", "the same rate everywhere"],
)
def test_where_a_bootstrap_would_be_far_too_sure_wilson_is_used(groups):
    outcomes, prompts = by_hand(groups)
    rate, interval = win_rate(outcomes, prompts)
    assert rate == pytest.approx(sum(outcomes) / len(outcomes))
    assert interval == pytest.approx(wilson_interval(sum(outcomes), len(outcomes)))
    assert interval[1] - interval[0] > 0.05


def test_bootstrap_draws_whole_prompts():
    """Ten prompts with ten answers each, all alike within a prompt: worth ten observations, not a
    hundred.
    """
    outcomes, prompts = by_hand([[1.0] * 10] * 6 + [[0.0] * 10] * 4)
    rate, (low, high) = win_rate(outcomes, prompts)
    # Ten independent prompts, 6 wins: the bootstrap's share is Binomial(10, 0.6) / 10, whose
    # central 95% runs from 0.3 to 0.9.
    assert (
        rate == 0.6 and low == pytest.approx(0.3, abs=0.01) and high == pytest.approx(0.9, abs=0.01)
    )
    _, (alone_low, alone_high) = win_rate(outcomes, [str(i) for i in range(100)])
    # A hundred independent answers: Binomial(100, 0.6) / 100, from 0.50 to 0.70.
    assert alone_low == pytest.approx(0.5, abs=0.02) and alone_high == pytest.approx(0.7, abs=0.02)


def test_bootstrap_weighs_answers_and_not_prompts():
    outcomes, prompts = by_hand([[1.0] * 30, [0.0], [0.0], [0.0], [0.0], [0.0]])
    assert win_rate(outcomes, prompts)[0] == pytest.approx(30 / 35)


def test_interval_covers_the_truth_about_95_times_in_100():
    rng, hits = random.Random(5), 0
    for trial in range(
        200
    ):  # 30 prompts, 4 answers each; prompts differ in their own win rates, 0.6 on average
        groups = []
        for _ in range(30):
            own = rng.choice([0.3, 0.6, 0.9])
            groups.append([float(rng.random() < own) for _ in range(4)])
        _, (low, high) = win_rate(*by_hand(groups), seed=trial, draws=400)
        hits += low <= 0.6 <= high
    assert 0.89 <= hits / 200 <= 0.985


def test_same_seed_same_interval():
    outcomes, prompts = by_hand([[1, 0], [1], [0], [0.5], [1], [1, 1, 0]])
    assert win_rate(outcomes, prompts, seed=3) == win_rate(outcomes, prompts, seed=3)


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
        sentence(0.8, 0.7, 0.9, 50, "reward model")
        == "The reward model prefers the tuned model: its win rate, ties counted half, is 80% over"
        " 50 pairs (95% interval 70% to 90%)."
    )
    assert sentence(0.2, 0.1, 0.3, 50, "reward model").startswith(
        "The reward model prefers the original model: the tuned model's win rate, ties counted"
        " half, is 20% over 50 pairs"
    )
    for low, high in ((0.45, 0.8), (0.5, 0.9), (0.1, 0.5), (0.2, 0.55)):
        assert sentence(0.5, low, high, 50, "reward model").startswith("No detectable change")


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
