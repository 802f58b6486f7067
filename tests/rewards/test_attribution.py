"""Shares that sum to the score, influences equal to leave-one-out refits, and a warning that knows
length from taste.
"""

import pytest
import torch
from lab_data import judged, model_of, normal, plain
from tiny_models import END, PAD, WORDS, FakeLM, one_thread, tiny_trunk  # noqa: F401

from rlhf_core.common.events import Progress
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm.sampling import pooled_states, response_forward
from rlhf_core.rewards import attribution, comparisons
from rlhf_core.rewards.attribution import (
    correlation,
    explain_score,
    explain_words,
    influences,
    influential_votes,
    nearest_judged,
    surface_correlations,
    surface_of,
    token_shares,
    word_groups,
)
from rlhf_core.rewards.reward_model import RewardModel, Whitener


@pytest.fixture(scope="module")
def lm():
    return FakeLM(trunk=tiny_trunk(), end_id=END, pad_id=PAD)


def some_model(d=32, k=4):
    return RewardModel(
        Whitener(normal(d, seed=1).float(), 0.3 * normal(d, k, seed=2).float()),
        normal(k, seed=3).float(),
        torch.eye(k),
        center=0.7,
        scale=1.9,
    )


def test_words_are_put_together_from_pieces():
    assert word_groups([" an", " opos", "sum", ".", '"', " It", "'s", " end"]) == [
        [0],
        [1, 2],
        [3, 4],
        [5, 6],
        [7],
    ]
    assert word_groups(["First", " two", "\n", "next"]) == [[0], [1], [2], [3]]


def test_shares_sum_to_the_score_less_the_baseline(lm):
    model = some_model()
    found = explain_words(lm, model, "w1 w2", "w3 w4 w5 w3 w9")
    ids = torch.tensor([lm.encode_response("w3 w4 w5 w3 w9")])
    _, at = response_forward(
        lm.trunk,
        torch.tensor([lm.encode("w1 w2")]),
        torch.ones(1, 2, dtype=torch.bool),
        ids,
        torch.ones(1, 6, dtype=torch.bool),
    )
    score = model.score(pooled_states(at, torch.ones(1, 6, dtype=torch.bool))).item()
    assert found["score"] == pytest.approx(score, abs=1e-5) and found["baseline"] == 0
    assert sum(row["share"] for row in found["words"]) == pytest.approx(score, abs=1e-4)
    assert [row["word"] for row in found["words"]] == [" w3", " w4", " w5", " w3", " w9", "⏹ end"]
    # Gradient times (input - baseline) is the same decomposition: compare with autograd on each
    # token's state.
    states = at[0].detach().clone().requires_grad_(True)
    ((model.raw(states.mean(0)[None]) - model.center) / model.scale).sum().backward()
    by_gradient = (states.grad * (states - model.whitener.mean)).sum(
        1
    ) - model.center / model.scale / 6
    torch.testing.assert_close(
        token_shares(model, at[0]), by_gradient.detach(), atol=1e-5, rtol=1e-4
    )


def test_occlusion_is_the_score_of_the_text_without_the_word(lm):
    model = some_model()
    whole = explain_words(lm, model, "w1 w2", "w3 w4 w5")
    without = explain_words(lm, model, "w1 w2", "w3 w5")
    assert whole["words"][1]["without"] == pytest.approx(without["score"], abs=1e-4)
    assert whole["words"][1]["effect"] == pytest.approx(whole["score"] - without["score"], abs=1e-4)
    assert whole["words"][-1]["effect"] is None  # the end of the text can't be left out


@pytest.mark.parametrize("text", ["w3 w4 w5 w3 w9", "w8 w12", "w20 w7 w31 w6", "w15"])
def test_the_sentence_names_the_word_that_is_drawn_darkest(lm, text):
    found = explain_words(lm, some_model(), "w1 w2", text)
    darkest = max(found["words"], key=lambda row: abs(row["share"]))
    words = max(found["words"][:-1], key=lambda row: abs(row["share"]))
    assert f"Of the words, {words['word'].strip()!r} carries most" in found["sentence"]
    ends = darkest is found["words"][-1]
    assert found["sentence"].startswith("The end of the text carries most") == ends


def test_the_word_that_the_taste_is_about_ranks_first(lm):
    """A taste for one word, in the embedding: the model is that word's own direction, so its share
    and effect must lead.
    """
    loved = WORDS.index(" w7")
    bare = tiny_trunk(spread=0.02)  # blocks that hardly mix: a state is its token's
    plain_lm = FakeLM(trunk=bare, end_id=END, pad_id=PAD)
    ids = torch.arange(2, 40)[:, None]
    _, at = response_forward(
        bare,
        torch.full((38, 1), 3),
        torch.ones(38, 1, dtype=torch.bool),
        ids,
        torch.ones(38, 1, dtype=torch.bool),
    )
    states = at[:, 0]
    direction = states[loved - 2] - states.mean(0)
    model = RewardModel(
        Whitener(states.mean(0), direction[:, None] / direction.norm() ** 2),
        torch.ones(1),
        torch.eye(1),
    )
    rows = explain_words(plain_lm, model, "w1", "w3 w12 w7 w20 w31")["words"][:-1]
    assert (
        max(rows, key=lambda row: row["share"])["word"]
        == " w7"
        == max(rows, key=lambda row: row["effect"])["word"]
    )


