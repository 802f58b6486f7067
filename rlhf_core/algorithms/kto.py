"""KTO: learn from thumbs up and thumbs down, one answer at a time; no pairs, no reward model.

As in DPO an answer's implicit reward is beta * log(pi / pi_ref). It is compared with a reference
point: what the policy has drifted on the whole. An answer called good should stand above it, one
called bad below; far from it, a further push earns ever less, as gains and losses do to people
(Kahneman and Tversky's value function).

    judged answers -> log-probabilities, policy and frozen reference -> implicit rewards
    answers beside others' prompts -> how far the policy has drifted: the reference point
    -> value of each -> update

Knows nothing about people, prompts as text, or files; where only rankings exist,
``judging.thumbs`` says what counts as good and as bad. Simplification against the paper: none in
the loss; ``score_fn`` is a yardstick, as in ``dpo``.

Where it goes: to the majority's side of every answer. The loss is a straight line in the share of
people who call an answer good, so that 6 of 10 thumbs up pull the same way as 10 of 10; there is no
pi_ref exp(r / beta) to arrive at (``tests/algorithms/test_toy_language_model.py``).

Shapes: N judged answers.

Source: Ethayarajh et al. 2024, "KTO: Model Alignment as Prospect Theoretic Optimization" (arXiv
2402.01306), equations 7 and 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rlhf_core.algorithms import step_loop
from rlhf_core.algorithms.batch import Numbers
from rlhf_core.algorithms.dpo import answer_logprobs
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy, write_batch
from rlhf_core.common.events import Progress, Record, last
from rlhf_core.common.settings import KTOSettings
from rlhf_core.lm.transformer import Transformer


class Judged(NamedTuple):
    """One answer in tokens, and what was said of it; one that ended holds its end of text."""

    prompt: list[int]
    answer: list[int]
    good: bool
    weight: float = 1.0


def check(rows: list[Judged], context: int) -> None:
    """ValueError, in words, where there is nothing to learn from or an answer cannot be read."""
    if len(rows) < 2:
        raise ValueError("KTO needs at least two answers that were called good or bad.")
    for number, row in enumerate(rows, 1):
        if not row.prompt or not row.answer:
            raise ValueError(
                f"Judged answer {number} has an empty prompt or answer; each needs at least one"
                " token."
            )
        if len(row.prompt) + len(row.answer) > context:
            raise ValueError(
                f"Judged answer {number} is {len(row.prompt) + len(row.answer)} tokens long with"
                f" its prompt; the model reads at most {context}."
            )


def beside_others(rows: list[Judged], context: int) -> list[list[int]]:
    """Each row's answer given to the next row, so that it stands beside another's prompt; what the
    model could not read any more is cut off.

    Source: TRL 1.12.0 ``KTOTrainer`` ("KL_completion_ids"); Ethayarajh et al. 2024, section 4.1.
    """
    before = rows[-1:] + rows[:-1]
    return [a.answer[: context - len(row.prompt)] for a, row in zip(before, rows, strict=True)]


def reference_point(log_p: Tensor, ref_log_p: Tensor) -> Tensor:
    """How far the policy has drifted, nats an answer, at least 0. (N,), (N,) -> ().

    The mean of log pi / pi_ref over answers that stand beside others' prompts (``beside_others``):
    a cheap, biased estimate of KL(pi || pi_ref); no gradient goes through it.

    Source: Ethayarajh et al. 2024, section 4.1; TRL 1.12.0 ``KTOTrainer._compute_loss``.
    """
    return (log_p - ref_log_p).mean().clamp(min=0).detach()


def kto_loss(
    log_p: Tensor, ref_log_p: Tensor, good: Tensor, weights: Tensor, point: Tensor, beta: float
) -> tuple[Tensor, Numbers]:
    """KTO's loss, the mean of weighted losses. (N,) x 4, () -> ().

    1 - sigmoid(beta (log pi / pi_ref - z)) for a good answer, 1 - sigmoid(beta (z - log pi /
    pi_ref)) for a bad one; z is the reference point.

    Args:
        good: (N,) bool.
        weights: (N,) what each answer counts.

    Source: Ethayarajh et al. 2024, equation 7; TRL 1.12.0 ``KTOTrainer._compute_loss``.
    """
    log_ratio = log_p - ref_log_p.detach()
    side = torch.where(good, 1.0, -1.0).to(log_p.dtype)
    loss = (weights * (1 - torch.sigmoid(beta * side * (log_ratio - point)))).mean()
    with torch.no_grad():
        rewards = beta * log_ratio
        both = bool(good.any()) and not bool(good.all())
        info: Numbers = {
            "loss": loss.item(),
            "drift": point.item(),
            "margin": (rewards[good].mean() - rewards[~good].mean()).item() if both else None,
        }
    return loss, info


def update(
    policy: Policy,
    reference: Transformer,
    rows: list[Judged],
    ref_log_p: Tensor,
    settings: KTOSettings,
    pad_id: int,
) -> Iterator[Progress | Numbers]:
    """One pass through all judged answers, in fresh minibatches. ``ref_log_p``: (N,).

    Last yield: the means of the pass's numbers.
    """
    heat = settings.temperature

    def loss_of(part: Tensor, joints: Joints) -> tuple[Tensor, Numbers]:
        few = [rows[i] for i in part.tolist()]
        prompts, answers = [row.prompt for row in few], [row.answer for row in few]
        # 2. The reference point: how far has the policy drifted on the whole?
        with torch.no_grad():
            theirs = beside_others(few, reference.context)
            point = reference_point(
                answer_logprobs(policy.trunk, prompts, theirs, pad_id, heat),
                answer_logprobs(reference, prompts, theirs, pad_id, heat),
            )
        # 3. Good answers should stand above it, bad ones below.
        log_p = answer_logprobs(policy.trunk, prompts, answers, pad_id, heat, joints)  # (n,)
        good = torch.tensor([row.good for row in few])
        sides = torch.where(good, settings.good_weight, settings.bad_weight).to(log_p.dtype)
        weights = sides * torch.tensor([row.weight for row in few])
        return kto_loss(log_p, ref_log_p[part], good, weights, point, settings.beta)

    # 4. Update; no minibatch smaller than it should be, or an answer would stand alone.
    order = torch.randperm(len(rows), generator=policy.generator)
    parts = list(order.tensor_split(max(1, len(rows) // settings.minibatch_size)))
    yield from step_loop.descend(policy, parts, loss_of, settings.max_grad_norm)


def train(
    *,
    policy: Policy,
    reference: Transformer,
    rows: list[Judged],
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    settings: KTOSettings,
    end_id: int,
    pad_id: int,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more passes; its value head stays as it is.

    Args:
        policy: made with the same settings.
        reference: the frozen original model.
        rows: what it learns from.
        prompts, score_fn: what the batch after each step is written to and measured with, as in
            ``ppo.train``.

    Yields:
        As ``step_loop.run``, with loss (0 to the larger weight), drift (the reference point, nats
        an answer) and margin (mean implicit reward of good answers less that of bad ones, None
        where there are not both), means over the pass that led to the step, None at step 0.

    Raises:
        ValueError: fewer than two answers, an empty one or one that the model can't read.
    """
    check(rows, reference.context)

    # 1. The reference reads every answer once.
    def reference_logprobs(few: list[Judged]) -> Tensor:
        both = [row.prompt for row in few], [row.answer for row in few]
        return answer_logprobs(reference, *both, pad_id, settings.temperature)

    size = settings.minibatch_size
    reading = step_loop.read_once(rows, size, reference_logprobs, "reading the answers")
    ref_log_p = yield from last(reading)  # (N,)
    yield from step_loop.run(
        policy,
        settings,
        nothing={"loss": None, "drift": None, "margin": None},
        write=lambda: write_batch(policy, reference, prompts, score_fn, settings, end_id, pad_id),
        update=lambda batch: update(policy, reference, rows, ref_log_p, settings, pad_id),
    )
