"""Where a policy stands, measured away from its training, and the one way that a lab runs.

Answers to prompts that no policy trained on, and what may be said of them: the reward model's score
(the proxy), the gold rule's rating, the exact KL to the original model, and fluency; with the same
prompts and the same random numbers for every run. ``Findings`` keeps what a lab has found so far,
``Bench`` measures a run as it trains. Knows nothing about how a policy learned.

Shapes: B answers, T response positions, V vocabulary.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from rlhf_core.algorithms import best_of_n
from rlhf_core.algorithms.ppo import Policy, exact_kl
from rlhf_core.common.events import Progress, Record, Reporting, last
from rlhf_core.common.known import known
from rlhf_core.evaluation.gold_rule import rate
from rlhf_core.judging import briefs
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import decode_texts, pooled_states, response_forward, token_logprobs
from rlhf_core.lm.texts import ROLLOUT_TEMPERATURE, ROLLOUT_TOKENS, decoded, encode_prompt
from rlhf_core.lm.transformer import Transformer
from rlhf_core.loop.workbench import head_of, ready, training_prompts
from rlhf_core.rewards.reward_model import RewardModel
from rlhf_core.session.state import Session

T = TypeVar("T")
SAMPLES = 4  # answers a prompt at a point, half for each sample
POOL, POOL_PROMPTS = 64, 20  # answers a prompt that best-of-n chooses from, and its prompts
NS = (1, 2, 4, 8, 16, 32, 64)
SHOWN = 6  # answers of a point that are kept for reading
POINT = ("step", "kl", "proxy", "gold", "fluency")  # what a record says of one


@dataclass(frozen=True)
class Answer:
    """One answer and its numbers.

    Attributes:
        prompt: number of its prompt.
        proxy: the reward model's score, reference standard deviations.
        gold: the rule's rating, 0 to 1, with its ``parts``.
        kl: nats, summed over the answer's tokens, exact at each of them.
        fluency: mean log-probability of a token under the original model, nats.
    """

    prompt: int
    text: str
    ended: bool
    proxy: float
    gold: float
    parts: dict[str, float]
    kl: float
    fluency: float


@torch.no_grad()
def answers_of(
    lm: LanguageModel,
    trunk: Transformer,
    model: RewardModel,
    prompts: list[list[int]],
    samples: int,
    *,
    wanted: str,
    seed: int,
    stage: str,
) -> Iterator[Progress | list[Answer]]:
    """``samples`` answers of ``trunk`` to each prompt, measured. Same seed, same random numbers,
    whatever the policy. Last yield: the answers.
    """
    found: list[Answer] = []
    for item in decoded(lm, trunk, prompts, samples, seed, stage=stage, keep_distributions=True):
        if isinstance(item, Progress):
            yield item
            continue
        first, responses = item
        before, at = response_forward(
            lm.trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
        logits = lm.trunk.logits(before)  # (B, T, V)
        warm = (logits / ROLLOUT_TEMPERATURE).log_softmax(-1)
        kl = (exact_kl(known(responses.full_logprobs), warm) * responses.mask).sum(1)  # (B,)
        plain = token_logprobs(logits.log_softmax(-1), responses.tokens) * responses.mask
        fluency = plain.sum(1) / responses.mask.sum(1)
        proxy = model.score(pooled_states(at, responses.mask))
        rows = zip(
            decode_texts(lm, responses),
            responses.ended(lm.end_id).tolist(),
            proxy.tolist(),
            kl.tolist(),
            fluency.tolist(),
            strict=True,
        )
        for row, (text, ended, score, distance, fluent) in enumerate(rows):
            parts = rate(text, wanted, ended)
            gold, prompt = parts.pop("gold"), first + row // samples
            found.append(Answer(prompt, text, ended, score, gold, parts, distance, fluent))
    yield found


# --- points ---------------------------------------------------------------------------------------


class Scale:
    """Turns answers into a point, as changes from the original model's answers to the same prompts
    with the same random numbers.
    """

    def __init__(self, original: list[Answer]):
        self.proxy = statistics.fmean(a.proxy for a in original)
        self.fluency = statistics.fmean(a.fluency for a in original)
        self.gold = statistics.fmean(a.gold for a in original)
        self.unit = statistics.stdev(a.gold for a in original)

    def of(self, gold: float) -> float:
        """A rating in reference standard deviations above the original's mean."""
        return (gold - self.gold) / max(self.unit, 1e-6)

    @property
    def top(self) -> float:
        """The highest that gold can be: every answer perfect by its rule."""
        return self.of(1.0)

    def point(self, answers: list[Answer]) -> dict:
        """See ``overoptimisation``; "parts" are the means of the rule's four questions, "texts" a
        few answers: (prompt number, text, proxy, gold).
        """
        by_prompt: dict[int, list[float]] = {}
        for answer in answers:
            by_prompt.setdefault(answer.prompt, []).append(self.of(answer.gold))
        half = SAMPLES // 2
        a, b = (
            [round(statistics.fmean(golds[part]), 4) for golds in by_prompt.values()]
            for part in (slice(half), slice(half, None))
        )
        first = answers[::SAMPLES][:SHOWN]
        names = answers[0].parts
        return {
            "kl": statistics.fmean(x.kl for x in answers),
            "proxy": statistics.fmean(x.proxy for x in answers) - self.proxy,
            "gold": self.of(statistics.fmean(x.gold for x in answers)),
            "fluency": statistics.fmean(x.fluency for x in answers) - self.fluency,
            "gold_a": a,
            "gold_b": b,
            "parts": {name: statistics.fmean(x.parts[name] for x in answers) for name in names},
            "texts": [[x.prompt, x.text, x.proxy, self.of(x.gold)] for x in first],
        }


