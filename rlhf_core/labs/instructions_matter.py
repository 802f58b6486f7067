"""The lab "Instructions matter": the same twelve pairs, judged under a vague brief and under a
precise one, in an order that a coin decides.

What was judged and what it shows; ``instructions_models`` writes the pairs and fits the reward
models. Plain data in ``session.labs["instructions_matter"]``. Knows nothing about models; imports
no torch.

The twelve pairs are the sample, and each is its own control: every comparison of the two briefs
goes pair by pair (``paired``). What no statistics can mend is said in words: whoever judges a pair
for the second time has seen it before, so for one person the second brief is always the faster one.
"""

from __future__ import annotations

import random
import statistics

from rlhf_core.common.errors import InputError
from rlhf_core.common.intervals import wilson_interval
from rlhf_core.common.paired import paired_difference_interval, ratio_of_times
from rlhf_core.common.seeds import seed_of
from rlhf_core.judging.briefs import PRESETS, Brief
from rlhf_core.session.state import Session

PAIRS, CHOICES = 12, ("a", "b", "tie")
CARD = ("title", "audience", "prefer", "avoid", "ties")  # what is shown of a brief
VAGUE = Brief(
    slug="vague",
    title="A good answer",
    audience="Whoever reads it",
    prefer="Choose the better answer.",
    avoid="",
    ties="Equally good: call it a tie.",
)
TOO_FEW = "Too few to tell"


def lab_of(session: Session) -> dict | None:
    """The lab as it stands, or None where it was not begun."""
    return session.labs.get("instructions_matter")


def keep(session: Session, lab: dict | None) -> None:
    """Put the lab's new state into the session."""
    with session.change():
        session.labs = {**session.labs, "instructions_matter": lab}


def precise_brief(session: Session) -> Brief:
    """The brief in force where it has a rule to measure by, else the biology homework helper's."""
    return session.asked.brief if session.asked.brief.wanted else PRESETS["biology-homework"]


def begin(session: Session, brief: Brief, pairs: list[dict], seed: int) -> dict:
    """Start with ``pairs``, rows of {"prompt", "texts" (two), "reference": index of the text that
    the brief's rule prefers, or None}. The coin is ``seed``'s.
    """
    coin = random.Random(seed_of(seed, "order")).random() < 0.5
    lab = {
        "brief": brief.slug,
        "version": brief.version,
        "card": {name: getattr(brief, name) for name in CARD},
        "wanted": brief.wanted,
        "prompts": list(brief.training_prompts),
        "pairs": pairs,
        "seed": seed,
        "order": ["vague", "precise"] if coin else ["precise", "vague"],
        "answers": {"vague": [], "precise": []},
        "models": None,
    }
    keep(session, lab)
    return lab


def card_of(lab: dict, which: str) -> dict:
    """Title, audience, prefer, avoid, ties of one of the two briefs."""
    return {name: getattr(VAGUE, name) for name in lab["card"]} if which == "vague" else lab["card"]


def now(lab: dict) -> dict | None:
    """What to judge now: {"which": vague | precise, "part": 0 | 1, "done": judged in this part,
    "pair": its number, "shown": text numbers, left first}; None: all is judged.
    """
    for part, which in enumerate(lab["order"]):
        done = len(lab["answers"][which])
        if done < len(lab["pairs"]):
            lot = random.Random(seed_of(lab["seed"], part))
            pair = lot.sample(range(len(lab["pairs"])), len(lab["pairs"]))[done]
            left = random.Random(seed_of(lab["seed"], part, pair)).randrange(2)
            asked = {"which": which, "part": part, "done": done, "pair": pair}
            return {**asked, "shown": [left, 1 - left]}
    return None


def answer(session: Session, choice: str, seconds: float | None, card: tuple[str, int]) -> None:
    """Record what was said about ``card`` (which, pair). a is the left text. A press that comes
    when the card has moved on is ignored.
    """
    lab = lab_of(session)
    asked = now(lab) if lab else None
    if lab is None or asked is None or (asked["which"], asked["pair"]) != tuple(card):
        return
    if choice not in CHOICES:
        raise InputError("An answer here is the left one, the right one, or a tie.")
    said = {"a": asked["shown"][0], "b": asked["shown"][1], "tie": None}[choice]
    row = {"pair": asked["pair"], "text": said, "left": asked["shown"][0], "seconds": seconds}
    _keep_answers(session, lab, asked["which"], [*lab["answers"][asked["which"]], row])


def undo(session: Session) -> bool:
    """Take the last answer back, within the part that is going on; whether there was one."""
    lab = lab_of(session)
    asked = now(lab) if lab else None
    if lab is None or asked is None or not asked["done"]:
        return False
    _keep_answers(session, lab, asked["which"], lab["answers"][asked["which"]][:-1])
    return True


def _keep_answers(session: Session, lab: dict, which: str, rows: list[dict]) -> None:
    keep(session, {**lab, "answers": {**lab["answers"], which: rows}})


# --- what it shows --------------------------------------------------------------------------------


