"""The Goodhart lab: when a measure becomes a target, it ceases to be a good measure. Three runs
from the same start find out how that goes here.

    few comparisons -> a reward model with many features (the proxy) -> PPO without a penalty | with
    a KL penalty | on a conservative score
    every other step: answers to prompts that no run trains on -> proxy, gold rule, exact KL,
        fluency

Beside them, what needs no training: best-of-n, and the optimal frontier, which reweights the
original's own answers. The session lends its brief and its language model; the comparisons, the
reward model and the policies are the lab's own, and go when it ends. Runs on the worker thread;
imports torch.

Simplification against Gao et al. 2023 (arXiv 2210.10760): their gold rater is a large reward model,
ours a rule; their runs are thousands of steps long.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import Tensor

from rlhf_core.algorithms import best_of_n
from rlhf_core.algorithms import ppo as ppo_engine
from rlhf_core.common import events
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import GoodhartSettings, PPOSettings, RewardModelSettings
from rlhf_core.judging import briefs
from rlhf_core.labs.measuring import Answer, answers_of
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt
from rlhf_core.loop.workbench import ready, seed_of, training_prompts
from rlhf_core.session.state import Session

SAMPLES, POOL, POOL_PROMPTS = (
    4,
    64,
    20,
)  # answers a prompt at a point, half for each sample; answers a prompt that best-of-n chooses from
NS = (1, 2, 4, 8, 16, 32, 64)
SHOWN = 6  # answers of a point that are kept for reading


def lab_session(session: Session, seed: int) -> Session:
    """A throwaway session under the same brief, or the biology brief where the learner's own has no
    rule: what the lab learns, the learner's never sees.
    """
    brief = (
        session.brief
        if session.brief.wanted and session.brief.evaluation_prompts
        else briefs.PRESETS["biology-homework"]
    )
    return Session(brief, model_name=session.model_name, seed=seed)


class Scale:
    """Turns answers into a point, as changes from the original model's answers to the same prompts
    with the same random numbers.
    """

    def __init__(self, original: list[Answer]):
        self.proxy, self.fluency = (
            statistics.fmean(a.proxy for a in original),
            statistics.fmean(a.fluency for a in original),
        )
        self.gold, self.unit = (
            statistics.fmean(a.gold for a in original),
            statistics.stdev(a.gold for a in original),
        )

    def of(self, gold: float) -> float:
        """A rating in reference standard deviations above the original's mean."""
        return (gold - self.gold) / max(self.unit, 1e-6)

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
        first = [answers[i] for i in range(0, len(answers), SAMPLES)][:SHOWN]
        return {
            "kl": statistics.fmean(x.kl for x in answers),
            "proxy": statistics.fmean(x.proxy for x in answers) - self.proxy,
            "gold": self.of(statistics.fmean(x.gold for x in answers)),
            "fluency": statistics.fmean(x.fluency for x in answers) - self.fluency,
            "gold_a": a,
            "gold_b": b,
            "parts": {
                name: statistics.fmean(x.parts[name] for x in answers) for name in answers[0].parts
            },
            "texts": [[x.prompt, x.text, x.proxy, self.of(x.gold)] for x in first],
        }


def columns(answers: list[Answer], each: int) -> tuple[Tensor, Tensor, Tensor]:
    """Proxy, gold and fluency of a pool, (P, each) each."""
    return tuple(
        torch.tensor([getattr(a, name) for a in answers], dtype=torch.float64).view(-1, each)
        for name in ("proxy", "gold", "fluency")
    )


def best_of_n_rows(answers: list[Answer], each: int, unit: float) -> list[dict]:
    """What best-of-n earns at every n: {"n", "kl" (its upper bound), "proxy", "gold" (reference
    SD), "fluency"}, as changes from n = 1, the original model.
    """
    proxy, gold, fluency = columns(answers, each)
    rows = []
    for n in (n for n in NS if n <= each):
        means = [
            (best_of_n.expected_best(proxy, n, values) - values.mean(1)).mean().item()
            for values in (proxy, gold, fluency)
        ]
        rows.append(
            {
                "n": n,
                "kl": best_of_n.kl_bound(n),
                "proxy": means[0],
                "gold": means[1] / max(unit, 1e-6),
                "fluency": means[2],
            }
        )
    return rows


