"""Rule or reward model? The same policy climbs a rule that can be checked, and a reward model that
learned that rule from comparisons.

    original's answers -> the rule compares them -> a reward model (its imitation)
    GRPO on the rule | GRPO on the imitation, from the same start, with the same seed
    every few steps: answers to prompts that neither trains on -> the rule, the imitation, exact KL,
        how often the same answer comes under several prompts

Both can be gamed, each in its own way: a rule by whatever satisfies it without having been meant
(the same short sentence everywhere), an imitation by what it happens to reward beside the rule.
What happened is measured and said with its interval; "no detectable change" is an answer, and so
is "too few prompts to tell". The session lends its prompts and its language model; the rest is the
lab's own, and goes when it ends. Runs on the worker thread; imports torch.

Simplifications: what the rule explains of the imitation's score is its three parts added up, as
fitted to the original's answers, so that a score for two parts together counts as beside the rule.
Against RL with verifiable rewards at full scale: a rule about form instead of sums and programs,
tens of steps instead of thousands.
"""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import torch

from rlhf_core.algorithms import grpo
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.events import Progress, Record, only_progress
from rlhf_core.common.intervals import bootstrap_interval
from rlhf_core.common.lab_settings import RuleOrRewardSettings
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import GRPOSettings, RewardModelSettings
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS, distinct_n, win_rate
from rlhf_core.evaluation.checkable_rule import PARTS, check, grade, named
from rlhf_core.labs.measuring import Answer, Bench, Findings, lab_session
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import Responses, decode_texts
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.session.state import Session

ORIGINALS = 16  # answers of the original a prompt, for what the imitation rewards
SHOWN = 6  # answers of a point that are kept for reading
OFTEN = 0.03  # share of answers below which a word is too rare to be tested
POINT = ("step", "kl", "satisfied", "learned", "repeats")  # what a record says of one


# --- the rule as a rater and as a reward ----------------------------------------------------------


def rule_groups(session: Session, row: dict) -> list[list[int]]:
    """The rule's ranking of a candidate set, the more parts the better: as
    ``scripted_rater.scripted_groups``.
    """
    grades = [grade(*answer) for answer in zip(row["texts"], row["finished"], strict=True)]
    levels = sorted(set(grades), reverse=True)
    return [[i for i, one in enumerate(grades) if one == level] for level in levels]


def rule_rewards(lm: LanguageModel, all_or_nothing: bool):
    """The rule as GRPO's ``rule_fn``: what was written -> (B,) grades from 0 to 1."""

    def rewards(responses: Responses) -> torch.Tensor:
        rows = zip(decode_texts(lm, responses), responses.ended(lm.end_id).tolist(), strict=True)
        return torch.tensor([grade(text, ended, all_or_nothing) for text, ended in rows])

    return rewards


def climb_settings(settings: RuleOrRewardSettings) -> GRPOSettings:
    """The same for both: no limit to a score, no fee for a missing end (the rule has its own). Each
    batch is used twice, so that a climb gets far in tens of steps.
    """
    return GRPOSettings(
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        beta=settings.beta,
        group=8,
        epochs=2,
        minibatch_size=32,
        score_clip=0.0,
        missing_end_penalty=0.0,
        seed=settings.seed,
    )


# --- what may be said of answers ------------------------------------------------------------------


def mean_change(before: dict[int, float], after: dict[int, float], seed: int) -> list[float | None]:
    """[mean change, low, high]: a number of every prompt before and after, 95% over prompts."""
    return with_interval(
        [after[prompt] - before[prompt] for prompt in before], statistics.fmean, seed
    )


def with_interval(prompts: list, statistic, seed: int) -> list[float | None]:
    """[statistic, low, high], 95% over prompts; low and high are None where nothing can be told:
    of fewer than FEWEST_PROMPTS, or where most draws say nothing (NaN). So is the statistic, where
    it says nothing itself.
    """
    middle, few = statistic(prompts), len(prompts) < FEWEST_PROMPTS
    interval = None if few else bootstrap_interval([prompts], statistic, seed=seed)
    return [middle if math.isfinite(middle) else None, *(interval or (None, None))]


def by_prompt(answers: list[Answer], values: list[float]) -> dict[int, float]:
    """The mean of each prompt's values."""
    found: dict[int, list[float]] = {}
    for answer, value in zip(answers, values, strict=True):
        found.setdefault(answer.prompt, []).append(value)
    return {prompt: statistics.fmean(numbers) for prompt, numbers in found.items()}