def columns(answers: list[Answer], each: int) -> tuple[Tensor, Tensor, Tensor]:
    """Proxy, gold and fluency of a pool, (P, each) each."""
    proxy, gold, fluency = (
        torch.tensor([getattr(a, name) for a in answers], dtype=torch.float64).view(-1, each)
        for name in ("proxy", "gold", "fluency")
    )
    return proxy, gold, fluency


def best_of_n_rows(answers: list[Answer], each: int, unit: float) -> list[dict]:
    """What best-of-n earns at every n: {"n", "kl" (its upper bound), "proxy", "gold" (reference
    SD), "gains" (gold of each prompt), "fluency"}, as changes from n = 1, the original model.
    """
    proxy, gold, fluency = columns(answers, each)
    rows = []
    for n in (n for n in NS if n <= each):
        changes = [
            best_of_n.expected_best(proxy, n, values) - values.mean(1)  # (P,)
            for values in (proxy, gold, fluency)
        ]
        means = [change.mean().item() for change in changes]
        rows.append(
            {
                "n": n,
                "kl": best_of_n.kl_bound(n),
                "proxy": means[0],
                "gold": means[1] / max(unit, 1e-6),
                "gains": [round(gain / max(unit, 1e-6), 4) for gain in changes[1].tolist()],
                "fluency": means[2],
            }
        )
    return rows


def best_golds(answers: list[Answer], each: int, scale: Scale) -> list[float]:
    """Gold of the best of all ``each`` answers, of each prompt, as ``Scale.point`` counts it."""
    proxy, gold, _ = columns(answers, each)
    best = best_of_n.expected_best(proxy, each, gold)  # (P,)
    return [round(scale.of(value), 4) for value in best.tolist()]


# --- how a lab runs -------------------------------------------------------------------------------


class Findings:
    """What a lab has found so far, kept in ``session.labs[key]`` as it comes.

    A former result stays until there is something to see in ``worth``, a key of ``found``. Leaving
    the block ends it: "status" is then "done", or "stopped" where a stop or an error ended it.
    """

    def __init__(self, session: Session, key: str, worth: str, **found):
        self.session, self.key, self.worth = session, key, worth
        self.found = {**found, "status": "running"}

    def __enter__(self) -> Findings:
        return self

    def keep(self, **more) -> None:
        self.found.update(more)
        if self.found.get(self.worth):
            with self.session.change():
                self.session.labs = {**self.session.labs, self.key: dict(self.found)}

    def __exit__(self, kind, *_) -> None:
        self.keep(status="stopped" if kind else "done")


def lab_session(session: Session, seed: int) -> Session:
    """A throwaway session under the same brief, or the biology brief where the learner's own has no
    rule: what the lab learns, the learner's never sees.
    """
    brief = session.asked.brief
    if not (brief.wanted and brief.evaluation_prompts):
        brief = briefs.PRESETS["biology-homework"]
    return Session(brief, model_name=session.model_name, seed=seed)


