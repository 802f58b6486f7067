"""What the tests of RLOO, GRPO, DPO and KTO share: a tiny policy and its reference, a run and what
it recorded, gradients beside TRL's, and what is true of every algorithm's run.

``running`` is a test file's own: ``running(policy, reference, settings)`` trains on its data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from tiny_models import END, PAD, nudged, random_prompts, tiny_gpt2, tiny_trunk

from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.events import Progress
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.transformer import Transformer


def changed(settings, **values):
    return dataclasses.replace(settings, **values)


def tiny_policy(settings, **options) -> tuple[Policy, Transformer]:
    """A fresh policy and the reference that it starts from; ``options``: of ``tiny_trunk``."""
    reference = tiny_trunk(**options)
    return Policy(reference, settings), reference


def drifted_gpt2():
    """transformers' own model, away from ``tiny_gpt2()``, so that no log-ratio is 0."""
    model = tiny_gpt2()
    for p, q in zip(model.parameters(), nudged(trunk_of(model), 0.05).parameters(), strict=True):
        p.data.copy_(q.data)
    return model


def run_of(train: Callable, policy, reference, settings, *, score=None, **learned_from):
    """``train`` with the tiny models' tokens; an answer scores by its first feature."""
    common = {"policy": policy, "reference": reference, "settings": settings}
    score_fn = score or (lambda pooled: pooled[:, 0])
    return train(**common, score_fn=score_fn, end_id=END, pad_id=PAD, **learned_from)


def records(run) -> list[dict]:
    return [item for item in run if not isinstance(item, Progress)]


def plain(record: dict) -> dict:
    """A record without what a clock said and without tensors."""
    return {name: value for name, value in record.items() if name not in ("seconds", "batch")}


# --- what is true of every run --------------------------------------------------------------------


def assert_gradients_are(trunk: Transformer, model, given: list | None = None) -> None:
    """Every gradient is that of transformers' ``model``, and none is nothing. ``given``: those of
    ``trunk``'s parameters in order, where they do not stand on them any more.
    """
    expected = dict(model.transformer.named_parameters())
    named = list(trunk.named_parameters())
    given = given or [p.grad for _, p in named]
    assert {name for name, _ in named} == set(expected)
    for (name, _), gradient in zip(named, given, strict=False):
        torch.testing.assert_close(gradient, expected[name].grad, atol=1e-6, rtol=0)
        assert gradient.abs().max() > 1e-6


def assert_the_seed_decides(running: Callable, settings) -> None:
    reference = tiny_trunk()
    one, same, other = (
        [plain(row) for row in records(running(Policy(reference, how), reference, how))]
        for how in (settings, settings, changed(settings, seed=1))
    )
    assert one == same != other


def assert_it_climbs_and_a_dearer_drift_drifts_less(
    running: Callable, settings, dearer: float
) -> None:
    """With drift for nothing the score rises by more than a standard deviation; at a price of
    ``dearer`` the policy drifts less than a third as far.
    """
    ends = {}
    for beta in (0.0, dearer):
        large = {"batch_size": 64, "minibatch_size": 32, "steps": 8, "learning_rate": 3e-3}
        how = changed(settings, **large, beta=beta, missing_end_penalty=0.0)
        policy, reference = tiny_policy(how, vocabulary=12)
        direction = torch.randn(reference.width, generator=torch.Generator().manual_seed(3))
        unit, prompts = direction / direction.norm(), random_prompts([3, 5, 4], 12)
        run = running(policy, reference, how, prompts=prompts, score=lambda x, unit=unit: x @ unit)
        rows = records(run)
        ends[beta] = rows[-1]
        assert rows[0]["kl_to_reference"] < 1e-5
    assert ends[0.0]["reward_mean"] > rows[0]["reward_mean"] + rows[0]["reward_std"]
    assert ends[dearer]["kl_to_reference"] < 0.3 * ends[0.0]["kl_to_reference"]


def assert_going_on_equals_never_stopping(running: Callable, settings, items: int) -> None:
    """Stop after so many items: what was finished stays, and the rest comes out as it would
    have.
    """
    policy, reference = tiny_policy(settings)
    whole = records(running(Policy(reference, settings), reference, settings))
    run = running(policy, reference, settings)
    before = records([next(run) for _ in range(items)])
    run.close()
    rest = changed(settings, steps=settings.steps - policy.step)
    after = records(running(policy, reference, rest))
    assert [plain(row) for row in before + after] == [plain(row) for row in whole]
