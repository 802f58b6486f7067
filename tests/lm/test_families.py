"""Every family against transformers' own forward, each in a folder on disk as a learner would have
it; then PPO on it.
"""

import copy
import dataclasses

import pytest
import torch
from tiny_models import (
    FAMILY_MODELS,
    byte_tokenizer,
    nudged,
    random_numbers,
    random_prompts,
    tiny_model,
)  # noqa: F401

from rlhf_core.algorithms import ppo
from rlhf_core.common import errors
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm import language_model
from rlhf_core.lm.families import GPT2, MPT, OPT, GPTNeoX, Llama
from rlhf_core.lm.sampling import collect, decode, pad_left
from rlhf_core.lm.transformer import causal_mask, position_ids

CLASSES = {"gpt2": GPT2, "llama": Llama, "opt": OPT, "gpt_neox": GPTNeoX, "mpt": MPT}
# What else is found in the wild: other shapes, options and ways to tell positions.
VARIANTS = {
    "llama with an output layer, biases, stretched rotations": (
        "llama",
        dict(
            tie_word_embeddings=False,
            attention_bias=True,
            mlp_bias=True,
            rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0},
        ),
    ),
    "llama with wide heads": ("llama", dict(head_dim=16, num_key_value_heads=1)),
    "gpt-neox, halves one after the other, all of a head rotated": (
        "gpt_neox",
        dict(use_parallel_residual=False, rotary_pct=1.0),
    ),
    "gpt-neox with a tied output layer": ("gpt_neox", dict(tie_word_embeddings=True)),
    "mpt, clipped, six heads": (
        "mpt",
        dict(n_heads=6, d_model=48, attn_config={"clip_qkv": 0.5, "softmax_scale": 0.3}),
    ),
    "opt without biases": ("opt", dict(enable_bias=False, layer_norm_elementwise_affine=False)),
    "gpt2 with an output layer": ("gpt2", dict(tie_word_embeddings=False)),
}
PROMPTS = random_prompts([3, 9, 1, 6], vocabulary=256)
SETTINGS = PPOSettings(
    steps=2,
    batch_size=8,
    minibatch_size=8,
    max_new_tokens=6,
    epochs=2,
    learning_rate=1e-3,
    temperature=0.7,
    beta=0.1,
    value_rate=1.0,
    score_clip=0.0,
)


@pytest.fixture(scope="module", params=[*FAMILY_MODELS, *VARIANTS])
def pair(request, tmp_path_factory):
    """transformers' model, and ours loaded from the folder it was saved to."""
    family, options = VARIANTS.get(request.param, (request.param, {}))
    model, folder = tiny_model(family, **options), tmp_path_factory.mktemp(family)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    lm = language_model.load(str(folder))
    assert type(lm.trunk) is CLASSES[family]
    return model, lm


def logits_of(trunk, ids, mask):
    with torch.no_grad():
        return trunk.logits(trunk.hidden_states(ids, mask))


def test_the_folder_says_what_it_is(pair):
    model, lm = pair
    assert (lm.trunk.layers, lm.trunk.width, lm.trunk.context, lm.trunk.vocabulary, lm.end_id) == (
        3,
        model.config.hidden_size,
        64,
        257,
        256,
    )
    assert (lm.trunk.lm_head is None) == model.config.tie_word_embeddings
    assert not any(parameter.requires_grad for parameter in lm.trunk.parameters())
    assert sum(p.numel() for p in lm.trunk.parameters()) == sum(
        p.numel() for p in model.parameters()
    )  # nothing forgotten, nothing twice


def test_forward_is_transformers_row_by_row_and_padding_changes_nothing(pair):
    model, lm = pair
    ids, mask = pad_left(PROMPTS, 1)
    ours = logits_of(lm.trunk, ids, mask)
    for row, prompt in enumerate(PROMPTS):
        theirs = model(torch.tensor([prompt])).logits[0]
        torch.testing.assert_close(ours[row, -len(prompt) :], theirs, atol=1e-4, rtol=1e-5)
        assert theirs.std() > 0.3  # there is something to compare
    other = torch.where(mask, ids, (ids + 17) % 256)
    torch.testing.assert_close(
        logits_of(lm.trunk, other, mask)[mask], ours[mask], atol=1e-6, rtol=0
    )


