"""One number about a labeller, with its interval and one sentence of advice.

"Too few to tell" is said where the interval allows opposite advice. Intervals: ``intervals``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rlhf_core.common.intervals import difference_interval, wilson_interval

LEAST = 5  # judgements in a group, below which nothing is told, however alike they are
CLOSE = 0.15  # a bias known to be smaller than this is called small
TOO_FEW = "Too few to tell"


@dataclass(frozen=True)
class Measure:
    """One number of the mirror.

    Attributes:
        key, title: its name, for code and for people.
        value, low, high: the number and its 95% interval, in ``unit``; None where there is nothing
        to compute it from.
        count: how many judgements it rests on.
        unit: "share" (0 to 1), "difference of shares" (-1 to 1), or "ratio".
        enough: False where the words are "too few to tell".
        words: one sentence of advice.
    """

    key: str
    title: str
    value: float | None
    low: float | None
    high: float | None
    count: int
    unit: str
    enough: bool
    words: str

    def to_dict(self) -> dict:
        return asdict(self)


def share(
    key: str, title: str, hits: int, count: int, words: dict[str, str], good: float
) -> Measure:
    """A share that ought to be high.

    "high" where the interval lies above ``good`` less a margin, "low" where it lies below ``good``.
    """
    low, high = wilson_interval(hits, count)
    if count < LEAST:
        said = "few"
    elif high < good:
        said = "low"
    elif low > good - CLOSE:
        said = "high"
    else:
        said = "few" if high - low > 0.5 else "middle"
    value = hits / count if count else None
    return told(key, title, value, (low, high), count, "share", said, words)


def bias(key: str, title: str, hits: int, count: int, words: dict[str, str]) -> Measure:
    """A share that ought to be a half."""
    low, high = wilson_interval(hits, count)
    said = "few" if count < 2 * LEAST else beside(0.5, low, high, CLOSE)
    few = (
        f"{TOO_FEW}: with {counted(count, 'preference')} the share lies anywhere between {low:.0%}"
        f" and {high:.0%}."
    )
    value = hits / count if count else None
    return told(key, title, value, (low, high), count, "share", said, {**words, "few": few})


def difference(
    key: str, title: str, one: list[bool], other: list[bool], words: dict[str, str]
) -> Measure:
    """A difference of two shares that ought to be 0."""
    count = len(one) + len(other)
    low, high = difference_interval(sum(one), len(one), sum(other), len(other))
    said = "few" if min(len(one), len(other)) < LEAST else beside(0, low, high, 2 * CLOSE)
    few = f"{TOO_FEW}: it rests on {counted(count, 'judgement')} that could be right or wrong."
    value = sum(one) / len(one) - sum(other) / len(other) if one and other else None
    unit = "difference of shares"
    return told(key, title, value, (low, high), count, unit, said, {**words, "few": few})


def beside(fair: float, low: float, high: float, near: float) -> str:
    """Where an interval lies: "high" or "low" of ``fair``, "none" (close to it), "few" (any)."""
    if low > fair:
        return "high"
    if high < fair:
        return "low"
    return "none" if low > fair - near and high < fair + near else "few"


def told(
    key: str,
    title: str,
    value: float | None,
    interval: tuple[float, float],
    count: int,
    unit: str,
    said: str,
    words: dict[str, str],
) -> Measure:
    """``said`` chooses the sentence; without a value there is no interval."""
    low, high = interval if value is not None else (None, None)
    return Measure(key, title, value, low, high, count, unit, said != "few", words[said])


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
