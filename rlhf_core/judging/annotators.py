"""Several annotators: how far they agree, where they split, and what the majority says.

"Whose preferences?"

A *unit* is two texts under one prompt and brief, whichever side they were shown on; a judgement of
it is a text, a tie or both bad; skipped is missing. Knows nothing about models. Simplification:
whoever judged a unit twice counts with the later judgement.

Sources: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), by the ``krippendorff``
package; its 0.8 and 0.667 as rough guides from Krippendorff 2004, "Content Analysis", section 11.4.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from rlhf_core.common.intervals import wilson_interval
from rlhf_core.judging.preferences import Pair

# (brief, prompt, text, other text), the texts in alphabetical order
Unit = tuple[str, str, str, str]
FIRST, SECOND, TIE, BOTH_BAD = 0.0, 1.0, 2.0, 3.0
_MIRROR = {FIRST: SECOND, SECOND: FIRST, TIE: TIE, BOTH_BAD: BOTH_BAD}
MIN_UNITS = 6
MAJORITY = "the majority"  # as it is called beside people's names


def names(pairs: list[Pair]) -> list[str]:
    """Who judged, in order of appearance."""
    return list(dict.fromkeys(pair.annotator for pair in pairs))


def by_annotator(pairs: list[Pair]) -> dict[str, list[Pair]]:
    """Each person's own judgements, for a reward model of each."""
    return {name: [pair for pair in pairs if pair.annotator == name] for name in names(pairs)}


def judgements(pairs: list[Pair]) -> dict[Unit, dict[str, float]]:
    """Unit -> annotator -> FIRST, SECOND (which text, not which side), TIE or BOTH_BAD.

    Skipped units and pairs of equal texts have no entry.
    """
    table: dict[Unit, dict[str, float]] = {}
    for pair in pairs:
        if pair.choice != "skip" and pair.a != pair.b:
            swapped = pair.a > pair.b
            unit = (pair.brief, pair.prompt, *((pair.b, pair.a) if swapped else (pair.a, pair.b)))
            value = {"a": FIRST, "b": SECOND, "tie": TIE, "both_bad": BOTH_BAD}[pair.choice]
            table.setdefault(unit, {})[pair.annotator] = _MIRROR[value] if swapped else value
    return table


def pairs_judged(pairs: list[Pair]) -> dict[str, tuple[int, int]]:
    """Annotator -> (units judged, how many of them somebody else judged too), the busiest first."""
    found: dict[str, tuple[int, int]] = {}
    for unit in judgements(pairs).values():
        for name in unit:
            all_of, shared = found.get(name, (0, 0))
            found[name] = (all_of + 1, shared + (len(unit) > 1))
    return dict(sorted(found.items(), key=lambda row: -row[1][0]))


def pairwise_agreement(pairs: list[Pair]) -> list[dict]:
    """How often each two people say the same, over what both judged; most shared units first.

    Rows {"annotators": (x, y), "agree", "of", "share" | None, "low", "high"}: Wilson's interval.
    """
    table = judgements(pairs)
    rows = []
    for x, y in combinations(names(pairs), 2):
        both = [unit[x] == unit[y] for unit in table.values() if x in unit and y in unit]
        low, high = wilson_interval(sum(both), len(both))
        rows.append(
            {
                "annotators": (x, y),
                "agree": sum(both),
                "of": len(both),
                "share": sum(both) / len(both) if both else None,
                "low": low,
                "high": high,
            }
        )
    return sorted(rows, key=lambda row: -row["of"])


def nominal_alpha(units: Sequence[Sequence[float | None]]) -> float | None:
    """Krippendorff's alpha, nominal, with missing values.

    None where it is not defined (nothing shared, or one value throughout).

    Args:
        units: for each unit the values that the annotators gave it, None where one gave none.
    """
    shared = [[value for value in unit if value is not None] for unit in units]
    shared = [unit for unit in shared if len(unit) > 1]
    values = sorted({value for unit in shared for value in unit})
    if len(values) < 2:
        return None
    import krippendorff
    import numpy as np

    # (units, values)
    counts = np.array([[unit.count(value) for value in values] for unit in shared])
    return float(
        krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement="nominal")
    )


def alpha_interval(
    units: list[list[float]], *, seed: int, draws: int = 400
) -> tuple[float, float] | None:
    """95% percentile interval of the alpha of ``units``, each taken both ways round.

    Units are drawn anew. None where fewer than half of the draws have an alpha.

    A unit enters alpha by its own coincidences alone, so a draw is a weighted sum of theirs: one
    matrix product for all draws, where the package takes each anew.
    Source: Krippendorff 2011, section C (nominal: alpha = 1 - (n - 1)(n - sum of o_cc) / (n^2 - sum
    of n_c^2)); Efron & Tibshirani 1993, section 13.3.
    """
    import numpy as np

    values = (FIRST, SECOND, TIE, BOTH_BAD)
    rows = [[unit.count(value) for value in values] for unit in units]
    counts = np.array(rows, dtype=float)  # (U, 4)
    mirrored = counts[:, [1, 0, 2, 3]]
    judged = counts.sum(1)
    coincidences = []  # (U, 4, 4) each
    for one in (counts, mirrored):
        pairs = one[:, :, None] * one[:, None, :] - one[:, :, None] * np.eye(4)
        coincidences.append(pairs / (judged - 1)[:, None, None])
    generator = np.random.default_rng(seed)
    # (draws, U): how often each unit is in a draw
    drawn = generator.multinomial(len(units), np.full(len(units), 1 / len(units)), size=draws)
    o = (drawn @ sum(coincidences).reshape(len(units), 16)).reshape(draws, 4, 4)
    of_value = o.sum(2)
    n = of_value.sum(1)
    expected = n**2 - (of_value**2).sum(1)
    told = expected > 1e-9
    alphas = 1 - (n[told] - 1) * (n[told] - np.trace(o[told], axis1=1, axis2=2)) / expected[told]
    if 2 * told.sum() < draws:
        return None
    low, high = np.quantile(alphas, [0.025, 0.975])
    return float(low), float(high)


