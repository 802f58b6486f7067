"""Thumbs up and thumbs down: what was judged, one answer at a time, as KTO learns from it.

Answers that were called good or bad are that. Where answers were put in order, nobody said which of
them are good: the best of the list counts as good and the last as bad, what lies between says
nothing, and neither does a list of ties. "None of them will do" makes all of them bad. Knows
nothing about models. Imports no torch.

Source: Ethayarajh et al. 2024 (arXiv 2402.01306), section 5, make good and bad answers of pairs in
the same way.
"""

from __future__ import annotations

from typing import NamedTuple

from rlhf_core.judging.preferences import Pair, Ranking, training_pairs


class Thumb(NamedTuple):
    """One answer, and whether it was called good.

    Attributes:
        weight: 1, or what the pair weighs that it comes from.
    """

    prompt: str
    text: str
    good: bool
    weight: float = 1.0


def thumbs_from_rankings(rankings: list[Ranking]) -> list[Thumb]:
    """What each ranking says of single answers; a text that stands there twice counts once. An
    ideal answer is good.
    """
    thumbs = []
    for ranking in rankings:
        good, bad = _called(ranking)
        said = [(ranking.candidates[index], True) for index in good]
        said += [(ranking.candidates[index], False) for index in bad]
        if ranking.ideal:
            said.append((ranking.ideal, True))
        thumbs += [Thumb(ranking.prompt, text, up) for text, up in dict.fromkeys(said)]
    return thumbs


def thumbs_from_pairs(pairs: list[Pair]) -> list[Thumb]:
    """The preferred answer of each pair as good, the other as bad; a tie says nothing."""
    thumbs = []
    for pair in training_pairs(pairs):
        if pair.target != 0.5:
            better, worse = (pair.a, pair.b) if pair.target == 1 else (pair.b, pair.a)
            thumbs.append(Thumb(pair.prompt, better, True, pair.weight))
            thumbs.append(Thumb(pair.prompt, worse, False, pair.weight))
    return thumbs


def _called(ranking: Ranking) -> tuple[list[int], list[int]]:
    """Indices of the good and of the bad candidates."""
    everyone = list(range(len(ranking.candidates)))
    if ranking.good is not None:
        return ranking.good, [index for index in everyone if index not in ranking.good]
    if ranking.verdict == "both_bad":
        return [], everyone
    if len(ranking.groups) < 2:
        return [], []
    return ranking.groups[0], ranking.groups[-1]
