"""How much there has to be before a screen says it; below that it says what is missing.

With few people every room has a fastest one, a pair that splits it and an agreement of 1.00: that
is chance, and a wall that shows it teaches the wrong thing. Plain values; knows nothing about the
database.
"""

from __future__ import annotations

from collections.abc import Sequence

from rlhf_core.common.intervals import wilson_interval

AGREEMENT_PAIRS = 12  # pairs that two or more judged, before agreement is a number
SPLIT_PEOPLE, SPLIT_EACH = 5, 2  # who judged the pair; who stand on its smaller side
CONTEST_PEOPLE, CONTEST_KNOWN = 5, 5  # people, with so many known answers each
HELD_OUT = 8  # judgements that a group's model was asked about


def agreement(found: dict) -> dict:
    """What ``annotators.agreement`` said, with "enough": whether it is shown, and "words" that say
    what is missing where it is not.
    """
    units = found["units"]
    if found["low"] is not None and units >= AGREEMENT_PAIRS:
        return {**found, "enough": True}
    if found["alpha"] is None and units >= AGREEMENT_PAIRS:
        return {**found, "enough": False}  # its own words: everybody called everything the same
    words = f"Too few to tell: {units} of at least {AGREEMENT_PAIRS} pairs that two people judged."
    return {**found, "enough": False, "words": words}


def split(rows: Sequence[dict]) -> dict | None:
    """Of the disputed pairs the one that has most people on its smaller side; None: too few."""
    known = [row for row in rows if row["of"] >= SPLIT_PEOPLE]
    row = max(known, key=lambda row: min(row["first"], row["second"]), default=None)
    return row if row and min(row["first"], row["second"]) >= SPLIT_EACH else None


def contest(rows: Sequence[dict]) -> dict | None:
    """{"fastest", "surest": rows of people, with "low" and "high": the 95% interval of the share of
    known answers that they got right (Wilson's)}; None: too few people with known answers.
    """
    known = [row for row in rows if row["gold_of"] >= CONTEST_KNOWN and row["seconds"] is not None]
    if len(known) < CONTEST_PEOPLE:
        return None
    fastest = min(known, key=lambda row: row["seconds"])
    surest = max(known, key=lambda row: (row["gold_right"] / row["gold_of"], row["gold_of"]))
    return {"fastest": _with_interval(fastest), "surest": _with_interval(surest)}


def _with_interval(row: dict) -> dict:
    low, high = wilson_interval(row["gold_right"], row["gold_of"])
    return {**row, "low": low, "high": high}


def share(row: dict) -> float | None:
    """A group's share as it is shown: None, of too few."""
    return row["share"] if row["of"] >= HELD_OUT else None
