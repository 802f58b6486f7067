"""The label-permutation control: noise passes as a taste no more often than it should, a taste does
with a handful of votes, and the support of the score follows.
"""

import random

import pytest
import torch
from lab_data import normal
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.events import Progress
from rlhf_core.judging.preferences import EXPLOIT, Pair, Ranking, pairs_from_rankings
from rlhf_core.rewards.comparisons import from_states
from rlhf_core.rewards.permutation_control import (
    LEAST_SUPPORT,
    control,
    judgements_of,
    relabelled,
    related,
)
from rlhf_core.rewards.reward_model import Whitener

WIDE = Whitener(torch.zeros(4), torch.diag(torch.tensor([1 / 3, 1.0, 1.0, 1.0])))


def voted(count, *, seed, noise=False, per_prompt=1, ties=()):
    """Comparisons about texts whose states are random; the widest direction decides, or a coin."""
    rng, states = random.Random(seed), normal(2 * count, 4, seed=seed, dtype=torch.float32)
    states[:, 0] *= 3
    rows = [(f"p{n // 2 // per_prompt}", f" text {n}.", True) for n in range(2 * count)]
    pairs = []
    for n in range(count):
        better = rng.random() < 0.5 if noise else bool(states[2 * n, 0] > states[2 * n + 1, 0])
        choice = "tie" if n in ties else "a" if better else "b"
        pairs.append(Pair(rows[2 * n][0], rows[2 * n][1], rows[2 * n + 1][1], choice))
    return from_states(WIDE, pairs, rows, states)


def checked(data, seed=0):
    folds = data.groups % 5
    *early, found = control(data, folds, normal(300, 4, seed=99), 0.35, seed=seed)
    assert all(isinstance(step, Progress) for step in early)
    return found


@pytest.mark.parametrize("count, least", [(8, 0.7), (12, 0.85), (30, 0.97)])
def test_a_handful_of_votes_that_point_one_way_is_evidence(count, least):
    found = [checked(voted(count, seed=seed)) for seed in range(24)]
    assert sum(one["p"] <= 0.05 for one in found) / 24 >= least
    assert sorted(one["support"] for one in found)[12] > 0.6


@pytest.mark.parametrize("count", [6, 12, 30])
def test_votes_by_coin_pass_no_more_often_than_5_in_100(count):
    found = [checked(voted(count, seed=seed, noise=True)) for seed in range(60)]
    assert sum(one["p"] <= 0.05 for one in found) <= 9  # 3 expected; binomial, 99.8%
    assert sorted(one["support"] for one in found)[30] <= 0.5  # half of them teach next to nothing


def test_with_few_votes_every_way_the_coins_can_fall_is_tried_once():
    data = voted(6, seed=1, ties=(2,))
    every = relabelled(data, related(data))
    assert every.shape == (32, 6) and len({tuple(row) for row in every.tolist()}) == 32
    assert every[0].tolist() == data.targets.tolist() and (every[:, 2] == 0.5).all()
    found = checked(data)
    assert found["fits"] == 31 and found["decided"] == 5
    # Turned round altogether, the votes are foretold just as well: the least p is 2 in 32.
    assert found["p"] >= 2 / 32 and (found["p"] * 32) % 1 == 0


def test_a_ranking_changes_places_as_a_whole_and_an_exploit_stays():
    texts = [f" text {n}." for n in range(4)]
    ranking = Ranking("r", "p0", texts, [0, 1, 2, 3], [[2], [0, 3], [1]])
    exploit = Pair("p1", " good.", " nonsense.", "a", annotator=EXPLOIT)
    pairs = [*pairs_from_rankings([ranking]), exploit, Pair("p2", " x.", " y.", "b")]
    assert judgements_of(pairs) == [[0, 1, 2, 3, 4, 5], [6], [7]]
    rows = list(dict.fromkeys((q.prompt, text, True) for q in pairs for text in (q.a, q.b)))
    data = from_states(WIDE, pairs, rows, normal(len(rows), 4, dtype=torch.float32))
    every = relabelled(data, related(data), draws=200, seed=3)
    assert every.shape == (201, 8) and (every[:, 6] == 1.0).all()
    assert 60 < every[1:, 7].sum() < 140
    places = {n: pair for n, pair in enumerate(pairs[:6])}
    for row in every[:, :6]:  # one tie, and an order without circles, whatever was drawn
        assert (row == 0.5).sum() == 1
        points = dict.fromkeys(texts, 0.0)
        for n, pair in places.items():
            points[pair.a] += row[n].item()
            points[pair.b] += 1 - row[n].item()
        assert sorted(points.values()) == [0.0, 1.5, 1.5, 3.0]
    assert len({tuple(row) for row in every[:, :6].tolist()}) == 12  # 4! / 2!