def test_influence_is_the_leave_one_out_refit():
    data, _ = judged(25, k=4, choices=[("a", "b", "b", "tie", "a")[i % 5] for i in range(25)])
    model = model_of(data)
    estimated = influences(data, model.weights, 1.0)
    exact = torch.stack(
        [
            model.weights.double()
            - comparisons.fit_head(data.changed(i, "withhold"), 1.0).weights.double()
            for i in range(25)
        ]
    )
    torch.testing.assert_close(estimated, exact, atol=0.02, rtol=0.05)
    assert exact.abs().max() > 0.1  # the votes do matter


def test_the_votes_that_made_a_score():
    data, _ = judged(25, k=4)
    model, features = model_of(data, scale=2.0), normal(4, seed=9)
    found = influential_votes(data, model, features, 1.0, most=25)
    effects = [
        (
            (
                model.weights - comparisons.fit_head(data.changed(i, "withhold"), 1.0).weights
            ).double()
            @ features
            / 2
        ).item()
        for i in range(25)
    ]
    top = max(range(25), key=lambda i: abs(effects[i]))
    assert found["votes"][0]["index"] == top and found["votes"][0]["effect"] == pytest.approx(
        effects[top], abs=1e-3
    )
    assert [abs(row["effect"]) for row in found["votes"]] == sorted(
        (abs(row["effect"]) for row in found["votes"]), reverse=True
    )
    assert found["agreement"] < 0.05
    pair = data.pairs[top]
    assert (found["votes"][0]["winner"], found["votes"][0]["loser"]) == (
        (pair.a, pair.b) if pair.choice == "a" else (pair.b, pair.a)
    )


def test_nearest_judged_outputs_and_how_they_fared():
    pairs = [Pair("p", "x", "y", "a"), Pair("p", "z", "x", "tie"), Pair("p", "x", "z", "b")]
    data = comparisons.from_states(
        plain(2), pairs, comparisons.rows_of(pairs), torch.tensor([[0.0, 0], [3, 4], [1, 0]])
    )
    rows = nearest_judged(data, torch.tensor([0.2, 0.0]))
    assert [(row["text"], round(row["distance"], 4)) for row in rows] == [
        ("x", 0.2),
        ("z", 0.8),
        ("y", round((2.8**2 + 16) ** 0.5, 4)),
    ]
    assert [(row["won"], row["lost"], row["tied"]) for row in rows] == [
        (1, 1, 1),
        (1, 0, 1),
        (0, 1, 0),
    ]


def test_surface_by_hand():
    assert surface_of("A CAT, a cat!") == {
        "length": 4.0,
        "capitals": 4 / 8,
        "punctuation": 2 / 4,
        "repetition": 0.5,
    }
    assert set(surface_of("").values()) == {0.0}
    x, y = normal(50), normal(50, seed=1)
    assert (
        correlation(x, y) == pytest.approx(torch.corrcoef(torch.stack([x, y]))[0, 1].item())
        and correlation(x, torch.ones(50)) == 0
    )


def with_votes(longer_wins):
    pairs = [
        Pair(f"p{i}", "a b c d", "a b", "a" if win else "b") for i, win in enumerate(longer_wins)
    ]
    rows = comparisons.rows_of(pairs)
    return comparisons.from_states(plain(2), pairs, rows, normal(len(rows), 2).float())


def test_a_score_that_learned_length_instead_of_taste_is_warned_about():
    texts = [" ".join(f"w{j}" for j in range(n)) for n in range(1, 30)]
    lengths = torch.arange(1.0, 30.0)
    unasked = surface_correlations(
        texts, lengths + 0.1 * normal(29).float(), with_votes([True, False] * 5)
    )
    assert (
        "learned length instead of the taste: only 50% of the votes" in unasked["warning"]
        and "longer" in unasked["warning"]
    )
    asked = surface_correlations(texts, lengths, with_votes([True] * 9 + [False]))
    assert "So did the votes: 90%" in asked["warning"] and "instead" not in asked["warning"]
    shorter = surface_correlations(texts, -lengths, with_votes([True, False] * 5))
    assert "outputs that are shorter score higher" in shorter["warning"]
    taste = surface_correlations(texts, normal(29, seed=4), with_votes([True, False] * 5))
    assert taste["warning"] == "" and not any(row["warning"] for row in taste["features"])


def test_everything_about_one_score(lm):
    pairs = [Pair("w1 w2", "w3 w4", "w5 w6", "a"), Pair("w2 w2", "w7 w8", "w9", "b")]
    model = some_model()
    work, data = comparisons.read(lm, pairs, model.whitener), None
    while data is None:
        try:
            next(work)
        except StopIteration as end:
            data = end.value
    records = [
        item
        for item in explain_score(lm, data, model, "w1 w2", "w3 w4", 1.0)
        if not isinstance(item, Progress)
    ]
    assert [row["kind"] for row in records] == ["words", "votes", "nearest"]
    assert records[2]["rows"][0]["text"] == "w3 w4" and records[2]["rows"][0][
        "distance"
    ] == pytest.approx(0, abs=1e-3)


def test_a_share_that_leaving_out_contradicts_is_explained_not_claimed():
    row = {"word": "bowling", "share": 0.19, "without": 0.55, "effect": -0.02}
    assert "count together" in attribution.left_out(row, 0.53)
    row = {"word": "marsupial", "share": 0.4, "without": 0.1, "effect": 0.43}
    assert attribution.left_out(row, 0.53) == (
        ": without it the score would be +0.10 instead of +0.53."
    )
