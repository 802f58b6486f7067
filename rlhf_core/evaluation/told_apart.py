"""Which of several runs got higher gold than which, and whether best-of-n got more than they did:
in one sentence, from intervals.

Every two runs are compared prompt by prompt, as is best-of-n with each of them. All intervals hold
together with 95% (Bonferroni): of fifteen comparisons at 95% each, one would find a difference by
luck in half of all labs. Works on the points of ``overoptimisation``, and on best-of-n's rows
("gains": of each prompt, reference SD; "golds": the same as the points count them). Imports no
torch.

Source: Student 1908 for one interval; Dunn 1961 (Journal of the American Statistical Association
56:52) for several.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from rlhf_core.common.intervals import mean_interval
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS
from rlhf_core.evaluation.overoptimisation import both, mean

AT_THE_TOP = 0.1  # reference SD below the highest that gold can be


def change_of(rows: list[dict]) -> tuple[float, float] | None:
    """95% interval over prompts of a run's gold at its end, as the change since its step 0; None
    where there is no change yet, or there are too few prompts.
    """
    start, end = both(rows[0]), both(rows[-1])
    if rows[-1]["step"] == rows[0]["step"] or len(end) < FEWEST_PROMPTS:
        return None
    return mean_interval([after - before for before, after in zip(start, end, strict=True)])


def gain_of(row: dict) -> tuple[float, float] | None:
    """The same of a row of best-of-n; None where it was not kept, or there are too few prompts."""
    gains = row.get("gains") or []
    return mean_interval(gains) if len(gains) >= FEWEST_PROMPTS else None


def higher(ones: list[float], others: list[float], comparisons: int) -> int:
    """1: the first is higher, -1: the second is, 0: cannot be told. Prompts in the same order; of a
    longer list, the first as many count.
    """
    gaps = [one - other for one, other in zip(ones, others, strict=False)]
    low, high = mean_interval(gaps, tail=0.025 / comparisons)
    return (low > 0) - (high < 0)


class Compared(NamedTuple):
    """Where the runs ended.

    Attributes:
        order: the runs, highest gold first. pairs: every two of them, the higher one first.
        apart: those of ``pairs`` whose first is detectably higher.
        best: run -> whether best-of-n is higher (``higher``); {} where it was not kept.
    """

    order: list[str]
    pairs: list[tuple[str, str]]
    apart: list[tuple[str, str]]
    best: dict[str, int]


def compared(points: dict[str, list[dict]], best: dict) -> Compared | None:
    """Every two runs that have trained, and best-of-n with each; None of too few prompts.

    Args:
        points: run -> its points. best: best-of-n's row of the largest n.
    """
    ends = {run: both(rows[-1]) for run, rows in points.items() if rows and rows[-1]["step"] > 0}
    golds = best.get("golds") or []
    if any(len(row) < FEWEST_PROMPTS for row in [*ends.values(), *([golds] if golds else [])]):
        return None
    order = sorted(ends, key=lambda run: -mean(ends[run]))
    pairs = list(combinations(order, 2))
    count = len(pairs) + len(order) * bool(golds)
    apart = [(a, b) for a, b in pairs if higher(ends[a], ends[b], count) > 0]
    ways = {run: higher(golds, ends[run], count) for run in order} if golds else {}
    return Compared(order, pairs, apart, ways)


def conclusion(points: dict[str, list[dict]], best: dict, names: dict[str, str]) -> str:
    """One sentence on where the runs ended; "" before one of them has trained.

    Args:
        points, best: as for ``compared``. names: run -> its name.
    """
    if not any(rows and rows[-1]["step"] > 0 for rows in points.values()):
        return ""
    found = compared(points, best)
    if found is None:
        return "Too few prompts to tell them apart."
    order, pairs, apart, ways = found
    words = [_of_trained(order, pairs, apart, names)] if len(order) > 1 else []
    if ways:
        them = names[order[0]] if len(order) == 1 else "them"
        words.append(_of_best(f"best of {best['n']}", ways, names, them))
    said = "; ".join(words)
    return said[:1].upper() + said[1:] + "." if said else ""


def _of_trained(order: list[str], pairs: list, apart: list, names: dict[str, str]) -> str:
    if not apart:
        who = f"the {len(order)} trained ones" if len(order) > 2 else listed(order, names)
        return f"{who} cannot be told apart"
    winners: dict[tuple, list[str]] = {}  # those below -> who is above all of them
    for a in dict.fromkeys(a for a, _ in apart):
        below = tuple(lower for winner, lower in apart if winner == a)
        winners.setdefault(below, []).append(a)
    words = [
        f"{listed(above, names)} {'is' if len(above) == 1 else 'are'} higher than"
        f" {listed(list(below), names)}"
        for below, above in winners.items()
    ]
    if len(apart) < len(pairs):
        words.append("no other two trained ones can be told apart")
    return "; ".join(words)


def _of_best(best: str, ways: dict[str, int], names: dict[str, str], them: str) -> str:
    price = ", paid for at every prompt"
    found = {way: [run for run in ways if ways[run] == way] for way in (1, -1, 0)}
    if len(found[0]) == len(ways):
        return f"{best}{price}, cannot be told apart from {them}"
    words = {1: "is higher than", -1: "is lower than", 0: "cannot be told apart from"}
    if len(ways) > 1 and any(len(runs) == len(ways) for runs in found.values()):
        way = 1 if found[1] else -1
        return f"{best} {words[way]} all of them{price}"
    said = [f"{words[way]} {listed(runs, names)}" for way, runs in found.items() if runs]
    return f"{best} {', and '.join(said)}{price}"


def listed(runs: list[str], names: dict[str, str]) -> str:
    """ "PPO, DPO and KTO"."""
    words = [names[run] for run in runs]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def at_the_top(top: float | None, ends: dict[str, float]) -> str:
    """Where gold cannot show any more: a sentence that names who stands at the highest value that
    it can have, "" where nobody does.

    Args:
        top: gold of answers that are all perfect by its rule; None: not known. ends: name -> gold.
    """
    there = [name for name, gold in ends.items() if top is not None and gold > top - AT_THE_TOP]
    if not there:
        return ""
    who = listed(there, dict(zip(there, there)))
    stand = "stands" if len(there) == 1 else "stand"
    return (
        f"Gold ends at {top:+.2f}, where every answer is perfect by its rule, and {who} {stand}"
        " there: what is better still, it cannot see."
    )
