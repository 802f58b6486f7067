"""The loop around an algorithm: update, write a batch, say where the policy stands.

A step that does not finish never happened.
``rloo.train``, ``grpo.train``, ``dpo.train`` and ``kto.train`` bring the update; the batch is
written and read as PPO's is (``ppo.write_batch``), so that the numbers of all of them can be laid
side by side. Beside it what their updates have in common: the walk through minibatches
(``descend``), and the reference's one look at what is learned from (``read_once``). Knows nothing
about how a policy learns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from rlhf_core.algorithms.batch import Batch, Numbers
from rlhf_core.algorithms.joints import Joints
from rlhf_core.algorithms.ppo import Policy, TrainingDiverged, record
from rlhf_core.common.events import Progress, Record, last
from rlhf_core.common.known import known
from rlhf_core.common.settings import DPOSettings, GRPOSettings, KTOSettings, RLOOSettings

MEASURED = ("reward_mean", "reward_std", "kl_to_reference", "entropy")
SHARED = ("step", *MEASURED, "beta", "learning_rate", "seconds", "batch")
Row = TypeVar("Row")  # what an algorithm learns from: a pair, a judged answer


def means(infos: list[Numbers]) -> Numbers:
    """The mean of each number over the minibatches that have it; None where none has."""
    values_of = {name: [info[name] for info in infos] for name in infos[0]}
    kept = {name: [x for x in values if x is not None] for name, values in values_of.items()}
    return {name: sum(values) / len(values) if values else None for name, values in kept.items()}


def read_once(
    rows: list[Row], size: int, logprobs: Callable[[list[Row]], Tensor], what: str
) -> Iterator[Progress | Tensor]:
    """``logprobs`` of all ``rows``, a model's that never changes: ``size`` rows at a time, with no
    gradient. Last yield: its answers in one, rows along the last dimension.

    ``what``: the stage, in the words of ``Progress``.
    """
    read = []
    for start in range(0, len(rows), size):
        few = rows[start : start + size]
        with torch.no_grad():
            read.append(logprobs(few))
        yield Progress(what, start + len(few), len(rows))
    yield torch.cat(read, -1)


def minibatches(policy: Policy, rows: int, size: int, epochs: int = 1) -> list[Tensor]:
    """The row numbers of ``epochs`` passes through ``rows``, each in a fresh order. (size,) each,
    the last of a pass may be smaller.
    """
    orders = [torch.randperm(rows, generator=policy.generator) for _ in range(epochs)]
    return [part for order in orders for part in order.split(size)]


def descend(
    policy: Policy,
    parts: list[Tensor],
    loss_of: Callable[[Tensor, Joints], tuple[Tensor, Numbers]],
    max_grad_norm: float,
) -> Iterator[Progress | Numbers]:
    """One optimiser step on each minibatch. ``loss_of``: row numbers, and the joints that
    its pass may have -> (loss, its numbers).

    Last yield: the means of the numbers.
    """
    infos: list[Numbers] = []
    for part in parts:
        joints, here = Joints(), Progress("updating the model", len(infos), len(parts))
        loss, info = loss_of(part, joints)
        yield here
        for _ in policy.descend_in_parts(loss, max_grad_norm, joints):
            yield here
        infos.append(info)
        yield Progress("updating the model", len(infos), len(parts))
    yield means(infos)


def run(
    policy: Policy,
    settings: RLOOSettings | GRPOSettings | DPOSettings | KTOSettings,
    *,
    write: Callable[[], Iterator[Progress | Batch]],
    update: Callable[[Batch], Iterator[Progress | Numbers]],
    nothing: Numbers,
) -> Iterator[Progress | Record]:
    """Train ``policy`` for ``settings.steps`` more steps.

    Args:
        write: writes and measures a batch; its last yield is the ``Batch``.
        update: changes the policy, which stands where the batch was written; its last yield is the
            update's numbers.
        nothing: the same numbers where there was no update.

    Yields:
        ``Progress``, and a record a finished step: step, reward_mean and reward_std (reference SD),
        kl_to_reference (exact, nats a response), entropy (nats a token), beta, learning_rate,
        seconds, "batch" (the ``Batch`` just written), all as in ``ppo.train``, doubt_mean where it
        is taken off the score, and the update's numbers. Step 0 is the policy before any update; it
        is measured again where the last batch was written at another temperature.

    Raises:
        TrainingDiverged: numbers were not finite; the policy is as it was after its last finished
            step.
    """
    settings.validate()
    policy.beta = settings.beta
    for group in policy.optimizer.param_groups:
        group["lr"] = settings.learning_rate
    measured = policy.batch is not None and policy.batch.temperature == settings.temperature
    for learns in [True] * settings.steps if measured else [False, *[True] * settings.steps]:
        began, before = time.perf_counter(), policy.snapshot()
        try:
            numbers = (yield from last(update(known(policy.batch)))) if learns else nothing
            batch = yield from last(write())
        except BaseException as error:  # stopped or diverged: the unfinished step never happened
            policy.restore(before)
            if learns and isinstance(error, TrainingDiverged):
                raise TrainingDiverged(
                    f"Training broke in step {policy.step + 1}: {error} The model of step"
                    f" {policy.step} is kept. Try a smaller learning rate or a larger beta."
                ) from error
            raise
        del before  # the next one takes its place
        policy.step, policy.batch = policy.step + learns, batch
        seconds = time.perf_counter() - began
        row = record(policy, settings, batch, numbers if learns else {}, seconds)
        yield {name: row[name] for name in (*SHARED, "doubt_mean") if name in row} | numbers
