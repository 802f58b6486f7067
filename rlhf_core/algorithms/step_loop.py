"""The loop around an algorithm: update, write a batch, say where the policy stands.

A step that does not finish never happened.
``rloo.train``, ``grpo.train``, ``dpo.train`` and ``kto.train`` bring the update; the batch is
written and read as PPO's is (``ppo.write_batch``), so that the numbers of all of them can be laid
side by side. Knows nothing about how a policy learns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rlhf_core.algorithms.ppo import Batch, Policy, TrainingDiverged, record
from rlhf_core.common.events import Progress, last
from rlhf_core.common.settings import DPOSettings, GRPOSettings, KTOSettings, RLOOSettings

MEASURED = ("reward_mean", "reward_std", "kl_to_reference", "entropy")
SHARED = ("step", *MEASURED, "beta", "learning_rate", "seconds", "batch")


def means(infos: list[dict]) -> dict:
    """The mean of each number over the minibatches that have it; None where none has."""
    kept = {name: [info[name] for info in infos if info[name] is not None] for name in infos[0]}
    return {name: sum(values) / len(values) if values else None for name, values in kept.items()}


def run(
    policy: Policy,
    settings: RLOOSettings | GRPOSettings | DPOSettings | KTOSettings,
    *,
    write: Callable[[], Iterator[Progress | Batch]],
    update: Callable[[Batch], Iterator[Progress | dict]],
    nothing: dict,
) -> Iterator[Progress | dict]:
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
            numbers = (yield from last(update(policy.batch))) if learns else nothing
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
