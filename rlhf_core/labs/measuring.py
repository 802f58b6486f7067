"""Where a policy stands, measured away from its training: answers to prompts that it never trained
on, and what may be said of them.

The labs lay runs of different kinds side by side, so all of them are measured here, with the same
prompts and the same random numbers: the reward model's score (the proxy), the gold rule's rating,
the exact KL to the original model, and fluency. Knows nothing about how a policy learned.

Shapes: B answers, T response positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from rlhf_core.algorithms.ppo import exact_kl
from rlhf_core.common.events import Progress
from rlhf_core.evaluation.gold_rule import rate
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import decode_texts, pooled_states, response_forward
from rlhf_core.lm.texts import ROLLOUT_TEMPERATURE, decoded
from rlhf_core.lm.transformer import Transformer
from rlhf_core.rewards.reward_model import RewardModel


@dataclass(frozen=True)
class Answer:
    """One answer and its numbers.

    Attributes:
        prompt: number of its prompt.
        proxy: the reward model's score, reference standard deviations.
        gold: the rule's rating, 0 to 1, with its ``parts``.
        kl: nats, summed over the answer's tokens, exact at each of them.
        fluency: mean log-probability of a token under the original model, nats.
    """

    prompt: int
    text: str
    ended: bool
    proxy: float
    gold: float
    parts: dict[str, float]
    kl: float
    fluency: float


@torch.no_grad()
def answers_of(
    lm: LanguageModel,
    trunk: Transformer,
    model: RewardModel,
    prompts: list[list[int]],
    samples: int,
    *,
    wanted: str,
    seed: int,
    stage: str,
) -> Iterator[Progress | list[Answer]]:
    """``samples`` answers of ``trunk`` to each prompt, measured. Same seed, same random numbers,
    whatever the policy. Last yield: the answers.
    """
    found: list[Answer] = []
    for item in decoded(lm, trunk, prompts, samples, seed, stage=stage, keep_distributions=True):
        if isinstance(item, Progress):
            yield item
            continue
        first, responses = item
        before, at = response_forward(
            lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
        logits = lm.trunk.logits(before)  # (B, T, V)
        kl = (
            exact_kl(responses.full_logprobs, (logits / ROLLOUT_TEMPERATURE).log_softmax(-1))
            * responses.mask
        ).sum(1)  # (B,)
        plain = (
            logits.log_softmax(-1).gather(-1, responses.tokens[..., None]).squeeze(-1)
            * responses.mask
        )
        fluency = plain.sum(1) / responses.mask.sum(1)
        proxy = model.score(pooled_states(at, responses.mask))
        rows = zip(
            decode_texts(lm, responses),
            responses.ended(lm.end_id).tolist(),
            proxy.tolist(),
            kl.tolist(),
            fluency.tolist(),
            strict=True,
        )
        for row, (text, ended, score, distance, fluent) in enumerate(rows):
            parts = rate(text, wanted, ended)
            found.append(
                Answer(
                    first + row // samples,
                    text,
                    ended,
                    score,
                    parts.pop("gold"),
                    parts,
                    distance,
                    fluent,
                )
            )
    yield found
