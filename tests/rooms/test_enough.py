"""What a handful of people cannot show is not shown, and says what is missing."""

from __future__ import annotations

import pytest

from rlhf_core.evaluation import conclusion
from rlhf_core.judging.annotators import FIRST, SECOND, agreement
from rlhf_core.rooms import accuracy, enough


def alike(pairs: int) -> list[list[float]]:
    return [[FIRST, FIRST] if n % 2 else [SECOND, SECOND] for n in range(pairs)]


@pytest.mark.parametrize("pairs", [0, 1, 5, 6, enough.AGREEMENT_PAIRS - 1])
def test_agreement_of_few_pairs_is_no_number(pairs):
    found = enough.agreement(agreement(alike(pairs), 2))
    assert not found["enough"]
    assert found["words"] == (
        f"Too few to tell: {pairs} of at least {enough.AGREEMENT_PAIRS} pairs that two people"
        " judged."
    )


def test_agreement_of_enough_pairs_has_its_interval():
    units = [*alike(9), [FIRST, SECOND], [SECOND, FIRST], [FIRST, SECOND]]
    found = enough.agreement(agreement(units, 2))
    assert found["enough"] and found["low"] < found["alpha"] < found["high"]


def pair(first: int, second: int, tie: int = 0) -> dict:
    return {"first": first, "second": second, "tie": tie, "of": first + second + tie}


def test_one_against_one_splits_nobody():
    assert enough.split([]) is None
    assert enough.split([pair(1, 1), pair(2, 2), pair(3, 1), pair(7, 1), pair(5, 0, 5)]) is None
    assert enough.split([pair(2, 2), pair(3, 2), pair(1, 6)]) == pair(3, 2)
    assert enough.split([pair(3, 2), pair(5, 4)]) == pair(5, 4)


def person(right: int, of: int, seconds: float | None = 2.0) -> dict:
    return {"gold_right": right, "gold_of": of, "seconds": seconds}


def test_of_two_people_none_is_the_fastest():
    rows = [person(5, 5, 1.0), person(4, 5, 9.0)]
    assert enough.contest(rows) is None
    assert enough.contest(rows + [person(2, 4)] * 9 + [person(5, 5, None)]) is None
    found = enough.contest(rows + [person(3, 6)] * 3)
    assert found["fastest"]["seconds"] == 1.0 == found["surest"]["seconds"]
    assert found["surest"]["low"] < 0.6 and found["surest"]["high"] == 1.0


def test_a_groups_share_of_few_is_none():
    assert enough.share({"share": 1.0, "of": enough.HELD_OUT - 1}) is None
    assert enough.share({"share": 0.5, "of": enough.HELD_OUT}) == 0.5


CHANCE = {"p": 0.4, "decided": 40, "witnesses": 20, "fits": 100, "support": 0.5}


def test_the_accuracy_is_told_with_what_it_is_worth():
    assert accuracy.told({}) is None
    summary = {"heldout_accuracy": 0.54, "heldout_interval": [0.4, 0.68], "chance": CHANCE}
    found = accuracy.told(summary)
    assert (found["share"], found["low"], found["high"]) == (0.54, 0.4, 0.68)
    assert found["doubt"] and found["words"].startswith("These votes cannot be told from coin")
    sure = accuracy.told({**summary, "chance": {**CHANCE, "p": 0.001}})
    assert not sure["doubt"] and sure["words"] == "These votes share a taste."
    old = accuracy.told({"heldout_accuracy": 0.5, "heldout_interval": None})
    assert old["low"] is None and old["words"] == "" and not old["doubt"]


@pytest.mark.parametrize("p", [0.001, 0.1, 0.4])
@pytest.mark.parametrize("witnesses", [3, 20])
def test_the_sentence_is_the_first_of_what_the_page_says(p, witnesses):
    chance = {**CHANCE, "p": p, "witnesses": witnesses, "accuracy": 0.54, "one_prompt": False}
    whole = conclusion.votes_say({**chance, "luck": (0.3, 0.7)})
    assert whole.startswith(f"{conclusion.taste(chance)} On prompts")
