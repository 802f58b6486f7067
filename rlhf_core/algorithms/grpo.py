"""GRPO: several answers to each prompt, each judged by how it stands in its group.

RLOO with two changes that made it the usual choice for rewards that can be checked: a reward counts
in standard deviations of its group, and the price of drift stands in the loss, token by token,
instead of in the reward. The batch is written and read by ``ppo.write_batch``.

Knows nothing about people, prompts as text, or files. Simplifications against TRL's ``GRPOTrainer``
(1.12.0; its defaults but for ``beta``, which is 0 there): a minibatch is one optimiser step, and
positions are counted over real tokens only.

Where it goes is not pi_ref exp(r / beta), where PPO, RLOO and DPO go. A token pays for its own
drift only, not for that of the tokens that it leads to; and the surer the policy grows, the smaller
the spread that its rewards are divided by, and the less its drift costs beside them: under a small
beta it runs away to one answer. ``tests/algorithms/test_toy_language_model.py`` has the policy at
which it comes to rest.

Shapes: B responses, T response positions, V vocabulary.

Source: Shao et al. 2024, "DeepSeekMath" (arXiv 2402.03300), section 4.1; the mean over all tokens
of a batch is DAPO's (Yu et al. 2025, arXiv 2503.14476, equation 12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rlhf_core.algorithms import step_loop
from rlhf_core.algorithms.batch import Batch, Numbers
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy, earned_scores, masked_mean, write_batch
from rlhf_core.algorithms.rloo import grouped_prompts, same_prompt, taken_logprobs
from rlhf_core.common.events import Progress, Record, last
from rlhf_core.common.settings import GRPOSettings
from rlhf_core.lm.sampling import Responses
from rlhf_core.lm.transformer import Transformer


def group_advantages(rewards: Tensor, group: Tensor) -> Tensor:
    """Each reward less the mean of its group, in its standard deviations. (B,), (B,) -> (B,).

    ``group``: number of each row's group. Where all of a group earned the same, nothing is learned
    from it: 0. Raises ValueError where an answer is alone.

    Source: Shao et al. 2024, section 4.1.2; TRL 1.12.0 ``GRPOTrainer``: Bessel's correction, and
    1e-4 beside the standard deviation.
    """
    count = torch.bincount(group)[group]
    if bool((count < 2).any()):
        why = "GRPO compares the answers to one prompt with each other"
        raise ValueError(f"{why}, so it needs at least two of each.")

    def total(values: Tensor) -> Tensor:
        empty = torch.zeros(int(group.max()) + 1, dtype=values.dtype)
        return empty.index_add(0, group, values)[group]

    above = rewards - total(rewards) / count
    spread = (total(above**2) / (count - 1)).sqrt()
    return above / (spread + 1e-4)


def kl_k3(log_p: Tensor, ref_log_p: Tensor) -> Tensor:
    """exp(d) - d - 1, d = log pi_ref - log pi of the taken tokens: unbiased, never negative.

    As a loss by itself it would pull towards KL(pi_ref || pi); times the ratio of new to old, as in
    ``grpo_loss``, it pulls like the KL that it estimates, KL(pi || pi_ref).

    Source: Schulman 2020, "Approximating KL divergence"; the ratio: DeepSeek-V3.2 (arXiv
    2512.02556).
    """
    d = ref_log_p - log_p
    return d.exp() - d - 1


def grpo_loss(
    log_p: Tensor,
    old_log_p: Tensor,
    ref_log_p: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float,
    beta: float,
    tokens: float,
) -> tuple[Tensor, Numbers]:
    """The clipped objective and the price of drift, as a loss. (B, T) x 3, (B,), (B, T) -> ().

    Sum over tokens of max(-A r, -A clip(r, 1 - clip, 1 + clip)) + beta r k3, over ``tokens``; r is
    the ratio of the token's probabilities, A its answer's advantage.

    Args:
        tokens: how many this minibatch stands for: its share of the whole batch's, so that a token
            weighs the same whichever minibatch it falls into.

    Source: TRL 1.12.0 ``GRPOTrainer._compute_loss`` (loss_type "dapo", use_bias_correction_kl).
    """
    log_ratio = (log_p - old_log_p) * mask
    ratio, earned = log_ratio.exp(), advantages[:, None]  # (B, T), (B, 1)
    unclipped, clipped = -earned * ratio, -earned * ratio.clamp(1 - clip, 1 + clip)
    drift = ratio * kl_k3(log_p, ref_log_p)
    loss = ((torch.maximum(unclipped, clipped) + beta * drift) * mask).sum() / tokens
    with torch.no_grad():
        info: Numbers = {
            "clip_fraction": masked_mean((clipped > unclipped).to(loss.dtype), mask).item(),
            # k2 of old against new, nats a token, as in ppo
            "approx_kl_update": masked_mean(log_ratio**2 / 2, mask).item(),
        }
    return loss, info


def update(policy: Policy, batch: Batch, settings: GRPOSettings) -> Iterator[Progress | Numbers]:
    """Stages 3 to 5 on one batch. Last yield: the means of the update's numbers."""
    responses, mask = batch.responses, batch.responses.mask
    # 3. Reward: each answer earns its score; what drift costs stands in the loss.
    rewards = earned_scores(batch, settings)

    # 4. Advantage: how many standard deviations above the other answers to its prompt?
    advantages = group_advantages(rewards, same_prompt(responses))

    # 5. Update: the tokens of better answers become likelier, near the reference.
    def loss_of(part: Tensor, joints: Joints) -> tuple[Tensor, Numbers]:
        log_p = taken_logprobs(policy, batch, part, settings.temperature, joints)  # (b, T)
        old, ref = responses.logprobs[part], batch.ref_logprobs[part]
        share = mask.sum().item() * len(part) / len(mask)
        clip, beta = settings.clip, settings.beta
        return grpo_loss(log_p, old, ref, advantages[part], mask[part], clip, beta, tokens=share)

    parts = step_loop.minibatches(policy, len(mask), settings.minibatch_size, settings.epochs)
    yield from step_loop.descend(policy, parts, loss_of, settings.max_grad_norm)


def train(
    *,
    policy: Policy,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: GRPOSettings,
    end_id: int,
    pad_id: int,
    doubt_fn: Callable[[Tensor], Tensor] | None = None,
    rule_fn: Callable[[Responses], Tensor] | None = None,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more steps; its value head stays as it is.

    Args:
        policy: made with the same settings.
        reference, prompts, score_fn, doubt_fn: as in ``rloo.train``.
        rule_fn: a reward that can be checked: what was written -> (B,) reward, in place of
            ``score_fn``'s.

    Yields:
        As ``step_loop.run``, with clip_fraction and approx_kl_update (nats a token).
    """

    def write() -> Iterator[Progress | Batch]:
        # 1. and 2.: PPO's, with ``group`` answers at least to each of few prompts.
        chosen = grouped_prompts(policy, prompts, settings)
        common = (policy, reference, chosen, score_fn, settings, end_id, pad_id, doubt_fn)
        batch = yield from last(write_batch(*common))
        if rule_fn is not None:
            batch.scores = rule_fn(batch.responses)
        yield batch

    yield from step_loop.run(
        policy,
        settings,
        write=write,
        update=lambda batch: update(policy, batch, settings),
        nothing={"clip_fraction": 0.0, "approx_kl_update": 0.0},
    )
