"""Four ways to use the same comparisons: best-of-n, PPO, RLOO and DPO, from the same start,
measured alike.

    comparisons -> reward model -> best-of-n | PPO | RLOO          comparisons -> DPO
    every few steps: answers to prompts that nobody trains on -> gold rule, proxy, exact KL,
        fluency, seconds of training so far

"The same budget" is the same number of steps: PPO and RLOO write a batch of the same size in each,
DPO goes through all comparisons once (it writes only the few answers that show where it stands);
best-of-n trains nothing and pays at every answer instead. The session lends its brief, its language
model and, where it is asked to, its comparisons; the reward model and the policies are the lab's
own, and go when it ends. Runs on the worker thread; imports torch.

Simplification: one seed, one setting of each algorithm; which of them is best elsewhere does not
follow.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

from rlhf_core.algorithms import dpo, ppo, rloo
from rlhf_core.algorithms.dpo import TokenPair
from rlhf_core.common import events
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import (
    AlgorithmsSettings,
    DPOSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
)
from rlhf_core.labs.goodhart import (
    POOL,
    POOL_PROMPTS,
    SAMPLES,
    SHOWN,
    Scale,
    best_of_n_rows,
    lab_session,
    only_progress,
)
from rlhf_core.labs.measuring import answers_of
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import ROLLOUT_TOKENS, encode_prompt
from rlhf_core.loop.workbench import ready, seed_of, training_prompts
from rlhf_core.session.state import Session


def token_pairs(lm: LanguageModel, session: Session) -> list[TokenPair]:
    """The session's comparisons as DPO reads them; an answer that ended keeps its end of text, a
    tie counts half each way. None that does not fit the model.
    """
    finished = {
        (r.prompt, text): end
        for r in session.rankings
        if r.finished
        for text, end in zip(r.candidates, r.finished, strict=True)
    }
    rows = []
    for pair in session.learnable:
        answers = [
            lm.encode(text) + ([lm.end_id] if finished.get((pair.prompt, text), True) else [])
            for text in (pair.a, pair.b)
        ]
        prompt = lm.encode(pair.prompt)
        if all(answers) and len(prompt) + max(map(len, answers)) <= lm.trunk.context:
            chosen, rejected = answers if pair.target >= 0.5 else reversed(answers)
            rows.append(
                TokenPair(prompt, chosen, rejected, max(pair.target, 1 - pair.target), pair.weight)
            )
    return rows


def own_comparisons(session: Session, own: Session) -> None:
    """Lend the lab the learner's comparisons. Raises InputError where nothing can be learned from
    them under this brief.
    """
    reason = session.nothing_to_learn()
    if reason:
        raise InputError(
            f"Your comparisons cannot be used yet: {reason}. Rank some outputs, or let the scripted"
            " rater judge."
        )
    if own.brief.slug != session.brief.slug:
        raise InputError(
            f"The brief {session.brief.title!r} has no rule that could rate the results. Choose"
            " another brief, or let the scripted rater judge."
        )
    own.rankings, own.imported, own.exploits = (
        list(session.rankings),
        list(session.imported),
        list(session.exploits),
    )
    own.user_prompts = list(session.user_prompts)


def run(session: Session, settings: AlgorithmsSettings, own_votes: bool = False) -> Iterator:
    """The whole comparison. Records {"kind": "pool"} and {"kind": "point", "run", "step", "kl",
    "proxy", "gold", "fluency"}; ``session.experiments["algorithms"]`` has it all: {"brief",
    "settings", "pairs", "rater", "best_of_n", "best_of_n_seconds" (for one answer at the largest
    n), "best_texts" (as a point's "texts"), "points": {run: [point, with "seconds" of training]},
    "gold_unit", "status"}.
    """
    settings.validate()
    own = lab_session(session, settings.seed)
    if own_votes:
        own_comparisons(session, own)
    with session.lock:
        session.settings = {
            **{
                name: values
                for name, values in session.settings.items()
                if name != "algorithms_next"
            },
            "algorithms": asdict(settings),
        }
    found = {
        "brief": own.brief.title,
        "settings": asdict(settings),
        "points": {},
        "best_of_n": [],
        "status": "running",
    }

    def keep(**more) -> None:
        found.update(more)
        with session.lock:
            session.experiments = {**session.experiments, "algorithms": dict(found)}

    if not own_votes:
        yield from only_progress(own.judge_for_me(settings.comparisons, 2))
    yield from only_progress(own.fit_reward_model(RewardModelSettings(seed=settings.seed)))
    lm, model, wanted = ready(own), own.reward_model, own.brief.wanted
    pairs = token_pairs(lm, own)
    held_out = [
        encode_prompt(lm, prompt, ROLLOUT_TOKENS) for prompt in own.brief.evaluation_prompts
    ]
    prompts, seed = (
        list(training_prompts(own, lm, ROLLOUT_TOKENS).values()),
        seed_of(own, "algorithms"),
    )
    common = {
        "reference": lm.trunk,
        "prompts": prompts,
        "score_fn": model.score,
        "end_id": lm.end_id,
        "pad_id": lm.pad_id,
    }
    shared = {"steps": settings.steps, "seed": settings.seed}
    makers = {
        "ppo": (PPOSettings(**shared), ppo.train, {}),
        "rloo": (RLOOSettings(**shared), rloo.train, {}),
        "dpo": (DPOSettings(**shared, batch_size=8), dpo.train, {"pairs": pairs}),
    }
    try:
        began = time.perf_counter()
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
        kept = [
            max(pool[first : first + POOL], key=lambda answer: answer.proxy)
            for first in range(0, len(pool), POOL)
        ]  # of each prompt
        best_seconds, scale = (time.perf_counter() - began) / POOL_PROMPTS, None
        for name, (chosen, train, more) in makers.items():
            policy, seconds = ppo.Policy(lm.trunk, chosen), 0.0
            for item in train(policy=policy, settings=chosen, **common, **more):
                if isinstance(item, Progress):
                    yield item
                    continue
                seconds += item["seconds"] * (item["step"] > 0)  # step 0 only looks
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
                        pairs=own.reward_summary["pairs_used"],
                        rater=own.rater,
                        gold_unit=scale.unit,
                        best_of_n=best_of_n_rows(pool, POOL, scale.unit),
                        best_of_n_seconds=best_seconds,
                        best_texts=[
                            [x.prompt, x.text, x.proxy, scale.of(x.gold)] for x in kept[:SHOWN]
                        ],
                    )
                    yield {"kind": "pool"}
                point = {"step": item["step"], "seconds": seconds, **scale.point(answers)}
                keep(points={**found["points"], name: [*found["points"].get(name, []), point]})
                yield {
                    "kind": "point",
                    "run": name,
                    **{key: point[key] for key in ("step", "kl", "proxy", "gold", "fluency")},
                }
        keep(status="done")
    finally:
        if found["status"] == "running" and found["points"]:
            keep(status="stopped")
        session.autosave()
