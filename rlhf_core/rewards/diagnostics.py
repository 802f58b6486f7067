"""How far a reward model can be trusted.

Calibration, held-out prompts, how much the votes really say, what ten numbers hide.

All of it on cached features and for either kind of reward model: what a check needs is the margins
(score of a minus score of b, in log-odds). Knows nothing about how a page draws. Every function
returns plain data, with a sentence ready to show where a number alone would mislead.

Shapes: N comparisons, k features.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rlhf_core.common.events import Record
from rlhf_core.common.intervals import clustered, wilson_interval
from rlhf_core.evaluation.before_after import win_rate
from rlhf_core.rewards.comparisons import Comparisons, solve_many
from rlhf_core.rewards.reward_model import correct, prior_stds

MOST_FITS = 40  # more prompts than this are left out in groups


def margin_histogram(margins: Tensor, targets: Tensor, bins: int = 12) -> list[Record]:
    """How clearly the decided votes are got right: the margin in the direction of the vote.

    Left of 0: the model would have voted otherwise.

    Args:
        margins: (N,) log-odds that a is better; targets: (N,) 1, 0 or 0.5 (ties are left out).

    Returns:
        Rows {"low", "high" (log-odds), "count"}, equally wide, with an edge at 0, symmetric about
        it.
    """
    decided = targets != 0.5
    signed = torch.where(targets[decided] > 0.5, margins[decided], -margins[decided]).double()
    widest = max(1e-6, signed.abs().max().item()) if len(signed) else 1.0
    half = max(1, bins // 2)
    width = widest / half
    place = (signed / width).floor().long().clamp(-half, half - 1)
    return [
        {"low": i * width, "high": (i + 1) * width, "count": int((place == i).sum())}
        for i in range(-half, half)
    ]


def calibration_curve(
    margins: Tensor, targets: Tensor, bins: int = 5, groups: Tensor | None = None
) -> Record:
    """Does 80% mean 80%?

    Votes binned by the probability the model gives its own favourite, 50% to 100%.

    Args:
        margins: (N,) log-odds that a is better, of votes the model did *not* learn from
            (``leave_one_prompt_out``); targets: (N,), ties are left out.
        groups: (N,) prompt of each vote, over which the interval in the sentence is; None: each
            has its own. A bin's own interval takes its few votes as independent.

    Returns:
        {"bins": rows {"low", "high", "confidence" (mean), "accuracy", "accuracy_low",
        "accuracy_high" (95%), "count"}, empty bins left out, "error": expected calibration error
        from 0 to 0.5 or None without votes, "chance" (``error_by_chance``), "count", "sentence"}.

    Source: Guo et al. 2017 (arXiv 1706.04599), section 2, equation 3.
    """
    decided = targets != 0.5
    confidence = torch.sigmoid(margins[decided].double().abs())
    hits = correct(margins, targets).double()
    place = ((confidence - 0.5) / 0.5 * bins).floor().long().clamp(0, bins - 1)
    rows, error = [], 0.0
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        if not count:
            continue
        low, high = wilson_interval(hits[inside].sum().item(), count)
        row = {
            "low": 0.5 + 0.5 * number / bins,
            "high": 0.5 + 0.5 * (number + 1) / bins,
            "confidence": confidence[inside].mean().item(),
            "accuracy": hits[inside].mean().item(),
            "accuracy_low": low,
            "accuracy_high": high,
            "count": count,
        }
        rows.append(row)
        error += count / len(hits) * abs(row["confidence"] - row["accuracy"])
    if not rows:
        return {
            "bins": [],
            "error": None,
            "count": 0,
            "sentence": (
                "No vote could be held out, so there is no telling whether its confidence is"
                " earned."
            ),
        }
    said, true = confidence.mean().item(), hits.mean().item()
    prompts = range(len(hits)) if groups is None else groups[decided].tolist()
    low, high = clustered(hits.tolist(), prompts)
    verdict = (
        "surer than it should be"
        if said > high
        else (
            "less sure than it could be"
            if said < low
            else "about as sure as it should be, as far as so many votes can tell"
        )
    )
    sentence = (
        f"On votes it had not seen it is right {true:.0%} of the time ({len(hits)} votes, 95%"
        f" interval {low:.0%} to {high:.0%}) and claims {said:.0%}: {verdict}."
    )
    return {
        "bins": rows,
        "error": error,
        "chance": error_by_chance(confidence, place),
        "count": len(hits),
        "sentence": sentence,
    }


def error_by_chance(confidence: Tensor, place: Tensor, draws: int = 400) -> tuple[float, float]:
    """The calibration error that a *perfectly* calibrated model would show with these confidences.

    Mean and 95th percentile over seeded draws of the votes.

    With few votes in a bin its accuracy is ragged by luck alone, so the error is well above 0 for
    everybody. confidence, place (bin): (N,).
    Source: "consistency resampling", Bröcker & Smith 2007 (Weather and Forecasting 22:651).
    """
    count, generator = len(confidence), torch.Generator().manual_seed(0)
    chance = torch.rand(draws, count, generator=generator, dtype=torch.float64)
    hits = (chance < confidence).double()  # (draws, N)
    inside = torch.nn.functional.one_hot(place).double()  # (N, bins)
    # The sum over bins of count/N * |accuracy - confidence|.
    errors = ((hits - confidence) @ inside).abs().sum(1) / count
    return errors.mean().item(), errors.quantile(0.95).item()


def prompt_parts(groups: Tensor, most: int = MOST_FITS) -> Tensor:
    """(N,) prompt numbers -> (N,) part numbers.

    One part a prompt, or ``most`` parts of whole prompts where there are more prompts.
    """
    return groups % most


def leave_one_prompt_out(data: Comparisons, prior_std: float) -> Record:
    """Every vote judged by a head that never saw its prompt.

    All heads are refitted together, in milliseconds.

    Returns:
        {"margins": (N,) tensor of log-odds or None, "accuracy", "low", "high" (95%, over prompts:
        ``before_after.win_rate``) | None, "count" (decided votes), "prompts": rows {"prompt",
        "right", "count"}, "sentence"}. None where all votes are about one prompt.
    """
    parts = prompt_parts(data.groups)
    names = parts.unique()
    if len(names) < 2:
        return {
            "margins": None,
            "accuracy": None,
            "low": None,
            "high": None,
            "count": 0,
            "prompts": [],
            "sentence": (
                "All pairs are about one prompt, so nothing can be left out to test on. Rank"
                " outputs of another prompt."
            ),
        }
    weights = torch.stack([data.weights * (parts != name) for name in names.tolist()])
    prior = prior_stds(data.whitener, prior_std)
    heads = solve_many(data.x, data.targets, weights, prior)  # (parts, k)
    margins = (data.x * heads[torch.searchsorted(names, parts)]).sum(1)
    decided = data.tested
    hits = ((margins > 0) == (data.targets > 0.5)) & decided
    rows: dict[str, Record] = {}
    for prompt, hit, counts in zip(data.prompts, hits.tolist(), decided.tolist()):
        row = rows.setdefault(prompt, {"prompt": prompt, "right": 0, "count": 0})
        row["right"], row["count"] = row["right"] + hit, row["count"] + counts
    right, count = int(hits.sum()), int(decided.sum())
    _, (low, high) = win_rate(
        hits[decided].double().tolist(),
        [prompt for prompt, counts in zip(data.prompts, decided.tolist()) if counts],
    )
    if not count:
        return {
            "margins": margins,
            "accuracy": None,
            "low": None,
            "high": None,
            "count": 0,
            "prompts": [],
            "sentence": (
                "There are only ties and rejected exploits to test on, so there is no telling. Rank"
                " some outputs."
            ),
        }
    return {
        "margins": margins,
        "accuracy": right / count,
        "low": low,
        "high": high,
        "count": count,
        "prompts": list(rows.values()),
        "sentence": (
            f"Of {count} votes about prompts it had not seen, it gets {right} right:"
            f" {right / count:.0%} (95% interval {low:.0%} to {high:.0%})."
        ),
    }


class Confidence(NamedTuple):
    """From a margin to the probability that one output is preferred.

    Attributes:
        slope: log-odds of the preference are ``slope`` times the margin.
        noise: probability that a vote is a slip, recorded the wrong way round.
    """

    slope: float = 1.0
    noise: float = 0.0

    def preference(self, margins: Tensor) -> Tensor:
        """Probability that a is what the rater prefers. (N,) -> (N,)."""
        return torch.sigmoid(self.slope * margins.double())

    def vote(self, margins: Tensor) -> Tensor:
        """Probability that the rater's vote says a: slips included. (N,) -> (N,)."""
        return self.noise + (1 - 2 * self.noise) * self.preference(margins)


