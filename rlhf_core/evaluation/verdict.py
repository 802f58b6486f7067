"""The verdict: who says that the tuned model is better, and could luck alone have said it?

A judge (the reward model, the brief's word rule, the graded rule, the learner voting blind) gives
every pair of answers an outcome: 1 where "after" won, 0 where it lost, 0.5 for a tie. Beside every
number stands a control: the labels "before" and "after" are shuffled within each pair, many times
over, and the same number is computed again. What the shuffled labels give is luck; a verdict must
lie outside it.

Knows nothing about models; imports no torch, so that a page can count votes while the engine
sleeps. Simplification against a study with people: one voter, and judges that look at the same
pairs, so that they are no independent samples of each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from rlhf_core.evaluation.before_after import (
    by_reward,
    distinct_n,
    distinct_share,
    mean_words,
    ngrams,
    win_rate,
)
from rlhf_core.evaluation.conclusion import (
    GRADED,
    REWARD_MODEL,
    RULE,
    TEACHER,
    YOU,
    conclusion,
    outcome,
)
from rlhf_core.evaluation.gold_rule import rate
from rlhf_core.judging.register import is_full_sentence, judge, register_of

SAME_GRADE = 0.01  # of 1: graded ratings nearer than this are a tie
SHUFFLES = 2_000
CLEAR = 0.01  # of the shuffles; what more of them reach is at the edge of luck


# --- luck -----------------------------------------------------------------------------------------


def luck(differences: Sequence[float], *, seed: int, draws: int = SHUFFLES) -> dict:
    """What shuffled labels make of the mean of ``differences`` (after minus before, one a pair).

    Swapping a pair's labels changes its sign.

    Returns:
        {"low", "high": the middle 95% of the shuffled means; "as_far": share of shuffled means at
        least as far from 0 as the real one}.

    Source: the sign-flip (paired permutation) test, Good 2005, "Permutation, Parametric and
    Bootstrap Tests", section 3.2; the share with the real labels counted in (Phipson & Smyth 2010),
    so that it is never 0.
    """
    if not differences:
        return {"low": 0.0, "high": 0.0, "as_far": 1.0}
    values = np.asarray(differences, dtype=float)  # (pairs,)
    signs = np.random.default_rng(seed).integers(0, 2, (draws, len(values))) * 2 - 1
    means = signs @ values / len(values)  # (draws,)
    low, high = np.quantile(means, [0.025, 0.975])
    far = int((np.abs(means) >= abs(values.mean()) - 1e-12).sum())
    return {"low": float(low), "high": float(high), "as_far": (far + 1) / (draws + 1)}


def luck_of_variety(
    before: Sequence[str], after: Sequence[str], n: int, *, seed: int, draws: int = 200
) -> dict:
    """``luck`` for the change of distinct-n: here the texts themselves change sides.

    Distinct-n is a number of all texts together and has no value a pair.
    """
    if not before:
        return luck([], seed=seed)
    pairs = [(ngrams(x, n), ngrams(y, n)) for x, y in zip(before, after, strict=True)]
    rng = np.random.default_rng(seed)

    def change(swap: Sequence[int]) -> float:
        left = [pair[swapped] for pair, swapped in zip(pairs, swap)]
        right = [pair[1 - swapped] for pair, swapped in zip(pairs, swap)]
        return distinct_share(right) - distinct_share(left)

    real = change([0] * len(before))
    found = [change(swap) for swap in rng.integers(0, 2, (draws, len(before))).tolist()]
    low, high = np.quantile(found, [0.025, 0.975])
    far = sum(abs(value) >= abs(real) - 1e-12 for value in found)
    return {"low": float(low), "high": float(high), "as_far": (far + 1) / (draws + 1)}


# --- all of it ------------------------------------------------------------------------------------


def verdict(
    pairs: list[dict],
    *,
    wanted: str | None,
    scripted: bool,
    fluency: dict | None = None,
    chance: dict | None = None,
    seed: int = 0,
) -> dict:
    """What a measured comparison says beside ``before_after.summarise``; people vote later.

    Args:
        pairs: as ``before_after.summarise`` takes them.
        wanted: the register that the brief's rule looks for, or None: no rule judges.
        scripted: whether the scripted rater judged the comparisons: then the rule is the teacher's
            own yardstick and no second opinion.
        fluency: see ``language``.
        chance: the reward model's label-permutation control (``rewards.permutation_control``), or
            None: not known.

    Returns:
        JSON-able: {"judges": rows of ``judged``, "language": rows of ``language``, "chance",
        "permutation_p" | None, "verdict" (``conclusion.outcome``), "conclusion": one sentence}.
    """
    prompts = [pair["prompt"] for pair in pairs]
    judges = [judged(REWARD_MODEL, by_reward(pairs), prompts, seed=seed)]
    if wanted:
        name = TEACHER if scripted else RULE
        judges.append(judged(name, by_rule(pairs, wanted), prompts, seed=seed))
        judges.append(judged(GRADED, by_graded_rule(pairs, wanted), prompts, seed=seed))
    rows = language(pairs, fluency, wanted=wanted, seed=seed)
    return {
        "judges": judges,
        "language": rows,
        "chance": chance,
        "permutation_p": chance["p"] if chance else None,
        "verdict": outcome(judges, chance),
        "conclusion": conclusion(judges, rows, chance),
    }


# --- who wins -------------------------------------------------------------------------------------


def judged(name: str, outcomes: Sequence[float], groups: Sequence[str], *, seed: int = 0) -> dict:
    """One judge's count: win rate (a tie counts half), its interval, what shuffled labels give.

    The interval is over prompts (``before_after.win_rate``).

    Returns:
        JSON-able: name, pairs, prompts, wins, ties, losses, win_rate, interval, luck (of the win
        rate: [low, high]), as_far.
    """
    share, (low, high) = win_rate(outcomes, groups)
    control = luck([outcome - 0.5 for outcome in outcomes], seed=seed)
    return {
        "name": name,
        "pairs": len(outcomes),
        "prompts": len(set(groups)),
        "wins": outcomes.count(1.0),
        "ties": outcomes.count(0.5),
        "losses": outcomes.count(0.0),
        "win_rate": share,
        "interval": [low, high],
        "luck": [0.5 + control["low"], 0.5 + control["high"]],
        "as_far": control["as_far"],
    }


def by_rule(pairs: Sequence[dict], wanted: str) -> list[float]:
    """The brief's word rule on each pair: the higher grade wins; equal grades or texts tie."""
    outcomes = []
    for pair in pairs:
        before = judge(pair["before"], wanted, bool(pair.get("ended_before", True)))
        after = judge(pair["after"], wanted, bool(pair.get("ended_after", True)))
        tie = before == after or pair["before"] == pair["after"]
        outcomes.append(0.5 if tie else float(after > before))
    return outcomes


