"""Which pairs a room has, and which of them a person gets, in which order and on which side.

Everything follows from the room's seed and the person's number, so that any server deals the same.
Knows nothing about the database.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from itertools import combinations
from math import floor

from rlhf_core.common.seeds import seed_of
from rlhf_core.judging import briefs, gold_items
from rlhf_core.judging.briefs import Brief
from rlhf_core.rooms.records import PRACTICE, RANK, VOTE

EVERYBODY = -1  # the half of a pair that both halves get
SHARED = 16  # pairs that everybody gets: agreement is told from them
PRACTICED = 3  # of the gold items, before it counts; the others are checks
PURPOSES = {PRACTICE: ("practice",), RANK: ("rank", "gold"), VOTE: ("vote",)}  # of each act
GOLDEN = 0.6180339887498949


def pair_id(*parts: object) -> str:
    """A name that follows from what a pair is, and tells nothing of it."""
    return hashlib.sha256(repr(parts).encode("utf-8", "replace")).hexdigest()[:16]


def row(half: int, purpose: str, prompt: str, a: str, b: str, **more) -> dict:
    """A pair as the table keeps it, with what is usual of what is not said."""
    usual = {"shared": False, "right_choice": "", "why": "", "about": {}}
    kept = {"half": half, "purpose": purpose, "prompt": prompt, "a": a, "b": b}
    told = more.get("about", {})
    return {"pair_id": pair_id(half, purpose, prompt, a, b, sorted(told)), **usual, **kept, **more}


def gold(half: int, brief: Brief, seed: int) -> list[dict]:
    """Pairs with a known answer: ``PRACTICED`` for practice, the others as checks. None where the
    brief is not as it came, or has none. Which of the two stands as ``a`` is drawn.
    """
    items = list(gold_items.gold_items(brief.slug)) if briefs.as_shipped(brief) else []
    items = [item for item in items if item.prompt not in brief.evaluation_prompts]
    random.Random(seed_of(seed, "gold", half)).shuffle(items)
    found = []
    for number, item in enumerate(items):
        texts = [item.better, item.worse]
        right = seed_of(seed, "gold", half, item.prompt, item.better) & 1
        purpose = "practice" if number < PRACTICED else "gold"
        a, b = texts if right else reversed(texts)
        told = {"right_choice": "a" if right else "b", "why": item.why, "shared": True}
        found.append(row(half, purpose, item.prompt, a, b, **told))
    return found


def of_sets(sets: Iterable[dict], seed: int, there: Sequence = ()) -> list[dict]:
    """Every two answers of each candidate set. The first ``SHARED`` sets give one that everybody
    gets, unless the room has such already.
    """
    found, shared = [], any(pair.shared and pair.purpose == "rank" for pair in there)
    for number, one in enumerate(sets):
        texts, ended = one["texts"], one["finished"]
        couples = list(combinations(range(len(texts)), 2))
        chosen = seed_of(seed, "shared", one["id"]) % len(couples) if couples else 0
        for place, (x, y) in enumerate(couples):
            told = {"about": {"set": one["id"], "finished": [ended[x], ended[y]]}}
            everybody = not shared and number < SHARED and place == chosen
            pair = row(EVERYBODY, "rank", one["prompt"], texts[x], texts[y], **told)
            found.append({**pair, "shared": everybody})
    return list({pair["pair_id"]: pair for pair in found}.values())


def order(seed: int, person: int, pairs: Sequence, gold_share: float, shared_share: float) -> list:
    """The pairs of one act in a person's order: those with a known answer and those that everybody
    gets at their shares, the rest from a place of the person's own on, so that few people cover all
    of them.
    """
    rng = random.Random(seed_of(seed, "order", person))
    known = [pair for pair in pairs if pair.purpose == "gold" and gold_share]
    shared = [pair for pair in pairs if pair.shared and pair.purpose != "gold"]
    own = [pair for pair in pairs if not pair.shared and pair.purpose != "gold"]
    rng.shuffle(known)
    rng.shuffle(shared)
    random.Random(seed_of(seed, "fresh")).shuffle(own)
    first = floor(person * GOLDEN % 1 * len(own))
    own = own[first:] + own[:first]
    lines = [(gold_share, known), (shared_share * (1 - gold_share), shared)]
    lines.append(((1 - shared_share) * (1 - gold_share), own))
    dealt, owed = [], [rng.random() * 0.5 for _ in lines]
    while any(line for _, line in lines):
        owed = [debt + share for debt, (share, _) in zip(owed, lines)]
        there = [n for n, (_, line) in enumerate(lines) if line]
        chosen = max(there, key=lambda n: (lines[n][0] > 0, owed[n]))
        dealt.append(lines[chosen][1].pop(0))
        owed[chosen] -= 1
    return dealt


def swapped(seed: int, person: int, pair: str) -> bool:
    """Whether ``a`` stands on the right for this person."""
    return bool(seed_of(seed, "side", person, pair) & 1)


def model_of(pair) -> tuple[int, int]:
    """Which model a vote's pair is about: its round and step."""
    return pair.about.get("round", 0), pair.about.get("step", 0)
