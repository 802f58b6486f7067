"""The gold items of the preset briefs: twelve each, about training prompts, and the word rule
agrees wherever it can see the difference.
"""

import pytest

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.gold_items import gold_items
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.register import judge


@pytest.mark.parametrize("slug", PRESETS)
def test_every_preset_has_its_twelve(slug):
    items, brief = gold_items(slug), PRESETS[slug]
    assert len(items) == 12 == len({(item.prompt, item.better) for item in items})
    for item in items:
        assert item.prompt in brief.training_prompts and item.why
        assert (
            item.better.startswith(" ") and item.worse.startswith(" ") and item.better != item.worse
        )


@pytest.mark.parametrize("slug", PRESETS)
def test_the_word_rule_agrees_where_it_applies(slug):
    ruled = [item for item in gold_items(slug) if item.rule]
    wanted = PRESETS[slug].wanted
    assert [
        item.better for item in ruled if judge(item.better, wanted) <= judge(item.worse, wanted)
    ] == []
    assert len(ruled) >= 7
    blind = [item for item in gold_items(slug) if not item.rule]
    assert [
        item.better for item in blind if judge(item.better, wanted) > judge(item.worse, wanted)
    ] == []  # the flag is not used to hide a disagreement


def test_a_judgement_is_right_wrong_or_about_something_else():
    item = gold_items("meme-bot")[0]
    sides = {"a": item.better, "b": item.worse}
    assert [
        item.verdict(Pair(item.prompt, **sides, choice=choice))
        for choice in ("a", "b", "tie", "both_bad", "skip")
    ] == [True, False, False, False, None]
    assert item.verdict(Pair(item.prompt, item.worse, item.better, "b")) is True
    assert (
        item.verdict(Pair(item.prompt, item.worse, " else.", "b")) is None
        and item.verdict(Pair("else", **sides, choice="a")) is None
    )


def test_a_brief_of_ones_own_has_none():
    assert gold_items("pirates") == ()