def by_graded_rule(pairs: Sequence[dict], wanted: str) -> list[float]:
    """The gold rating on each pair (``gold_rule``).

    It tells the register by words that the scripted rater does not read. That rater's comparisons
    taught full sentences too, but neither variety nor real words.
    """
    outcomes = []
    for pair in pairs:
        before = rate(pair["before"], wanted, bool(pair.get("ended_before", True)))["gold"]
        after = rate(pair["after"], wanted, bool(pair.get("ended_after", True)))["gold"]
        outcomes.append(0.5 if abs(after - before) < SAME_GRADE else float(after > before))
    return outcomes


def by_votes(votes: Sequence[dict], *, seed: int = 0) -> dict:
    """The learner's blind votes as a judge. Rows with prompt and choice: before, after or tie."""
    worth = {"after": 1.0, "tie": 0.5, "before": 0.0}
    outcomes, prompts = (
        [worth[vote["choice"]] for vote in votes],
        [vote["prompt"] for vote in votes],
    )
    return judged(YOU, outcomes, prompts, seed=seed)


# --- what became of the language ------------------------------------------------------------------


def well_formed(prompt: str, text: str, ended: bool = True) -> bool:
    """Did an answer keep capitals and full stops?

    It ends as a sentence, and every sentence that begins in it begins with a capital letter.
    """
    if not is_full_sentence(text, ended):
        return False
    starts = re.findall(r"[.!?][\"')]*\s+([A-Za-z])", f"{prompt.rstrip()} {text.lstrip()}")
    return all(letter.isupper() for letter in starts)


def repetition(text: str) -> float:
    """Share of an answer's words that stood in it already."""
    words = re.findall(r"[\w'-]+", text.lower())
    return 1 - len(set(words)) / len(words) if words else 0.0


def language(
    pairs: Sequence[dict], fluency: dict | None = None, *, wanted: str | None = None, seed: int = 0
) -> list[dict]:
    """What became of the language: a row a measure, with what shuffled labels make of the change.

    Args:
        fluency: {"before": [...], "after": [...]}, each answer's log-probability under the frozen
            model, nats a token.
        wanted: the register to count, if any.

    Returns:
        Rows {"name", "before", "after", "luck": [low, high] of the change, "beyond": is the change
        more than luck?, "clear": far more than luck?}; names wanted, full_sentences, well_formed,
        repetition, words, fluency, distinct_1, distinct_2.
    """
    measures = {}
    if wanted:
        measures["wanted"] = lambda prompt, text, ended: float(register_of(text, wanted) == wanted)
    measures |= {
        "full_sentences": lambda prompt, text, ended: float(is_full_sentence(text, ended)),
        "well_formed": lambda prompt, text, ended: float(well_formed(prompt, text, ended)),
        "repetition": lambda prompt, text, ended: repetition(text),
        "words": lambda prompt, text, ended: mean_words([text]),
    }
    rows, count = [], len(pairs) or 1
    columns = {name: _both_sides(pairs, measure) for name, measure in measures.items()}
    if fluency:
        columns["fluency"] = (fluency["before"], fluency["after"])
    for name, (before, after) in columns.items():
        differences = [y - x for x, y in zip(before, after, strict=True)]
        control = luck(differences, seed=seed)
        rows.append(_change(name, sum(before) / count, sum(after) / count, control))
        if name == "wanted":
            rows[-1]["register"] = wanted
    old, new = [pair["before"] for pair in pairs], [pair["after"] for pair in pairs]
    for n in (1, 2):
        control = luck_of_variety(old, new, n, seed=seed)
        rows.append(_change(f"distinct_{n}", distinct_n(old, n), distinct_n(new, n), control))
    return rows


def _both_sides(pairs: Sequence[dict], measure: Callable) -> tuple[list[float], list[float]]:
    """A measure of every answer before, and of every answer after."""
    before = [measure(pair["prompt"], pair["before"], pair["ended_before"]) for pair in pairs]
    after = [measure(pair["prompt"], pair["after"], pair["ended_after"]) for pair in pairs]
    return before, after


def _change(name: str, before: float, after: float, control: dict) -> dict:
    return {
        "name": name,
        "before": before,
        "after": after,
        "luck": [control["low"], control["high"]],
        "beyond": control["as_far"] <= 0.05,
        "clear": control["as_far"] <= CLEAR,
    }
