"""Two trainable reward models behind one interface.

The instant head, and the fine-tuned language model.

    for item in train("head" | "fine-tuned", lm, pairs, reference=..., settings=...):
        Progress | a record | last: a scorer

Both yield records of the same shape ("iteration", "loss", "train_accuracy", "heldout_accuracy",
...) and end with a scorer of texts whose 0 and 1 are the mean and standard deviation over the same
reference samples. Knows nothing about sessions: ``loop.reward`` trains the session's head, with the
same engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor

from rlhf_core.common import errors
from rlhf_core.common.events import Progress, Record, Reporting
from rlhf_core.common.settings import FineTunedSettings, RewardModelSettings
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import pooled_of_texts
from rlhf_core.rewards import comparisons, fine_tuned
from rlhf_core.rewards import reward_model as rm
from rlhf_core.rewards.comparisons import Comparisons, Row

T = TypeVar("T")

KINDS = {
    "head": (
        "Instant: a few weights on the original model's own states. Milliseconds; it"
        " says how unsure it is (Laplace approximation), and it can be taken apart."
    ),
    "fine-tuned": (
        "Slower: the model's top layers learn the taste. More can be learned, from more"
        " pairs; it cannot say how unsure it is."
    ),
}


@dataclass
class Reference:
    """Unlabelled outputs of the original model.

    They set the features, and the zero and unit of every score.

    Attributes:
        rows: (prompt, text, ended) of M samples; states: (M, d) their pooled states.
    """

    rows: list[Row]
    states: Tensor

    def whitener(self, features: int) -> rm.Whitener:
        """Raises RewardModelError: too few samples, or too alike."""
        number = {
            prompt: i
            for i, prompt in enumerate(dict.fromkeys(prompt for prompt, _, _ in self.rows))
        }
        groups = torch.tensor([number[prompt] for prompt, _, _ in self.rows])
        return rm.fit_whitener(self.states, groups, min(features, self.states.shape[1]))


@dataclass
class HeadScorer:
    """The head as a scorer of texts; ``data`` is what it learned from, for the lab's tools."""

    lm: LanguageModel
    model: rm.RewardModel
    data: Comparisons | None = None

    def pooled(self, rows: list[Row]) -> Tensor:
        """(B, d) mean reference states."""
        return _returned(pooled_of_texts(self.lm, rows))

    def score(self, rows: list[Row]) -> Tensor:
        """(B,) reward of (prompt, text, ended) rows, in reference standard deviations."""
        return self.model.score(self.pooled(rows))

    def uncertainty(self, rows: list[Row]) -> Tensor:
        """(B,) Laplace standard deviation of the score."""
        return self.model.uncertainty(self.pooled(rows))


Scorer = HeadScorer | fine_tuned.FineTunedReward


def _returned(work: Reporting[T]) -> T:
    """What a generator returns, its yields thrown away."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: T = end.value
            return made


def train(
    kind: str,
    lm: LanguageModel,
    pairs: list[Pair],
    *,
    reference: Reference,
    settings: RewardModelSettings | FineTunedSettings,
    finished: dict[tuple[str, str], bool] | None = None,
    watch: list[Row] | None = None,
) -> Iterator[Progress | Record | Scorer]:
    """Train either kind; see the module's docstring.

    ``settings``: RewardModelSettings for the head, FineTunedSettings for the other.

    ``watch``: outputs to re-sort while it learns; each record then has "watched", their scores so
    far (raw log-odds about their own mean: the order counts).

    Raises:
        RewardModelError: an unknown kind, or nothing to learn from; SettingsError.
    """
    if kind not in KINDS:
        raise errors.RewardModelError(
            f"There is no reward model of the kind {kind!r}; choose one of {', '.join(KINDS)}."
        )
    settings.validate()
    if kind == "head":
        head = cast(RewardModelSettings, settings)
        yield from _train_head(lm, pairs, reference, head, finished, watch)
    else:
        tuned = cast(FineTunedSettings, settings)
        yield from fine_tuned.fit(lm, pairs, reference.rows, tuned, finished, watch)


def _train_head(
    lm: LanguageModel,
    pairs: list[Pair],
    reference: Reference,
    settings: RewardModelSettings,
    finished: dict[tuple[str, str], bool] | None,
    watch: list[Row] | None,
) -> Iterator[Progress | Record | HeadScorer]:
    whitener = reference.whitener(settings.features)
    rows = comparisons.rows_of(comparisons.usable(pairs)[0], finished)
    states = yield from pooled_of_texts(lm, rows)
    data = comparisons.from_states(whitener, pairs, rows, states)
    watched = whitener((yield from pooled_of_texts(lm, watch))) if watch else None
    for item in rm.fit(
        whitener,
        states[data.a],
        states[data.b],
        data.targets,
        data.weights,
        data.folds(settings.folds, settings.seed),
        data.groups,
        settings,
        data.tested,
    ):
        if isinstance(item, dict):
            if watched is not None:
                raw = watched @ torch.tensor(item["weights"])
                item = {**item, "watched": fine_tuned.about_mean(raw)}
            yield item
        else:
            yield HeadScorer(lm, item.normalised_on(reference.states), data)