def test_five_who_repeat_each_other_are_one_witness():
    """Each pair's winner is a coin, and five people say the same: no taste, however often."""
    found = []
    for seed in range(40):
        once = voted(10, seed=seed, noise=True)
        pairs = [pair for pair in once.pairs for _ in range(5)]
        data = from_states(
            WIDE, pairs, once.rows, once.features.float() @ torch.linalg.inv(WIDE.matrix)
        )
        every = relabelled(data, related(data), draws=50)
        assert (every.view(51, 10, 5) == every.view(51, 10, 5)[:, :, :1]).all()
        found.append(checked(data)["p"] <= 0.05)
    assert sum(found) <= 7  # 2 expected; binomial, 99.7%


def test_the_same_two_texts_under_many_prompts_are_one_witness():
    rows = [(f"p{n}", text, True) for n in range(24) for text in (" Short one.", " a long one.")]
    pairs = [Pair(f"p{n}", " Short one.", " a long one.", "a") for n in range(24)]
    states = normal(2, 4, dtype=torch.float32).repeat(24, 1)
    found = checked(
        from_states(WIDE, pairs, rows, states + 0.01 * normal(48, 4, dtype=torch.float32))
    )
    assert found["witnesses"] == 1 and found["decided"] == 24 and found["fits"] == 1
    assert found["p"] == 1.0 and found["support"] == LEAST_SUPPORT


def test_a_ranking_by_lot_written_down_as_plain_pairs_is_no_taste():
    fooled = []
    for seed in range(30):
        rng, pairs, rows = random.Random(seed), [], []
        for prompt in range(4):
            texts = [f" text {prompt} {n}." for n in range(5)]
            order = rng.sample(texts, 5)
            rows += [(f"p{prompt}", text, True) for text in texts]
            pairs += [
                Pair(f"p{prompt}", a, b, "a" if order.index(a) < order.index(b) else "b")
                for n, a in enumerate(texts)
                for b in texts[n + 1 :]
            ]
        states = normal(20, 4, seed=seed, dtype=torch.float32)
        states[:, 0] *= 3
        found = checked(from_states(WIDE, pairs, rows, states))
        assert found["witnesses"] == 16 and found["decided"] == 40
        fooled.append(found["p"] <= 0.05)
    assert sum(fooled) <= 6  # 1.5 expected; binomial, 99.9%


def test_what_coins_do_half_of_the_time_supports_nothing():
    found = [checked(voted(2, seed=seed)) for seed in range(6)]
    assert all(one["p"] >= 0.5 and one["support"] == LEAST_SUPPORT for one in found)


def test_two_rankings_of_the_same_outputs_change_places_alike():
    texts = [f" text {n}." for n in range(3)]
    rankings = [
        Ranking(f"r{n}", "p0", texts, list(range(3)), [[2], [0], [1]], annotator=f"person {n}")
        for n in range(2)
    ]
    rows = [("p0", text, True) for text in texts]
    pairs = pairs_from_rankings(rankings)
    data = from_states(WIDE, pairs, rows, normal(3, 4, dtype=torch.float32))
    every = relabelled(data, related(data), draws=60)
    assert every.shape == (61, 6) and (every[:, :3] == every[:, 3:]).all()
    assert len({tuple(row) for row in every.tolist()}) == 6  # 3!


def test_one_prompt_is_parted_by_judgement_and_one_vote_shows_nothing():
    found = checked(voted(12, seed=4, per_prompt=12))
    assert found["one_prompt"] and found["p"] <= 0.05 and found["decided"] == 12
    single = checked(voted(1, seed=4))
    assert single["p"] == 1.0 and single["accuracy"] is None
    assert single["support"] == LEAST_SUPPORT


def test_same_seed_same_control():
    data = voted(30, seed=5, noise=True)
    assert checked(data, seed=2) == checked(data, seed=2)
