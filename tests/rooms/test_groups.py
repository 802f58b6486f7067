"""Majority and minority: found where there are two tastes, not made up where there is one; and who
differs by chance is not asked about that very chance.
"""

from __future__ import annotations

import random

import pytest
import torch
from lab_data import plain

from rlhf_core.common.errors import InputError
from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.rewards import comparisons
from rlhf_core.rooms import groups
from rlhf_core.session.state import Session

PROMPTS, EACH, K = 15, 3, 4


def room(tastes: list[torch.Tensor | None], seed: int = 0) -> comparisons.Comparisons:
    """Everybody judges every pair, by a taste (k,) and a logistic doubt; None: by coin."""
    generator, rng = torch.Generator().manual_seed(seed), random.Random(seed)
    names = [(f"P{p}", f" text {p}-{t}", True) for p in range(PROMPTS) for t in range(EACH)]
    states = torch.randn(len(names), K, generator=generator)
    place = {(prompt, text): n for n, (prompt, text, _) in enumerate(names)}
    votes = []
    for number, taste in enumerate(tastes):
        for p in range(PROMPTS):
            for x, y in ((0, 1), (0, 2), (1, 2)):
                a, b = (f" text {p}-{t}" for t in (x, y))
                margin = 0.0
                if taste is not None:
                    apart = states[place[f"P{p}", a]] - states[place[f"P{p}", b]]
                    margin = float(apart @ taste)
                sure = 1 / (1 + torch.exp(torch.tensor(-3 * margin)).item())
                choice = "a" if rng.random() < sure else "b"
                votes.append(Pair(f"P{p}", a, b, choice, annotator=f"person {number}"))
    return comparisons.from_states(plain(K), votes, names, states)


def told(data: comparisons.Comparisons) -> tuple[dict, dict]:
    return groups.asked_of_both(data, torch.ones(K, dtype=torch.float64) * 3, 0)


ONE, OTHER = torch.tensor([2.0, 0, 0, 0]), torch.tensor([-2.0, 0, 0, 0])


def test_two_tastes_are_told_apart_and_each_model_knows_its_own():
    data = room([ONE] * 6 + [OTHER] * 3)
    few = groups.minority(data.pairs)
    assert few == {"person 6", "person 7", "person 8"}
    table, gap = told(data)
    assert table["majority"]["majority"]["share"] > 0.75
    assert table["minority"]["minority"]["share"] > 0.75
    assert table["majority"]["minority"]["share"] < 0.25
    assert gap["low"] > 0 and "loses by the majority" in gap["words"]


@pytest.mark.parametrize("seed", range(4))
def test_a_room_of_coins_has_no_minority_that_its_model_would_know(seed):
    table, gap = told(room([None] * 9, seed))
    low, high = (table["minority"]["minority"][end] for end in ("low", "high"))
    assert low < 0.5 < high, "whoever differs by chance differs anew on the next prompt"
    assert gap["low"] < 0 < gap["high"] and "Too few to tell" in gap["words"]


def test_a_room_of_one_taste_is_not_served_better_by_fewer_votes():
    _, gap = told(room([ONE] * 9))
    assert gap["low"] <= 0


def test_too_few_people_are_one_sentence():
    data = room([ONE] * 5)
    with pytest.raises(InputError, match="at least 6 people .* there are 5"):
        groups.enough(data.pairs)
    lazy = [Pair("P", " a", " b", "a", annotator="late")]
    assert {pair.annotator for pair in groups.enough(room([ONE] * 6).pairs + lazy)} == {
        f"person {number}" for number in range(6)
    }


def test_a_small_room_is_told_so_and_nothing_has_failed():
    session = Session()
    with session.change():
        session.judged.rankings = [
            Ranking(
                id=f"{who}-{n}",
                prompt=f"Prompt {n} is",
                candidates=[" one.", " two."],
                shown=[0, 1],
                groups=[[0], [1]],
                verdict=None,
                seconds=1.0,
                annotator=f"Person {who}",
                brief=session.asked.brief.slug,
                brief_version=session.asked.brief.version,
            )
            for who in range(2)
            for n in range(groups.LEAST_VOTES)
        ]
    *_, found = groups.run(session)
    assert found == session.labs[groups.GROUPS] and found["table"] == {}
    assert "at least 6 people" in found["few"] and "there are 2" in found["few"]


def test_where_they_part_each_has_its_favourite():
    data = room([ONE] * 6 + [OTHER] * 3)
    heads = {"majority": ONE.double(), "minority": OTHER.double()}
    rows = groups.favourites(data, heads)
    assert len(rows) == groups.FAVOURITES
    value = {(prompt, text): data.features[n, 0] for n, (prompt, text, _) in enumerate(data.rows)}
    for row in rows:
        every = [v for (prompt, _), v in value.items() if prompt == row["prompt"]]
        assert value[row["prompt"], row["majority"]] == max(every)
        assert value[row["prompt"], row["minority"]] == min(every)