def krippendorff_alpha(pairs: list[Pair], *, seed: int = 0) -> dict:
    """Agreement beyond chance of all annotators together: 1 is perfect, 0 is what chance gives.

    Which text of a unit comes first is arbitrary, and alpha's idea of chance would depend on it: so
    every unit counts twice, once each way round.

    Returns:
        {"alpha" | None, "low" | None, "high" | None (bootstrap over units), "units" (judged by two
        or more), "annotators", "words"}.
    """
    table = judgements(pairs)
    units = [list(unit.values()) for unit in table.values() if len(unit) > 1]
    people = len({name for unit in table.values() if len(unit) > 1 for name in unit})
    return agreement(units, people, seed=seed)


def agreement(units: list[list[float]], people: int, *, seed: int = 0) -> dict:
    """``krippendorff_alpha`` of what is counted already: ``units``, each with what two or more of
    ``people`` said of it.
    """
    both_ways = [*units, *([_MIRROR[value] for value in unit] for unit in units)]
    alpha = nominal_alpha(both_ways) if units else None
    found = math.nan if alpha is None else alpha
    interval = (
        alpha_interval(units, seed=seed)
        if math.isfinite(found) and len(units) >= MIN_UNITS
        else None
    )
    low, high = interval or (None, None)
    if not units:
        words = "No two people have judged the same pair yet."
    elif not math.isfinite(found):
        words = (
            "Everybody called everything the same, so there is nothing that agreement could be told"
            " from."
        )
    elif len(units) < MIN_UNITS or interval is None:
        words = (
            f"Too few to tell: {len(units)} {'pair was' if len(units) == 1 else 'pairs were'}"
            f" judged by two people or more; {MIN_UNITS} are the least, 20 are better."
        )
    elif interval[0] >= 0.8:
        words = "They agree closely: one reward model can stand for all of them."
    elif interval[1] < 0.667:
        words = (
            "They disagree too much for one reward model to stand for all: look at the pairs that"
            " split them, and at the brief."
        )
    else:
        words = (
            "They agree more than chance would, or may: usual guides ask for 0.8, and for 0.667"
            " where tentative conclusions will do."
        )
    return {
        "alpha": found if math.isfinite(found) else None,
        "low": low,
        "high": high,
        "units": len(units),
        "annotators": people,
        "words": words,
    }


def disagreements(pairs: list[Pair]) -> list[dict]:
    """Which pairs split people, the most evenly split first; what all agree on is left out.

    Rows {"prompt", "texts": (x, y), "votes": {"first" | "second" | "tie" | "both_bad": [names]},
    "of", "majority": that key or None, "split": share of the votes that are not with the largest
    group, "words"}.
    """
    keys = {FIRST: "first", SECOND: "second", TIE: "tie", BOTH_BAD: "both_bad"}
    rows = []
    for (_, prompt, x, y), unit in judgements(pairs).items():
        votes: dict[str, list[str]] = {}
        for name, value in unit.items():
            votes.setdefault(keys[value], []).append(name)
        if len(votes) > 1:
            largest = max(map(len, votes.values()))
            leading = [key for key, people in votes.items() if len(people) == largest]
            majority = leading[0] if 2 * largest > len(unit) else None
            labels = {
                "first": "the first",
                "second": "the second",
                "tie": "a tie",
                "both_bad": "both bad",
            }
            said = "; ".join(f"{', '.join(people)}: {labels[key]}" for key, people in votes.items())
            rows.append(
                {
                    "prompt": prompt,
                    "texts": (x, y),
                    "votes": votes,
                    "of": len(unit),
                    "majority": majority,
                    "split": 1 - largest / len(unit),
                    "words": said,
                }
            )
    return sorted(rows, key=lambda row: (-row["split"], -row["of"]))


def majority_pairs(pairs: list[Pair], *, at_least: int = 2) -> tuple[list[Pair], list[dict]]:
    """One judgement a unit: what more than half of its annotators said.

    Returns:
        (pairs, as the first of the majority saw them, annotator "majority"; rows {"prompt",
        "texts", "judged_by", "why"} of the units without one: fewer than ``at_least`` people judged
        it, or no answer has more than half).
    """
    first: dict[tuple[Unit, float], Pair] = {}
    for pair in pairs:
        for unit, said in judgements([pair]).items():
            for value in said.values():
                first.setdefault((unit, value), pair)
    kept, dropped = [], []
    for unit, said in judgements(pairs).items():
        (value, count), *_ = Counter(said.values()).most_common()
        if len(said) < at_least:
            why = f"only {len(said)} judged it"
        elif 2 * count <= len(said):
            why = f"no answer has more than half of {len(said)} votes"
        else:
            kept.append(replace(first[unit, value], annotator="majority", seconds=None, weight=1.0))
            continue
        row = {"prompt": unit[1], "texts": unit[2:], "judged_by": len(said), "why": why}
        dropped.append(row)
    return kept, dropped