def test_cached_writing_is_the_whole_forward(pair):
    model, lm = pair
    responses = collect(
        decode(
            lm.trunk,
            PROMPTS,
            uniforms=random_numbers(12, 8),
            end_id=lm.end_id,
            pad_id=lm.pad_id,
            samples=3,
            temperature=0.7,
            keep_distributions=True,
            keep_hidden=True,
        )
    )
    assert len({tuple(row) for row in responses.tokens.tolist()}) > 6
    for row in range(12):
        prompt, answer = PROMPTS[row // 3], responses.tokens[row][responses.mask[row]]
        whole = torch.cat([torch.tensor(prompt), answer])[None]
        theirs = (model(whole).logits[0, len(prompt) - 1 : -1] / 0.7).log_softmax(-1)
        torch.testing.assert_close(
            responses.full_logprobs[row][responses.mask[row]], theirs, atol=1e-4, rtol=1e-5
        )


@pytest.mark.parametrize("middle", [1, 2])
def test_starting_in_the_middle_equals_going_through(pair, middle):
    _, lm = pair
    ids, mask = pad_left(PROMPTS, 1)
    with torch.no_grad():
        lower = lm.trunk.run(
            lm.trunk.embed(ids, position_ids(mask)), causal_mask(mask), stop=middle
        )
        upper = lm.trunk.run(lower, causal_mask(mask), start=middle)
        torch.testing.assert_close(upper, lm.trunk.hidden_states(ids, mask), atol=0, rtol=0)


@pytest.mark.parametrize("frozen", [0, 2])
def test_a_copy_to_train_shares_exactly_what_is_frozen(pair, frozen):
    _, lm = pair
    branch = lm.trunk.trainable_copy(frozen)
    theirs, ours = dict(lm.trunk.named_parameters()), dict(branch.named_parameters())
    assert ours.keys() == theirs.keys() and type(branch) is type(lm.trunk)
    for name, parameter in ours.items():
        trained = not frozen or name.startswith(("h.2.", "ln_f."))
        assert parameter.requires_grad == trained and (parameter is theirs[name]) == (
            not trained
        ), name
    found = {id(p) for module in branch.trained_modules(frozen) for p in module.parameters()}
    assert found == {id(p) for p in branch.parameters() if p.requires_grad}


@pytest.mark.parametrize("frozen", [0, 2])
def test_kept_activations_give_the_loss_and_gradients_of_going_through(pair, frozen):
    _, lm = pair
    branch = nudged_top(lm.trunk, frozen)
    ids, mask = pad_left(PROMPTS, 1)
    with torch.no_grad():
        kept = lm.trunk.run(lm.trunk.embed(ids, position_ids(mask)), causal_mask(mask), stop=frozen)
    start = kept if frozen else branch.embed(ids, position_ids(mask))
    outcomes = []
    for hidden in (
        branch.run(start, causal_mask(mask), start=frozen),
        branch.hidden_states(ids, mask),
    ):
        loss = branch.logits(hidden).log_softmax(-1)[mask][:, 7].mean()
        trained = [p for p in branch.parameters() if p.requires_grad]
        outcomes.append((loss, torch.autograd.grad(loss, trained)))
    torch.testing.assert_close(outcomes[0], outcomes[1], atol=1e-6, rtol=1e-5)


def nudged_top(trunk, frozen):
    """A trainable copy that has drifted where it is trained."""
    branch, source = trunk.trainable_copy(frozen), torch.Generator().manual_seed(5)
    for module in branch.trained_modules(frozen):
        for parameter in module.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=source)
    return branch


@pytest.mark.parametrize("frozen", [0, 2])
def test_ppo_starts_at_the_reference_moves_and_leaves_the_base_alone(pair, frozen):
    _, lm = pair
    settings, before = dataclasses.replace(SETTINGS, frozen_layers=frozen), lm.fingerprint()
    policy = ppo.Policy(lm.trunk, settings)
    run = ppo.train(
        policy=policy,
        reference=lm.trunk,
        prompts=PROMPTS,
        score_fn=lambda x: x[:, 0] / 3,
        settings=settings,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
    )
    rows = [item for item in run if not isinstance(item, Progress)]
    assert rows[0]["kl_to_reference"] < 1e-5 and rows[2]["kl_to_reference"] > 1e-4
    assert lm.fingerprint() == before and policy.trunk is not lm.trunk
    *_, summary = ppo.update(policy, rows[2]["batch"], settings, lm.end_id)
    assert summary["first_ratio_error"] < 1e-4
    other = copy.deepcopy(policy.trunk)
    assert language_model.fingerprint(other) == language_model.fingerprint(policy.trunk)


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "options", "sentence"),
    [
        (
            "opt",
            dict(word_embed_proj_dim=16),
            "its token embedding is narrower than its layers, which is not supported",
        ),
        (
            "opt",
            dict(do_layer_norm_before=False),
            "it normalises after each layer instead of before",
        ),
        (
            "opt",
            dict(_remove_final_layer_norm=True),
            "it normalises after each layer instead of before",
        ),
        (
            "llama",
            dict(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0}),
            "rotary positions are of type 'dynamic'",
        ),
        ("mpt", dict(attn_config={"alibi": False}), "learned positions instead of ALiBi"),
        ("mpt", dict(logit_scale=0.5), "it scales its logits"),
        ("gpt2", dict(add_cross_attention=True), "it is not a plain decoder"),
        (
            "gpt2",
            dict(scale_attn_by_inverse_layer_idx=True),
            "scales its attention in an unusual way",
        ),
    ],
)
def test_what_a_family_here_does_not_compute_is_refused_in_words(family, options, sentence):
    with pytest.raises(errors.ModelError, match=sentence):
        language_model.assemble(
            "tiny", tiny_model(family, **options), byte_tokenizer(), where="This model"
        )


def test_nudging_changes_every_layer_of_every_family():
    """The comparisons above would notice: a model with other weights gives other logits."""
    ids, mask = pad_left(PROMPTS, 1)
    for family in FAMILY_MODELS:
        lm = language_model.assemble(
            "tiny", tiny_model(family), byte_tokenizer(), where="This model"
        )
        assert (
            logits_of(nudged(lm.trunk, 0.01), ids, mask) - logits_of(lm.trunk, ids, mask)
        ).abs()[mask].max() > 0.01
