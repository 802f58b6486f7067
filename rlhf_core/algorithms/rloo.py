"""RLOO: write several answers to each prompt, and let each be judged against the mean of the
others. PPO without a value head.

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

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rlhf_core.algorithms import step_loop
from rlhf_core.algorithms.ppo import Batch, Policy, earned_scores, kl_k1, masked_mean, write_batch
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RLOOSettings
from rlhf_core.lm.sampling import Responses
from rlhf_core.lm.transformer import Transformer, causal_mask, position_ids


def same_prompt(responses: Responses) -> Tensor:
    """(B,) number of each row's prompt: equal where the prompts are."""
    prompts = torch.where(responses.prompt_mask, responses.prompt_ids, -1)
    return prompts.unique(dim=0, return_inverse=True)[1]


def answer_rewards(scores: Tensor, kl: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The score of each answer less beta times its drift, the sum of log pi - log pi_ref over its
    tokens. (B,), (B, T), (B, T) -> (B,).

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
        raise ValueError(
            "RLOO compares the answers to one prompt with each other, so it needs at least two of"
            " each."
        )
    total = torch.zeros(int(group.max()) + 1, dtype=rewards.dtype).index_add(0, group, rewards)[
        group
    ]
    return rewards - (total - rewards) / (count - 1)


def rloo_loss(
    log_p: Tensor, old_log_p: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> tuple[Tensor, dict]:
    """Mean of max(-A r, -A clip(r, 1 - clip, 1 + clip)), r the ratio of the whole answer's
    probabilities. (B, T), (B, T), (B,), (B, T) -> ().

    At r = 1 its gradient is that of -A log pi(answer): REINFORCE.

    Source: TRL 1.12.0 ``RLOOTrainer._compute_loss``.
    """
    log_ratio = (log_p - old_log_p) * mask  # (B, T)
    ratio = log_ratio.sum(1).exp()  # (B,)
    unclipped, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    loss = torch.maximum(unclipped, clipped).mean()
    with torch.no_grad():
        info = {
            "clip_fraction": (clipped > unclipped).to(loss.dtype).mean().item(),
            "approx_kl_update": (
                masked_mean(log_ratio**2 / 2, mask).item()
            ),  # k2 of old against new, nats a token, as in ppo
        }
    return loss, info


def update(policy: Policy, batch: Batch, settings: RLOOSettings) -> Iterator[Progress | dict]:
    """Stages 3 to 5 on one batch. Last yield: the means of the update's numbers."""
    responses, mask = batch.responses, batch.responses.mask
    # 3. Reward: each answer earns its score and pays for its drift.
    rewards = answer_rewards(
        earned_scores(batch, settings),
        kl_k1(responses.logprobs, batch.ref_logprobs),
        mask,
        settings.beta,
    )

    # 4. Advantage: was it better than the other answers to its prompt?
    advantages = rloo_advantages(rewards, same_prompt(responses))

    # 5. Update: better answers become likelier as a whole, worse ones less likely.
    everything = torch.cat([responses.prompt_mask, mask], 1)
    allowed, width = causal_mask(everything), responses.prompt_ids.shape[1]
    ids, positions = (
        torch.cat([responses.prompt_ids, responses.tokens], 1),
        position_ids(everything),
    )
    infos, total = [], settings.epochs * math.ceil(len(mask) / settings.minibatch_size)
    for _ in range(settings.epochs):
        for part in torch.randperm(len(mask), generator=policy.generator).split(
            settings.minibatch_size
        ):
            start = (
                batch.shared[part]
                if policy.frozen_layers
                else policy.trunk.embed(ids[part], positions[part])
            )
            hidden = policy.trunk.run(start, allowed[part], start=policy.frozen_layers)[
                :, width - 1 : -1
            ]  # (b, T, d)
            real = mask[part]
            taken = (policy.trunk.logits(hidden[real]) / settings.temperature).log_softmax(
                -1
            )  # (real tokens, V): logits only where needed
            taken = taken.gather(1, responses.tokens[part][real][:, None]).squeeze(1)
            log_p = torch.zeros(real.shape, dtype=taken.dtype).masked_scatter(
                real, taken
            )  # (b, T), 0 where masked
            loss, info = rloo_loss(
                log_p, responses.logprobs[part], advantages[part], real, settings.clip
            )
            policy.descend(loss, settings.max_grad_norm)
            infos.append(info)
            yield Progress("updating the model", len(infos), total)
    yield {name: sum(info[name] for info in infos) / len(infos) for name in infos[0]}


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
) -> Iterator[Progress | dict]:
    """Train ``policy`` (made with the same settings; its value head stays as it is) for
    ``settings.steps`` more steps.

    Args:
        reference, score_fn, doubt_fn: as in ``ppo.train``.
        prompts: token lists. A batch holds as many of them, drawn afresh, as leave
        ``settings.group`` answers for each.

    Yields:
        As ``step_loop.run``, with clip_fraction and approx_kl_update (nats a token).
    """

    def write():
        # 1. and 2.: PPO's. A batch goes through its prompts evenly, so that each has at least
        # ``group`` answers.
        few = torch.randperm(len(prompts), generator=policy.generator)[
            : settings.batch_size // settings.group
        ].tolist()
        yield from write_batch(
            policy,
            reference,
            [prompts[i] for i in few],
            score_fn,
            settings,
            end_id,
            pad_id,
            doubt_fn,
        )

    yield from step_loop.run(
        policy,
        settings,
        write=write,
        update=lambda batch: update(policy, batch, settings),
        nothing={"clip_fraction": 0.0, "approx_kl_update": 0.0},
    )
