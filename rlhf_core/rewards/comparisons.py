"""Judged pairs with their features, cached: what every tool of the reward lab computes on.

Reading a text through the frozen reference takes milliseconds; refitting eight weights takes less
than one. So the features are read once (``read``), and flipping a vote, leaving a prompt out, a
bootstrap or a learning curve are all refits of the same small arrays (``solve``).

Knows nothing about pages and sessions. The head is ``reward_model``'s: same prior, same objective,
same optimum (tests/rewards/test_comparisons.py).

Shapes: N comparisons, R distinct judged outputs, d hidden size, k features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlhf_core.common.errors import InputError, RewardModelError
from rlhf_core.common.events import Reporting
from rlhf_core.judging.preferences import (
    EXPLOIT,
    Pair,
    nothing_to_learn,
    split_prompts,
    training_pairs,
)
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import encode_prompt, pooled_of_texts
from rlhf_core.rewards.reward_model import RewardModel, Whitener, newton_step, prior_stds

Row = tuple[str, str, bool]  # prompt, text, whether the model ended it itself


@dataclass(frozen=True)
class Comparisons:
    """What was judged, in numbers.

    Attributes:
        whitener: what made the features.
        pairs: the N comparisons that train, in the order they were judged.
        rows: the R distinct outputs; features: (R, k) of each, float64.
        a, b: (N,) index of the left and the right output.
        targets: (N,) 1 where a was preferred, 0 where b was, 0.5 for a tie; weights: (N,).
        notes: sentences about what was left out or cannot be known, for the page.
    """

    whitener: Whitener
    pairs: list[Pair]
    rows: list[Row]
    features: Tensor
    a: Tensor
    b: Tensor
    targets: Tensor
    weights: Tensor
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def x(self) -> Tensor:
        """(N, k) features of a minus features of b: a head's margin is ``x @ weights``."""
        return self.features[self.a] - self.features[self.b]

    @property
    def prompts(self) -> list[str]:
        """The prompt of each comparison."""
        return [pair.prompt for pair in self.pairs]

    @property
    def fair(self) -> Tensor:
        """(N,) bool: no rejected exploits, which were picked because the model errs there: learned
        from, no fair test.
        """
        return torch.tensor([pair.annotator != EXPLOIT for pair in self.pairs])

    @property
    def tested(self) -> Tensor:
        """(N,) bool: what a held-out share may count: fair, and no tie (no answer is right)."""
        return (self.targets != 0.5) & self.fair

    def folds(self, parts: int, seed: int) -> Tensor:
        """(N,) the part in which each comparison is held out; whole prompts."""
        part = split_prompts(self.prompts, parts, seed)
        return torch.tensor([part[prompt] for prompt in self.prompts])

    @property
    def groups(self) -> Tensor:
        """(N,) number of each comparison's prompt, from 0 in order of appearance."""
        number = {prompt: i for i, prompt in enumerate(dict.fromkeys(self.prompts))}
        return torch.tensor([number[prompt] for prompt in self.prompts])

    def changed(self, index: int, change: str) -> Comparisons:
        """A copy with one vote reversed ("flip") or taken out ("withhold").

        Raises RewardModelError for anything else, or no such vote.
        """
        if not 0 <= index < len(self):
            raise RewardModelError(
                f"There is no pair number {index}; this session has {len(self)}, counted from 0."
            )
        if change == "flip":
            targets = self.targets.clone()
            targets[index] = 1 - targets[index]
            return replace(self, targets=targets)
        if change == "withhold":
            weights = self.weights.clone()
            weights[index] = 0.0
            return replace(self, weights=weights)
        raise RewardModelError(f"A vote can be flipped or withheld, not {change!r}.")


