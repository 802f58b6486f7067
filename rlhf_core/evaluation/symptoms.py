"""What is wrong with a PPO run: classic failures, read off its records.

Each comes with its meaning, the knob behind it and one safe way to try again (``retry``).

Plain records in (a session's ``tuned.metrics`` and ``tuned.samples``), plain findings out.
Thresholds are rules of thumb for answers of a few dozen tokens; they were set so that runs with the
app's own settings raise none of the serious ones (tests/evaluation/test_symptoms.py). Knows nothing
about pages; imports no torch.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from statistics import median

from rlhf_core.common.ppo_presets import SAFE
from rlhf_core.common.settings import PPOSettings
from rlhf_core.evaluation.retry import calmer, far_smaller

# Nats a response: far from the original; in one step; near enough to try again from.
KL_FAR, KL_JUMP, KL_NEAR = 12.0, 5.0, 3.0
SAME = 0.3  # share of equal answers
LOOP = 0.35  # share of repeated word pairs in an answer
UNSURE = 0.2  # share of the entropy at the start that is left
CLIPPED = 0.4  # share of tokens
FLAT_STEPS, VALUE_STEPS = 8, 9  # before a verdict on the reward; on the value loss
NEAR_THE_TOP = 0.8  # of the highest score that counts
LEAST_GAIN = 0.1  # reference SD over a run
SERIOUS, WATCH, NOTE = "serious", "watch", "note"


def examine(
    metrics: Sequence[dict], samples: Sequence[dict], settings: dict, broke: dict | None = None
) -> list[dict]:
    """Everything that the records show, the worst first.

    Args:
        metrics: a row a step (``ppo.train``), of one round; step 0 is the model before any update.
        samples: rows with step and text.
        settings: what the run ran with last.
        broke: {"step", "sentence"} where it stopped: its numbers were no longer finite.

    Returns:
        Findings: name; severity (serious | watch | note); title; seen (the numbers); means; knob
            (which one is responsible); step (the last one before it showed, where a new try should
            begin) and retry (settings to change, {} where there is nothing to try again).
    """
    whole = vars(PPOSettings()) | {k: v for k, v in settings.items() if v is not None}
    by_step: dict[int, list[str]] = {}
    for row in samples:
        by_step.setdefault(row["step"], []).append(row["text"])
    seen = [broken(metrics, whole, broke)]
    needed = ("reward_mean", "kl_to_reference", "entropy")
    rows = [row for row in metrics if all(_finite(row.get(name)) for name in needed)]
    if rows:
        seen += [look(rows, by_step, whole) for look in LOOKS]
    order, found = (SERIOUS, WATCH, NOTE), [one for one in seen if one]
    first = min((one["step"] for one in found if one["severity"] == SERIOUS), default=math.inf)
    for one in found:
        # No new try begins in a model that was broken by then.
        one["step"] = min(one["step"], first)
    return sorted(found, key=lambda one: order.index(one["severity"]))


# --- the symptoms ---------------------------------------------------------------------------------


def broken(metrics: Sequence[dict], settings: dict, broke: dict | None) -> dict | None:
    """NaN: the run stopped itself, or a record holds what is no number."""
    names = ("reward_mean", "kl_to_reference")
    odd = [row for row in metrics if not all(_finite(row.get(name)) for name in names)]
    if broke is None and not odd:
        return None
    at = broke["step"] if broke else odd[0]["step"]
    healthy = []
    for row in metrics:
        kl = row.get("kl_to_reference")
        if row["step"] < at and kl is not None and _finite(kl) and kl < KL_FAR:
            healthy.append(row["step"])
    return _finding(
        "nan",
        SERIOUS,
        "The numbers broke",
        broke["sentence"] if broke else f"Step {at} has values that are no numbers.",
        "One update was so large that the arithmetic ran out of range (NaN, “not a number”). The"
        " step was thrown away; the model before it is kept.",
        "learning rate",
        healthy[-1] if healthy else 0,
        calmer(settings, beta=True) | {"learning_rate": far_smaller(settings["learning_rate"])},
    )


def kl_explosion(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """The drift from the original is far, or leapt in one step."""
    kl = [row["kl_to_reference"] for row in rows]
    onset = next(
        (i for i in range(1, len(kl)) if kl[i] > KL_FAR or kl[i] - kl[i - 1] > KL_JUMP), None
    )
    if onset is None or kl[-1] < KL_FAR / 2:  # it came back
        return None
    near = max((i for i in range(onset) if kl[i] <= KL_NEAR), default=0)
    return _finding(
        "kl_explosion",
        SERIOUS,
        "KL explosion",
        f"The drift from the original reached {kl[-1]:.1f} nats a response; it ran away at step"
        f" {rows[onset]['step']}.",
        "The model has left the language it came from. The reward model was trained on the"
        " original's answers: out here its scores mean little, and can be gamed.",
        "β (too small)" if settings["beta"] < SAFE["beta"].low else "learning rate (too large)",
        rows[near]["step"],
        calmer(settings, beta=True),
    )


def collapse(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """Most answers of a step are the same."""
    steps = [row["step"] for row in rows if len(texts.get(row["step"], ())) >= 8]
    if len(steps) < 2:
        return None
    start = commonest(texts[steps[0]])[1]
    onset = next(
        (step for step in steps[1:] if commonest(texts[step])[1] > max(SAME, 2 * start)), None
    )
    words, now = commonest(texts[steps[-1]])
    if onset is None or now <= max(SAME, 2 * start):
        return None
    return _finding(
        "collapse",
        SERIOUS,
        "Collapse to one answer",
        f"{now:.0%} of the answers of step {steps[-1]} are the very same text.",
        "It found one sentence that scores well and says it to every prompt. The mean reward looks"
        " fine; nobody would want this model.",
        "β (too small)" if settings["beta"] < SAFE["beta"].low else "learning rate (too large)",
        _before_step(rows, onset),
        calmer(settings, beta=True),
    )


def repetition(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """Answers go round in circles."""
    steps = [row["step"] for row in rows if texts.get(row["step"])]
    if len(steps) < 2:
        return None
    shares = {
        step: sum(map(repeated, texts[step])) / len(texts[step]) for step in (steps[0], *steps[-3:])
    }
    start, now = shares[steps[0]], shares[steps[-1]]
    if now <= max(LOOP, 2 * start):
        return None
    onset = next(
        step
        for step in steps[1:]
        if sum(map(repeated, texts[step])) / len(texts[step]) > max(LOOP, 2 * start)
    )
    return _finding(
        "repetition",
        SERIOUS,
        "Repetition",
        f"{now:.0%} of the word pairs in an answer have come before in that answer ({start:.0%} at"
        " the start).",
        "It says a well-paid phrase again and again. The reward model reads averages, so more of"
        " the same costs nothing.",
        "β (too small)" if settings["beta"] < SAFE["beta"].low else "learning rate (too large)",
        _before_step(rows, onset),
        calmer(settings, beta=True),
    )


def entropy_gone(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """The model no longer hesitates."""
    entropy = [row["entropy"] for row in rows]
    onset = next((i for i in range(1, len(entropy)) if entropy[i] < UNSURE * entropy[0]), None)
    if onset is None or entropy[-1] >= UNSURE * entropy[0]:
        return None
    return _finding(
        "entropy_gone",
        SERIOUS,
        "Entropy gone",
        f"Entropy fell from {entropy[0]:.2f} to {entropy[-1]:.2f} nats a token.",
        "It is sure of every word, so it writes nothing new, and a method that learns from what it"
        " tries has nothing left to learn from.",
        "learning rate (too large), or β (too small)",
        _before(rows, onset),
        calmer(settings, beta=True),
    )


def clip_saturation(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """A large share of tokens has its push taken away by the clip."""
    updates = [
        (i, row["clip_fraction"])
        for i, row in enumerate(rows)
        if row["step"] and _finite(row.get("clip_fraction"))
    ]
    if len(updates) < 3 or sum(share for _, share in updates[-3:]) / 3 <= CLIPPED:
        return None
    onset = next(i for i, share in updates if share > CLIPPED)
    return _finding(
        "clip_saturation",
        WATCH,
        "Clip saturation",
        f"{updates[-1][1]:.0%} of the tokens were clipped in the last update; up to 30% is usual.",
        "The updates want to go further than the clip range lets them: much of the batch no longer"
        " has a say, and the rest pulls too hard.",
        "learning rate (too large), or too many epochs",
        _before(rows, onset),
        calmer(settings) | {"learning_rate": far_smaller(settings["learning_rate"])},
    )


def reward_flat(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """The reward has not moved since the round (or the reward model) began."""
    rows = [row for row in rows if row.get("reward_model") == rows[-1].get("reward_model")]
    if len(rows) < FLAT_STEPS + 1:
        return None
    gain, chance, learns = _gained(rows, texts, settings)
    if learns:
        return None
    timid = rows[-1]["kl_to_reference"] < 1.0
    rate, beta = settings["learning_rate"], _beta(rows, settings)
    if beta > SAFE["beta"].high:
        knob, retry = "β (too large)", {"beta": PPOSettings.beta, "kl_target": 0.0}
    elif timid and rate >= SAFE["learning_rate"].high:
        knob = "β (too large for what there is to gain)"
        retry = {"beta": max(SAFE["beta"].low, beta / 2)}
    elif timid:
        usual, highest = PPOSettings.learning_rate, SAFE["learning_rate"].high
        knob = "learning rate (too small)"
        retry = {"learning_rate": usual if rate < usual else min(highest, 2 * rate)}
    else:
        knob, retry = "learning rate (too large): it moves, and gets nowhere", calmer(settings)
    since = f" since the score changed at step {rows[0]['step']}" if rows[0]["step"] else ""
    seen = f"{gain:+.2f} SD over {len(rows) - 1} steps{since}; chance alone moves it by ±"
    seen += f" {chance:.2f}."
    return _finding(
        "reward_flat",
        WATCH,
        "The reward does not rise",
        seen.replace("-", "\N{MINUS SIGN}"),
        (f"Nothing more was learned{since}: " if since else "Nothing was learned so far: ")
        + (
            "the model has hardly moved from the original."
            if timid
            else "the model moves, but not towards a better score."
        ),
        knob,
        rows[0]["step"],
        {name: value for name, value in retry.items() if value != settings[name]},
    )


def value_loss_up(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """The value head guesses worse than at the start, and the reward does not rise either.

    Where it rises, that costs nothing that anybody would miss: every step brings new
    answers and another model, so in a short run the loss jumps about.
    """
    same = [row for row in rows if row.get("reward_model") == rows[-1].get("reward_model")]
    updates = [row for row in same if row["step"]]
    losses = [row["value_loss"] for row in updates if _finite(row.get("value_loss"))]
    if len(losses) < VALUE_STEPS:
        return None
    third = len(losses) // 3
    # Medians: one odd answer makes a spike, which says nothing.
    first, last = median(losses[:third]), median(losses[-third:])
    *_, learns = _gained(same, texts, settings)
    if last <= 2 * first or learns:
        return None
    dear = _beta(rows, settings) > SAFE["beta"].high
    return _finding(
        "value_loss",
        WATCH,
        "The value loss is not falling",
        f"{first:.3g} in the first third of the run, {last:.3g} in the last.",
        "The value head should learn to guess the reward to come. It does not keep up, so the"
        " advantages are noisier than they need be: learning is slower, not wrong.",
        (
            "β (too large): its price shakes the rewards"
            if dear
            else "learning rate: the answers change faster than the value head learns"
        ),
        rows[0]["step"],
        {"beta": PPOSettings.beta, "kl_target": 0.0} if dear else calmer(settings),
    )


def negative_k1(rows: Sequence[dict], texts: dict, settings: dict) -> dict | None:
    """The estimate of the drift that is paid for came out below zero."""
    row = rows[-1]
    more = min(128, 2 * settings["batch_size"])
    if not _finite(row.get("kl_k1")) or row["kl_k1"] >= -0.02:
        return None
    answers = len(texts.get(row["step"], ())) or settings["batch_size"]
    return _finding(
        "negative_k1",
        NOTE,
        "A negative KL estimate",
        f"The sampled estimate (k1) of step {row['step']} is {row['kl_k1']:.2f} nats; the exact KL"
        f" is {row['kl_to_reference']:.2f}.".replace("-", "\N{MINUS SIGN}"),
        f"A distance cannot be negative; an estimate from {answers} answers can, while the drift is"
        " small. Harmless here, since the chart shows the exact one. If it stays below zero by"
        " much, the answers were not drawn from the model that is being measured.",
        "answers a step (few answers, much noise)",
        row["step"],
        {"batch_size": more} if settings["batch_size"] < 128 else {},
    )


LOOKS = (
    kl_explosion,
    collapse,
    repetition,
    entropy_gone,
    clip_saturation,
    reward_flat,
    value_loss_up,
    negative_k1,
)


# --- reading texts --------------------------------------------------------------------------------


def commonest(texts: Sequence[str]) -> tuple[str, float]:
    """The text that comes most often, and its share."""
    text, count = Counter(" ".join(text.lower().split()) for text in texts).most_common(1)[0]
    return text, count / len(texts)


def repeated(text: str) -> float:
    """Share of a text's word pairs that came before in it."""
    words = re.findall(r"[\w'-]+", text.lower())
    pairs = list(zip(words, words[1:]))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


