"""How much a set of judged pairs can witness to a taste: votes about the same texts are no two
witnesses.

The count that ``rewards.permutation_control`` makes of a fit, for pages that ask before there is
one. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from rlhf_core.judging.preferences import EXPLOIT, Pair


def independent(pairs: Iterable[Pair]) -> int:
    """Clear votes about texts of their own: of texts that were compared with each other, directly
    or through others, one less than there are; four answers in order are three. Ties alone are
    none, and rejected exploits are left out.
    """
    counted = [
        pair
        for pair in pairs
        if pair.annotator != EXPLOIT and pair.choice in ("a", "b", "tie") and pair.a != pair.b
    ]
    group = joined((pair.a, pair.b) for pair in counted)
    decided = {group[pair.a] for pair in counted if pair.choice != "tie"}
    return sum(one in decided for one in group.values()) - len(decided)


def joined(couples: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each text of ``couples`` -> a name of its group: the same for two that stand in one couple,
    or hang together through others.
    """
    head: dict[str, str] = {}

    def root(text: str) -> str:
        head.setdefault(text, text)
        while head[text] != text:
            head[text] = text = head[head[text]]
        return text

    for one, other in couples:
        head[root(one)] = root(other)
    return {text: root(text) for text in list(head)}