def confidence(margins: Tensor, targets: Tensor, weights: Tensor) -> Confidence:
    """How held-out margins must be stretched for the claimed probabilities to be true.

    And how many slips there are. (N,) each.

    Maximum of likelihood times a log-normal prior on the slope (around 1, standard deviation of its
    logarithm 1) and a Beta(2, 10) prior on the noise, over a grid (noise to 20%): few votes leave
    them near 1 and 10%. Without the noise, one slip on an easy pair makes every confidence too
    small.
    Sources: Platt 1999; "temperature scaling", Guo et al. 2017 (arXiv 1706.04599), section 4.2; a
    constant rate of slips: Christiano et al. 2017 (arXiv 1706.03741), section 2.2.3.
    """
    grid = torch.linspace(math.log(0.1), math.log(30), 200, dtype=torch.float64)
    p = torch.sigmoid(grid.exp()[:, None] * margins.double())  # (slopes, N)
    best, found = math.inf, Confidence()
    for percent in range(1, 21):
        noise = percent / 100
        vote = noise + (1 - 2 * noise) * p
        loss = (
            -(weights * (targets * vote.log() + (1 - targets) * (1 - vote).log())).sum(1)
            + grid**2 / 2
            - math.log(noise)
            - 9 * math.log(1 - noise)
        )
        place = int(loss.argmin())
        if loss[place] < best:
            best, found = loss[place].item(), Confidence(grid[place].exp().item(), noise)
    return found


