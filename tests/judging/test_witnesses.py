"""How many clear votes are about texts of their own, beside the count that the control makes."""

from __future__ import annotations

import pytest

from rlhf_core.judging.preferences import EXPLOIT, Pair
from rlhf_core.judging.witnesses import independent


def pair(a: str, b: str, choice: str = "a", annotator: str = "you") -> Pair:
    return Pair("A fox is", a, b, choice, annotator=annotator)


LIST = [pair(*two) for two in ("wx", "wy", "wz", "xy", "xz", "yz")]


@pytest.mark.parametrize(
    "pairs, count",
    [
        ([], 0),
        ([pair("a", "b")], 1),
        ([pair("a", "b")] * 5, 1),
        ([pair("a", "b"), pair("b", "a")], 1),
        ([pair("a", "b"), pair("c", "d"), pair("e", "f", "b")], 3),
        (LIST, 3),
        ([*LIST, pair("a", "b")], 4),
        ([pair("a", "b", "tie")], 0),
        ([pair("a", "b", "tie"), pair("b", "c")], 2),
        ([pair("a", "b", "skip"), pair("c", "d", "both_bad")], 0),
        ([pair("a", "b", annotator=EXPLOIT)], 0),
    ],
)
def test_votes_about_the_same_texts_are_no_two_witnesses(pairs, count):
    assert independent(pairs) == count
