"""Write with a language model: batched, cached, streamed, seeded.

``decode`` yields once a token, so that a page can stream and a worker can stop. Knows nothing about
rewards.

Randomness: every row draws its tokens by inverse transform from its own row of uniform numbers. Two
models that are sampled with the same numbers ("common random numbers") differ only where their
distributions do: that is what before / after compares.

Shapes: B rows = prompts x samples, A of them still writing, P widest prompt, T response positions,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.matrix_products import packed
from rlhf_core.lm.transformer import Transformer, causal_mask, position_ids

STAY = 0.75  # the share of rows still writing at which the finished ones are left behind


@dataclass
class Responses:
    """A batch of prompts and what was written after them.

    Attributes:
        prompt_ids, prompt_mask: (B, P), left-padded; mask True on real tokens.
        tokens: (B, T) response tokens, end of text included, padded behind it.
        mask: (B, T) bool, True on real response tokens (end of text included).
        logprobs: (B, T) log-probability of each token under the model at this temperature, before
        top-k and top-p; 0 where masked.
        full_logprobs: (B, T, V) or None: the whole distribution at each real token.
        hidden: (B, T, d) or None: the state that predicted each real token: a value head's input.
    """

    prompt_ids: Tensor
    prompt_mask: Tensor
    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    full_logprobs: Tensor | None = None
    hidden: Tensor | None = None
    texts: list[str] = field(default_factory=list)

    def ended(self, end_id: int) -> Tensor:
        """(B,) bool: did the row write its end of text?"""
        return ((self.tokens == end_id) & self.mask).any(1)

    @property
    def lengths(self) -> Tensor:
        """(B,) number of response tokens."""
        return self.mask.sum(1)


def pad_left(prompts: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Token lists -> (B, P) ids and (B, P) bool mask, aligned at the right."""
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), pad_id)
    mask = torch.zeros(len(prompts), width, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        if not prompt:
            raise ValueError("A prompt must have at least one token.")
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = True
    return ids, mask


def keep_top(logits: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits with everything outside the top k and the top-p nucleus at -inf. (B, V) -> (B, V).

    The most likely token always stays. Top-p: Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    """
    if 0 < top_k < logits.shape[-1]:
        threshold = logits.topk(top_k, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < threshold, -torch.inf)
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True)
        probabilities = ordered.softmax(-1)
        # The mass before this token already reaches p.
        outside = probabilities.cumsum(-1) - probabilities >= top_p
        logits = logits.masked_fill(
            torch.zeros_like(outside).scatter(-1, order, outside), -torch.inf
        )
    return logits


def without(log_p: Tensor, token: int) -> Tensor:
    """The same distribution, had ``token`` no probability. (B, V) log-probabilities -> (B, V)."""
    column = torch.tensor([token])
    return log_p.index_fill(-1, column, -torch.inf).log_softmax(-1)


def draw(log_p: Tensor, uniforms: Tensor) -> Tensor:
    """One token a row by inverse transform. (B, V) log-probabilities, (B,) in [0, 1) -> (B,)."""
    cumulative = log_p.exp().cumsum(-1, dtype=torch.double)
    targets = uniforms.double() * cumulative[:, -1]
    return (
        torch.searchsorted(cumulative, targets[:, None], right=True)
        .squeeze(1)
        .clamp(max=log_p.shape[-1] - 1)
    )


def uniform_numbers(rows: int, tokens: int, generator: torch.Generator) -> Tensor:
    """(rows, tokens) numbers in [0, 1): the only randomness of sampling."""
    return torch.rand(rows, tokens, generator=generator)


@torch.no_grad()
def decode(
    trunk: Transformer,
    prompts: list[list[int]],
    *,
    uniforms: Tensor,
    end_id: int,
    pad_id: int,
    samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_new_tokens: int = 0,
    keep_distributions: bool = False,
    keep_hidden: bool = False,
) -> Iterator[Responses]:
    """Write ``samples`` responses after each prompt.

    Yields the same growing ``Responses`` after every token.

    Each prompt is read once, whatever ``samples`` is. The last value yielded is complete: cut to
    the longest response.

    Args:
        uniforms: (B, T), B = prompts x samples; T is the longest response.
        temperature, top_k, top_p, min_new_tokens: rollouts leave the last three off, so that
        ``logprobs`` is the distribution that was drawn from. Before ``min_new_tokens`` the end
        cannot be drawn.
    """
    rows, longest = uniforms.shape
    if rows != len(prompts) * samples:
        raise ValueError(
            f"{rows} rows of uniform numbers for {len(prompts)} prompts x {samples} samples."
        )
    ids, mask = pad_left(prompts, pad_id)
    width = ids.shape[1]
    if width + longest > trunk.context:
        raise ValueError(
            f"The prompt has {width} tokens; with {longest} tokens of answer it does not fit the"
            f" model's {trunk.context}. Shorten it."
        )

    # 1. Read every prompt once, then give each of its samples a copy of the cache.
    cache = trunk.new_cache(len(prompts), width)
    embedded = trunk.embed(ids, position_ids(mask))
    hidden = trunk.run(embedded, causal_mask(mask), cache=cache)[:, -1]  # (prompts, d)
    cache = cache.repeat(samples, width + longest)
    hidden = hidden.repeat_interleave(samples, 0)  # (B, d)
    ids, mask = ids.repeat_interleave(samples, 0), mask.repeat_interleave(samples, 0)
    visible = torch.ones(rows, width + longest, dtype=torch.bool)
    visible[:, :width] = mask
    positions = mask.sum(1)  # (B,) position of the next token

    tokens = torch.full((rows, longest), pad_id)
    written = torch.zeros(rows, longest, dtype=torch.bool)
    logprobs = torch.zeros(rows, longest)
    # Token by token in memory, as they come.
    distributions = torch.zeros(longest, rows, trunk.vocabulary) if keep_distributions else None
    states = torch.zeros(longest, rows, trunk.width) if keep_hidden else None
    writing, alive = torch.arange(rows), torch.ones(rows, dtype=torch.bool)  # of A rows
    writer = packed(trunk, rows)  # the same model, its weights laid out for a few rows at a time
    for t in range(longest):
        # 2. One distribution a row, one token a row.
        with torch.inference_mode():
            log_p = (writer.logits(hidden) / temperature).log_softmax(-1)  # (A, V)
            allowed = log_p if t >= min_new_tokens else without(log_p, end_id)
            chosen = draw(keep_top(allowed, top_k, top_p), uniforms[writing, t])  # (A,)
            tokens[writing, t] = torch.where(alive, chosen, pad_id)
            written[writing, t] = alive
            taken = log_p.gather(1, chosen[:, None]).squeeze(1)
            logprobs[writing, t] = torch.where(alive, taken, 0.0)
            if distributions is not None:
                distributions[t].index_copy_(0, writing, log_p)
            if states is not None:
                states[t].index_copy_(0, writing, hidden)
            alive = alive & (chosen != end_id)
        end = t + 1
        yield Responses(
            ids,
            mask,
            tokens[:, :end],
            written[:, :end],
            logprobs[:, :end],
            None if distributions is None else distributions[:end].transpose(0, 1),
            None if states is None else states[:end].transpose(0, 1),
        )
        if not alive.any() or end == longest:
            return
        with torch.inference_mode():
            # 3. Finished rows leave, several at a time: to move the others costs something too.
            if alive.sum() <= STAY * len(alive):
                stay = alive.nonzero().squeeze(1)
                writing, alive, chosen = writing[stay], alive[stay], chosen[stay]
                cache, visible, positions = cache.only(stay), visible[stay], positions[stay]
            # 4. Feed the tokens back.
            step = writer.embed(chosen[:, None], positions[:, None])
            hidden = writer.run(step, visible[:, None, None, : width + end], cache=cache)[:, 0]
            positions = positions + 1


def collect(steps: Iterator[Responses]) -> Responses:
    """The last, complete value of ``decode``."""
    for last in steps:
        pass
    return last


def decode_texts(lm: LanguageModel, responses: Responses) -> list[str]:
    """The text of each row, without special tokens."""
    return [
        lm.decode(row[keep].tolist())
        for row, keep in zip(responses.tokens, responses.mask, strict=True)
    ]


def sample(
    lm: LanguageModel,
    prompts: list[str],
    settings: SamplingSettings,
    *,
    trunk: Transformer | None = None,
) -> Iterator[Responses]:
    """People's sampling: ``settings.candidates`` responses a prompt, seeded by ``settings.seed``.

    Yields once a token, texts filled in.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    uniforms = uniform_numbers(
        len(prompts) * settings.candidates, settings.max_new_tokens, generator
    )
    for responses in decode(
        trunk or lm.trunk,
        [lm.encode(p) for p in prompts],
        uniforms=uniforms,
        end_id=lm.end_id,
        pad_id=lm.pad_id,
        samples=settings.candidates,
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_new_tokens=settings.min_new_tokens,
        keep_distributions=True,
    ):
        responses.texts = decode_texts(lm, responses)
        yield responses


def response_forward(
    trunk: Transformer,
    prompt_ids: Tensor,
    prompt_mask: Tensor,
    tokens: Tensor,
    mask: Tensor,
    joint: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Read whole sequences; hidden states around the response.

    No logits yet: take them only where needed.

    Returns:
        (before, at): (B, T, d) each. ``before`` is the state that predicts response token t, ``at``
        the state when it has been read.
    """
    ids = torch.cat([prompt_ids, tokens], 1)
    everything = torch.cat([prompt_mask, mask], 1)
    hidden = trunk.hidden_states(ids, everything, joint)  # (B, P + T, d)
    width = prompt_ids.shape[1]
    return hidden[:, width - 1 : -1], hidden[:, width:]


def token_logprobs(log_p: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of the tokens taken. (B, T, V) log-probabilities, (B, T) -> (B, T)."""
    return log_p.gather(-1, tokens[..., None]).squeeze(-1)


def pad_right(rows: list[list[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Response token lists -> (B, T) ids and (B, T) bool mask, aligned at the left."""
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), pad_id)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return ids, mask


def pooled_states(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the response tokens. (B, T, d), (B, T) bool -> (B, d)."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
