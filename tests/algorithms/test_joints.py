"""A gradient in parts is the gradient, bit for bit; and how long its parts are."""

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

from rlhf_core.algorithms.dpo import answer_logprobs
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.packing import answer_states
from rlhf_core.lm.sampling import collect, decode
from rlhf_core.lm.transformer import causal_mask, position_ids


def gradients(trunk, loss_of, joints):
    """The gradients of what is trained, and in how many parts they came."""
    trunk.zero_grad(set_to_none=True)
    parts = 1 + sum(1 for _ in joints.backward(loss_of(joints)))
    return [p.grad.clone() for p in trunk.parameters() if p.grad is not None], parts


def whole(trunk, loss_of):
    """``loss.backward()`` in one, of a pass without joints."""
    trunk.zero_grad(set_to_none=True)
    loss_of(lambda hidden: hidden).backward()
    return [p.grad.clone() for p in trunk.parameters() if p.grad is not None]


@pytest.mark.parametrize("frozen", [0, 1])
@pytest.mark.parametrize("family", FAMILY_MODELS)
def test_the_same_gradients_to_the_last_bit(family, frozen):
    trunk = trunk_of(tiny_model(family)).trainable_copy(frozen)
    prompts = random_prompts([3, 9, 1, 6], vocabulary=256)
    numbers = random_numbers(4, 12)
    responses = collect(decode(trunk, prompts, uniforms=numbers, end_id=-1, pad_id=PAD))
    ids = torch.cat([responses.prompt_ids, responses.tokens], 1)
    mask = torch.cat([responses.prompt_mask, responses.mask], 1)
    with torch.no_grad():
        shared = trunk.run(trunk.embed(ids, position_ids(mask)), causal_mask(mask), stop=frozen)
    part, head = torch.tensor([2, 0, 3]), torch.linspace(-1, 1, trunk.width)

    def packed(joint):
        """As PPO's: logits and a value head on the same states."""
        states = answer_states(trunk, responses, part, shared, frozen, joint)
        log_p = trunk.logits(states / 0.8).log_softmax(-1)
        return (log_p**2).mean() + (states @ head).square().mean()

    def padded(joint):
        """As DPO's."""
        answers = [row.tolist() for row in responses.tokens]
        return answer_logprobs(trunk, prompts, answers, PAD, 0.8, joint).square().sum()

    for loss_of in (packed, padded):
        ours, parts = gradients(trunk, loss_of, Joints())
        theirs = whole(trunk, loss_of)
        assert len(ours) == len(theirs) > 0
        assert all(map(torch.equal, ours, theirs))
        assert parts >= 1 + trunk.layers - frozen, "a part a block, and one for the output layer"


def test_what_has_no_gradient_has_no_joint():
    joints, frozen = Joints(), torch.ones(3)
    assert joints(frozen) is frozen
    weight = torch.ones(3, requires_grad=True)
    assert list(joints.backward((weight * frozen).sum())) == []
    assert torch.equal(weight.grad, frozen)


def test_a_step_that_is_left_between_two_parts_leaves_no_trace():
    trunk = trunk_of(tiny_model("gpt2"))
    policy = Policy(trunk, PPOSettings())
    before = policy.snapshot()
    start = [p.detach().clone() for p in policy.parameters]
    joints = Joints()
    ids = torch.arange(2, 10).view(2, 4)
    hidden = policy.trunk.hidden_states(ids, torch.ones_like(ids, dtype=torch.bool), joints)
    work = policy.descend_in_parts(hidden.square().mean(), 1.0, joints)
    next(work)
    work.close()
    policy.restore(before)
    assert all(p.grad is None for p in policy.parameters)
    assert all(map(torch.equal, policy.parameters, start))
