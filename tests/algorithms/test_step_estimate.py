"""The estimate against steps that are really taken, and the number format against processors of
every kind.
"""

import dataclasses
import time

import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.algorithms import ppo
from rlhf_core.algorithms.step_estimate import estimated_step_seconds, step_parts
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm import language_model, precision
from rlhf_core.lm.precision import Measured, choose

SETTINGS = PPOSettings(
    steps=2, batch_size=16, minibatch_size=16, max_new_tokens=16, missing_end_penalty=0.0
)


@pytest.mark.parametrize("frozen", [0, 3])
def test_the_estimate_is_within_a_factor_of_two_of_a_step(frozen):
    """In processor time, so that other work on the machine counts on neither side. Nobody may stop
    early: end of text is no token here.
    """
    lm, settings = language_model.load(), dataclasses.replace(SETTINGS, frozen_layers=frozen)
    before = lm.fingerprint()
    estimates = sorted(
        estimated_step_seconds(lm, settings, prompt_tokens=4, clock=time.process_time)
        for _ in range(3)
    )
    policy, marks = ppo.Policy(lm.trunk, settings), []
    for item in ppo.train(
        policy=policy,
        reference=lm.trunk,
        prompts=[lm.encode("An opossum is")[:4]],
        score_fn=lambda x: x[:, 0],
        settings=settings,
        end_id=-1,
        pad_id=lm.pad_id,
    ):
        if not isinstance(item, Progress):
            marks.append(time.process_time())
    real = min(after - start for start, after in zip(marks, marks[1:]))
    assert real / 2 < estimates[1] < real * 2
    assert lm.fingerprint() == before


def test_what_costs_more_is_estimated_as_more():
    lm = language_model.load()
    short, long = (
        step_parts(
            lm,
            dataclasses.replace(SETTINGS, max_new_tokens=tokens, epochs=epochs),
            clock=time.process_time,
        )
        for tokens, epochs in ((4, 1), (32, 8))
    )
    assert (
        long["writing"] > 2 * short["writing"]
        and long["updating"] > 8 * short["updating"]
        and long["scoring"] > short["scoring"]
    )


# --- number format --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measured", "dtype", "words"),
    [
        (Measured(False, 0.0, float("nan")), torch.float32, "no instructions for bfloat16"),
        (Measured(True, 0.8, 1e-6), torch.float32, "bfloat16 is not faster here"),
        (
            Measured(True, 2.1, 0.03),
            torch.float32,
            "2.1 times as fast here, but it moves log-probabilities by up to 0.030 nats",
        ),
        (Measured(True, 2.1, float("nan")), torch.float32, "moves log-probabilities"),
        (Measured(True, 2.1, 5e-5), torch.bfloat16, "exact to 5e-05"),
    ],
)
def test_bfloat16_only_where_it_is_there_faster_and_exact_enough(measured, dtype, words):
    assert choose(measured)[0] == dtype and words in choose(measured)[1]


def test_nothing_is_timed_where_the_processor_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(precision, "capable", lambda: False)
    assert not precision.measure(clock=None).capable


def test_the_measurement_times_float32_first_and_sees_the_rounding(monkeypatch):
    monkeypatch.setattr(precision, "capable", lambda: True)
    ticks = iter(
        [0.0, 9.0] + [0.0, 3.0] * 2 + [0.0, 9.0] + [0.0, 1.5] * 2
    )  # a first call that warms up, then two that count
    measured = precision.measure(rows=4, width=64, repeats=2, clock=lambda: next(ticks))
    assert measured.speedup == pytest.approx(2.0) and 1e-3 < measured.error < 0.1
    assert choose(measured)[0] == torch.float32
