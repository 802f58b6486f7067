"""Our forward pass against transformers' own, and what training may and may not share with the
frozen base.
"""

import pytest
import torch
from tiny_models import END, one_thread, random_prompts, tiny_gpt2, tiny_trunk  # noqa: F401

from rlhf_core.lm import language_model
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import fingerprint
from rlhf_core.lm.sampling import pad_left
from rlhf_core.lm.transformer import KeyValueCache, causal_mask, position_ids

CONFIGS = {
    "two layers": {},
    "three layers, one head": {"layers": 3, "heads": 1},
    "wide inner layer, exact gelu": {"n_inner": 72, "activation_function": "gelu"},
    "coarse norm": {"layer_norm_epsilon": 1e-2},
}


def padded_batch():
    """Rows of 3, 9, 1 and 6 real tokens with padding on the left, and two that also have some on
    the right.
    """
    ids, mask = pad_left(random_prompts([3, 9, 1, 6]), 1)
    mask[1, -2:] = False
    mask[3, -1] = False
    return ids, mask


def own_logits(trunk, ids, mask):
    with torch.no_grad():
        return trunk.logits(trunk.hidden_states(ids, mask))


# --- the same function as transformers' -----------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_forward_is_transformers_forward(config):
    model = tiny_gpt2(**config)
    ids, mask = padded_batch()
    theirs = model(
        input_ids=ids, attention_mask=mask.long(), position_ids=position_ids(mask)
    ).logits
    ours = own_logits(trunk_of(model), ids, mask)
    torch.testing.assert_close(ours[mask], theirs[mask], atol=1e-5, rtol=0)
    assert theirs[mask].std() > 0.5  # the comparison has something to compare


def test_forward_is_transformers_forward_row_by_row_without_any_padding():
    """transformers sees each row alone, so that neither mask nor position ids of ours can hide a
    mistake of both.
    """
    model = tiny_gpt2()
    prompts = random_prompts([3, 9, 1, 6])
    ids, mask = pad_left(prompts, 1)
    ours = own_logits(trunk_of(model), ids, mask)
    for row, prompt in enumerate(prompts):
        torch.testing.assert_close(
            ours[row, -len(prompt) :], model(torch.tensor([prompt])).logits[0], atol=1e-5, rtol=0
        )


def test_bundled_model_is_transformers_model():
    from transformers import GPT2LMHeadModel

    lm = language_model.load()
    model = GPT2LMHeadModel.from_pretrained(language_model.BUNDLED, dtype=torch.float32).eval()
    ids = torch.tensor([lm.encode("An opossum is a marsupial with a long tail.")])
    with torch.no_grad():
        theirs = model(ids).logits
    torch.testing.assert_close(
        own_logits(lm.trunk, ids, torch.ones_like(ids, dtype=torch.bool)),
        theirs,
        atol=5e-5,
        rtol=1e-5,
    )
    assert (
        lm.trunk.context == model.config.n_positions
        and lm.trunk.width == model.config.n_embd
        and lm.trunk.layers == model.config.n_layer
    )


# --- padding --------------------------------------------------------------------------------------


def test_position_ids_count_real_tokens_only():
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0]], dtype=torch.bool)
    assert position_ids(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2], [0, 0, 1, 2, 2]]


def test_causal_mask_by_hand():
    allowed = causal_mask(torch.tensor([[0, 1, 1], [1, 1, 0]], dtype=torch.bool))[:, 0]
    assert allowed.long().tolist() == [
        [[1, 0, 0], [0, 1, 0], [0, 1, 1]],
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
    ]


@pytest.mark.parametrize("extra", [1, 7])
def test_left_padding_changes_nothing(extra):
    trunk, (prompt,) = tiny_trunk(), random_prompts([8])
    alone = own_logits(trunk, torch.tensor([prompt]), torch.ones(1, 8, dtype=torch.bool))
    ids = torch.tensor([[5] * extra + prompt])
    mask = torch.tensor([[False] * extra + [True] * 8])
    torch.testing.assert_close(own_logits(trunk, ids, mask)[:, extra:], alone, atol=1e-5, rtol=0)


def test_what_lies_under_the_padding_changes_nothing():
    trunk = tiny_trunk()
    ids, mask = padded_batch()
    other = torch.where(mask, ids, (ids + 17) % 40)
    assert not torch.equal(ids, other)
    torch.testing.assert_close(
        own_logits(trunk, ids, mask)[mask], own_logits(trunk, other, mask)[mask], atol=1e-6, rtol=0
    )


