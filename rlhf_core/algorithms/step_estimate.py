"""How long a PPO step will take on this machine, before it starts.

A few tokens and two small updates are timed, the rest is multiplication.
It is an upper figure for the step's arithmetic: every answer is taken to have its full length.
Knows nothing about prompts and rewards.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import torch

from rlhf_core.algorithms.batch import Batch
from rlhf_core.algorithms.ppo import Policy, update
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import Responses, decode, token_logprobs, uniform_numbers
from rlhf_core.lm.transformer import causal_mask, position_ids

TOKENS = 4  # written for the measurement


def estimated_step_seconds(
    lm: LanguageModel,
    settings: PPOSettings,
    *,
    prompt_tokens: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds of one PPO step of ``lm`` under ``settings``.

    Takes about as long as a tenth to a half of a step; trains and changes nothing.

    Raises ValueError where no layer is left to train, or prompt and answer do not fit the model's
    context.
    """
    return sum(step_parts(lm, settings, prompt_tokens=prompt_tokens, clock=clock).values())


def step_parts(
    lm: LanguageModel,
    settings: PPOSettings,
    *,
    prompt_tokens: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Seconds by stage: "writing", "scoring", "updating", "putting aside"."""
    timed = timed_step(lm, settings, prompt_tokens=prompt_tokens, clock=clock)
    (parts,) = [item for item in timed if isinstance(item, dict)]
    return parts


def timed_step(
    lm: LanguageModel,
    settings: PPOSettings,
    *,
    prompt_tokens: int = 8,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[Progress | dict[str, float]]:
    """As ``step_parts``, which is the last that it yields.

    A generator for the worker, which has others to serve between two measurements.
    """
    large = lm.trunk.vocabulary * lm.trunk.width > 4_000_000
    rows = min(4 if large else 16, settings.minibatch_size // 2)
    policy, generator = Policy(lm.trunk, settings), torch.Generator().manual_seed(0)
    shape = (settings.batch_size, prompt_tokens + settings.max_new_tokens)
    ids = torch.randint(0, lm.trunk.vocabulary, shape, generator=generator)
    # What is measured never has a yield in it: others' work would count.
    here = (Progress("timing a step", done, 5) for done in range(6))

    # Writing depends on the number of rows in no simple way, so it is timed at full width: the
    # start, then some tokens.
    yield next(here)
    uniforms = uniform_numbers(settings.batch_size, settings.max_new_tokens, generator)
    prompts = ids[:, :prompt_tokens].tolist()
    marks = [clock()]
    written = decode(
        policy.trunk,
        prompts,
        uniforms=uniforms,
        end_id=-1,
        pad_id=lm.pad_id,
        keep_distributions=True,
        keep_hidden=True,
    )
    for token, _ in enumerate(written, 1):
        marks.append(clock())
        if token == TOKENS:
            break
    start, each = marks[1] - marks[0], (marks[-1] - marks[1]) / max(1, len(marks) - 2)

    # Scoring and updating take time in proportion to the rows, updating also a part of its own for
    # each optimiser step.
    scoring, updates = {}, {}
    for count in (rows, rows, 2 * rows):  # the first one warms up
        yield next(here)
        began = clock()
        batch = made_up(lm, policy, ids[:count], prompt_tokens)
        scoring[count] = clock() - began
        few = dataclasses.replace(
            settings, epochs=1, batch_size=count, minibatch_size=count, learning_rate=0.0
        )
        began = clock()
        for _ in update(policy, batch, few, lm.end_id):
            pass
        updates[count] = clock() - began
    a_row = max((updates[2 * rows] - updates[rows]) / rows, updates[2 * rows] / rows / 8)
    a_step = max(0.0, updates[rows] - rows * a_row)
    yield next(here)
    began = clock()
    policy.snapshot()
    aside = clock() - began
    steps = math.ceil(settings.batch_size / settings.minibatch_size)
    yield next(here)
    yield {
        "writing": start + each * (settings.max_new_tokens - 1),
        "scoring": scoring[2 * rows] / (2 * rows) * settings.batch_size,
        "updating": settings.epochs * (settings.batch_size * a_row + steps * a_step),
        "putting aside": aside,
    }


@torch.no_grad()
def made_up(lm: LanguageModel, policy: Policy, ids: torch.Tensor, prompt_tokens: int) -> Batch:
    """A batch that nobody wrote, read by the reference as ``write_batch`` does. (B, P + T)."""
    tokens, everything = ids[:, prompt_tokens:], torch.ones_like(ids, dtype=torch.bool)
    allowed = causal_mask(everything)
    frozen, embedded = policy.frozen_layers, lm.trunk.embed(ids, position_ids(everything))
    shared = lm.trunk.run(embedded, allowed, stop=frozen)
    hidden = lm.trunk.run(shared, allowed, start=frozen)[:, prompt_tokens - 1 : -1]
    log_p = token_logprobs(lm.trunk.logits(hidden).log_softmax(-1), tokens)  # (B, T)
    mask, zeros = everything[:, prompt_tokens:], torch.zeros(tokens.shape)
    responses = Responses(
        ids[:, :prompt_tokens], everything[:, :prompt_tokens], tokens, mask, log_p
    )
    scores = torch.linspace(-1, 1, len(ids))
    return Batch(responses, shared, scores, responses.ended(lm.end_id), log_p, zeros, zeros, 1.0)
