"""How much data does this taste need?

A learning curve from the learner's own votes, and an honest forecast.

Prompts are split in two, again and again: heads learn from 5, 10, 20, ... votes about one part and
are tested on the other. Nothing is fitted to synthetic data and no outside benchmark comes in.

Knows nothing about pages. Simplification: the forecast assumes that further votes are like the past
ones, and error that falls with the root of their number.

Shapes: N comparisons, T training votes, H heads, k features.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from rlhf_core.common.events import Record
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.rewards.comparisons import Comparisons, solve_many
from rlhf_core.rewards.reward_model import prior_stds

REPEATS, HELD_OUT, MORE = 40, 1 / 3, 20
FEWEST = 9  # comparisons, below which a curve of two sizes has nothing to say
MOST_TESTED = (
    1000  # comparisons that a curve of an imported file is drawn from: more would take seconds
)


def sizes_up_to(count: int) -> list[int]:
    """3, 5, 10, 20, 40, ... up to ``count``, and ``count`` itself where well beyond the last."""
    sizes = [size for size in (3, 5, 10, 20, 40, 80, 160, 320, 640) if size <= count]
    return sizes if not sizes or count <= 1.2 * sizes[-1] else [*sizes, count]


def shares_by_size(
    data: Comparisons, sizes: list[int], prior_std: float, repeats: int, seed: int
) -> Tensor:
    """Accuracy on prompts that a head did not see.

    -> (repeats, sizes); NaN where the repeat has too few votes, or nothing to test on.

    Every repeat holds out its own third of the prompts. The training votes of one repeat are
    nested: the 10 hold the 5.
    """
    generator = torch.Generator().manual_seed(seed)
    groups, decided, n = data.groups, data.tested, len(data)
    prompts = int(groups.max()) + 1
    masks = torch.zeros(repeats, len(sizes), n, dtype=torch.float64)
    tests = torch.zeros(repeats, n, dtype=torch.bool)
    for repeat in range(repeats):
        held = torch.zeros(prompts, dtype=torch.bool)
        third = max(1, round(HELD_OUT * prompts))
        held[torch.randperm(prompts, generator=generator)[:third]] = True
        order = torch.nonzero(~held[groups]).flatten()
        order = order[torch.randperm(len(order), generator=generator)]
        tests[repeat] = held[groups] & decided
        for column, size in enumerate(sizes):
            if size <= len(order):
                masks[repeat, column, order[:size]] = 1.0
    weights, prior = data.weights * masks.flatten(0, 1), prior_stds(data.whitener, prior_std)
    heads = solve_many(data.x, data.targets, weights, prior)  # (H, k)
    hits = (((heads @ data.x.T) > 0) == (data.targets > 0.5)).view(masks.shape)
    # NaN where there is nothing to test on.
    shares = (hits & tests[:, None]).sum(-1).double() / tests.sum(-1)[:, None]
    return torch.where(masks.sum(-1) > 0, shares, torch.nan)


def mean_and_error(values: Tensor) -> tuple[float, float]:
    """Mean over repeats and its standard error, allowing for repeats that share their data.

    The variance is taken times (1/J + test/train).

    Source: Nadeau & Bengio 2003, "Inference for the generalization error", section 3.
    """
    if len(values) < 2:
        return values.mean().item(), float("nan")
    return (
        values.mean().item(),
        (values.var() * (1 / len(values) + HELD_OUT / (1 - HELD_OUT))).sqrt().item(),
    )


def span(mean: float, error: float, tested: int) -> list[float]:
    """95% interval of a share.

    The repeats' own, and no narrower than Wilson's of the ``tested`` votes. Where every repeat came
    out alike, the repeats know no doubt.
    """
    low, high = wilson_interval(mean * tested, tested)
    return (
        [max(0.0, min(low, mean - 1.96 * error)), min(1.0, max(high, mean + 1.96 * error))]
        if math.isfinite(error)
        else [low, high]
    )


def learning_curve(
    data: Comparisons, prior_std: float, more: int = MORE, repeats: int = REPEATS, seed: int = 0
) -> Record:
    """The curve and the forecast.

    Returns:
        {"points": rows {"comparisons", "accuracy", "low", "high" (95%), "repeats"}, "forecast":
        {"now", "then", "now_interval", "then_interval" (95%), "gain", "gain_low", "gain_high",
        "comparisons" (how many there would be)} | None, "sentence"}. No points where nothing can be
        held out.

    The forecast fits accuracy = a - b / sqrt(T) to the sizes of each repeat (the rate of a
    parametric estimator; van der Vaart 1998, chapter 5) and reads the gain off between N and N +
    ``more``; its interval is that of ``mean_and_error`` over repeats. It is cut at what is left to
    gain.
    """
    n, tested = len(data), int(data.tested.sum())
    if len(data) > MOST_TESTED:
        data = _some(data, MOST_TESTED, seed)
        scope = f"Drawn from {MOST_TESTED:,} of the pairs. "
    else:
        scope = ""
    # A little less than what is left beside the third: prompts have their votes unevenly.
    sizes = sizes_up_to(math.floor(0.6 * len(data)))
    if len(data) < FEWEST or len(data.groups.unique()) < 3:
        need = (
            f"at least {FEWEST} pairs about 3 prompts; there are {len(data)} about"
            f" {len(data.groups.unique())}"
        )
        return {"points": [], "forecast": None, "sentence": f"A learning curve needs {need}."}
    shares = shares_by_size(data, sizes, prior_std, repeats, seed)
    points = []
    for column, size in enumerate(sizes):
        values = shares[:, column][~shares[:, column].isnan()]
        if len(values) >= repeats / 4:
            mean, error = mean_and_error(values)
            low, high = span(mean, error, tested)
            points.append(
                {
                    "comparisons": size,
                    "accuracy": mean,
                    "low": low,
                    "high": high,
                    "repeats": len(values),
                }
            )
    slopes, levels = [], []
    for row in shares:
        known = ~row.isnan()
        if known.sum() >= 2:
            inverse = 1 / torch.tensor(sizes, dtype=torch.float64)[known].sqrt()
            b = (
                -((inverse - inverse.mean()) * (row[known] - row[known].mean())).sum()
                / ((inverse - inverse.mean()) ** 2).sum()
            )
            slopes.append(b)
            levels.append(row[known].mean() + b * inverse.mean())
    then = n + more
    if len(slopes) < repeats / 4 or not points:
        return {
            "points": points,
            "forecast": None,
            "sentence": "The votes are spread too unevenly over the prompts for a forecast.",
        }
    slope, error = mean_and_error(torch.stack(slopes))
    level = torch.stack(levels).mean().item()
    step = 1 / math.sqrt(n) - 1 / math.sqrt(then)
    now = min(1.0, max(0.0, level - slope / math.sqrt(n)))
    low, middle, high = (
        min(1 - now, max(0.0, value * step))
        for value in (slope - 1.96 * error, slope, slope + 1.96 * error)
    )
    # What the curve says of a size, read off each repeat. It varies far more than the gain, in
    # which what two such readings share has gone.
    roots = torch.tensor([n, then], dtype=torch.float64).sqrt()
    readings = torch.stack(levels)[:, None] - torch.stack(slopes)[:, None] / roots  # (repeats, 2)
    errors = [mean_and_error(column)[1] for column in readings.T]
    spans = {
        name: span(value, e, tested)
        for name, value, e in zip(("now", "then"), (now, now + middle), errors)
    }
    forecast = {
        "now": now,
        "then": now + middle,
        "now_interval": spans["now"],
        "then_interval": spans["then"],
        "gain": middle,
        "gain_low": low,
        "gain_high": high,
        "comparisons": then,
    }
    if high < 0.005:
        told = f"{more} more like these would bring next to nothing that this curve could show."
    elif low < 0.005:
        told = (
            f"{more} more may bring nothing, or up to {100 * high:.0f} points: the votes so far"
            " can't tell."
        )
    else:
        told = (
            f"{more} more should bring about {100 * middle:.0f} points (from {100 * low:.0f} to"
            f" {100 * high:.0f})."
        )
    return {
        "points": points,
        "forecast": forecast,
        "sentence": (
            f"{scope}With these {n} pairs it is right about {now:.0%} of the time on unseen"
            f" prompts (95% interval {spans['now'][0]:.0%} to {spans['now'][1]:.0%}, read off the"
            f" curve). {told}"
        ),
    }


def _some(data: Comparisons, count: int, seed: int) -> Comparisons:
    """A seeded draw of ``count`` comparisons."""
    keep = (
        torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:count]
        .sort()
        .values
    )
    return replace(
        data,
        pairs=[data.pairs[i] for i in keep.tolist()],
        a=data.a[keep],
        b=data.b[keep],
        targets=data.targets[keep],
        weights=data.weights[keep],
    )
