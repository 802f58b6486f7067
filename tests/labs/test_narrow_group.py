"""Who votes decides whose taste a reward model has; counted by hand on a few answers."""

from __future__ import annotations

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.events import Progress
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.labs import narrow_group
from rlhf_core.session.state import Session

FACT, MEME = " a small mammal with a long tail.", " a great character for memes."


def rows(count: int = 4) -> list[dict]:
    sides = [[FACT, MEME], [MEME, FACT]]
    return [
        {"prompt": f"p{n}", "texts": sides[n % 2], "finished": [True, True]} for n in range(count)
    ]


def test_the_two_groups_want_opposite_things():
    facts, jokes = (narrow_group.votes_of(rows(2), wanted) for wanted in narrow_group.GROUPS)
    assert [pair.choice for pair in facts] == ["a", "b"]
    assert [pair.choice for pair in jokes] == ["b", "a"]
    twice = [{"prompt": "p", "texts": [FACT, FACT], "finished": [True, True]}]
    assert narrow_group.votes_of(twice, "fact")[0].choice == "tie"


@pytest.mark.parametrize("share, second", [(0.0, 0), (0.25, 2), (0.5, 4)])
def test_a_mixture_has_a_vote_a_pair_and_that_share_of_the_second_group(share, second):
    votes = [narrow_group.votes_of(rows(8), wanted) for wanted in narrow_group.GROUPS]
    mixed = narrow_group.mixed(votes, share)
    assert len(mixed) == 8
    assert sum(one == other for one, other in zip(mixed, votes[1], strict=True)) == second


def test_agreement_counts_pairs_of_one_prompt_that_the_group_tells_apart():
    answers = [(0, FACT, True), (0, MEME, True), (1, FACT, True), (1, FACT, True)]
    agrees = narrow_group.agreement(answers, [1.0, -1.0, 0.0, 2.0], "fact")
    assert (agrees["share"], agrees["of"]) == (1.0, 1)
    assert narrow_group.agreement(answers, [1.0, -1.0, 0.0, 2.0], "meme")["share"] == 0.0
    assert narrow_group.agreement(answers[2:], [0.0, 2.0], "fact")["share"] is None


@pytest.mark.slow
def test_who_voted_is_heard_and_who_did_not_is_not():
    session = Session(PRESETS["meme-bot"], seed=3)
    (found,) = (r for r in narrow_group.run(session) if not isinstance(r, Progress))
    assert session.labs[narrow_group.KEY] == found and session.judged.rankings == []
    facts, jokes = found["models"][0]["agrees"]
    assert facts["low"] > 0.5 > jokes["high"] and facts["of"] >= 20
    assert found["processor_seconds"] > 0
