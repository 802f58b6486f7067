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
    head: dict[str, str] = {}

    def root(text: str) -> str:
        head.setdefault(text, text)
        while head[text] != text:
            head[text] = text = head[head[text]]
        return text

    clear = []
    for pair in pairs:
        if pair.annotator == EXPLOIT or pair.choice not in ("a", "b", "tie") or pair.a == pair.b:
            continue
        head[root(pair.a)] = root(pair.b)
        if pair.choice != "tie":
            clear.append(pair.a)
    decided = {root(text) for text in clear}
    return sum(root(text) in decided for text in list(head)) - len(decided)
