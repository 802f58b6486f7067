"""Prompts near a learner's words: the right ones, different ones, none that is kept for a test,
and quickly.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

import pytest

from rlhf_core.judging import briefs, near_prompts
from rlhf_core.judging.near_prompts import (
    DEFAULTS,
    Index,
    cosine,
    defaults,
    known_prompts,
    near,
    stem,
)

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from scripts import make_corpus  # noqa: E402

LIST = (
    "How do I bake bread?",
    "How do I bake a bread?",
    "Fresh bread is",
    "How do I clean the oven?",
    "My kitchen is a mess.",
    "An opossum is",
    "Tell me a joke about cats.",
)


def test_the_list_holds_prompts_to_offer_and_none_that_is_kept_for_a_test():
    known = known_prompts()
    held = {make_corpus.bare(p) for _, p in make_corpus.everyday_prompts()}
    held |= {make_corpus.bare(p) for p in make_corpus.held_out_prompts()}
    assert 300 < len(known) <= 4000 and near_prompts.KNOWN.stat().st_size < 200_000
    assert len(set(known)) == len(known) and {p for kind in DEFAULTS for p in kind} <= set(known)
    assert not [p for p in known if make_corpus.asks(p, held)]
    training = {p for brief in briefs.PRESETS.values() for p in brief.training_prompts}
    odd = [p for p in known if p not in training and not 3 <= len(p.split()) <= 9]
    assert not odd and not [p for p in known if set(p) & set("{}|<>\t")]


def test_what_is_near_shares_rare_words_first():
    index = Index(LIST)
    assert index.nearest("I was baking some bread", 1)[0].startswith("How do I bake")
    assert index.nearest("my oven!", 1) == ["How do I clean the oven?"]
    assert index.nearest("oppossum", 1) == ["An opossum is"], "a slip of the finger"
    assert index.nearest("Wie backe ich ein Brot?", 3) == [] == index.nearest("", 3)


def test_three_wordings_of_one_thing_are_one():
    found = Index(LIST).nearest("How can I bake fresh bread?", 3)
    assert len(found) == 2 and "Fresh bread is" in found


def test_vectors_weigh_by_rarity_and_have_length_one():
    index = Index(("red car", "red house", "blue house"))
    assert index.idf["word blue"] == pytest.approx(math.log(1 + 3 / 1))
    assert index.idf["word red"] == pytest.approx(math.log(1 + 3 / 2))
    assert cosine(index.vectors[0], index.vectors[0]) == pytest.approx(1)
    assert index.nearest("a blue car", 1) in (["blue house"], ["red car"])


@pytest.mark.parametrize(
    "words",
    [("baking", "bakes", "baked", "bake"), ("stopping", "stops", "stop"), ("cities", "city")],
)
def test_one_stem(words):
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize(
    "typed",
    [
        "Le chat est assis sur",
        "天空为什么是蓝色的?",
        "asdf",
        "12 + 7",
        "Die Katze sitzt auf dem",
        "🦝",
    ],
)
def test_another_language_gets_one_of_each_kind(typed):
    assert near(typed) == defaults(typed)


def test_an_english_prompt_gets_its_own_subject_every_time_the_same_and_at_once():
    near("warm up")
    began = time.process_time()
    found = near("Please, what could I bake for my dog?")
    seconds = time.process_time() - began
    assert len(set(found)) == 3 and near("Please, what could I bake for my dog?") == found
    assert any("bak" in p or "dog" in p.lower() for p in found)
    assert seconds < 0.5, f"{seconds:.3f} s; 0.005 s on the machine it was written on"


def test_neither_the_prompt_itself_nor_what_is_left_out():
    first = near("How do I bake bread?")
    assert "How do I bake bread?" not in first
    assert not {*first} & {*near("How do I bake bread?", leave_out=first)}
    found = near("asdf", leave_out=DEFAULTS[0])
    assert len(set(found)) == 3 and not {*found} & {*DEFAULTS[0]}
    several = {tuple(defaults(text)) for text in ("asdf", "ghjk", "qwer", "zxcv", "def f(x):")}
    assert len(several) > 2 and defaults("asdf") == defaults("asdf")
