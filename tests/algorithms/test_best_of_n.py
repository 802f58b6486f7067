"""Best-of-n: what is kept, its exact distribution by brute force, the bound on its distance, and
the unbiased estimate from one pool.
"""

import itertools
import math

import pytest
import torch
from tiny_models import END, PAD, one_thread, random_prompts, tiny_gpt2, tiny_trunk  # noqa: F401

from rlhf_core.algorithms import best_of_n
from rlhf_core.common.events import Progress
from rlhf_core.lm.families import trunk_of


def random_world(outcomes, seed, ties=False):
    source = torch.Generator().manual_seed(seed)
    probabilities = torch.rand(outcomes, generator=source, dtype=torch.float64)
    scores = torch.randn(outcomes, generator=source, dtype=torch.float64)
    return probabilities / probabilities.sum(), scores.round() if ties else scores


def test_the_best_is_kept_and_of_equals_the_first():
    scores = torch.tensor([[1.0, 3.0, 2.0], [5.0, 5.0, 1.0], [-2.0, -1.0, -1.0], [0.0, 0.0, 0.0]])
    assert best_of_n.pick(scores).tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_distribution_is_that_of_every_possible_draw(n, ties):
    probabilities, scores = random_world(5, n, ties)
    assert len(scores.unique()) < 5 or not ties
    expected = torch.zeros(5, dtype=torch.float64)
    for draw in itertools.product(range(5), repeat=n):
        kept = draw[best_of_n.pick(scores[list(draw)][None]).item()]
        expected[kept] += probabilities[list(draw)].prod()
    torch.testing.assert_close(best_of_n.distribution(probabilities, scores, n), expected)


def test_the_bounds_published_numbers():
    assert [best_of_n.kl_bound(n) for n in (1, 4, 16, 64)] == pytest.approx(
        [0, 0.636, 1.835, 3.175], abs=1e-3
    )


@pytest.mark.parametrize("seed", range(10))
def test_the_distance_never_exceeds_the_bound_and_reaches_it_where_no_answer_is_likely(seed):
    for outcomes, ties in ((3, False), (20, True), (5000, False)):
        probabilities, scores = random_world(outcomes, seed, ties)
        for n in (2, 4, 16):
            exact = best_of_n.distribution(probabilities, scores, n)
            kl = torch.special.xlogy(exact, exact / probabilities).sum().item()
            assert 0 < kl <= best_of_n.kl_bound(n) + 1e-9
            if outcomes == 5000:
                assert kl > 0.98 * best_of_n.kl_bound(n)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_the_expected_best_is_the_mean_over_every_choice(n):
    scores = torch.randn(2, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    every = [
        scores[:, list(choice)].max(1).values for choice in itertools.combinations(range(6), n)
    ]
    torch.testing.assert_close(best_of_n.expected_best(scores, n), torch.stack(every).mean(0))
    assert len(every) == math.comb(6, n)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_another_judge_sees_what_the_score_keeps(n):
    source = torch.Generator().manual_seed(2)
    scores, values = (torch.randn(2, 6, generator=source, dtype=torch.float64) for _ in range(2))
    kept = []
    for choice in map(list, itertools.combinations(range(6), n)):
        kept.append(
            values[:, choice].gather(1, best_of_n.pick(scores[:, choice])[:, None]).squeeze(1)
        )
    torch.testing.assert_close(
        best_of_n.expected_best(scores, n, values), torch.stack(kept).mean(0)
    )


@pytest.mark.parametrize("n", [0, 7])
def test_more_than_the_pool_holds_cannot_be_told(n):
    with pytest.raises(ValueError, match=f"The best of {n} cannot be told from 6 answers"):
        best_of_n.expected_best(torch.zeros(1, 6), n)


def comparison(reference, **values):
    options = dict(ns=[1, 2, 8], max_new_tokens=5, temperature=0.7, seed=3)
    items = list(
        best_of_n.compare(
            reference=reference,
            prompts=random_prompts([3, 6, 1]),
            score_fn=lambda pooled: pooled[:, 0],
            end_id=END,
            pad_id=PAD,
            **{**options, **values},
        )
    )
    return items, [item for item in items if not isinstance(item, Progress)]


def test_records_say_what_the_best_of_the_pool_earn():
    model = tiny_gpt2()
    items, rows = comparison(trunk_of(model))
    assert [row["n"] for row in rows] == [1, 2, 8] and items[0] == Progress("writing answers", 1, 5)
    r, scores = rows[0]["responses"], rows[0]["scores"]
    assert (
        len(r.tokens) == 24
        and (r.prompt_ids[:8] == r.prompt_ids[0]).all()
        and not (r.prompt_ids[8] == r.prompt_ids[0]).all()
    )
    for row in (0, 9, 23):  # the score, from transformers' own states of that answer alone
        prompt, answer = (
            r.prompt_ids[row][r.prompt_mask[row]].tolist(),
            r.tokens[row][r.mask[row]].tolist(),
        )
        states = model(torch.tensor([prompt + answer]), output_hidden_states=True).hidden_states[
            -1
        ][0, len(prompt) :]
        assert scores.flatten()[row].item() == pytest.approx(states.mean(0)[0].item(), abs=1e-4)
    assert rows[0]["reward_mean"] == pytest.approx(scores.mean().item(), abs=1e-6)
    assert rows[2]["reward_mean"] == pytest.approx(scores.max(1).values.mean().item(), abs=1e-6)
    assert rows[2]["reward_mean"] > rows[1]["reward_mean"] > rows[0]["reward_mean"]
    assert rows[2]["best"] == scores.argmax(1).tolist() and rows[0]["best"] == [0, 0, 0]
    assert rows[2]["kl_bound"] == best_of_n.kl_bound(8)


def test_same_seed_same_answers_other_seed_others():
    reference = tiny_trunk()
    one, same, other = (comparison(reference, seed=seed)[1][0]["scores"] for seed in (3, 3, 4))
    assert torch.equal(one, same) and not torch.equal(one, other)