# --- shared ---------------------------------------------------------------------------------------


def _finding(
    name: str, severity: str, title: str, seen: str, means: str, knob: str, step: int, retry: dict
) -> dict:
    return {
        "name": name,
        "severity": severity,
        "title": title,
        "seen": seen,
        "means": means,
        "knob": knob,
        "step": step,
        "retry": retry,
    }


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _gained(rows: Sequence[dict], texts: dict, settings: dict) -> tuple[float, float, bool]:
    """How far the reward has risen from the first three rows to the last three, and how far chance
    alone moves it (two standard errors), in reference SD; and whether all is well: it rose by more,
    or it began where nothing is left to gain.
    """
    first, last = rows[:3], rows[-3:]
    answers = max(1, len(texts.get(rows[-1]["step"], ())) or settings["batch_size"])
    variance = sum((row.get("reward_std") or 0.0) ** 2 for row in (*first, *last))
    chance = 2 * math.sqrt(variance / 9 / answers)
    start = sum(row["reward_mean"] for row in first) / len(first)
    gain = sum(row["reward_mean"] for row in last) / len(last) - start
    at_the_top = start > NEAR_THE_TOP * (settings["score_clip"] or math.inf)
    return gain, chance, gain > max(chance, LEAST_GAIN) or at_the_top


def _beta(rows: Sequence[dict], settings: dict) -> float:
    """The price of drift as it was last paid: adaptive KL moves it."""
    beta = rows[-1].get("beta")
    return beta if beta is not None and _finite(beta) else settings["beta"]


def _before(rows: Sequence[dict], index: int) -> int:
    """The step before row ``index``."""
    return rows[max(0, index - 1)]["step"]


def _before_step(rows: Sequence[dict], step: int) -> int:
    return max((row["step"] for row in rows if row["step"] < step), default=0)
