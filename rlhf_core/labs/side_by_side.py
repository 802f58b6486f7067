"""Six ways to use the same judgements: best-of-n, PPO, RLOO, GRPO, DPO and KTO, from the same
start, measured alike.

    comparisons -> reward model -> best-of-n | PPO | RLOO | GRPO
    comparisons -> DPO          answers called good or bad -> KTO
    every few steps: answers to prompts that nobody trains on -> gold rule, proxy, exact KL,
        fluency, seconds of training so far

"The same budget" is the same number of steps: PPO, RLOO and GRPO write a batch of the same size in
each, DPO goes through all comparisons and KTO through all judged answers once (they write only the
few answers that show where they stand); best-of-n trains nothing and pays at every answer instead.
Where nobody called an answer good or bad, KTO takes the best of each ranking as good and the last
as bad (``judging.thumbs``): of a list in order it sees less than the others do.

The session lends its brief, its language model and, where it is asked to, its comparisons; the
reward model and the policies are the lab's own, and go when it ends. Runs on the worker thread;
imports torch.

Simplification: one seed, one setting of each algorithm; which of them is best elsewhere does not
follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from rlhf_core.algorithms import dpo, grpo, kto, ppo, rloo
from rlhf_core.algorithms.dpo import TokenPair
from rlhf_core.algorithms.kto import Judged
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, Record, only_progress
from rlhf_core.common.known import known
from rlhf_core.common.lab_settings import AlgorithmsSettings
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import (
    DPOSettings,
    GRPOSettings,
    KTOSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
)
from rlhf_core.judging.preferences import finished_texts
from rlhf_core.labs.measuring import (
    POINT,
    POOL,
    SHOWN,
    Bench,
    Findings,
    best_golds,
    best_of_n_rows,
    lab_session,
)
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.loop.workbench import ready
from rlhf_core.session import judged
from rlhf_core.session.state import Session


def token_pairs(lm: LanguageModel, session: Session) -> list[TokenPair]:
    """The session's comparisons as DPO reads them; an answer that ended keeps its end of text, a
    tie counts half each way. None that does not fit the model.
    """
    finished = finished_texts(session.judged.rankings)
    rows = []
    for pair in judged.learnable(session):
        answers = [
            lm.encode_text(text) + ([lm.end_id] if finished.get((pair.prompt, text), True) else [])
            for text in (pair.a, pair.b)
        ]
        prompt = lm.encode(pair.prompt)
        if all(answers) and len(prompt) + max(map(len, answers)) <= lm.trunk.context:
            said = known(pair.target)
            chosen, rejected = answers if said >= 0.5 else reversed(answers)
            rows.append(TokenPair(prompt, chosen, rejected, max(said, 1 - said), pair.weight))
    return rows


def token_thumbs(lm: LanguageModel, session: Session) -> list[Judged]:
    """The session's judged answers as KTO reads them; one that ended keeps its end of text. None
    that does not fit the model.
    """
    finished = finished_texts(session.judged.rankings)
    rows = []
    for thumb in judged.thumbs(session):
        ended = finished.get((thumb.prompt, thumb.text), True)
        prompt = lm.encode(thumb.prompt)
        answer = lm.encode_text(thumb.text) + ([lm.end_id] if ended else [])
        if answer and len(prompt) + len(answer) <= lm.trunk.context:
            rows.append(Judged(prompt, answer, thumb.good, thumb.weight))
    return rows


def own_comparisons(session: Session, own: Session) -> None:
    """Lend the lab the learner's comparisons. Raises InputError where nothing can be learned from
    them under this brief.
    """
    reason = judged.nothing_to_learn(session)
    if reason:
        raise InputError(
            f"Your judgements cannot be used yet: {reason}. Rank some outputs, or let the scripted"
            " rater judge."
        )
    if own.asked.brief.slug != session.asked.brief.slug:
        raise InputError(
            f"The brief {session.asked.brief.title!r} has no rule that could rate the results."
            " Choose another brief, or let the scripted rater judge."
        )
    for name in ("rankings", "imported", "exploits"):
        setattr(own.judged, name, list(getattr(session.judged, name)))
    own.asked.user_prompts = list(session.asked.user_prompts)


def learned_from(lm: LanguageModel, session: Session, runs: list[str]) -> dict[str, Any]:
    """What DPO and KTO learn from: {"pairs", "thumbs"}. Raises InputError where one of ``runs``
    cannot: its turn would come after minutes of training.
    """
    found: Record = {"pairs": token_pairs(lm, session), "thumbs": token_thumbs(lm, session)}
    checks: tuple[tuple[str, Callable[[list, int], None], str], ...]
    checks = (("dpo", dpo.check, "pairs"), ("kto", kto.check, "thumbs"))
    for name, check, rows in checks:
        if name in runs:
            try:
                check(found[rows], lm.trunk.context)
            except ValueError as error:
                raise InputError(
                    f"{error} Judge some more, or leave {name.upper()} out of what trains."
                ) from error
    return found


def run(
    session: Session,
    settings: AlgorithmsSettings,
    own_votes: bool = False,
    runs: list[str] | None = None,
) -> Iterator[Progress | dict]:
    """The whole comparison; ``runs``: which of ``settings.TRAINED`` train, all where it is None.

    Records {"kind": "pool"} and {"kind": "point", "run", "step", "kl", "proxy", "gold", "fluency"};
    ``session.labs["algorithms"]`` has it all: {"brief", "settings", "runs", "pairs", "rater",
    "best_of_n", "best_of_n_seconds" (for one answer at the largest n), "best_texts" (as a point's
    "texts"), "points": {run: [point, with "seconds" of training]}, "gold_unit", "gold_top" (the
    most that gold can be), "status"}; all seconds are of processor time. Raises
    InputError: nothing to train, too little to learn from, or no such algorithm.
    """
    settings.validate()
    runs = list(settings.TRAINED) if runs is None else runs
    unknown = [name for name in runs if name not in settings.TRAINED]
    if unknown or not runs:
        raise InputError(
            f"There is no algorithm called {unknown[0]}." if unknown else "Choose what trains."
        )
    own = lab_session(session, settings.seed)
    if own_votes:
        own_comparisons(session, own)
        learned_from(ready(own), own, runs)  # before a former result is lost
    runs = [name for name in settings.TRAINED if name in runs]
    session.begin("algorithms", {**asdict(settings), "runs": runs, "own": bool(own_votes)})
    told = {"brief": own.asked.brief.title, "settings": asdict(settings), "points": {}}
    told["runs"] = runs
    with Findings(session, "algorithms", "best_of_n", **told) as found:
        # 1. The comparisons, and the reward model that most of them climb.
        if not own_votes:
            yield from only_progress(judge_for_me(own, settings.comparisons, 2))
        yield from only_progress(fit_reward_model(own, RewardModelSettings(seed=settings.seed)))

        # 2. Best-of-n trains nothing, and pays at every answer.
        bench = Bench(own, seed_of(own.seed, "algorithms"))
        ways = makers(settings, **learned_from(bench.lm, own, runs))
        pool = yield from bench.pool()
        by_prompt = [pool[first : first + POOL] for first in range(0, len(pool), POOL)]
        best = [max(answers, key=lambda answer: answer.proxy) for answers in by_prompt][:SHOWN]

        # 3. Those that train, from the same start and measured alike.
        for name in (name for name in ways if name in runs):
            how, train, more = ways[name]
            policy = ppo.Policy(bench.lm.trunk, how)
            work = train(policy=policy, settings=how, **bench.common, **more)
            for item in bench.climb(policy, work, settings.EVERY):
                if isinstance(item, Progress):
                    yield item
                    continue
                point, first = item
                if first:
                    scale, rows = bench.scale, best_of_n_rows(pool, POOL, bench.scale.unit)
                    rows[-1]["golds"] = best_golds(pool, POOL, scale)
                    found.keep(
                        prompts=list(own.asked.brief.evaluation_prompts),
                        accuracy=own.learned.summary["heldout_accuracy"],
                        pairs=own.learned.summary["pairs_used"],
                        rater=judged.rater(own),
                        gold_unit=scale.unit,
                        gold_top=scale.top,
                        best_of_n=rows,
                        best_of_n_seconds=bench.pool_seconds,
                        best_texts=[[x.prompt, x.text, x.proxy, scale.of(x.gold)] for x in best],
                    )
                    yield {"kind": "pool"}
                points = found.found["points"]
                found.keep(points={**points, name: [*points.get(name, []), point]})
                yield {"kind": "point", "run": name, **{key: point[key] for key in POINT}}


def makers(
    settings: AlgorithmsSettings, pairs: list[TokenPair], thumbs: list[Judged]
) -> dict[str, tuple]:
    """What trains, by name: (its settings, its ``train``, what only it takes)."""
    shared = {"steps": settings.steps, "seed": settings.seed}
    return {
        "ppo": (PPOSettings(**shared), ppo.train, {}),
        "rloo": (RLOOSettings(**shared), rloo.train, {}),
        "grpo": (GRPOSettings(**shared), grpo.train, {}),
        "dpo": (DPOSettings(**shared, batch_size=8), dpo.train, {"pairs": pairs}),
        "kto": (KTOSettings(**shared, batch_size=8), kto.train, {"rows": thumbs}),
    }
