"""RLOO: several answers to each prompt, each judged against the mean of the others.

PPO without a value head.

The whole answer is one action: its reward is the score less the price of its drift, and what the
other answers to the same prompt earned is what could be expected of it. No value head, no advantage
a token, no whitening. The batch is written and read by ``ppo.write_batch``.

Knows nothing about people, prompts as text, or files. Simplification against the paper: none in the
estimator; the clip on the answer's ratio, which does nothing in a batch's first gradient step, is
TRL's (``RLOOTrainer``).

Shapes: B responses, T response positions, V vocabulary.

Source: Ahmadian et al. 2024, "Back to Basics" (arXiv 2402.14740); the baseline is Kool et al.
2019's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rlhf_core.algorithms import step_loop
from rlhf_core.algorithms.batch import Batch, Numbers
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy, earned_scores, kl_k1, masked_mean, write_batch
from rlhf_core.common.events import Progress, Record
from rlhf_core.common.settings import RLOOSettings
from rlhf_core.lm.packing import answer_states, spread_out
from rlhf_core.lm.sampling import Responses, token_logprobs
from rlhf_core.lm.transformer import Transformer


def same_prompt(responses: Responses) -> Tensor:
    """(B,) number of each row's prompt: equal where the prompts are."""
    prompts = torch.where(responses.prompt_mask, responses.prompt_ids, -1)
    number: Tensor = prompts.unique(dim=0, return_inverse=True)[1]
    return number


def answer_rewards(scores: Tensor, kl: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The score of each answer less beta times its drift. (B,), (B, T), (B, T) -> (B,).

    The drift is the sum of log pi - log pi_ref over its tokens.

    Source: Ahmadian et al. 2024, the KL-shaped reward; TRL 1.12.0 ``RLOOTrainer``.
    """
    return scores - beta * (kl * mask).sum(1)


def rloo_advantages(rewards: Tensor, group: Tensor) -> Tensor:
    """Each reward less the mean of the others of its group. (B,), (B,) group numbers -> (B,).

    The baseline does not depend on the answer it judges, so the gradient stays unbiased. Raises
    ValueError where an answer is alone.

    Source: Ahmadian et al. 2024, the RLOO estimator.
    """
    count = torch.bincount(group)[group]
    if bool((count < 2).any()):
        why = "RLOO compares the answers to one prompt with each other"
        raise ValueError(f"{why}, so it needs at least two of each.")
    total = torch.zeros(int(group.max()) + 1, dtype=rewards.dtype)
    total = total.index_add(0, group, rewards)[group]
    return rewards - (total - rewards) / (count - 1)


def rloo_loss(
    log_p: Tensor, old_log_p: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> tuple[Tensor, Numbers]:
    """The clipped objective as a loss. (B, T), (B, T), (B,), (B, T) -> ().

    Mean of max(-A r, -A clip(r, 1 - clip, 1 + clip)), r the ratio of the whole answer's
    probabilities. At r = 1 its gradient is that of -A log pi(answer): REINFORCE.

    Source: TRL 1.12.0 ``RLOOTrainer._compute_loss``.
    """
    log_ratio = (log_p - old_log_p) * mask  # (B, T)
    ratio = log_ratio.sum(1).exp()  # (B,)
    unclipped, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = torch.maximum(unclipped, clipped).mean()
    with torch.no_grad():
        info: Numbers = {
            "clip_fraction": (clipped > unclipped).to(loss.dtype).mean().item(),
            # k2 of old against new, nats a token, as in ppo
            "approx_kl_update": masked_mean(log_ratio**2 / 2, mask).item(),
        }
    return loss, info


def taken_logprobs(
    policy: Policy, batch: Batch, part: Tensor, temperature: float, joints: Joints
) -> Tensor:
    """Log-probabilities of the written tokens under the policy as it is now. (b, T), 0 if masked.

    ``part``: (b,) which rows of the batch.
    """
    responses, trunk, frozen = batch.responses, policy.trunk, policy.frozen_layers
    # The hidden states that predict the answers' tokens, real ones only: (N, d); N tokens.
    hidden = answer_states(trunk, responses, part, batch.shared, frozen, joints)
    real = responses.mask[part]
    log_p = trunk.logits(hidden / temperature).log_softmax(-1)  # (N, V)
    return spread_out(token_logprobs(log_p, responses.tokens[part][real]), real)


def grouped_prompts(
    policy: Policy, prompts: list[list[int]], settings: RLOOSettings
) -> list[list[int]]:
    """As many prompts, drawn afresh, as leave ``settings.group`` answers of a batch for each."""
    count = settings.batch_size // settings.group
    few = torch.randperm(len(prompts), generator=policy.generator)[:count].tolist()
    return [prompts[i] for i in few]


def update(policy: Policy, batch: Batch, settings: RLOOSettings) -> Iterator[Progress | Numbers]:
    """Stages 3 to 5 on one batch. Last yield: the means of the update's numbers."""
    responses, mask = batch.responses, batch.responses.mask
    # 3. Reward: each answer earns its score and pays for its drift.
    drift = kl_k1(responses.logprobs, batch.ref_logprobs)  # (B, T)
    rewards = answer_rewards(earned_scores(batch, settings), drift, mask, settings.beta)

    # 4. Advantage: was it better than the other answers to its prompt?
    advantages = rloo_advantages(rewards, same_prompt(responses))

    # 5. Update: better answers become likelier as a whole, worse ones less likely.
    def loss_of(part: Tensor, joints: Joints) -> tuple[Tensor, Numbers]:
        log_p = taken_logprobs(policy, batch, part, settings.temperature, joints)  # (b, T)
        old = responses.logprobs[part]
        return rloo_loss(log_p, old, advantages[part], mask[part], settings.clip)

    parts = step_loop.minibatches(policy, len(mask), settings.minibatch_size, settings.epochs)
    yield from step_loop.descend(policy, parts, loss_of, settings.max_grad_norm)


def train(
    *,
    policy: Policy,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: RLOOSettings,
    end_id: int,
    pad_id: int,
    doubt_fn: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more steps; its value head stays as it is.

    Args:
        policy: made with the same settings.
        reference, score_fn, doubt_fn: as in ``ppo.train``.
        prompts: token lists. A batch holds as many of them, drawn afresh, as leave
            ``settings.group`` answers for each.

    Yields:
        As ``step_loop.run``, with clip_fraction and approx_kl_update (nats a token).
    """

    def write() -> Iterator[Progress | Batch]:
        # 1. and 2.: PPO's. A batch goes evenly through few prompts, so that each has ``group``
        # answers at least.
        chosen = grouped_prompts(policy, prompts, settings)
        return write_batch(policy, reference, chosen, score_fn, settings, end_id, pad_id, doubt_fn)

    yield from step_loop.run(
        policy,
        settings,
        write=write,
        update=lambda batch: update(policy, batch, settings),
        nothing={"clip_fraction": 0.0, "approx_kl_update": 0.0},
    )
