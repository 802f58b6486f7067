"""The verdict in a word and in a sentence: it claims no more than the judges and the votes show."""

import random
import re

import pytest

from rlhf_core.evaluation import conclusion as c
from rlhf_core.evaluation import verdict as v

FACTS = {"name": "wanted", "before": 0.46, "after": 0.86, "beyond": True, "register": "fact"}
FLUENCY = {"name": "fluency", "before": -0.5, "after": -2.0, "beyond": True}


def row(name, rate, low, high, *, count=200, as_far=0.001, prompts=24):
    luck = {"luck": [0.44, 0.56], "as_far": as_far}
    counts = {"pairs": count, "wins": 1, "ties": 0, "losses": 0, "prompts": prompts}
    return {"name": name, "win_rate": rate, "interval": [low, high], **luck, **counts}


def chance(p, decided=24):
    told = {"decided": decided, "witnesses": decided, "fits": 400, "one_prompt": False}
    return {"p": p, "accuracy": 0.6, "luck": [0.3, 0.7], "support": 0.9, **told}


UP = row(c.REWARD_MODEL, 0.9, 0.85, 0.95)
TEACHER = row(c.TEACHER, 0.85, 0.8, 0.9)
GRADED = row(c.GRADED, 0.72, 0.66, 0.78)
DOWN = row(c.GRADED, 0.3, 0.2, 0.4)
OPEN = row(c.GRADED, 0.52, 0.45, 0.6, as_far=0.4)


@pytest.mark.parametrize(
    "judges, found, said",
    [
        ([UP, TEACHER, GRADED], chance(0.002), c.BETTER),
        ([UP, TEACHER, DOWN], chance(0.002), c.WORSE),
        ([UP, TEACHER, OPEN], chance(0.002), c.SAME),
        ([UP], chance(0.002), c.SAME),  # pleased is whom it was trained to please
        ([UP, row(c.RULE, 0.8, 0.7, 0.9), DOWN], chance(0.002), c.SAME),
        ([UP, TEACHER, GRADED], chance(0.4), c.NOT_THE_VOTES),
        ([UP, TEACHER, DOWN], chance(0.051), c.NOT_THE_VOTES),
        ([UP, TEACHER, GRADED], chance(0.4, decided=5), c.FEW_VOTES),
        ([UP, TEACHER, GRADED], chance(0.03, decided=6), c.BETTER),
        ([row(c.GRADED, 1.0, 0.9, 1.0, prompts=4)], chance(0.002), c.FEW_PROMPTS),
        ([UP, GRADED], None, c.BETTER),  # a run of an earlier version
        ([], chance(0.4), c.FEW_PROMPTS),
    ],
)
def test_the_verdict_in_a_word(judges, found, said):
    assert c.outcome(judges, found) == said


@pytest.mark.parametrize("rows", [(), [FACTS], [FACTS, FLUENCY]])
@pytest.mark.parametrize("found", [chance(0.0025), chance(0.43), chance(0.31, decided=4), None])
@pytest.mark.parametrize(
    "judges",
    [
        [UP, TEACHER, GRADED],
        [UP, TEACHER, DOWN],
        [UP, TEACHER, OPEN],
        [UP, row(c.RULE, 0.8, 0.7, 0.9), GRADED, row(c.YOU, 0.9, 0.8, 1.0)],
        [UP, row(c.RULE, 0.8, 0.7, 0.9), DOWN],
        [UP],
        [row(c.REWARD_MODEL, 0.5, 0.4, 0.6, as_far=0.9)],
        [row(c.REWARD_MODEL, 0.9, 0.8, 1, prompts=1)],
    ],
)
def test_the_sentence_is_short_and_has_few_numbers(judges, found, rows):
    words = c.conclusion(judges, rows, found)
    assert len(words.split()) <= 35 and len(re.findall(r"[\d.]*\d", words)) <= 4, words
    assert words.endswith((".", "more.")) and words[0] in "“ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def test_what_the_sentence_says():
    judges = [UP, TEACHER, GRADED]
    assert c.conclusion(judges, [FACTS], chance(0.0025)) == (
        "“fact” answers rose from 46% to 86%; the graded rule (72%) calls the tuned model better."
        " Coin tosses instead of votes would rarely teach this."
    )
    assert c.conclusion(judges, [FACTS], chance(0.43)) == (
        "“fact” answers rose from 46% to 86%, but the votes could be coin tosses: had the votes"
        " been coin tosses, 43% of tries would give a reward model this good."
    )
    assert "perhaps because of the votes, perhaps not" in c.conclusion(
        judges, [FACTS], chance(0.062)
    )
    assert "better" not in c.conclusion(judges, [FACTS], chance(0.31, decided=4))
    assert "4 clear votes are too few" in c.conclusion(judges, [FACTS], chance(0.31, decided=4))
    assert c.conclusion([UP], (), chance(0.01)).startswith("Only the reward model")
    assert "luck alone" in c.conclusion([OPEN], (), chance(0.01))
    one = [row(c.REWARD_MODEL, 1.0, 0.0, 1.0, prompts=1)]
    assert c.conclusion(one, [FACTS], chance(0.01)).startswith("Too few prompts to tell: 1 was")
    lost = c.conclusion(judges, [FACTS, FLUENCY], chance(0.0025))
    assert lost.endswith(" Lost: fluency.")
    assert (
        c.conclusion([]) == c.conclusion([{**UP, "pairs": 0}]) == "There is nothing to compare yet."
    )


def test_how_sure_names_who_is_independent_and_what_coins_do():
    lines = c.how_sure([UP, TEACHER, GRADED], chance(0.43))
    assert [("not independent" in line) for line in lines[:3]] == [True, True, False]
    assert "95% interval 66% to 78%" in lines[2] and "24 prompts" in lines[2]
    assert lines[3].startswith("These votes cannot be told from coin tosses;")
    assert c.votes_say(chance(0.002)).startswith("These votes share a taste.")
    assert c.votes_say(chance(0.2, decided=3)).startswith("3 clear votes are too few")
    assert c.votes_say(chance(0.1)).startswith("These votes may share a taste, or it was chance.")
    told = c.votes_say(chance(0.03))
    assert told.index("Had the votes been coin tosses") < told.index("(p = 0.03)")
    assert "3% of tries" in told and "over 99% of tries" in c.votes_say(chance(1.0))
    copied = chance(1.0, decided=60) | {"witnesses": 1}
    assert c.outcome([GRADED], copied) == c.FEW_VOTES
    assert "60 clear votes, worth 1 independent, are too few" in c.conclusion([GRADED], (), copied)
    assert "no telling" in c.votes_say(chance(1.0) | {"accuracy": None})


def test_the_same_model_twice_shows_no_difference():
    rng = random.Random(0)
    same = [
        {
            "prompt": f"p{i % 20}",
            "before": f" text {rng.random()}.",
            "after": f" text {rng.random()}.",
            "reward_before": 0.25,
            "reward_after": 0.25 + rng.gauss(0, 1),
            "ended_before": True,
            "ended_after": True,
        }
        for i in range(120)
    ]
    found = v.verdict(same, wanted="fact", scripted=False, chance=chance(0.01))
    assert found["verdict"] == c.SAME and found["permutation_p"] == 0.01
    assert found["conclusion"].startswith("No detectable difference")
    better = [{**p, "reward_after": p["reward_before"] + rng.gauss(0.8, 1)} for p in same]
    words = v.verdict(better, wanted=None, scripted=False)["conclusion"]
    assert words.startswith("Only the reward model it was trained on")
