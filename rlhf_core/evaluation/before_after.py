"""Before and after: the same prompts, the same random numbers, two models.

And what may be said about the difference.

Knows nothing about training, imports no torch. Every share carries an interval; "no detectable
change" is an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlhf_core.common.intervals import clustered
from rlhf_core.common.wording import counted
from rlhf_core.judging.register import is_full_sentence, share

FEWEST_PROMPTS = 5  # below which they are too few to tell: an interval then says next to nothing


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """A text's runs of ``n`` words, lower case, punctuation left out."""
    words = re.findall(r"[\w'-]+", text.lower())
    return list(zip(*(words[i:] for i in range(n))))


def distinct_share(grams: Sequence[list[tuple]]) -> float:
    """Different n-grams over all n-grams, of all texts together."""
    total = sum(map(len, grams))
    return len(set().union(*grams)) / total if total else 0.0


def distinct_n(texts: Sequence[str], n: int = 2) -> float:
    """Different n-grams over all n-grams, of all texts together.

    Source: Li et al. 2016 (arXiv 1510.03055), section 5.3.
    """
    return distinct_share([ngrams(text, n) for text in texts])


def mean_words(texts: Sequence[str]) -> float:
    """Words a text, on average."""
    return sum(len(text.split()) for text in texts) / len(texts) if texts else 0.0


def win_rate(outcomes: Sequence[float], groups: Sequence[str]) -> tuple[float, tuple[float, float]]:
    """Wins plus half the ties (or any share: of hits), with its 95% interval over prompts.

    Args:
        outcomes: 1 where "after" won, 0 where it lost, 0.5 for a tie.
        groups: each outcome's prompt: answers to one prompt are not independent, so the interval
            counts prompts (``intervals.clustered_interval``). Of one prompt it is (0, 1): a prompt
            tells nothing about others, whatever the number of its answers.
    """
    if not outcomes:
        return 0.5, (0.0, 1.0)
    return sum(outcomes) / len(outcomes), clustered(outcomes, groups)


def by_reward(pairs: Sequence[dict]) -> list[float]:
    """The reward model on each pair.

    The higher score wins (1: after), equal texts and equal scores tie.
    """
    return [
        (
            0.5
            if p["before"] == p["after"] or abs(p["reward_after"] - p["reward_before"]) < 1e-6
            else float(p["reward_after"] > p["reward_before"])
        )
        for p in pairs
    ]


def summarise(pairs: list[dict], *, wanted: str | None, judge: str) -> dict:
    """The verdict on pairs of answers.

    Args:
        pairs: rows with prompt, before, after, reward_before, reward_after, ended_before,
            ended_after.
        wanted: the register the brief's rule looks for, or None.
        judge: who decided which answer won; named in the sentence.

    Returns:
        JSON-able: pairs, win_rate, interval, wins, ties, losses, judge, rule, full_sentences,
        distinct_2, mean_words, sentence.
    """
    outcomes, prompts = by_reward(pairs), [p["prompt"] for p in pairs]
    rate, (low, high) = win_rate(outcomes, prompts)
    texts = {side: [p[side] for p in pairs] for side in ("before", "after")}
    return {
        "pairs": pairs,
        "judge": judge,
        "win_rate": rate,
        "interval": [low, high],
        "wins": outcomes.count(1.0),
        "ties": outcomes.count(0.5),
        "losses": outcomes.count(0.0),
        "rule": (
            {"name": wanted, **{side: share(texts[side], wanted) for side in texts}}
            if wanted
            else None
        ),
        "full_sentences": {
            side: (
                sum(is_full_sentence(p[side], p[f"ended_{side}"]) for p in pairs) / len(pairs)
                if pairs
                else 0.0
            )
            for side in texts
        },
        "distinct_2": {side: distinct_n(texts[side]) for side in texts},
        "mean_words": {side: mean_words(texts[side]) for side in texts},
        "mean_reward": {
            side: sum(p[f"reward_{side}"] for p in pairs) / len(pairs) if pairs else 0.0
            for side in texts
        },
        "sentence": sentence(rate, low, high, len(pairs), judge, len(set(prompts))),
    }


def sentence(rate: float, low: float, high: float, count: int, judge: str, prompts: int) -> str:
    """One honest sentence: a win, a loss, no detectable change, or too few prompts to tell.

    ``count``: pairs; ``prompts``: how many different ones they are about.
    """
    if count == 0:
        return "There is nothing to compare yet."
    pairs = counted(count, "pair")
    if prompts < FEWEST_PROMPTS:
        return (
            f"Too few prompts to tell ({prompts}): the {judge} prefers the tuned model's answer in"
            f" {rate:.0%} of {pairs}, ties counted half, which says little about other"
            f" prompts (95% interval {low:.0%} to {high:.0%})."
        )
    span = (
        f"win rate, ties counted half, is {rate:.0%} over {pairs} (95% interval {low:.0%} to"
        f" {high:.0%})"
    )
    if low > 0.5:
        return f"The {judge} prefers the tuned model: its {span}."
    if high < 0.5:
        return f"The {judge} prefers the original model: the tuned model's {span}."
    return (
        f"No detectable change by the {judge}: the tuned model's {span}, and that includes one"
        " half."
    )
