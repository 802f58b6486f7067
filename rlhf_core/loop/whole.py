"""The whole loop once, from the first output to the verdict, with the scripted rater."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, last
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.lm import model_list
from rlhf_core.loop.comparing import evaluate
from rlhf_core.loop.model_choice import time_a_step
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.loop.tuning import ppo
from rlhf_core.loop.writing import generate_pool
from rlhf_core.session import rounds
from rlhf_core.session.state import SCRIPTED, Session

PAIRS = 200  # of the verdict; with a slow model FEWER_PAIRS, and fewer reference samples
FEWER_PAIRS, FEWER_SAMPLES = 60, 128


SHARES = {  # of the run's time that a stage takes, about, with the bundled model on two cores
    "generate": 0.12,
    "rank": 0.01,
    "reward": 0.22,
    "ppo": 0.40,
    "evaluate": 0.25,
}
PARTS = {  # of a stage: how it names itself -> (the share of the stage before it, its own)
    "sampling the original model": (0.0, 0.6),
    "reading": (0.6, 0.1),
    "comparing with chance": (0.7, 0.3),
    "writing, before": (0.0, 0.35),
    "writing, after": (0.35, 0.35),
    "reading, before": (0.7, 0.15),
    "reading, after": (0.85, 0.15),
}


def run_once(session: Session, comparisons: int = 30, steps: int = 15) -> Iterator[Progress | dict]:
    """Everything once with the scripted rater: its earlier judgements under this brief are
    replaced, a person's are kept and used too. Records {"kind": "stage", "stage": generate | rank |
    reward | ppo | evaluate, ...}.
    """
    brief = session.asked.brief
    if brief.wanted is None:
        raise InputError(
            f"The brief {brief.title!r} has no scripted rater. Rank the outputs yourself, step by"
            " step."
        )
    tuning, pairs = PPOSettings(steps=steps, seed=session.seed), PAIRS
    reading = RewardModelSettings(seed=session.seed)
    # A model that is not ours may be slow here: then with settings that fit, measured now.
    if session.model_name != model_list.BUNDLED:
        offer = (yield from last(time_a_step(session, tuning)))["workshop"]
        if offer:
            tuning, pairs = replace(tuning, **offer["settings"]), FEWER_PAIRS
            reading = replace(reading, reference_samples=FEWER_SAMPLES)
    _clear_the_desk(session)
    chosen = session.settings.get("ppo_next", {})  # the learner's own, or a link's: for later
    session.settings = {k: v for k, v in session.settings.items() if k != "ppo_next"}
    try:
        yield from _stages(session, comparisons, tuning, reading, pairs)
    finally:
        if chosen:
            session.choose("ppo", chosen)


def _stages(
    session: Session,
    comparisons: int,
    tuning: PPOSettings,
    reading: RewardModelSettings,
    pairs: int,
) -> Iterator[Progress | dict]:
    """The five parts of the run, one after the other."""
    stages = (
        ("generate", generate_pool(session, comparisons, 2)),
        ("rank", judge_for_me(session, comparisons, 2)),
        ("reward", fit_reward_model(session, reading)),
        ("ppo", ppo(session, tuning)),
        ("evaluate", evaluate(session, pairs)),
    )
    before = 0.0  # the share of the stages that are over
    for stage, work in stages:
        yield {"kind": "stage", "stage": stage}
        for event in work:
            if isinstance(event, Progress):
                now = _within(stage, event, session.tuned.steps_done, tuning.steps)
                yield event._replace(share=before + SHARES[stage] * now)
                continue
            shown = {k: v for k, v in event.items() if k != "examples"}
            if stage == "generate":
                sets = session.asked.candidate_sets
                row = next(row for row in sets if row["id"] == event["set_id"])
                shown = {"prompt": row["prompt"], "texts": row["texts"]}
            yield {**shown, "kind": "stage", "stage": stage}
        before += SHARES[stage]


def _within(stage: str, event: Progress, step: int, steps: int) -> float:
    """How far a stage of the run is, from 0 to 1. ``step``: PPO's newest of ``steps``."""
    if stage == "ppo":
        return min(1.0, step / steps)
    start, wide = PARTS.get(event.stage, (0.0, 1.0))
    return min(1.0, start + wide * event.done / event.total) if event.total else start


def _clear_the_desk(session: Session) -> None:
    """Take away this round's steps, the scripted rater's judgements under this brief, and what was
    written ahead; what a learner judged or asked for stays.
    """
    with session.change():
        rounds.restart(session)
        part, slug = session.judged, session.asked.brief.slug
        part.rankings = [
            r for r in part.rankings if not (r.annotator == SCRIPTED and r.brief == slug)
        ]
        ranked = {ranking.id for ranking in part.rankings}
        session.asked.candidate_sets = [
            row for row in session.asked.candidate_sets if row["id"] in ranked or row.get("asked")
        ]
