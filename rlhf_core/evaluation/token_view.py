"""One sample of a PPO step under the glass.

What each of its tokens cost, earned and was worth, and what else could have stood there.

A ``Trace`` keeps the first answers of a batch as small arrays, so that a page can open one at once,
whatever the worker is doing; nothing is computed anew. What the update says of a token (reward,
advantage, ratio, clipped) is known one step later than the rest. Knows nothing about pages; needs
no torch to be read.

Shapes: n answers, T positions, K alternatives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

K, KEPT = 5, 40  # alternatives of a token; steps that a session keeps traces of


@dataclass(frozen=True)
class Trace:
    """The first answers of one step's batch.

    Attributes:
        prompts: (n) token lists as text. tokens: (n, T) ids. lengths: (n) real tokens. scores: (n).
        policy, reference: (n, T) log-probability of each token. kl: (n, T) exact, nats.
        rivals, rival_p: (2, n, T, K) the likeliest tokens under the reference (0) and the policy
        (1), and their probabilities.
        pieces: token id -> its text.
        update: {"rewards", "advantages", "ratio", "clipped": (n, T) each, "clip", "beta"}, or None:
        the next step has not happened.
        step: of the run.
    """

    prompts: list[str]
    tokens: np.ndarray
    lengths: np.ndarray
    scores: np.ndarray
    policy: np.ndarray
    reference: np.ndarray
    kl: np.ndarray
    rivals: np.ndarray
    rival_p: np.ndarray
    pieces: dict[int, str]
    update: dict | None = None
    step: int = 0


def of_batch(batch, lm) -> Trace:
    """The first answers of a ``ppo.Batch`` whose whole distributions are still there."""
    r, n = batch.responses, len(batch.ref_full_logprobs)
    rivals, rival_p = [], []
    for log_p in (batch.ref_full_logprobs, r.full_logprobs[:n]):  # (n, T, V)
        best = log_p.topk(min(K, log_p.shape[-1]), dim=-1)
        rivals.append(best.indices.numpy().astype(np.int32))
        rival_p.append(best.values.exp().numpy().astype(np.float16))
    tokens = r.tokens[:n].numpy().astype(np.int32)
    used = {int(i) for ids in (tokens, *rivals) for i in np.unique(ids)}
    prompts = [
        lm.prompt_text(ids[keep].tolist())
        for ids, keep in zip(r.prompt_ids[:n], r.prompt_mask[:n], strict=True)
    ]
    return Trace(
        prompts,
        tokens,
        r.lengths[:n].numpy(),
        batch.scores[:n].numpy(),
        r.logprobs[:n].numpy(),
        batch.ref_logprobs[:n].numpy(),
        batch.kl[:n].numpy(),
        np.stack(rivals),
        np.stack(rival_p),
        {i: lm.piece(i) for i in used},
    )


def updated(trace: Trace, batch, clip: float, beta: float) -> Trace:
    """``trace`` with what the update on ``batch`` did with its tokens.

    A token counts as clipped where the limit took its gradient away.
    """
    n = len(trace.tokens)
    ratio = np.exp(batch.last_logprobs[:n].numpy() - trace.policy)
    advantages = batch.advantages[:n].numpy()
    clipped = ((advantages > 0) & (ratio > 1 + clip)) | ((advantages < 0) & (ratio < 1 - clip))
    return replace(
        trace,
        update={
            "rewards": batch.rewards[:n].numpy().copy(),
            "advantages": advantages.copy(),
            "ratio": ratio,
            "clipped": clipped,
            "clip": clip,
            "beta": beta,
        },
    )


def with_trace(traces: dict[int, Trace], step: int, trace: Trace) -> dict[int, Trace]:
    """A new dictionary with one more trace; the oldest leave."""
    trace = replace(trace, step=step)
    return dict(sorted({**traces, step: trace}.items())[-KEPT:])


def answers(trace: Trace) -> list[dict]:
    """The answers that can be opened: prompt, text, reward."""
    rows = []
    for i, prompt in enumerate(trace.prompts):
        pieces = [trace.pieces[int(token)] for token in trace.tokens[i, : trace.lengths[i]]]
        rows.append(
            {
                "prompt": prompt,
                "text": "".join(piece for piece in pieces if not piece.startswith("⏹")),
                "reward": float(trace.scores[i]),
            }
        )
    return rows


def tokens(trace: Trace, number: int) -> list[dict]:
    """Answer ``number`` token by token, as plain values.

    Returns:
        token, policy and reference (probabilities), kl (exact, nats), before and after ([[token,
        probability], ...] of the original and of this step's model, likeliest first); and, once the
        next step has been made, reward (paid for drift, and the score on the last one), advantage,
        ratio, clipped; else None.
    """
    rows = []
    for t in range(int(trace.lengths[number])):
        at = (number, t)
        sides = [
            [
                [trace.pieces[int(i)], float(p)]
                for i, p in zip(trace.rivals[side][at], trace.rival_p[side][at], strict=True)
            ]
            for side in (0, 1)
        ]
        row = {
            "token": trace.pieces[int(trace.tokens[at])],
            "policy": math.exp(trace.policy[at]),
            "reference": math.exp(trace.reference[at]),
            "kl": float(trace.kl[at]),
            "before": sides[0],
            "after": sides[1],
            "reward": None,
            "advantage": None,
            "ratio": None,
            "clipped": None,
        }
        if (update := trace.update) is not None:
            row |= {
                name: float(update[key][at])
                for name, key in (
                    ("reward", "rewards"),
                    ("advantage", "advantages"),
                    ("ratio", "ratio"),
                )
            }
            row["clipped"] = bool(update["clipped"][at])
        rows.append(row)
    return rows
