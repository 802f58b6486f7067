"""One whole PPO step without plumbing, to be read off a wall: ``ppo_step``.

The formulas are ``ppo``'s, by name; what is left out here is what a run on a page needs beside
them: progress, stopping and undoing an unfinished step, records, kept activations of frozen layers,
the reward model's doubt and the moving beta. Called again and again it does what ``ppo.train`` does
(``tests/algorithms/test_ppo_step.py``: the same random numbers, the same weights).

Knows nothing about people, prompts as text, or files.

Shapes: B responses, T response positions, N real tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rlhf_core.algorithms.ppo import (
    Policy,
    advantages_and_returns,
    exact_kl,
    kl_k1,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)
from rlhf_core.common.events import Record
from rlhf_core.common.known import known
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.sampling import (
    collect,
    decode,
    pooled_states,
    response_forward,
    token_logprobs,
    uniform_numbers,
)
from rlhf_core.lm.transformer import Transformer


def ppo_step(
    policy: Policy,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: PPOSettings,
    end_id: int,
    pad_id: int,
) -> dict[str, float]:
    """Change ``policy`` by one step; returns what the batch looked like before it, and the losses.

    Source: Ziegler et al. 2019 (arXiv 1909.08593); each formula's own is in ``ppo``.
    """
    trunk, size, heat = policy.trunk, settings.batch_size, settings.temperature

    # 1. Write: the policy goes on from the prompts.
    order = torch.randperm(len(prompts), generator=policy.generator).tolist()
    chosen = [prompts[order[i % len(prompts)]] for i in range(size)]
    luck = uniform_numbers(size, settings.max_new_tokens, policy.generator)
    kept: Record = {"keep_distributions": True, "keep_hidden": True, "temperature": heat}
    y = collect(decode(trunk, chosen, uniforms=luck, end_id=end_id, pad_id=pad_id, **kept))

    # 2. Score: the frozen original reads the answers, the reward model scores what it read.
    with torch.no_grad():
        before, at = response_forward(reference, y.prompt_ids, y.prompt_mask, y.tokens, y.mask)
        ref_log_p = (reference.logits(before) / heat).log_softmax(-1)  # (B, T, V)
        scores = score_fn(pooled_states(at, y.mask))  # (B,)
        expected = policy.values(known(y.hidden)) * y.mask  # (B, T)
    kl = exact_kl(known(y.full_logprobs)[y.mask], ref_log_p[y.mask])  # (N,), real tokens only

    # 3. Price: every token pays for its drift, the last one earns the score.
    drift = kl_k1(y.logprobs, token_logprobs(ref_log_p, y.tokens) * y.mask)  # (B, T)
    earned = scores.clamp(max=settings.score_clip or torch.inf)
    earned = earned - settings.missing_end_penalty * ~y.ended(end_id)
    rewards = token_rewards(earned, drift, y.mask, policy.beta)  # (B, T)

    # 4. Judge: was the rest of the answer better than the value head expected?
    gamma, lam = settings.gamma, settings.lam
    advantages, returns = advantages_and_returns(rewards, expected, y.mask, gamma, lam)
    advantages = whiten(advantages, y.mask)

    # 5. Update: make better tokens likelier, a little, several times over the same answers.
    for group, rate in zip(policy.optimizer.param_groups, (1, settings.value_rate), strict=True):
        group["lr"] = settings.learning_rate * rate
    for _ in range(settings.epochs):
        for part in torch.randperm(size, generator=policy.generator).split(settings.minibatch_size):
            rows = (y.prompt_ids[part], y.prompt_mask[part], y.tokens[part], y.mask[part])
            hidden, _ = response_forward(trunk, *rows)
            log_p = (trunk.logits(hidden) / heat).log_softmax(-1)  # (b, T, V)
            log_p, real = token_logprobs(log_p, y.tokens[part]), y.mask[part]  # (b, T)
            old, better = y.logprobs[part], advantages[part]
            loss_p, info = policy_loss(log_p, old, better, real, settings.clip)
            values, old = policy.values(hidden), expected[part]
            loss_v = value_loss(values, old, returns[part], real, settings.value_clip)
            policy.descend(loss_p + settings.value_coefficient * loss_v, settings.max_grad_norm)
    policy.step += 1
    return {
        "reward_mean": scores.mean().item(),
        "kl_to_reference": kl.sum().item() / size,
        "clip_fraction": info["clip_fraction"],
        "policy_loss": loss_p.item(),
        "value_loss": loss_v.item(),
    }