def results(lab: dict) -> dict:
    """What the pairs that were judged under both briefs show.

    Returns:
        {"count", "same", "same_low", "same_high", "changed": pair numbers; "with_reference",
        "right": {"vague", "precise"}, "difference", "difference_low", "difference_high" (precise -
        vague, as shares); "seconds": {"vague", "precise" (medians) | None}, "ratio":
        ``ratio_of_times`` (precise over vague); "words": {"agreement", "reference", "seconds",
        "order"}}.
    """
    said = {which: {row["pair"]: row for row in rows} for which, rows in lab["answers"].items()}
    both = sorted(set(said["vague"]) & set(said["precise"]))
    changed = [n for n in both if said["vague"][n]["text"] != said["precise"][n]["text"]]
    same = len(both) - len(changed)
    same_low, same_high = wilson_interval(same, len(both))
    with_reference = [pair for pair in both if lab["pairs"][pair]["reference"] is not None]
    right = {
        which: [rows[n]["text"] == lab["pairs"][n]["reference"] for n in with_reference]
        for which, rows in said.items()
    }
    table = [
        sum((v, p) == case for v, p in zip(right["vague"], right["precise"]))
        for case in ((True, True), (False, True), (True, False), (False, False))
    ]
    low, high = paired_difference_interval(*table)
    difference = (table[1] - table[2]) / len(with_reference) if with_reference else None
    times = {which: [said[which][pair]["seconds"] for pair in both] for which in said}
    ratio = ratio_of_times(times["vague"], times["precise"])
    known = {which: [s for s in rows if s is not None] for which, rows in times.items()}
    medians = {which: statistics.median(rows) if rows else None for which, rows in known.items()}
    return {
        "count": len(both),
        "same": same,
        "same_low": same_low,
        "same_high": same_high,
        "changed": changed,
        "with_reference": len(with_reference),
        "right": {which: sum(rows) for which, rows in right.items()},
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "seconds": medians,
        "ratio": ratio,
        "words": {
            "agreement": _agreement(len(both), same, same_low, same_high),
            "reference": _reference(table, low, high),
            "seconds": _seconds(ratio, lab["order"]),
            "order": _order(lab),
        },
    }


def _agreement(count: int, same: int, low: float, high: float) -> str:
    if not count:
        return "No pair has been judged under both briefs yet."
    if same == count:
        return (
            f"You said the same about all {count} pairs: the wording changed nothing here. With"
            f" {count} pairs, up to {1 - low:.0%} of all your answers could still depend on it."
        )
    return (
        f"With the wording, {count - same} of your {count} answers changed; of many such pairs it"
        f" would be between {1 - high:.0%} and {1 - low:.0%}. Some of that is you on another day:"
        " people change some answers under one and the same brief, too."
    )


def _reference(table: list[int], low: float, high: float) -> str:
    both, precise_only, vague_only, neither = table
    count = sum(table)
    if count < 6:
        return (
            f"{TOO_FEW}: only {count} of the pairs have an answer that the precise brief's rule is"
            " sure of."
        )
    if low > 0:
        return (
            f"The precise brief brought you closer to what its author wants: on {precise_only}"
            f" pairs you chose so under it alone, on {vague_only} under the vague one alone."
        )
    if high < 0:
        return (
            "Under the vague brief you were closer to what the precise one asks for: on"
            f" {vague_only} pairs you chose so under it alone, on {precise_only} under the precise"
            " one alone. Read the precise one again, or argue with it."
        )
    if not precise_only and not vague_only:
        return (
            "No pair moved towards the precise brief or away from it: no detectable change"
            f" ({count} pairs can't rule out a small one)."
        )
    return (
        f"{TOO_FEW}: {precise_only} pairs moved towards the precise brief and {vague_only} away"
        " from it; a coin could do that. It takes more pairs, or more people."
    )


def _seconds(ratio: dict, order: list[str]) -> str:
    first, second = order
    warning = (
        f"But the {second} brief came second, when you knew the pairs already, and that alone makes"
        " people faster: one person can't tell the two apart."
    )
    if ratio["ratio"] is None or ratio["low"] is None:
        return (
            f"{TOO_FEW}: {ratio['count']} pairs have a time under both briefs; six are the least."
        )
    if ratio["low"] > 1:
        words = f"You took longer under the precise brief: {ratio['ratio']:.1f} times as long."
        return (
            f"{words} And that although you knew the pairs by then."
            if second == "precise"
            else f"{words} {warning}"
        )
    if ratio["high"] < 1:
        words = f"You took longer under the vague brief: {1 / ratio['ratio']:.1f} times as long."
        return (
            f"{words} And that although you knew the pairs by then."
            if second == "vague"
            else f"{words} {warning}"
        )
    return (
        f"{TOO_FEW}: neither brief made you slower in a way that twelve pairs can show. {warning}"
    )


def _order(lab: dict) -> str:
    first, second = lab["order"]
    return (
        f"A coin decided the order: you had the {first} brief first, then the {second} one. The"
        " sides and the order of the pairs were drawn anew for each. What you remembered from the"
        " first time can only make the two look more alike, and the second time look faster; in a"
        " class, where the coin falls both ways, that evens out."
    )