# --- the cache and the middle ---------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 1, 3], [8, 1]])
def test_cached_pieces_equal_the_whole(pieces):
    trunk = tiny_trunk(layers=3)
    ids, mask = pad_left(random_prompts([3, 9, 1, 6]), 1)
    whole, allowed, positions = own_logits(trunk, ids, mask), causal_mask(mask), position_ids(mask)
    cache, first, parts = KeyValueCache(3, 4, 4, 9, 8), 0, []
    with torch.no_grad():
        for length in pieces:
            span = slice(first, first + length)
            hidden = trunk.run(
                trunk.embed(ids[:, span], positions[:, span]),
                allowed[:, :, span, : first + length],
                cache=cache,
            )
            parts.append(trunk.logits(hidden))
            first += length
    torch.testing.assert_close(torch.cat(parts, 1)[mask], whole[mask], atol=1e-4, rtol=0)
    assert cache.used == 9


def test_repeated_cache_keeps_each_prompts_samples_together():
    cache = KeyValueCache(2, 3, 1, 2, 1)
    for layer in range(2):
        cache.append(layer, torch.arange(3.0).view(3, 1, 1, 1), -torch.arange(3.0).view(3, 1, 1, 1))
    wide = cache.repeat(2, 5)
    assert wide.keys.shape == (2, 6, 1, 5, 1) and wide.used == 1
    assert wide.keys[1, :, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2] and wide.values[
        0, :, 0, 0, 0
    ].tolist() == [0, 0, -1, -1, -2, -2]
    wide.keys[:] = 9
    assert cache.keys[0, 1, 0, 0, 0] == 1  # a copy, not a view


@pytest.mark.parametrize("middle", [0, 1, 2])
def test_starting_in_the_middle_equals_going_through(middle):
    trunk = tiny_trunk(layers=3)
    ids, mask = padded_batch()
    with torch.no_grad():
        lower = trunk.run(trunk.embed(ids, position_ids(mask)), causal_mask(mask), stop=middle)
        upper = trunk.run(lower, causal_mask(mask), start=middle)
        torch.testing.assert_close(upper, trunk.hidden_states(ids, mask), atol=0, rtol=0)


# --- a copy to train ------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [0, 1, 2])
def test_trainable_copy_copies_what_is_trained_and_shares_the_rest(frozen):
    base = tiny_trunk(layers=3)
    branch = base.trainable_copy(frozen)
    theirs, ours = dict(base.named_parameters()), dict(branch.named_parameters())
    assert theirs.keys() == ours.keys()
    for name, parameter in ours.items():
        lower = name.startswith(("wte", "wpe")) or any(
            name.startswith(f"h.{i}.") for i in range(frozen)
        )
        shared = frozen > 0 and lower
        assert (parameter is theirs[name]) == shared, name
        assert parameter.requires_grad == (not shared), name
        assert torch.equal(parameter, theirs[name])
    assert not any(parameter.requires_grad for parameter in base.parameters())
    trained = {id(p) for module in branch.trained_modules(frozen) for p in module.parameters()}
    assert trained == {id(p) for p in branch.parameters() if p.requires_grad}


@pytest.mark.parametrize("frozen", [0, 1])
def test_training_a_copy_leaves_the_base_untouched(frozen):
    base = tiny_trunk()
    before, (ids, mask) = fingerprint(base), padded_batch()
    unchanged = own_logits(base, ids, mask)
    branch = base.trainable_copy(frozen)
    optimiser = torch.optim.SGD([p for p in branch.parameters() if p.requires_grad], lr=1.0)
    branch.logits(branch.hidden_states(ids, mask)).log_softmax(-1)[..., END].mean().backward()
    optimiser.step()
    assert not torch.allclose(own_logits(branch, ids, mask)[mask], unchanged[mask], atol=1e-3)
    assert fingerprint(base) == before and torch.equal(own_logits(base, ids, mask), unchanged)


@pytest.mark.parametrize("frozen", [2, 3, -1])
def test_freezing_every_layer_or_fewer_than_none_is_refused_in_words(frozen):
    with pytest.raises(
        ValueError,
        match=(
            rf"frozen_layers is {frozen}; this model has 2 layers, so it must lie between 0 and 1"
        ),
    ):
        tiny_trunk().trainable_copy(frozen)


def test_fingerprint_sees_a_single_bit():
    trunk = tiny_trunk()
    before = fingerprint(trunk)
    assert before == fingerprint(tiny_trunk()) and len(before) == 64
    weight = trunk.h[1].attn.c_attn.weight
    weight.data[3, 4] = torch.nextafter(weight.data[3, 4], torch.tensor(torch.inf))
    assert fingerprint(trunk) != before
