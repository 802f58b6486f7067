"""The step without plumbing does what ``ppo.train`` does: the same numbers, the same weights."""

import dataclasses
import inspect

import pytest
import torch
from tiny_models import END, PAD, one_thread, random_prompts, tiny_trunk  # noqa: F401

from rlhf_core.algorithms import ppo, ppo_step
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common import source
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.common.source import function_lines, function_source

SETTINGS = PPOSettings(
    steps=3,
    batch_size=16,
    minibatch_size=8,
    max_new_tokens=5,
    epochs=2,
    learning_rate=1e-3,
    temperature=0.7,
    beta=0.1,
)
PROMPTS = random_prompts([3, 9, 1, 6, 4])


@pytest.mark.parametrize(
    "other", [{}, {"score_clip": 0.0, "missing_end_penalty": 0.0}, {"frozen_layers": 1, "seed": 5}]
)
def test_three_steps_are_three_steps_of_train(other):
    settings, reference = dataclasses.replace(SETTINGS, **other), tiny_trunk()
    common = {
        "prompts": PROMPTS,
        "score_fn": lambda pooled: pooled[:, 0],
        "settings": settings,
        "end_id": END,
        "pad_id": PAD,
    }
    whole = Policy(reference, settings)
    run = ppo.train(policy=whole, reference=reference, **common)
    rows = [item for item in run if not isinstance(item, Progress)]
    short = Policy(reference, settings)
    told = [ppo_step.ppo_step(short, reference, **common) for _ in range(3)]
    for p, q in zip(short.parameters, whole.parameters):
        torch.testing.assert_close(p, q, atol=1e-5, rtol=0)
    moved = max(
        (p - q).abs().max().item()
        for p, q in zip(short.parameters, Policy(reference, settings).parameters)
    )
    assert moved > 1e-3 and short.step == whole.step == 3
    # Row n of ``train`` is the batch after n updates: the one that step n + 1 learns from.
    for row, step in zip(rows, told):
        for name in ("reward_mean", "kl_to_reference"):
            assert row[name] == pytest.approx(step[name], abs=1e-5)


def test_the_losses_are_those_of_the_last_minibatch():
    """With one minibatch and one pass, ``train`` says the same."""
    reference = tiny_trunk()
    settings = dataclasses.replace(SETTINGS, steps=1, epochs=1, minibatch_size=16)
    common = (reference, PROMPTS, lambda pooled: pooled[:, 0], settings, END, PAD)
    told = ppo_step.ppo_step(Policy(reference, settings), *common)
    names = ("policy", "reference", "prompts", "score_fn", "settings", "end_id", "pad_id")
    run = ppo.train(**dict(zip(names, (Policy(reference, settings), *common))))
    row = [item for item in run if not isinstance(item, Progress)][1]
    for name in ("clip_fraction", "policy_loss", "value_loss"):
        assert row[name] == pytest.approx(told[name], abs=1e-5)


def test_it_fits_on_a_wall():
    shown = function_source("algorithms.ppo_step", "ppo_step")
    assert shown == inspect.getsource(ppo_step.ppo_step)
    lines = function_lines("algorithms.ppo_step", "ppo_step")
    assert lines == len(shown.splitlines()) <= 65, "as the listing on the page numbers them"
    readme = source.ENGINE.parent / "README.md"
    assert f"the whole step as {lines} lines of code" in readme.read_text(encoding="utf-8")
    assert max(map(len, shown.splitlines())) <= 100
    assert [f"# {number}. " in shown for number in range(1, 6)] == [True] * 5


def test_a_function_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(LookupError, match="has no function nothing"):
        function_source("algorithms.ppo_step", "nothing")