def frontier_rows(answers: list[Answer], each: int, unit: float, least: float = 8.0) -> list[dict]:
    """The optimal trade of proxy against KL: the original's own answers, reweighted by exp(proxy /
    beta), from large beta to small.

    That is the policy that PPO looks for, pi_ref exp(r / beta) normalised, as far as ``each``
    answers a prompt can show it: the rows end where fewer than ``least`` answers carry the weight
    (Kish's effective sample size). Rows as ``best_of_n_rows``, with "beta"; kl is the sum of w
    log(w N).
    """
    proxy, gold, fluency = columns(answers, each)
    rows = []
    for beta in (1e6, 4.0, 2.8, 2.0, 1.4, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12):
        weights = (proxy / beta).softmax(1)  # (P, each)
        if (1 / (weights**2).sum(1)).mean() < least:
            break
        means = [
            ((weights * values).sum(1) - values.mean(1)).mean().item()
            for values in (proxy, gold, fluency)
        ]
        kl = torch.special.xlogy(weights, weights * each).sum(1).mean().clamp(min=0).item()
        rows.append(
            {
                "beta": beta,
                "kl": kl,
                "proxy": means[0],
                "gold": means[1] / max(unit, 1e-6),
                "fluency": means[2],
            }
        )
    return rows


def run_settings(kind: str, settings: GoodhartSettings) -> PPOSettings:
    """PPO with nothing but what the run is about: no limit to a score, no fee for a missing end.
    ``beta`` is the penalty run's alone, doubt the conservative one's.
    """
    return PPOSettings(
        steps=settings.steps,
        learning_rate=settings.learning_rate,
        beta=settings.beta if kind == "penalty" else 0.0,
        score_clip=0.0,
        missing_end_penalty=0.0,
        conservative=settings.conservative if kind == "conservative" else 0.0,
        seed=settings.seed,
    )


def run(session: Session, settings: GoodhartSettings) -> Iterator:
    """The whole lab. Records {"kind": "pool"} and {"kind": "point", "run", "step", "kl", "proxy",
    "gold", "fluency"}; ``session.experiments["goodhart"]`` has it all: {"brief", "settings",
    "prompts", "accuracy", "accuracy_interval", "best_of_n", "frontier", "points": {run: [point]},
    "gold_unit", "status"}.
    """
    settings.validate()
    own = lab_session(session, settings.seed)
    with session.lock:
        session.settings = {
            **{
                name: values for name, values in session.settings.items() if name != "goodhart_next"
            },
            "goodhart": asdict(settings),
        }
    found = {
        "brief": own.brief.title,
        "settings": asdict(settings),
        "points": {},
        "best_of_n": [],
        "frontier": [],
        "status": "running",
    }

    def keep(**more) -> None:
        found.update(more)
        with session.lock:
            session.experiments = {**session.experiments, "goodhart": dict(found)}

    yield from only_progress(own.judge_for_me(settings.comparisons, 2))
    yield from only_progress(
        own.fit_reward_model(RewardModelSettings(features=settings.features, seed=settings.seed))
    )
    lm, model, wanted = ready(own), own.reward_model, own.brief.wanted
    held_out = [
        encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in own.brief.evaluation_prompts
    ]
    prompts, seed = (
        list(training_prompts(own, lm, ROLLOUT_TOKENS).values()),
        seed_of(own, "goodhart"),
    )

    try:
        pool = yield from events.last(
            answers_of(
                lm,
                lm.trunk,
                model,
                held_out[:POOL_PROMPTS],
                POOL,
                wanted=wanted,
                seed=seed + 1,
                stage="best of n",
            )
        )
        scale = None
        for kind in settings.RUNS:
            policy = ppo_engine.Policy(lm.trunk, run_settings(kind, settings))
            for item in ppo_engine.train(
                policy=policy,
                reference=lm.trunk,
                prompts=prompts,
                score_fn=model.score,
                doubt_fn=model.uncertainty,
                settings=run_settings(kind, settings),
                end_id=lm.end_id,
                pad_id=lm.pad_id,
            ):
                if isinstance(item, Progress):
                    yield item
                    continue
                if item["step"] % settings.EVERY:
                    continue
                answers = yield from events.last(
                    answers_of(
                        lm,
                        policy.trunk,
                        model,
                        held_out,
                        SAMPLES,
                        wanted=wanted,
                        seed=seed,
                        stage="measuring",
                    )
                )
                if scale is None:
                    scale = Scale(answers)
                    keep(
                        prompts=list(own.brief.evaluation_prompts),
                        accuracy=own.reward_summary["heldout_accuracy"],
                        accuracy_interval=own.reward_summary["heldout_interval"],
                        pairs=own.reward_summary["pairs_used"],
                        gold_unit=scale.unit,
                        best_of_n=best_of_n_rows(pool, POOL, scale.unit),
                        frontier=frontier_rows(pool, POOL, scale.unit),
                    )
                    yield {"kind": "pool"}
                point = {"step": item["step"], **scale.point(answers)}
                keep(points={**found["points"], kind: [*found["points"].get(kind, []), point]})
                yield {
                    "kind": "point",
                    "run": kind,
                    **{name: point[name] for name in ("step", "kl", "proxy", "gold", "fluency")},
                }
        keep(status="done")
    finally:
        if found["status"] == "running" and found["points"]:
            keep(status="stopped")
        session.autosave()


def only_progress(work: Iterator) -> Iterator:
    """The work without its records: they are nobody's here."""
    for item in work:
        if isinstance(item, Progress):
            yield item
