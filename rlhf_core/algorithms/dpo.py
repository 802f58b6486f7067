"""DPO: learn from the comparisons themselves, with no reward model and no value head.

The policy is its own reward model: an answer's implicit reward is beta * log(pi / pi_ref), and the
Bradley-Terry loss of ``reward_model.pairwise_loss`` is applied to that. Where it is lowest, the
policy is pi_ref exp(r / beta), normalised, for the r that explains the comparisons: the very policy
that PPO looks for.

    comparisons -> log-probabilities of both answers, policy and frozen reference -> implicit
    rewards -> Bradley-Terry loss -> update

Knows nothing about people, prompts as text, or files. Simplification against the paper: the
comparisons may be of any origin, and the batch that is written after every step only shows where
the policy stands; ``score_fn`` is a yardstick there, nothing learns from it.

Shapes: N comparisons, T response positions, V vocabulary.

Source: Rafailov et al. 2023, "Direct Preference Optimization" (arXiv 2305.18290), section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rlhf_core.algorithms import step_loop
from rlhf_core.algorithms.batch import Numbers
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy, write_batch
from rlhf_core.common.events import Progress, Record, last
from rlhf_core.common.settings import DPOSettings
from rlhf_core.lm.sampling import pad_left, pad_right, response_forward
from rlhf_core.lm.transformer import Transformer
from rlhf_core.rewards.reward_model import correct, pairwise_loss


class TokenPair(NamedTuple):
    """One comparison in tokens; an answer that ended holds its end of text.

    Attributes:
        target: probability that ``chosen`` is the better one: 1 as judged, 0.5 for a tie.
        weight: as in ``preferences.Pair``.
    """

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]
    target: float = 1.0
    weight: float = 1.0


def check(pairs: list[TokenPair], context: int) -> None:
    """ValueError, in words, where there is nothing to learn from or an answer cannot be read."""
    if not pairs:
        raise ValueError("There is no pair to learn from yet. Rank a few outputs first.")
    for number, pair in enumerate(pairs, 1):
        if not pair.prompt or not pair.chosen or not pair.rejected:
            raise ValueError(
                f"Pair {number} has an empty prompt or answer; each needs at least one token."
            )
        longest = len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))
        if longest > context:
            raise ValueError(
                f"Pair {number} is {longest} tokens long; the model reads at most {context}."
            )


def answer_logprobs(
    trunk: Transformer,
    prompts: list[list[int]],
    answers: list[list[int]],
    pad_id: int,
    temperature: float,
    joints: Joints | None = None,
) -> Tensor:
    """Log-probability of each whole answer after its prompt, end of text included. -> (N,)."""
    prompt_ids, prompt_mask = pad_left(prompts, pad_id)
    tokens, mask = pad_right(answers, pad_id)  # (N, T)
    before, _ = response_forward(trunk, prompt_ids, prompt_mask, tokens, mask, joints)
    # Logits only where a token is real: (real tokens, V).
    before = before[mask] if joints is None else joints(before[mask])
    log_p = (trunk.logits(before) / temperature).log_softmax(-1)
    log_p = log_p.gather(1, tokens[mask][:, None]).squeeze(1)
    return torch.zeros(len(answers), dtype=log_p.dtype).index_add(0, mask.nonzero()[:, 0], log_p)


def both_logprobs(
    trunk: Transformer,
    pairs: list[TokenPair],
    pad_id: int,
    temperature: float,
    joints: Joints | None = None,
) -> Tensor:
    """(2, N): log-probabilities of the chosen and the rejected answers, from one forward pass."""
    prompts = [pair.prompt for pair in pairs] * 2
    answers = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    return answer_logprobs(trunk, prompts, answers, pad_id, temperature, joints).view(2, -1)


def dpo_loss(
    log_p: Tensor, ref_log_p: Tensor, targets: Tensor, weights: Tensor, beta: float
) -> tuple[Tensor, Numbers]:
    """DPO's loss, the weighted mean. (2, N), (2, N), (N,), (N,) -> ().

    -log sigmoid(beta (log pi/pi_ref of the chosen - log pi/pi_ref of the rejected)).

    Args:
        log_p, ref_log_p: chosen answers first, rejected ones second; no gradient reaches the
            reference.
        targets: (N,) probability that the chosen one is better; below 1 the loss is the expectation
            over who wins.

    Source: Rafailov et al. 2023, equation 7.
    """
    # Implicit rewards, (N,) each: equation 5 without its constant.
    chosen, rejected = beta * (log_p - ref_log_p.detach())
    margins = chosen - rejected
    loss = pairwise_loss(margins, targets, weights) / weights.sum()
    with torch.no_grad():
        hits = correct(margins, targets)
        info: Numbers = {
            "loss": loss.item(),
            "accuracy": hits.double().mean().item() if len(hits) else None,
            "margin": margins.mean().item(),
        }
    return loss, info


def update(
    policy: Policy, pairs: list[TokenPair], ref_log_p: Tensor, settings: DPOSettings, pad_id: int
) -> Iterator[Progress | Numbers]:
    """One pass through all comparisons, in fresh minibatches. ``ref_log_p``: (2, N).

    Last yield: the means of the pass's numbers.
    """
    targets = torch.tensor([pair.target for pair in pairs])
    weights = torch.tensor([pair.weight for pair in pairs])

    def loss_of(part: Tensor, joints: Joints) -> tuple[Tensor, Numbers]:
        # 2. The policy's log-probabilities of both answers, and by them its implicit rewards.
        few = [pairs[i] for i in part.tolist()]
        log_p = both_logprobs(policy.trunk, few, pad_id, settings.temperature, joints)  # (2, b)
        # 3. Bradley-Terry on the implicit rewards.
        return dpo_loss(log_p, ref_log_p[:, part], targets[part], weights[part], settings.beta)

    # 4. Update.
    parts = step_loop.minibatches(policy, len(pairs), settings.minibatch_size)
    yield from step_loop.descend(policy, parts, loss_of, settings.max_grad_norm)


def train(
    *,
    policy: Policy,
    reference: Transformer,
    pairs: list[TokenPair],
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: DPOSettings,
    end_id: int,
    pad_id: int,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more passes; its value head stays as it is.

    Args:
        policy: made with the same settings.
        reference: the frozen original model.
        pairs: what it learns from.
        prompts, score_fn: what the batch after each step is written to and measured with, as in
            ``ppo.train``.

    Yields:
        As ``step_loop.run``, with loss (nats a comparison), accuracy (share of comparisons that are
        no tie whose better answer has the larger implicit reward) and margin (difference of the
        implicit rewards), means over the pass that led to the step, None at step 0.

    Raises:
        ValueError: no comparisons, an empty one or one that the model can't read.
    """
    check(pairs, reference.context)

    # 1. The reference reads every answer once.
    def reference_logprobs(few: list[TokenPair]) -> Tensor:
        return both_logprobs(reference, few, pad_id, settings.temperature)

    size = settings.minibatch_size
    reading = step_loop.read_once(pairs, size, reference_logprobs, "reading the pairs")
    ref_log_p = yield from last(reading)  # (2, N)
    yield from step_loop.run(
        policy,
        settings,
        nothing={"loss": None, "accuracy": None, "margin": None},
        write=lambda: write_batch(policy, reference, prompts, score_fn, settings, end_id, pad_id),
        update=lambda batch: update(policy, pairs, ref_log_p, settings, pad_id),
    )
