"""A batch of answers, read and measured: what an update of PPO, RLOO or GRPO learns from.

Shapes: B responses, T response positions, V vocabulary, d hidden size, P widest prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from rlhf_core.lm.sampling import Responses

Numbers = dict[str, float | None]  # what an update says of itself; None: nothing to say it of


@dataclass
class Batch:
    """One rollout with everything its update needs. (B, T) unless noted."""

    responses: Responses
    shared: Tensor  # (B, P + T, d) what the frozen bottom layers give (without any: embeddings)
    scores: Tensor  # (B,) reward model, reference standard deviations
    ended: Tensor  # (B,) bool
    ref_logprobs: Tensor
    values: Tensor
    kl: Tensor  # exact, nats
    temperature: float  # at which all log-probabilities here were taken
    doubt: Tensor | None = None  # (B,) standard deviation of each score, where it is known
    # For a closer look only; no number above depends on them. The last three are known once the
    # update has come to them.
    entropy: Tensor | None = None  # nats
    ref_full_logprobs: Tensor | None = None  # (at most LOOK, T, V) of the first rows
    rewards: Tensor | None = None  # what each token paid and earned
    advantages: Tensor | None = None  # whitened
    last_logprobs: Tensor | None = None  # of the tokens, in the last pass over the batch