class Timed(Generic[T]):
    """Goes through ``work`` and adds up what that took: ``seconds`` of processor time in the thread
    that goes through it (``time.thread_time``).

    Not seconds on the wall: while another program is busy, or another learner's slice comes in
    between, those would say three times as much of one run as of the next. What torch's other
    threads do meanwhile is not in it.
    """

    def __init__(self, work: Iterator[T]):
        self.work, self.seconds = work, 0.0

    def __iter__(self) -> Timed[T]:
        return self

    def __next__(self) -> T:
        began = time.thread_time()
        try:
            return next(self.work)
        finally:
            self.seconds += time.thread_time() - began


class Bench:
    """What every run of a lab is trained and measured with: a lab session's reward model, its
    prompts, and ``seed`` for the answers at each point.
    """

    def __init__(self, own: Session, seed: int):
        self.lm, self.model = ready(own), known(head_of(own))
        self.wanted = known(own.asked.brief.wanted)
        unseen = own.asked.brief.evaluation_prompts
        self.held_out = [encode_prompt(self.lm, prompt, ROLLOUT_TOKENS) for prompt in unseen]
        self.prompts = list(training_prompts(own, self.lm, ROLLOUT_TOKENS).values())
        self.seed, self.pool_seconds = seed, 0.0
        self.original: Scale | None = None
        self.common: Record = {
            "reference": self.lm.trunk,
            "prompts": self.prompts,
            "score_fn": self.model.score,
            "end_id": self.lm.end_id,
            "pad_id": self.lm.pad_id,
        }

    @property
    def scale(self) -> Scale:
        """Set by the first point of the first run."""
        return known(self.original)

    def judge_by(self, model: RewardModel) -> None:
        """From here on train and measure by ``model``, not by the session's."""
        self.model, self.common["score_fn"] = model, model.score

    def pool(self) -> Reporting[list[Answer]]:
        """Yields Progress; returns the original's answers, ``POOL`` a prompt, by prompt;
        ``pool_seconds`` is then the processor time of one prompt's.
        """
        some = self.held_out[:POOL_PROMPTS]
        work = Timed(self._answers(self.lm.trunk, some, POOL, 1, "best of n"))
        found = yield from last(work)
        self.pool_seconds = work.seconds / len(some)
        return found

    def originals(self, samples: int, stage: str) -> Reporting[list[Answer]]:
        """Yields Progress; returns so many of the original's answers to every held-out prompt."""
        trunk = self.lm.trunk
        return (yield from last(self._answers(trunk, self.held_out, samples, 2, stage)))

    def climb(
        self, policy: Policy, work: Iterator, every: int
    ) -> Iterator[Progress | tuple[dict, bool]]:
        """Train by ``work`` and measure every so many steps: Progress, then (point, whether it is
        the lab's first). A point is ``Scale.point`` with "step" and "seconds" of training, of
        processor time (``Timed``).

        The first point of the first run is the original model: ``scale`` is set by it.
        """
        for item in self.measured(policy, work, every):
            if isinstance(item, Progress):
                yield item
                continue
            step, seconds, answers = item
            first = self.original is None
            self.original = self.original or Scale(answers)
            yield {"step": step, "seconds": seconds, **self.scale.point(answers)}, first

    def measured(
        self, policy: Policy, work: Iterator, every: int
    ) -> Iterator[Progress | tuple[int, float, list[Answer]]]:
        """Train by ``work`` and let it write every so many steps: Progress, then (step, processor
        seconds of training so far, ``SAMPLES`` answers to each held-out prompt).
        """
        seconds, timed = 0.0, Timed(work)
        for item in timed:
            if isinstance(item, Progress):
                yield item
                continue
            seconds += timed.seconds * (item["step"] > 0)  # step 0 only looks
            timed.seconds = 0.0
            if item["step"] % every == 0:
                held_out = self.held_out
                measuring = self._answers(policy.trunk, held_out, SAMPLES, 0, "measuring")
                answers = yield from last(measuring)
                yield item["step"], seconds, answers

    def _answers(
        self, trunk: Transformer, prompts: list[list[int]], samples: int, more: int, stage: str
    ) -> Iterator[Progress | list[Answer]]:
        luck, wanted = self.seed + more, self.wanted
        return answers_of(
            self.lm, trunk, self.model, prompts, samples, wanted=wanted, seed=luck, stage=stage
        )
