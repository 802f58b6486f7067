"""Several answers in one row: each is read as if it were alone, with the same gradients."""

import pytest
import torch
from tiny_models import (
    FAMILY_MODELS,
    PAD,
    one_thread,  # noqa: F401
    random_numbers,
    random_prompts,
    tiny_model,
)

from rlhf_core.lm import packing, sampling
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.packing import answer_states, places_of, spread_out
from rlhf_core.lm.sampling import collect, decode, response_forward
from rlhf_core.lm.transformer import KeyValueCache, causal_mask, position_ids


def responses_of(trunk, lengths, tokens=12):
    """Answers of unlike lengths."""
    prompts = random_prompts(lengths, vocabulary=256)
    numbers = random_numbers(2 * len(prompts), tokens)
    responses = collect(decode(trunk, prompts, uniforms=numbers, end_id=-1, pad_id=PAD, samples=2))
    keep = torch.arange(responses.mask.shape[1])[None] < torch.arange(2 * len(prompts))[:, None] + 1
    responses.mask = responses.mask & keep  # the first has one token, the second two, ...
    return responses


@pytest.mark.parametrize("frozen", [0, 1])
@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_packed_rows_give_the_states_and_gradients_of_padded_ones(family, frozen):
    trunk = trunk_of(tiny_model(family)).trainable_copy(frozen)
    responses = responses_of(trunk, [3, 9, 1, 6])
    part = torch.tensor([5, 0, 3, 7, 2])
    whole = (
        responses.prompt_ids[part],
        responses.prompt_mask[part],
        responses.tokens[part],
        responses.mask[part],
    )
    weights = torch.randn(trunk.width, generator=torch.Generator().manual_seed(1))

    def gradients(states):
        trunk.zero_grad()
        (states @ weights).square().sum().backward()
        trained = [p for m in trunk.trained_modules(frozen) for p in m.parameters()]
        return [p.grad.clone() for p in trained if p.grad is not None]

    padded = response_forward(trunk, *whole)[0][whole[3]]
    theirs = gradients(padded)
    shared = None
    if frozen:
        ids = torch.cat([responses.prompt_ids, responses.tokens], 1)
        mask = torch.cat([responses.prompt_mask, responses.mask], 1)
        with torch.no_grad():
            embedded = trunk.embed(ids, position_ids(mask))
            shared = trunk.run(embedded, causal_mask(mask), stop=frozen)
    packed = answer_states(trunk, responses, part, shared, frozen)
    ours = gradients(packed)
    torch.testing.assert_close(packed, padded, atol=2e-5, rtol=1e-4)
    largest = max(float(b.abs().max()) for b in theirs)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5 * largest, rtol=1e-3)


@pytest.mark.parametrize(
    "lengths",
    [[1], [64], [200], [5] * 16, [35] * 8, list(range(1, 33)), [60, 1, 1, 1], [33, 33, 33]],
)
def test_every_token_has_a_place_of_its_own_and_little_room_is_left(lengths):
    places, rows, width = places_of(lengths)
    taken = [
        row * width + column + i
        for (row, column), length in zip(places, lengths, strict=True)
        for i in range(length)
    ]
    assert len(set(taken)) == sum(lengths) and max(taken) < rows * width
    assert all(column + n <= width for (_, column), n in zip(places, lengths, strict=True))
    assert rows * width <= 1.25 * sum(lengths) + packing.ROW


def test_spread_out_is_the_way_back():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    values = torch.arange(1.0, 7.0).view(3, 2)
    assert torch.equal(spread_out(values, mask)[mask], values)
    assert spread_out(values, mask)[~mask].abs().sum() == 0


def test_rows_that_finish_leave_and_nothing_else_changes(monkeypatch):
    """The others go on with the same numbers, whoever has left."""
    trunk = trunk_of(tiny_model("gpt2"))
    prompts, numbers = random_prompts([3, 9, 1, 6], vocabulary=256), random_numbers(32, 20)
    ends = int(
        collect(decode(trunk, prompts, uniforms=numbers, end_id=-1, pad_id=PAD, samples=8))
        .tokens.flatten()
        .mode()
        .values
    )  # a token that is written often ends the answers
    found, moves = [], []
    only = KeyValueCache.only
    monkeypatch.setattr(
        KeyValueCache, "only", lambda cache, rows: moves.append(len(rows)) or only(cache, rows)
    )
    for stay in (0.0, 0.75, 1.0):
        monkeypatch.setattr(sampling, "STAY", stay)
        moves.clear()
        found.append(
            collect(
                decode(
                    trunk,
                    prompts,
                    uniforms=numbers,
                    end_id=ends,
                    pad_id=PAD,
                    samples=8,
                    keep_distributions=True,
                    keep_hidden=True,
                )
            )
        )
        assert bool(moves) == (stay > 0)
    plain, *others = found
    assert len(set(plain.lengths.tolist())) > 3  # they do end at different times
    for other in others:
        assert torch.equal(other.tokens, plain.tokens) and torch.equal(other.mask, plain.mask)
        for name in ("logprobs", "full_logprobs", "hidden"):
            ours, theirs = getattr(other, name), getattr(plain, name)
            torch.testing.assert_close(ours[plain.mask], theirs[plain.mask], atol=2e-5, rtol=1e-5)