def usable(pairs: list[Pair]) -> tuple[list[Pair], tuple[str, ...]]:
    """The pairs that train, and sentences about the others and about what so little can show.

    Raises RewardModelError where nothing can be learned.
    """
    reason = nothing_to_learn(pairs)
    if reason:
        raise RewardModelError(
            f"There is nothing to learn from: {reason}. Prefer one of two different outputs at"
            " least once."
        )
    notes = []
    same = sum(pair.a == pair.b and pair.choice in ("a", "b") for pair in pairs)
    if same:
        prefer = "judgement prefers" if same == 1 else "judgements prefer"
        notes.append(f"{same} {prefer} one of two identical texts, which says nothing: left out.")
    kept = training_pairs(pairs)
    if len(kept) == 1:
        notes.append(
            "One pair alone: the score repeats that one vote, and nothing is left to check it on."
        )
    elif len({pair.prompt for pair in kept}) == 1:
        notes.append(
            "All pairs are about one prompt, so there is no telling how the score does on others."
        )
    return kept, tuple(notes)


def rows_of(pairs: list[Pair], finished: dict[tuple[str, str], bool] | None = None) -> list[Row]:
    """The distinct outputs of ``pairs``, in order.

    ``finished``: whether (prompt, text) was ended by the model; an output that is not named was.
    """
    finished = finished or {}
    rows: dict[Row, None] = {}
    for pair in pairs:
        for text in (pair.a, pair.b):
            rows[pair.prompt, text, bool(finished.get((pair.prompt, text), True))] = None
    return list(rows)


def from_states(
    whitener: Whitener, pairs: list[Pair], rows: list[Row], states: Tensor
) -> Comparisons:
    """Comparisons from pooled reference states, (R, d), of ``rows_of(pairs)`` or more.

    Raises RewardModelError where nothing can be learned.
    """
    kept, notes = usable(pairs)
    place = {(prompt, text): i for i, (prompt, text, _) in enumerate(rows)}
    a = torch.tensor([place[pair.prompt, pair.a] for pair in kept])
    b = torch.tensor([place[pair.prompt, pair.b] for pair in kept])
    targets = torch.tensor([pair.target for pair in kept], dtype=torch.float64)
    weights = torch.tensor([pair.weight for pair in kept], dtype=torch.float64)
    data = Comparisons(
        whitener, kept, rows, whitener(states).double(), a, b, targets, weights, notes
    )
    if separable(data):
        note = (
            "The votes fit together without a single exception, so only the prior keeps the weights"
            " finite: take the certainty with a grain of salt."
        )
        return replace(data, notes=(*notes, note))
    return data


def read(
    lm: LanguageModel,
    pairs: list[Pair],
    whitener: Whitener,
    finished: dict[tuple[str, str], bool] | None = None,
) -> Reporting[Comparisons]:
    """``from_states``, read from the frozen model ``lm``; yields Progress, returns Comparisons."""
    rows = rows_of(usable(pairs)[0], finished)
    states = yield from pooled_of_texts(lm, rows)
    return from_states(whitener, pairs, rows, states)


def separable(data: Comparisons) -> bool:
    """Whether the likelihood alone has no finite optimum.

    Then every decided vote is got right, and the weights grow as the prior is taken away.
    Ties count: one between outputs that differ holds the weights back in that direction.
    """
    x, targets = data.x, data.targets
    decided = targets != 0.5
    if len(targets) > 50 * x.shape[1] or not decided.any():
        return False
    ones, prior = torch.ones_like(targets), torch.ones(x.shape[1], dtype=torch.float64)
    wide, _ = solve(x, targets, ones, 30.0 * prior)
    wider, _ = solve(x, targets, ones, 300.0 * prior)
    right = ((x @ wide) > 0) == (targets > 0.5)
    return bool(right[decided].all()) and (wider.norm() > 1.2 * wide.norm()).item()


# --- the optimum ----------------------------------------------------------------------------------


def objective(w: Tensor, x: Tensor, targets: Tensor, weights: Tensor, prior: Tensor) -> Tensor:
    """The MAP objective in nats: weighted Bradley-Terry loss plus the Gaussian prior.

    w (k,), prior (k,) standard deviations -> ().
    """
    margins = x @ w
    likelihood = (weights * (torch.nn.functional.softplus(margins) - targets * margins)).sum()
    return likelihood + (w**2 / prior**2).sum() / 2