def effective_comparisons(data: Comparisons, weights: Tensor, prior_std: float) -> Record:
    """How many independent, undecided comparisons would tell as much as these do.

    Ten votes about the same two texts, or all about one direction, tell less than ten different
    ones; a vote that the model foresaw tells little. The
    yardstick is the volume of what is left uncertain: the n with  log det(prior + n I/2) = log
    det(Hessian),  because a comparison of two whitened, independent outputs at even odds adds I/2
    to the Hessian on average (covariance 2I of the difference, times p(1-p) = 1/4).

    Args:
        weights: (k,) the head's weights.

    Returns:
        {"comparisons", "effective", "directions": well-determined parameters, 0 to k (MacKay 1992,
        "Bayesian interpolation", equation 4.9), "sentence"}.
    """
    w, x, prior = weights.double(), data.x, prior_stds(data.whitener, prior_std)
    p = torch.sigmoid(x @ w)
    ridge = torch.diag(1 / prior**2)
    hessian = (x * (data.weights * p * (1 - p))[:, None]).T @ x + ridge
    wanted = torch.logdet(hessian).item()
    low, high = 0.0, 1.0
    while (torch.log(1 / prior**2 + high / 2).sum().item()) < wanted:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if torch.log(1 / prior**2 + middle / 2).sum().item() < wanted
            else (low, middle)
        )
    # To fresh, open comparisons these may look like a few more than they are: more cannot be told.
    as_much = "as" if round(high) >= len(data) else f"as {high:.0f}"
    known = (len(w) - (torch.linalg.inv(hessian).diagonal() / prior**2).sum()).item()
    return {
        "comparisons": len(data),
        "effective": high,
        "directions": known,
        "sentence": (
            f"{len(data)} pairs tell as much {as_much} independent ones would, and pin down"
            f" about {known:.1f} of {len(w)} features."
        ),
    }


def diagnose(data: Comparisons, weights: Tensor, prior_std: float) -> Record:
    """Everything above for one fitted head. ``weights``: (k,).

    Returns:
        {"histogram", "held_out" (without "margins"), "calibration", "slope", "noise", "effective",
        "notes"}. Calibration is that of the held-out votes: does a vote that is claimed with 80%
        fall that way in 80%? (``confidence`` was fitted on the same votes: two numbers, so it
        flatters little.)
    """
    held = leave_one_prompt_out(data, prior_std)
    margins = held.pop("margins")
    if margins is None:
        sure, curve = Confidence(), calibration_curve(torch.zeros(0), torch.zeros(0))
    else:
        sure = confidence(margins, data.targets, data.weights)
        curve = calibration_curve(
            torch.logit(sure.vote(margins))[data.tested],
            data.targets[data.tested],
            groups=data.groups[data.tested],
        )
    return {
        "histogram": margin_histogram(data.x @ weights.double(), data.targets),
        "held_out": held,
        "calibration": curve,
        "slope": sure.slope,
        "noise": sure.noise,
        "effective": effective_comparisons(data, weights, prior_std),
        "notes": list(data.notes),
    }
