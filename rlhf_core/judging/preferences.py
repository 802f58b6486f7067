"""What was judged: rankings as a person made them, and the pairs they mean.

A ranking is kept as it was made (ties, both bad, skip, order on screen, seconds, who, under which
brief) and pairs are derived from it, never the other way round. Knows nothing about models. Imports
no torch.

Source for "all pairs of one ranking": InstructGPT, Ouyang et al. 2022, section 3.5 (arXiv
2203.02155). Ties as half a win each way: Davidson's simplest reading of Bradley-Terry, also Rao &
Kupper 1967 without their threshold parameter.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from rlhf_core.common.errors import PreferenceError
from rlhf_core.common.events import Record
from rlhf_core.common.known import known
from rlhf_core.judging.own_files import lines_of

CHOICES = ("a", "b", "tie", "both_bad", "skip")
VERDICTS = (None, "both_bad", "skip")
# annotator of a nonsense text that scored too high, rejected by the learner (labs.hacking)
EXPLOIT = "you (exploit)"
MAX_BYTES, MAX_TEXT, MAX_ROWS, MAX_NUMBER = 2 * 1024 * 1024, 10_000, 20_000, 1_000_000_000
MAX_OWN_BYTES = 16 * MAX_BYTES  # of our own rows: pairs of a ranking repeat its texts
MOST_CANDIDATES = 100  # of an imported ranking; the app's own have up to 8
# What a pair may weigh. A ranking's pairs weigh 1 together: 8 answers and an ideal one give 36
# pairs of 0.028; MOST_CANDIDATES give 5,050 of 0.0002, which must come back too.
LEAST_WEIGHT, MOST_WEIGHT = 0.01, 100
WEIGHTS = f"a number from {LEAST_WEIGHT} to {MOST_WEIGHT}"


@dataclass(frozen=True)
class Pair:
    """One row of ``preferences.jsonl``. ``a`` was shown on the left, ``b`` on the right.

    Attributes:
        choice: a | b | tie | both_bad | skip.
        weight: share of its ranking; all pairs of one ranking weigh 1 together.
    """

    prompt: str
    a: str
    b: str
    choice: str
    weight: float = 1.0
    seconds: float | None = None
    annotator: str = "you"
    brief: str = ""
    brief_version: int = 1

    @property
    def target(self) -> float | None:
        """Probability that a is better, as training sees it: 1, 0, or 0.5 for a tie.

        None where the pair does not train.
        """
        return {"a": 1.0, "b": 0.0, "tie": 0.5}.get(self.choice)

    def to_dict(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Ranking:
    """One judgement of all the candidates of one prompt, as it was made.

    Attributes:
        candidates: the texts, in the order they were generated.
        shown: indices into ``candidates`` in the order on screen (left to right, or top to bottom).
        groups: indices, best group first; several in a group are a tie. Empty where ``verdict`` is
        set.
        verdict: None, "both_bad" (none of them will do) or "skip".
        finished: for each candidate, whether the model ended it itself; None: not known.
        reason: why, in the annotator's own words; may be empty.
        ideal: an answer that the annotator wrote, better than every candidate; may be empty. It was
        never on screen as a candidate.
        asked: why these came up: "own", "informative", "lot", "repeat" (judged before, sides
        swapped), "gold"; empty: not known.
        first: {"groups", "verdict", "seconds"} as first given, where the annotator changed it
        later; "good" too where the answers were called good or bad.
        good: indices of the candidates that were called good, where each was called good or bad by
        itself; ``groups`` then has the good ones above the bad ones, and several in a group are no
        tie: nobody compared them. None: put in order.
    """

    id: str
    prompt: str
    candidates: list[str]
    shown: list[int]
    groups: list[list[int]] = field(default_factory=list)
    verdict: str | None = None
    seconds: float | None = None
    annotator: str = "you"
    brief: str = ""
    brief_version: int = 1
    round: int = 1
    finished: list[bool] | None = None
    reason: str = ""
    ideal: str = ""
    asked: str = ""
    first: dict | None = None
    good: list[int] | None = None

    def __post_init__(self):
        if (
            not isinstance(self.prompt, str)
            or not isinstance(self.candidates, list | tuple)
            or not all(isinstance(text, str) for text in self.candidates)
        ):
            raise PreferenceError(
                "A ranking needs a prompt that is text, and a list of outputs that are texts."
            )
        everyone = list(range(len(self.candidates)))
        if len(self.candidates) < 2:
            raise PreferenceError(
                "A ranking needs at least two different outputs; this prompt has one. Generate"
                " more."
            )
        if len(self.candidates) > MOST_CANDIDATES:
            raise PreferenceError(
                f"A ranking of {len(self.candidates):,} outputs is too long; at most"
                f" {MOST_CANDIDATES} fit."
            )
        if self.verdict not in VERDICTS:
            raise PreferenceError(
                f"The verdict {self.verdict!r} is not known; use both_bad, skip, or a ranking."
            )
        if sorted(self.shown) != everyone:
            raise PreferenceError("The order on screen must name every output once.")
        ranked = sorted(index for group in self.groups for index in group)
        if self.verdict is None and ranked != everyone:
            raise PreferenceError("The ranking must place every output once.")
        if self.verdict is not None and self.groups:
            raise PreferenceError("A skipped or rejected set has no ranking.")
        if self.good is not None and self.groups != groups_of(self.good, everyone):
            raise PreferenceError("What was called good must stand above what was called bad.")
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise PreferenceError("The seconds of a ranking must be a number from 0.")
        if not all(
            isinstance(text, str) for text in (self.reason, self.ideal, self.asked)
        ) or not isinstance(self.first, dict | None):
            raise PreferenceError(
                "The reason, the ideal answer and why a ranking was asked for must be texts, and"
                " its first answer an object."
            )

    def to_dict(self) -> dict:
        """Without ``good`` where answers were put in order: as such rows have always been."""
        return {k: v for k, v in asdict(self).items() if k != "good" or v is not None}

    @classmethod
    def from_dict(cls, data: dict) -> Ranking:
        """Raises PreferenceError on unknown, missing or impossible fields."""
        if not isinstance(data, dict):
            raise PreferenceError("A ranking must be a JSON object.")
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise PreferenceError(f"A ranking has a field that is not known: {unknown[0]!r}.")
        try:
            return cls(**data)
        except TypeError as error:
            raise PreferenceError(f"A ranking is incomplete or malformed ({error}).") from error


def groups_of(good: list[int], everyone: list[int]) -> list[list[int]]:
    """The groups of a set whose answers were called good or bad one by one: good above bad. One
    group where all were called the same.
    """
    bad = [index for index in everyone if index not in good]
    return [group for group in (sorted(good), bad) if group]


def pairs_from_rankings(rankings: list[Ranking]) -> list[Pair]:
    """Every pair of every ranking, left and right as displayed; a ranking's pairs weigh 1 together.

    Identical texts are one candidate: a pair of equal texts says nothing and is left out. A
    both-bad or skipped set gives one row with that choice (first two texts on screen), so that the
    paper trail keeps it; such rows do not train. Answers that were called good or bad one by one
    give the pairs of a good and a bad one only, and none where all were called the same. An ideal
    answer that the annotator wrote stands as ``a`` and beats every candidate.
    """
    pairs = []
    for ranking in rankings:
        place = {index: n for n, group in enumerate(ranking.groups) for index in group}
        common: Record = dict(
            prompt=ranking.prompt,
            seconds=ranking.seconds,
            annotator=ranking.annotator,
            brief=ranking.brief,
            brief_version=ranking.brief_version,
        )
        ideal: list[Record] = [
            {"a": ranking.ideal, "b": text, "choice": "a"}
            for text in dict.fromkeys(ranking.candidates)
            if ranking.ideal
        ]
        if ranking.verdict is not None:
            left, right = ranking.shown[:2]
            pairs.append(
                Pair(
                    a=ranking.candidates[left],
                    b=ranking.candidates[right],
                    choice=ranking.verdict,
                    **common,
                )
            )
            pairs += [Pair(weight=1 / len(ideal), **row, **common) for row in ideal]
            continue
        found = []
        for left, right in combinations(ranking.shown, 2):
            a, b = ranking.candidates[left], ranking.candidates[right]
            if a != b and not (ranking.good is not None and place[left] == place[right]):
                choice = "a" if place[left] < place[right] else "b"
                found.append((a, b, "tie" if place[left] == place[right] else choice))
        found += [(row["a"], row["b"], row["choice"]) for row in ideal]
        pairs += [
            Pair(a=a, b=b, choice=choice, weight=1 / len(found), **common) for a, b, choice in found
        ]
    return pairs


def as_first_given(rankings: list[Ranking]) -> list[Ranking]:
    """The judgements of what was on screen, before anybody thought better of them.

    They tell about the annotator (``labeller_mirror``), not about the answers.
    """
    return [
        replace(ranking, ideal="", first=None, **({"good": None} | ranking.first))
        if ranking.first
        else replace(ranking, ideal="")
        for ranking in rankings
    ]


def finished_texts(rankings: list[Ranking]) -> dict[tuple[str, str], bool]:
    """Whether the model ended each judged text itself, by (prompt, text).

    What is not known is left out; where a text was judged again, the later ranking counts.
    """
    finished = {}
    for ranking in rankings:
        if ranking.finished:
            for text, end in zip(ranking.candidates, ranking.finished, strict=True):
                finished[ranking.prompt, text] = end
    return finished


def training_pairs(pairs: list[Pair]) -> list[Pair]:
    """The pairs a reward model learns from: a, b, tie; of different texts; that weigh something."""
    return [
        pair for pair in pairs if pair.target is not None and pair.a != pair.b and pair.weight > 0
    ]


def nothing_to_learn(pairs: list[Pair]) -> str:
    """Why no taste can be learned from ``pairs``; empty where one can.

    The words follow "There is nothing to learn from: ".
    """
    usable = training_pairs(pairs)
    if not pairs:
        return "no pair was judged yet"
    if not usable:
        return "no pair prefers one of two different texts"
    if all(pair.choice == "tie" for pair in usable):
        return "every pair is a tie"
    # Of each two texts: wins of the one less wins of the other.
    balance: dict[tuple, float] = defaultdict(float)
    for pair in usable:
        wins = pair.weight * (2 * known(pair.target) - 1)
        if pair.a < pair.b:
            balance[pair.prompt, pair.a, pair.b] += wins
        else:
            balance[pair.prompt, pair.b, pair.a] -= wins
    if all(abs(wins) < 1e-9 for wins in balance.values()):
        return "every preference is taken back by its opposite"
    return ""


def split_prompts(prompts: list[str], folds: int, seed: int) -> dict[str, int]:
    """Each distinct prompt's fold (0 .. folds-1), balanced and seeded.

    Held-out splits go by prompt, never by pair.
    """
    distinct = sorted(set(prompts))
    random.Random(seed).shuffle(distinct)
    return {prompt: index % folds for index, prompt in enumerate(distinct)}


# --- files ----------------------------------------------------------------------------------------


def is_weight(value: object) -> bool:
    """Whether a pair may weigh so much. One that weighs a million would drown all others; less than
    0.01 is the share of a pair in a long ranking (1 / (K(K-1)/2)), or a mistake.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        return False
    if value >= LEAST_WEIGHT:
        return value <= MOST_WEIGHT
    longest = MOST_CANDIDATES + 1  # with an ideal answer
    pairs = round(1 / value) if value > 1 / longest**2 else 0
    outputs = (1 + math.isqrt(1 + 8 * pairs)) // 2
    whole = math.isclose(value * pairs, 1.0, rel_tol=1e-6)
    return whole and pairs == outputs * (outputs - 1) // 2 and outputs <= longest