def solve(
    x: Tensor, targets: Tensor, weights: Tensor, prior: Tensor, start: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The MAP head by Newton's method with halving, from ``start`` (a nearby optimum) or zero.

    (N, k), (N,), (N,), (k,) -> (k,), Hessian (k, k).

    Convex with a positive definite Hessian, so there is one optimum and it is finite, whatever the
    votes; the gradient ends below 1e-10 of its start.
    Source: Nocedal & Wright 2006, section 3.1 (backtracking), algorithm 3.2.
    """
    w = torch.zeros(x.shape[1], dtype=torch.float64) if start is None else start.double().clone()
    value = objective(w, x, targets, weights, prior)
    for _ in range(60):
        new, gradient, _ = newton_step(w, x, targets, weights, prior, 1.0)
        if gradient.abs().max() < 1e-10:
            break
        step, damping = new - w, 1.0
        new_value = objective(new, x, targets, weights, prior)
        while new_value > value and damping > 1e-6:
            damping /= 2
            new_value = objective(w + damping * step, x, targets, weights, prior)
        if new_value > value:  # no smaller within rounding: this is the optimum
            break
        w, value = w + damping * step, new_value
    return w, newton_step(w, x, targets, weights, prior, 0.0)[2]


def solve_many(
    x: Tensor, targets: Tensor, weights: Tensor, prior: Tensor, steps: int = 12
) -> Tensor:
    """Many heads at once, which differ in the weights of the comparisons, or in the targets too.

    (N, k), (N,) or (H, N), (H, N), (k,) -> (H, k).

    A weight of 0 leaves a comparison out: this is how folds, bootstraps and learning curves are
    refitted together. Two careful steps, then full ones.
    """
    w = torch.zeros(len(weights), x.shape[1], dtype=torch.float64)
    k, ridge = x.shape[1], torch.diag(1 / prior**2)
    squares = (x[:, :, None] * x[:, None, :]).flatten(1)  # (N, k * k)
    for step in range(steps):
        p = torch.sigmoid(w @ x.T)  # (H, N)
        gradient = (weights * (p - targets)) @ x + w / prior**2  # (H, k)
        hessian = ((weights * p * (1 - p)) @ squares).view(-1, k, k) + ridge  # (H, k, k)
        w = w - (0.5 if step < 2 else 1.0) * torch.linalg.solve(hessian, gradient)
    gradient = (weights * (torch.sigmoid(w @ x.T) - targets)) @ x + w / prior**2
    astray = ~(gradient.abs().amax(1) < 1e-6)  # (H,) full steps went too far: again, with care
    for head in torch.nonzero(astray).flatten().tolist():
        w[head] = solve(x, targets.expand_as(weights)[head], weights[head], prior)[0]
    return w


def fit_head(data: Comparisons, prior_std: float, start: Tensor | None = None) -> RewardModel:
    """The instant head: ``reward_model.fit``'s optimum without its records, not yet normalised."""
    prior = prior_stds(data.whitener, prior_std)
    w, hessian = solve(data.x, data.targets, data.weights, prior, start)
    return RewardModel(data.whitener, w.float(), torch.linalg.inv(hessian).float().contiguous())


def readable(lm: LanguageModel, pairs: list[Pair]) -> tuple[list[Pair], str]:
    """Those of ``pairs`` whose prompt this model can read, and a sentence about the others.

    An imported file may have longer prompts. The sentence is empty where there are none.
    """
    fits = {}
    for prompt in {pair.prompt for pair in pairs}:
        try:
            fits[prompt] = bool(encode_prompt(lm, prompt, 1))
        except InputError:
            fits[prompt] = False
    kept = [pair for pair in pairs if fits[pair.prompt]]
    left_out = len(pairs) - len(kept)
    if not left_out:
        return kept, ""
    why = "Left out, because the prompt is too long for this model"
    return kept, f"{why}: {left_out:,} of {len(pairs):,} pairs."