def repeats(answers: list[Answer]) -> list[float]:
    """1 for each answer that stands, word for word, under another prompt too; else 0."""
    under: dict[str, set[int]] = {}
    for answer in answers:
        under.setdefault(_plain(answer.text), set()).add(answer.prompt)
    return [float(len(under[_plain(answer.text)]) > 1) for answer in answers]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+(?:['-][a-z]+)*", text.lower()))  # no quotation marks


class Yardstick:
    """What a point is measured against: the original's answers.

    Attributes:
        weights: least-squares weights of the imitation's score on the rule's parts, the constant
            last: what the rule explains of it.
        explained: share of the score's variance that they explain, over the original's answers.
        word: what ``favourite_word`` found, or None.
    """

    def __init__(self, originals: list[Answer], seed: int):
        self.seed = seed
        self.start: Record = {}  # the first point's numbers
        scores = np.array([answer.proxy for answer in originals])
        columns = self._columns(originals)
        self.weights = np.linalg.lstsq(columns, scores, rcond=None)[0]
        self.sums = {}  # of each prompt: X'X (4, 4) and X'y (4,), of which any fit is made
        for prompt in dict.fromkeys(answer.prompt for answer in originals):
            its = np.array([answer.prompt == prompt for answer in originals])
            x, y = columns[its], scores[its]
            self.sums[prompt] = (x.T @ x, x.T @ y)
        beside = scores - columns @ self.weights
        self.explained = float(1 - beside.var() / scores.var()) if scores.var() > 0 else 0.0
        self.word = favourite_word(originals, beside.tolist(), seed)

    @staticmethod
    def _columns(answers: list[Answer]) -> np.ndarray:
        rows = [[*check(a.text, a.ended).values(), True] for a in answers]
        return np.array(rows, dtype=float)

    def beside(self, answers: list[Answer]) -> list[float]:
        """The part of each score that the rule's parts do not explain, reference SD."""
        scores = np.array([answer.proxy for answer in answers])
        return (scores - self._columns(answers) @ self.weights).tolist()

    def _scored(self, answers: list[Answer]) -> dict[int, np.ndarray]:
        """Each prompt's mean [score, the columns], (5,)."""
        rows = np.column_stack([[answer.proxy for answer in answers], self._columns(answers)])
        numbers = np.array([answer.prompt for answer in answers])
        return {int(prompt): rows[numbers == prompt].mean(0) for prompt in np.unique(numbers)}

    def change_beside(
        self, before: dict[int, np.ndarray], after: dict[int, np.ndarray]
    ) -> list[float | None]:
        """[mean change, low, high] of the score beyond what the rule explains, from two of
        ``_scored``. Whole prompts are drawn with the original's answers to them, and the weights
        are fitted anew in each draw: the fit has an error of its own.
        """
        prompts = [(*self.sums[prompt], after[prompt] - before[prompt]) for prompt in before]
        return with_interval(prompts, beyond, self.seed)

    def point(self, answers: list[Answer]) -> dict:
        """Where a policy stands.

        {"kl", "satisfied" (share), "interval", "parts" (share each), "learned" (reference SD above
        the first point), "distinct_2", "repeats", "commonest": [text, share], "animal": [name,
        share] or None, "word" (share of answers with the imitation's favourite, or None), "changes"
        since the first point ({"satisfied", "repeats", "learned", "beside"}: as ``with_interval``),
        "texts": [[prompt number, text, how many parts, score]]}.
        """
        parts = [check(answer.text, answer.ended) for answer in answers]
        whole = [float(all(one.values())) for one in parts]
        same = repeats(answers)
        share, interval = win_rate(whole, [str(a.prompt) for a in answers])
        values = {
            "satisfied": whole,
            "repeats": same,
            "learned": [answer.proxy for answer in answers],
        }
        now = {name: by_prompt(answers, numbers) for name, numbers in values.items()}
        scored = self._scored(answers)
        self.start = self.start or {**now, "scored": scored}
        changes: dict[str, list[float | None]]
        changes = {name: mean_change(self.start[name], now[name], self.seed) for name in values}
        changes["beside"] = self.change_beside(self.start["scored"], scored)
        texts = Counter(_plain(answer.text) for answer in answers).most_common(1)[0]
        animals = Counter(name for answer in answers for name in named(answer.text)).most_common(1)
        word = self.word and self.word["word"]
        each = max(1, len(answers) // len(now["satisfied"]))
        return {
            "kl": statistics.fmean(answer.kl for answer in answers),
            "satisfied": share,
            "interval": list(interval),
            "parts": {name: statistics.fmean(one[name] for one in parts) for name in PARTS},
            "learned": changes["learned"][0],
            "distinct_2": distinct_n([answer.text for answer in answers], 2),
            "repeats": statistics.fmean(same),
            "commonest": [texts[0], texts[1] / len(answers)],
            "animal": [animals[0][0], animals[0][1] / len(answers)] if animals else None,
            "word": statistics.fmean(word in _words(a.text) for a in answers) if word else None,
            "changes": changes,
            "texts": [
                [a.prompt, a.text, sum(one.values()), a.proxy]
                for a, one in list(zip(answers, parts, strict=True))[::each][:SHOWN]
            ],
        }


def beyond(prompts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """How much a score rose beyond what the rule explains of it: (X'X, X'y, change of ``_scored``)
    a prompt. NaN where the answers of the fit never showed a part that has changed since: what it
    is worth, they cannot say.
    """
    square, right, change = (np.sum(rows, axis=0) for rows in zip(*prompts, strict=True))
    inverse = np.linalg.pinv(square, rcond=1e-9, hermitian=True)  # (4, 4)
    score, parts = change[0] / len(prompts), change[1:] / len(prompts)
    if np.abs(parts - inverse @ square @ parts).max() > 1e-6:
        return math.nan
    return float(score - parts @ inverse @ right)


def favourite_word(answers: list[Answer], beside: list[float], seed: int) -> dict | None:
    """The word that the imitation rewards most beside the rule: {"word", "more": [mean, low,
    high]}.

    It is looked for among the answers to half of the prompts, and tested on the other half's, so
    that searching through many words cannot find one by luck. None where the test's 95% interval
    holds 0, it has fewer than FEWEST_PROMPTS, or no word comes often enough.
    """
    halves: list[list[tuple[int, set[str], float]]] = [[], []]
    for answer, more in zip(answers, beside, strict=True):
        halves[answer.prompt % 2].append((answer.prompt, _words(answer.text), more))
    search, test = halves

    def lead(rows: list, word: str) -> float:
        with_it = [more for _, words, more in rows if word in words]
        without = [more for _, words, more in rows if word not in words]
        if not with_it or not without:
            return float("nan")
        return statistics.fmean(with_it) - statistics.fmean(without)

    def common(rows: list) -> set[str]:
        counts = Counter(word for _, words, _ in rows for word in words)
        return {word for word, count in counts.items() if OFTEN <= count / len(rows) <= 1 - OFTEN}

    offered = sorted(common(search) & common(test))
    if not offered:
        return None
    word = max(offered, key=lambda one: lead(search, one))
    prompts: dict[int, list] = {}
    for row in test:
        prompts.setdefault(row[0], []).append(row)

    def again(*drawn: list) -> float:
        return lead([row for rows in drawn for row in rows], word)

    found = with_interval(list(prompts.values()), lambda drawn: again(*drawn), seed)
    if found[1] is None or found[1] <= 0:
        return None
    return {"word": word, "more": found}


# --- the lab --------------------------------------------------------------------------------------


def run(
    session: Session, settings: RuleOrRewardSettings, all_or_nothing: bool = False
) -> Iterator[Progress | dict]:
    """The whole lab. Records {"kind": "start"} and {"kind": "point", "run", ``POINT``};
    ``session.labs["rule_or_reward"]`` has it all: {"brief", "settings", "all_or_nothing",
    "prompts", "pairs", "accuracy", "accuracy_interval", "explained", "word", "points": {run:
    [``Yardstick.point`` with "step" and "seconds" of training]}, "status"}.

    Args:
        all_or_nothing: the rule pays its climb 1 for all three parts and else 0, not a third for
            each. Its comparisons go by the number of parts either way: of answers that all lack one
            it would else say nothing.
    """
    settings.validate()
    own = lab_session(session, settings.seed)
    session.begin("rule_or_reward", {**asdict(settings), "whole": bool(all_or_nothing)})
    told = {
        "brief": own.asked.brief.title,
        "settings": asdict(settings),
        "all_or_nothing": bool(all_or_nothing),
        "points": {},
    }
    with Findings(session, "rule_or_reward", "points", **told) as found:
        # 1. The rule compares the original's answers, and a reward model learns to imitate it.
        yield from only_progress(judge_for_me(own, settings.comparisons, 2, rule_groups))
        yield from only_progress(fit_reward_model(own, RewardModelSettings(seed=settings.seed)))
        learned = own.learned.summary

        # 2. What the imitation rewards, as far as the original's own answers show it.
        bench = Bench(own, seed_of(own.seed, "rule_or_reward"))
        originals = yield from bench.originals(ORIGINALS, "questioning the imitation")
        measure = Yardstick(originals, bench.seed)
        found.keep(
            prompts=list(own.asked.brief.evaluation_prompts),
            pairs=learned["pairs_used"],
            accuracy=learned["heldout_accuracy"],
            accuracy_interval=learned["heldout_interval"],
            explained=measure.explained,
            word=measure.word,
        )
        yield {"kind": "start"}

        # 3. Two climbs from the same start, with the same seed, measured alike.
        rule = rule_rewards(bench.lm, all_or_nothing)
        rewards = {"rule": rule, "learned": None}
        for name in settings.RUNS:
            how = climb_settings(settings)
            policy = Policy(bench.lm.trunk, how)
            work = grpo.train(policy=policy, settings=how, rule_fn=rewards[name], **bench.common)
            for item in bench.measured(policy, work, settings.EVERY):
                if isinstance(item, Progress):
                    yield item
                    continue
                step, seconds, answers = item
                point = {"step": step, "seconds": seconds, **measure.point(answers)}
                points = found.found["points"]
                found.keep(points={**points, name: [*points.get(name, []), point]})
                yield {"kind": "point", "run": name, **{key: point[key] for key in POINT}}