def pair_from_row(row: object, where: str) -> Pair:
    """A Pair from one row of JSON: ours (prompt, a, b, choice) or TRL's (prompt, chosen, rejected).

    ``where`` names the row in errors.
    """
    if not isinstance(row, dict):
        raise PreferenceError(
            f"{where}: a row must be a JSON object with prompt, a, b, choice (or prompt, chosen,"
            " rejected)."
        )
    called = {}
    if "chosen" in row or "rejected" in row:
        called = {"a": "chosen", "b": "rejected"}  # as the file calls them
        row = {
            "prompt": row.get("prompt"),
            "a": row.get("chosen"),
            "b": row.get("rejected"),
            "choice": "a",
        }
    texts: Record = {name: row.get(name) for name in ("prompt", "a", "b")}
    for part, text in texts.items():
        name = called.get(part, part)
        if not isinstance(text, str) or not text.strip():
            raise PreferenceError(f"{where}: the field {name!r} is missing or empty.")
        if len(text) > MAX_TEXT:
            raise PreferenceError(
                f"{where}: the field {name!r} has {len(text):,} characters; at most {MAX_TEXT:,}"
                " fit."
            )
    if row.get("choice") not in CHOICES:
        raise PreferenceError(
            f"{where}: the choice is {row.get('choice')!r}; it must be one of {', '.join(CHOICES)}."
        )
    weight: Any = 1.0 if row.get("weight") is None else row["weight"]
    if not is_weight(weight):
        raise PreferenceError(f"{where}: the weight is {weight!r:.40}; it must be {WEIGHTS}.")
    numbers: Record = {"seconds": row.get("seconds"), "brief_version": row.get("brief_version", 1)}
    for name, value in numbers.items():
        if value is not None and (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= MAX_NUMBER
        ):
            raise PreferenceError(
                f"{where}: the field {name!r} is {value!r:.40}; it must be a number from 0 to"
                f" {MAX_NUMBER:,}."
            )
    return Pair(
        **texts,
        choice=str(row["choice"]),
        weight=float(weight),
        seconds=numbers["seconds"],
        annotator=str(row.get("annotator") or "unknown"),
        brief=str(row.get("brief") or ""),
        brief_version=int(numbers["brief_version"] or 1),
    )


def read_preferences(path: str | Path) -> list[Pair]:
    """Pairs from a JSONL file, line by line. Raises PreferenceError naming the line."""
    pairs, behind = [], 0
    for number, raw in enumerate(lines_of(path, MAX_OWN_BYTES, MAX_BYTES), 1):
        where = f"{path} line {number}"
        before, behind = behind, behind + len(raw)
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            if not line.strip():
                continue
            row = json.loads(line)
        except UnicodeDecodeError as error:
            raise PreferenceError(
                f"The preferences file {path} is not UTF-8 text (byte {before + error.start})."
            ) from error
        except (ValueError, RecursionError) as error:
            raise PreferenceError(f"{where}: not valid JSON ({error}).") from error
        pairs.append(pair_from_row(row, where))
        if len(pairs) > MAX_ROWS:
            raise PreferenceError(f"The preferences file {path} has more than {MAX_ROWS:,} rows.")
    if not pairs:
        raise PreferenceError(f"The preferences file {path} holds no rows.")
    return pairs
