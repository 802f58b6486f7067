"""The labeller mirror: what kind of labeller am I?

Consistency, position bias, length bias, pace and drift, from one's own judgements. Each number
comes with its interval and one sentence (``measure``). Knows nothing about models.
Simplification: judgements count as independent, though those of one ranking are not, so judge pair
by pair to look into this mirror.

Sources: repeats as intra-rater reliability, gold items as in crowdsourcing practice; position and
length bias as measured for judges in Zheng et al. 2023 (arXiv 2306.05685), section 3.3.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from rlhf_core.common.intervals import bootstrap_interval
from rlhf_core.judging.contradictions import reconsider
from rlhf_core.judging.gold_items import GoldItem
from rlhf_core.judging.measure import LEAST, TOO_FEW, Measure, bias, counted, difference, share
from rlhf_core.judging.preferences import Pair


def mirror(pairs: list[Pair], gold: Sequence[GoldItem] = (), *, seed: int = 0) -> dict:
    """Everything about one person's judgements, in the order in which they were made.

    Returns:
        {"measures": [Measure.to_dict()], "points": [{"seconds", "right", "kind": "repeat" | "gold",
        "prompt", "index"}] for the plot of seconds against correctness, "contradictions":
        ``reconsider``'s rows, "words": one sentence that sums up}.
    """
    measures = [
        self_consistency(pairs),
        gold_accuracy(pairs, gold),
        position_bias(pairs),
        length_bias(pairs),
        care_against_speed(pairs, gold),
        drift_of_correctness(pairs, gold),
        drift_of_pace(pairs, seed=seed),
    ]
    known = [measure for measure in measures if measure.enough]
    words = (
        f"{len(known)} of {len(measures)} numbers can be told by now; the others need more"
        " judgements."
        if len(known) < len(measures)
        else "Every number can be told."
    )
    return {
        "measures": [m.to_dict() for m in measures],
        "points": points(pairs, gold),
        "contradictions": reconsider(pairs),
        "words": words,
    }


# --- what can be right or wrong -------------------------------------------------------------------


def repeats(pairs: list[Pair]) -> list[dict]:
    """Every judgement of two texts that the same person had judged before, against that one.

    Under the same brief; the one before it counts.

    Rows {"index", "earlier" (indices into ``pairs``), "same", "swapped", "seconds", "prompt"}. A
    skipped judgement is no answer.
    """
    before: dict[tuple, int] = {}
    rows = []
    for index, pair in enumerate(pairs):
        if pair.choice == "skip" or pair.a == pair.b:
            continue
        key = (pair.annotator, pair.brief, pair.prompt, frozenset((pair.a, pair.b)))
        if key in before:
            earlier = pairs[before[key]]
            rows.append(
                {
                    "index": index,
                    "earlier": before[key],
                    "same": _said(pair) == _said(earlier),
                    "swapped": pair.a != earlier.a,
                    "seconds": pair.seconds,
                    "prompt": pair.prompt,
                }
            )
        before[key] = index
    return rows


def points(pairs: list[Pair], gold: Sequence[GoldItem] = ()) -> list[dict]:
    """Every judgement that was right or wrong, with the seconds it took, in order.

    Right or wrong by oneself (a repeat) or by a gold item.
    """
    rows = [
        {
            "seconds": row["seconds"],
            "right": row["same"],
            "kind": "repeat",
            "prompt": row["prompt"],
            "index": row["index"],
        }
        for row in repeats(pairs)
    ]
    for index, pair in enumerate(pairs):
        verdict = next((v for item in gold if (v := item.verdict(pair)) is not None), None)
        if verdict is not None:
            rows.append(
                {
                    "seconds": pair.seconds,
                    "right": verdict,
                    "kind": "gold",
                    "prompt": pair.prompt,
                    "index": index,
                }
            )
    return sorted(rows, key=lambda row: row["index"])


def _said(pair: Pair) -> str | tuple[str, str]:
    """What a judgement says, whichever side the texts were on."""
    if pair.choice not in ("a", "b"):
        return pair.choice
    return ("text", pair.a if pair.choice == "a" else pair.b)


# --- the numbers ----------------------------------------------------------------------------------


def self_consistency(pairs: list[Pair]) -> Measure:
    """Share of repeated pairs, mostly with swapped sides, that got the same answer again."""
    rows = repeats(pairs)
    return share(
        "self_consistency",
        "The same answer again",
        sum(row["same"] for row in rows),
        len(rows),
        {
            "high": (
                "You answer the same pair the same way again: your judgements can be learned from."
            ),
            "low": (
                "You often answer the same pair differently: slow down, or make the brief say what"
                " decides."
            ),
            "middle": (
                "You mostly answer the same way again; where you did not, look at the pair once"
                " more."
            ),
            "few": (
                f"{TOO_FEW}: {counted(len(rows), 'pair')} came up a second time. Go on judging;"
                " some come back with their sides swapped."
            ),
        },
        good=0.75,
    )


def gold_accuracy(pairs: list[Pair], gold: Sequence[GoldItem]) -> Measure:
    """Share of gold items that were judged as the brief's reference answers say."""
    rows = [row for row in points(pairs, gold) if row["kind"] == "gold"]
    return share(
        "gold_accuracy",
        "As the reference answers say",
        sum(row["right"] for row in rows),
        len(rows),
        {
            "high": "You read the brief as its author meant it.",
            "low": (
                "You often differ from the reference answers: read the brief again, or argue"
                " with it."
            ),
            "middle": (
                "You mostly agree with the reference answers; look at those where you do not."
            ),
            "few": (
                f"{TOO_FEW}: {counted(len(rows), 'judgement')} could be held against a reference"
                " answer."
            ),
        },
        good=0.75,
    )


def position_bias(pairs: list[Pair]) -> Measure:
    """Share of preferences for the text on the left.

    The sides are random, so without a bias it is a half.
    """
    decided = [pair for pair in pairs if pair.choice in ("a", "b")]
    return bias(
        "position_bias",
        "Preferred the left one",
        sum(pair.choice == "a" for pair in decided),
        len(decided),
        {
            "high": "You lean to the left: read the right one first for a while.",
            "low": "You lean to the right: read the left one first for a while.",
            "none": "No lean to one side that would matter.",
        },
    )


def length_bias(pairs: list[Pair]) -> Measure:
    """Share of preferences for the longer text, where the lengths in characters differ.

    A brief may well ask for the longer one.
    """
    decided = [pair for pair in pairs if pair.choice in ("a", "b") and len(pair.a) != len(pair.b)]
    longer = sum((len(pair.a) > len(pair.b)) == (pair.choice == "a") for pair in decided)
    return bias(
        "length_bias",
        "Preferred the longer one",
        longer,
        len(decided),
        {
            "high": (
                "You prefer longer texts: if the brief does not ask for length, the model will"
                " learn it all the same."
            ),
            "low": (
                "You prefer shorter texts: if the brief does not ask for brevity, the model will"
                " learn it all the same."
            ),
            "none": "Length does not decide for you.",
        },
    )


def care_against_speed(pairs: list[Pair], gold: Sequence[GoldItem] = ()) -> Measure:
    """How much more often the slower half of one's judgements is right than the faster half.

    Repeats and gold items can be right.
    """
    rows = [row for row in points(pairs, gold) if row["seconds"] is not None]
    middle = statistics.median(row["seconds"] for row in rows) if rows else 0
    slow = [row["right"] for row in rows if row["seconds"] > middle]
    fast = [row["right"] for row in rows if row["seconds"] <= middle]
    return difference(
        "care_against_speed",
        "Slower half right more often",
        slow,
        fast,
        {
            "high": "You are right more often when you take your time: it is worth it.",
            "low": "Your quick answers are the better ones: trust your first impression.",
            "none": (
                "Taking longer changes little: your quick answers are as good as your slow ones."
            ),
        },
    )


def drift_of_correctness(pairs: list[Pair], gold: Sequence[GoldItem] = ()) -> Measure:
    """How much more often the second half of the session is right than the first half.

    Repeats and gold items can be right.
    """
    right = [row["right"] for row in points(pairs, gold)]
    first, second = right[: (len(right) + 1) // 2], right[(len(right) + 1) // 2 :]
    return difference(
        "drift_of_correctness",
        "Second half right more often",
        second,
        first,
        {
            "high": "You got better as you went on: consider judging the first pairs again.",
            "low": "You got worse as you went on: take a break.",
            "none": "You are as good at the end as at the start.",
        },
    )


def drift_of_pace(pairs: list[Pair], *, seed: int = 0) -> Measure:
    """Median seconds of the second half over those of the first half; bootstrap."""
    seconds = [pair.seconds for pair in pairs if pair.seconds and pair.choice != "skip"]
    first, second = seconds[: len(seconds) // 2], seconds[len(seconds) // 2 :]

    def ratio(x: list[float], y: list[float]) -> float:
        return statistics.median(y) / statistics.median(x)

    interval = (
        bootstrap_interval([first, second], ratio, seed=seed) if len(first) >= LEAST else None
    )
    value = ratio(first, second) if first and second else None
    low, high = interval or (None, None)
    enough = True
    if interval is None:
        enough = False
        words = f"{TOO_FEW}: {counted(len(seconds), 'judgement')} with a time; ten are the least."
    elif interval[1] < 1:
        words = "You sped up as you went on: practice, or haste? The numbers above say which."
    elif interval[0] > 1:
        words = "You slowed down as you went on: harder pairs, or tiredness?"
    elif 0.75 < interval[0] and interval[1] < 1.33:
        words = "You kept your pace."
    else:
        enough = False
        words = f"{TOO_FEW}: your pace varies too much to say whether it changed."
    return Measure(
        "drift_of_pace",
        "Seconds, second half over first",
        value,
        low,
        high,
        len(seconds),
        "ratio",
        enough,
        words,
    )
