"""What an older version kept and today's checks would refuse: brought within today's limits or left
out, and told to the learner, so that the session opens.

A weight was once anything from 0 to a thousand million, a ranking as long as one liked. Whatever
else is wrong with a row stays as it is, for the checks to name.
"""

from __future__ import annotations

import math

from rlhf_core.judging.preferences import MOST_CANDIDATES, MOST_WEIGHT, is_weight


def rankings_within(rows: list) -> tuple[list, str]:
    """The rankings that are not too long, and a sentence about the others."""
    kept = [row for row in rows if not _too_long(row)]
    gone = len(rows) - len(kept)
    which = "A ranking" if gone == 1 else f"{gone:,} rankings"
    are = "is" if gone == 1 else "are"
    sentence = f"{which} of more than {MOST_CANDIDATES} outputs, the most today, {are} left out."
    return kept, sentence if gone else ""


def imported_within(rows: list, files: list[dict]) -> tuple[list, list[dict], str]:
    """Imported pairs with weights of today; the log of the files that they came from, which counts
    those that stay; and a sentence for each kind of change.

    A pair that weighs nothing taught nothing, and is left out.
    """
    today = [_weight_within(row) for row in rows]
    kept = [
        row if weight is None else {**row, "weight": weight}
        for row, weight in zip(rows, today, strict=True)
        if weight != 0
    ]
    log: list[dict] = []
    end = len(rows)
    for file in reversed(files) if 0 in today else ():  # the newest file's pairs come last
        begin = max(0, end - file["pairs"])
        log.insert(0, {**file, "pairs": file["pairs"] - today[begin:end].count(0)})
        end = begin
    nothing, much = today.count(0), today.count(MOST_WEIGHT)
    little = len(today) - today.count(None) - nothing - much
    said = (
        (nothing, "weighed nothing", "left out"),
        (much, f"weighed more than {MOST_WEIGHT}, the most today", f"set to {MOST_WEIGHT}"),
        (little, "weighed too little for today's limits", "raised to them"),
    )
    return kept, log or files, " ".join(_sentence(*one) for one in said if one[0])


def _sentence(count: int, was: str, done: str) -> str:
    """What became of so many pairs."""
    if count == 1:
        return f"An imported pair {was}: it is {done}."
    return f"{count:,} imported pairs {was}: they are {done}."


def _too_long(row: object) -> bool:
    texts = row.get("candidates") if isinstance(row, dict) else None
    return isinstance(texts, list) and len(texts) > MOST_CANDIDATES


def _weight_within(row: object) -> float | None:
    """What a pair weighs within today's limits, 0: nothing; None where it may stay as it is, or is
    no number.
    """
    weight = row.get("weight") if isinstance(row, dict) else None
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        return None
    if not math.isfinite(weight) or is_weight(weight):
        return None
    if weight <= 0:
        return 0
    if weight > MOST_WEIGHT:
        return MOST_WEIGHT
    # Less than 0.01 only a pair of a long ranking weighs: as much as in the next shorter one.
    longest = MOST_CANDIDATES + 1  # with an ideal answer
    pairs = int(1 / max(weight, 1 / longest**2))
    outputs = min(longest, (1 + math.isqrt(1 + 8 * pairs)) // 2)
    return 2 / (outputs * (outputs - 1))
