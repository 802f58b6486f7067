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

from collections.abc import Iterator
from dataclasses import asdict

import torch

from rlhf_core.algorithms.ppo import Policy, train
from rlhf_core.common.events import Progress, only_progress
from rlhf_core.common.lab_settings import GoodhartSettings
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.labs.measuring import (
    POINT,
    POOL,
    Answer,
    Bench,
    Findings,
    best_of_n_rows,
    columns,
    lab_session,
)
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.session.state import Session


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


def run(session: Session, settings: GoodhartSettings) -> Iterator[Progress | dict]:
    """The whole lab. Records {"kind": "pool"} and {"kind": "point", "run", "step", "kl", "proxy",
    "gold", "fluency"}; ``session.labs["goodhart"]`` has it all: {"brief", "settings",
    "prompts", "accuracy", "accuracy_interval", "best_of_n", "frontier", "points": {run: [point]},
    "gold_unit", "gold_top", "status"}.
    """
    settings.validate()
    own = lab_session(session, settings.seed)
    session.begin("goodhart", asdict(settings))
    title = own.asked.brief.title
    told = {"brief": title, "settings": asdict(settings), "points": {}}
    with Findings(session, "goodhart", "best_of_n", **told) as found:
        # 1. Few comparisons, and a reward model with many features.
        yield from only_progress(judge_for_me(own, settings.comparisons, 2))
        reading = RewardModelSettings(features=settings.features, seed=settings.seed)
        yield from only_progress(fit_reward_model(own, reading))
        learned = own.learned.summary

        # 2. What needs no training; then every run, measured as it goes.
        bench = Bench(own, seed_of(own.seed, "goodhart"))
        pool = yield from bench.pool()
        for kind in settings.RUNS:
            how = run_settings(kind, settings)
            policy = Policy(bench.lm.trunk, how)
            doubt = bench.model.uncertainty
            work = train(policy=policy, settings=how, doubt_fn=doubt, **bench.common)
            for item in bench.climb(policy, work, settings.EVERY):
                if isinstance(item, Progress):
                    yield item
                    continue
                point, first = item
                if first:
                    unit = bench.scale.unit
                    found.keep(
                        prompts=list(own.asked.brief.evaluation_prompts),
                        accuracy=learned["heldout_accuracy"],
                        accuracy_interval=learned["heldout_interval"],
                        pairs=learned["pairs_used"],
                        gold_unit=unit,
                        gold_top=bench.scale.top,
                        best_of_n=best_of_n_rows(pool, POOL, unit),
                        frontier=frontier_rows(pool, POOL, unit),
                    )
                    yield {"kind": "pool"}
                points = found.found["points"]
                found.keep(points={**points, kind: [*points.get(kind, []), point]})
                yield {"kind": "point", "run": kind, **{name: point[name] for name in POINT}}
