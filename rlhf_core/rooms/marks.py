"""What in a person's taps is worth a host's look, in words. A mark is no verdict: only where even
the cautious end of an interval says so, and the host decides.

Knows nothing about the database. Intervals: Wilson's (``common.intervals``).
"""

from __future__ import annotations

from rlhf_core.common.intervals import wilson_interval
from rlhf_core.store.room_counts import OfPerson

LEAST, LEAST_GOLD = 8, 5  # judgements, and those with a known answer, before anything is said
ONE_SIDED, HASTY, CAREFUL = 0.75, 0.5, 0.85
# of one side, of under a second, of right answers by whoever reads: beyond these, a mark


def marks(one: OfPerson) -> list[str]:
    """Sentences for the host, none for most people."""
    found = []
    for side, count in (("left", one.left), ("right", one.decided - one.left)):
        if _more(count, one.decided, ONE_SIDED):
            found.append(f"The {side} answer in {count} of {one.decided}.")
    ties = one.judged - one.decided
    if _more(ties, one.judged, ONE_SIDED):
        found.append(f"A tie in {ties} of {one.judged}.")
    if _more(one.skipped, one.skipped + one.judged, ONE_SIDED):
        found.append(f"Skipped {one.skipped} of {one.skipped + one.judged}.")
    if _more(one.fast, one.timed, HASTY):
        found.append(f"Under a second in {one.fast} of {one.timed}.")
    high = wilson_interval(one.gold_right, one.gold_of)[1]
    if one.gold_of >= LEAST_GOLD and high < CAREFUL:
        found.append(f"As the known answers say in {one.gold_right} of {one.gold_of}.")
    return found


def _more(hits: int, count: int, than: float) -> bool:
    return count >= LEAST and wilson_interval(hits, count)[0] > than
