"""Prompts in tokens, texts written and read: a language model without session or reward.

Generators that yield ``Progress`` and return what they made. Imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Reporting
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm import sampling
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import (
    Responses,
    decode,
    decode_texts,
    pad_left,
    pad_right,
    response_forward,
    token_logprobs,
    uniform_numbers,
)
from rlhf_core.lm.transformer import Transformer

# of an answer, the most; how it is drawn (no top-k, no top-p); rows read or written at once
ROLLOUT_TOKENS, ROLLOUT_TEMPERATURE = PPOSettings.max_new_tokens, PPOSettings.temperature
CHUNK = 64

TextRow = tuple[str, str, bool]  # prompt, text, ended
Written = tuple[int, str, bool, torch.Tensor]  # prompt number, text, ended, (d,) pooled states


def encode_prompt(lm: LanguageModel, prompt: str, new_tokens: int) -> list[int]:
    """Token ids of a prompt that fits the model's context together with ``new_tokens``.

    Raises InputError.
    """
    ids = lm.encode(prompt)
    room = lm.trunk.context - new_tokens
    if not ids:
        raise InputError("The prompt has nothing in it that the model can read. Write a few words.")
    if len(ids) > room:
        raise InputError(
            f"The prompt is {len(ids)} tokens long; with {new_tokens} tokens of answer, this model"
            f" reads at most {room}. Shorten it."
        )
    return ids


@torch.no_grad()
def pooled_of_responses(lm: LanguageModel, responses: Responses) -> torch.Tensor:
    """(B, d) mean reference states of a batch of responses: the reward model's input."""
    _, at = response_forward(
        lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
    )
    return sampling.pooled_states(at, responses.mask)


def responses_of_texts(lm: LanguageModel, rows: list[TextRow]) -> Responses:
    """(prompt, text, ended) rows as tokens, to be read.

    A longer answer is cut where the context ends: each by its own length, so that no row depends on
    another.
    """
    encoded = [encode_prompt(lm, p, 1) for p, _, _ in rows]
    prompts, prompt_mask = pad_left(encoded, lm.pad_id)
    answers = [
        (lm.encode_text(t) + ([lm.end_id] if ended else []))[: lm.trunk.context - len(ids)]
        or [lm.end_id]
        for ids, (_, t, ended) in zip(encoded, rows, strict=True)
    ]
    tokens, mask = pad_right(answers, lm.pad_id)
    return Responses(prompts, prompt_mask, tokens, mask, torch.zeros(tokens.shape))


def pooled_of_texts(lm: LanguageModel, rows: list[TextRow]) -> Reporting[torch.Tensor]:
    """Mean reference states of (prompt, text, ended) rows, (N, d), in chunks.

    Yields Progress, returns the tensor.
    """
    parts = []
    for first in range(0, len(rows), CHUNK):
        chunk = rows[first : first + CHUNK]
        parts.append(pooled_of_responses(lm, responses_of_texts(lm, chunk)))
        yield Progress("reading", min(first + CHUNK, len(rows)), len(rows))
    return torch.cat(parts)


@torch.no_grad()
def fluency_of_texts(
    lm: LanguageModel, rows: list[TextRow], stage: str = "reading"
) -> Reporting[list[float]]:
    """Log-probability of each (prompt, text, ended) row under the frozen model, nats a token.

    Its end of text counts as one. Yields Progress, returns [floats].
    """
    found = []
    for first in range(0, len(rows), CHUNK):
        responses = responses_of_texts(lm, rows[first : first + CHUNK])
        before, _ = response_forward(
            lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
        real = responses.mask
        log_p = torch.zeros(real.shape)
        taken = lm.trunk.logits(before[real]).log_softmax(-1)  # (real tokens, V)
        log_p[real] = token_logprobs(taken, responses.tokens[real])  # (real tokens,)
        found += (log_p.sum(1) / real.sum(1)).tolist()
        yield Progress(stage, min(first + CHUNK, len(rows)), len(rows))
    return found


def decoded(
    lm: LanguageModel,
    trunk: Transformer,
    prompts: list[list[int]],
    samples: int,
    seed: int,
    *,
    stage: str,
    temperature: float = ROLLOUT_TEMPERATURE,
    new_tokens: int = ROLLOUT_TOKENS,
    keep_distributions: bool = False,
) -> Iterator[Progress | tuple[int, Responses]]:
    """``samples`` responses a prompt, in chunks.

    Progress a token, then (number of the chunk's first prompt, its responses).
    """
    total, generator = len(prompts) * samples, torch.Generator().manual_seed(seed)
    uniforms = uniform_numbers(total, new_tokens, generator)
    per_chunk = max(1, CHUNK // samples)
    for first in range(0, len(prompts), per_chunk):
        part = prompts[first : first + per_chunk]
        numbers = uniforms[first * samples : (first + len(part)) * samples]
        written = decode(
            trunk,
            part,
            uniforms=numbers,
            end_id=lm.end_id,
            pad_id=lm.pad_id,
            samples=samples,
            temperature=temperature,
            keep_distributions=keep_distributions,
        )
        for token, responses in enumerate(written):
            done = first * samples + len(part) * samples * token // new_tokens
            yield Progress(stage, done, total)
        yield first, responses


def write(
    lm: LanguageModel,
    trunk: Transformer,
    prompts: list[list[int]],
    samples: int,
    seed: int,
    *,
    stage: str = "writing",
    temperature: float = ROLLOUT_TEMPERATURE,
    new_tokens: int = ROLLOUT_TOKENS,
) -> Reporting[list[Written]]:
    """``samples`` responses a prompt.

    Yields Progress a token, returns [(prompt number, text, ended, pooled reference states)].
    """
    rows: list[Written] = []
    for item in decoded(
        lm,
        trunk,
        prompts,
        samples,
        seed,
        stage=stage,
        temperature=temperature,
        new_tokens=new_tokens,
    ):
        if isinstance(item, Progress):
            yield item
            continue
        first, responses = item
        texts, ended, pooled = (
            decode_texts(lm, responses),
            responses.ended(lm.end_id).tolist(),
            pooled_of_responses(lm, responses),
        )
        rows += [(first + i // samples, texts[i], ended[i], pooled[i]) for i in range(len(texts))]
    return rows
