"""Best-of-n: train nothing, write n answers and keep the one with the highest score.

What every trained policy has to beat. It buys reward with computation at every answer, and it
drifts too: what it hands out is no longer the reference's distribution, by at most ``kl_bound``.

Knows nothing about people, prompts as text, or files. Simplification: one score decides; nothing is
said about how far it can be trusted.

Shapes: P prompts, n answers to each, S outcomes of a finite set, d hidden size.

Source: Stiennon et al. 2020 (arXiv 2009.01325); Beirami et al. 2024 (arXiv 2401.01879) for the
distribution and the bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rlhf_core.common.events import Progress, Record
from rlhf_core.lm.sampling import decode, pooled_states, response_forward, uniform_numbers
from rlhf_core.lm.transformer import Transformer


def pick(scores: Tensor) -> Tensor:
    """Which answer to each prompt is kept: the first of the best. (P, n) -> (P,)."""
    best = scores.max(1, keepdim=True).values
    return (scores == best).int().argmax(1)


def kl_bound(n: int) -> float:
    """log n - (n - 1) / n: KL(best-of-n || reference) in nats is never more.

    n = 4: 0.636; 16: 1.835; 64: 3.175. It is reached where all scores differ and no single answer
    is likely. Source: Beirami et al. 2024.
    """
    return math.log(n) - (n - 1) / n


def distribution(probabilities: Tensor, scores: Tensor, n: int) -> Tensor:
    """What best-of-n hands out, exactly, of finitely many answers. (S,), (S,) scores -> (S,).

    The best score is s where all n lie at or below s but not all lie below: F(s)^n - F(s-)^n.
    Answers of equal score share that by their probabilities.

    Source: Beirami et al. 2024.
    """
    levels, level = scores.unique(return_inverse=True)  # ascending
    mass = torch.zeros(len(levels), dtype=probabilities.dtype).index_add(0, level, probabilities)
    at_most = mass.cumsum(0) / mass.sum()
    below = torch.cat([torch.zeros(1, dtype=mass.dtype), at_most[:-1]])
    return ((at_most**n - below**n) / mass)[level] * probabilities


def expected_best(scores: Tensor, n: int, values: Tensor | None = None) -> Tensor:
    """Expected score of the best of n, from N >= n answers to each prompt. (P, N) -> (P,).

    It is the mean over every choice of n among them: the i-th smallest of N is the best of
    C(i - 1, n - 1) of the C(N, n) choices. One pool of answers so serves every n without bias. With
    ``values``, (P, N): not the kept answer's score but its value, what another judge thinks of it.

    Source: Hilton & Gao 2022, "Measuring Goodhart's law" (OpenAI), "the unbiased estimator".
    """
    pool = scores.shape[1]
    if not 1 <= n <= pool:
        raise ValueError(f"The best of {n} cannot be told from {pool} answers.")
    choices = [math.comb(i, n - 1) / math.comb(pool, n) for i in range(pool)]  # i lie below
    shares = torch.tensor(choices, dtype=scores.dtype)
    ordered, order = scores.sort(1)
    return (ordered if values is None else values.gather(1, order)) @ shares


@torch.no_grad()
def compare(
    *,
    reference: Transformer,
    prompts: list[list[int]],
    score_fn: Callable[[Tensor], Tensor],
    ns: list[int],
    max_new_tokens: int,
    temperature: float,
    seed: int,
    end_id: int,
    pad_id: int,
) -> Iterator[Progress | Record]:
    """Write ``max(ns)`` answers to each prompt once; say for every n what its best would earn.

    Args:
        score_fn: (B, d) mean response states of the reference -> (B,) reward in reference standard
            deviations.

    Yields:
        ``Progress`` after every token, then a record each n: n, reward_mean (``expected_best``,
        over the prompts), kl_bound (nats a response, an upper bound: no kl_to_reference, which
        can't be measured from samples), best ((P,) list: which of its first n answers each prompt
        keeps), responses (prompt after prompt, max(ns) rows each) and scores (P, max(ns)).
    """
    largest = max(ns)
    generator = torch.Generator().manual_seed(seed)
    written = decode(
        reference,
        prompts,
        uniforms=uniform_numbers(len(prompts) * largest, max_new_tokens, generator),
        end_id=end_id,
        pad_id=pad_id,
        samples=largest,
        temperature=temperature,
    )
    for done, responses in enumerate(written, 1):
        yield Progress("writing answers", done, max_new_tokens)
    _, states = response_forward(
        reference, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
    )
    scores = score_fn(pooled_states(states, responses.mask)).view(len(prompts), largest)
    for n in ns:
        yield {
            "n": n,
            "reward_mean": expected_best(scores, n).mean().item(),
            "kl_bound": kl_bound(n),
            "best": pick(scores[:, :n]).tolist(),
            "responses": responses,
            "scores": scores,
        }
