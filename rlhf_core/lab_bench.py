"""What the labs share: a bench of their own to work on, and a place for what they find.

A lab never touches the session's comparisons, reward model or policy: it works in a ``Session`` that nobody else sees (``bench``), and only its results, plain
data, go into ``session.experiments``. Knows nothing about pages. Runs on the worker thread; imports torch.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from rlhf_core import steps
from rlhf_core.briefs import Brief
from rlhf_core.events import Progress
from rlhf_core.measuring import Answer
from rlhf_core.session import InputError, Session
from rlhf_core.settings import RewardModelSettings


def bench(session: Session, brief: Brief | None = None, seed: int | None = None) -> Session:
    """A session that only the lab sees: the same language model, nothing on disk, no judgements. Raises InputError: the brief has no rule to rate by."""
    brief = brief or session.brief
    if brief.wanted is None:
        raise InputError(
            f"The brief {brief.title!r} has no rule that could rate answers from outside. Pick one of the five briefs on the home page for this lab."
        )
    return Session(brief, model_name=session.model_name, seed=session.seed if seed is None else seed)


def teach(own: Session, comparisons: int, settings: RewardModelSettings) -> Iterator:
    """The scripted rater judges ``comparisons`` pairs, and the reward model learns everything that is judged. Passes Progress on."""
    for work in (steps.judge_for_me(own, comparisons, 2), steps.fit_reward_model(own, settings)):
        yield from (event for event in work if isinstance(event, Progress))


def keep(session: Session, lab: str, result: dict) -> None:
    """Put a lab's results, finished or not, where a reload finds them."""
    with session.lock:
        session.experiments = {**session.experiments, lab: result}


def mean_and_error(values: Sequence[float], prompts: Sequence[int]) -> tuple[float, float]:
    """Mean, and its standard error over prompts: answers to one prompt are not independent, so their mean counts as one observation."""
    groups: dict[int, list[float]] = {}
    for value, prompt in zip(values, prompts, strict=True):
        groups.setdefault(prompt, []).append(value)
    means = [statistics.fmean(group) for group in groups.values()]
    return statistics.fmean(values), statistics.stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0


def point(answers: list[Answer], zero: float, sigma: float) -> dict:
    """Means of measured answers with their standard errors over prompts (name + "_error"); gold in units of ``sigma`` from ``zero``. JSON-able."""
    prompts, row = [answer.prompt for answer in answers], {}
    values = {
        "gold": [(answer.gold - zero) / sigma for answer in answers], "proxy": [answer.proxy for answer in answers], "kl": [answer.kl for answer in answers],
        "fluency": [answer.fluency for answer in answers],
    }  # fmt: skip
    for name, numbers in values.items():
        row[name], row[f"{name}_error"] = mean_and_error(numbers, prompts)
    return row


def calibration(answers: list[Answer]) -> tuple[float, float]:
    """Zero and unit of the gold rating: mean and standard deviation of the original model's answers."""
    golds = [answer.gold for answer in answers]
    return statistics.fmean(golds), max(statistics.stdev(golds), 1e-3)
