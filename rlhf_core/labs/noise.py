"""What would noise have done? The same PPO on three reward models: one that learned from the
scripted rater's votes, one from the same pairs with every winner drawn by a fair coin, and one from
the very same coins turned over.

    one set of comparisons -> its votes | coin flips | the coins turned over -> a reward model each
        -> PPO each, from the same start, with the same seed
    every other step: answers to prompts that none trains on -> its own reward, the gold rule,
        exact KL

PPO climbs any score, so a reward that rises says nothing of the votes; the gold rule, which none
learned from, does. The scores are blown up to the same size, a standard deviation of 1, as nearly
everywhere in RLHF. The app itself does not do that: it shrinks a score to what its votes support
(``rewards.permutation_control``), and noise as a rule hardly pulls. The session lends its brief and
its language model; the rest is the lab's own, and goes when it ends. Runs on the worker thread;
imports torch.

A score from coins points somewhere too: the more of them name the rater's winner, the more it tends
to point where the votes do (``agreement``). One throw is one story; turned over, the coins mean as
little and point exactly the opposite way, so no seed has to be picked for the lesson.

Simplification: noise is all coins here. Real votes are somewhere between.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from rlhf_core.algorithms.ppo import Policy, train
from rlhf_core.common.events import Progress, only_progress
from rlhf_core.common.lab_settings import NoiseSettings
from rlhf_core.common.seeds import seed_of
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.preferences import Ranking
from rlhf_core.labs.measuring import SAMPLES, Answer, Bench, Findings, Scale, lab_session
from rlhf_core.loop.reward import fit_reward_model
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.rewards.reward_model import RewardModel
from rlhf_core.session.state import Session

POINT = ("step", "kl", "proxy", "gold")  # what a record says of one


def coin_flips(rankings: Sequence[Ranking], seed: int) -> list[Ranking]:
    """The same pairs, with each winner drawn by a fair coin; ties stay ties."""
    coin = random.Random(seed)
    return [
        replace(one, groups=one.groups[::-1]) if coin.random() < 0.5 else one for one in rankings
    ]


def agreement(votes: Sequence[Ranking], coins: Sequence[Ranking]) -> list[int]:
    """[on how many clear votes the coin named the same winner, how many clear votes]."""
    same = [a.groups == b.groups for a, b in zip(votes, coins, strict=True) if len(a.groups) > 1]
    return [sum(same), len(same)]


def turned_over(model: RewardModel) -> RewardModel:
    """What the same comparisons teach with every winner swapped: the mirror image. The prior and
    the loss know no side, so the head is the same with its sign changed; its covariance stays.
    """
    return replace(model, weights=-model.weights, center=-model.center)


def blown_up(model: RewardModel, support: float) -> RewardModel:
    """The model before it was shrunk to ``support``: a standard deviation of 1 over the original's
    answers, whatever the votes support (as ``RewardModel.normalised_on`` at support 1).
    """
    return replace(model, scale=model.scale * support)


def point_of(scale: Scale, answers: list[Answer]) -> dict:
    """``Scale.point``, and "proxies": the reward of each prompt's answers, change of the mean."""
    rewards = [answer.proxy - scale.proxy for answer in answers]
    each = [rewards[first : first + SAMPLES] for first in range(0, len(rewards), SAMPLES)]
    return {**scale.point(answers), "proxies": [round(statistics.fmean(one), 4) for one in each]}


def run(session: Session, settings: NoiseSettings) -> Iterator[Progress | dict]:
    """The whole lab. Records {"kind": "start"} and {"kind": "point", "run", ``POINT``};
    ``session.labs["noise"]`` has it all: {"brief", "settings", "prompts", "fits": {run: {"pairs",
    "ties", "accuracy", "accuracy_interval", "p", "support": what the app would shrink it to}},
    "agree": ``agreement``, "points": {run: [``point_of`` with "step"]}, "gold_top":
    the most that gold can be, "status"}.
    """
    settings.validate()
    own = lab_session(session, settings.seed)
    session.begin("noise", asdict(settings))
    told = {"brief": own.asked.brief.title, "settings": asdict(settings), "points": {}}
    with Findings(session, "noise", "points", **told) as found:
        # 1. One set of comparisons: as the rater judged it, and as a coin did.
        yield from only_progress(judge_for_me(own, settings.comparisons, 2))
        votes = own.judged.rankings
        luck = seed_of(own.seed, "noise")
        judgements = {"votes": votes, "noise": coin_flips(votes, luck)}

        # 2. A reward model for each, blown up to the same size.
        fits, benches = {}, {}
        for name in judgements:
            own.judged.rankings = judgements[name]
            yield from only_progress(fit_reward_model(own, RewardModelSettings(seed=settings.seed)))
            learned = own.learned.summary
            fits[name] = {
                "pairs": learned["pairs_used"],
                "ties": learned["ties"],
                "accuracy": learned["heldout_accuracy"],
                "accuracy_interval": learned["heldout_interval"],
                "p": learned["chance"]["p"],
                "support": learned["chance"]["support"],
            }
            benches[name] = Bench(own, luck)
            benches[name].judge_by(blown_up(benches[name].model, fits[name]["support"]))
        fits["turned"], benches["turned"] = fits["noise"], Bench(own, luck)
        benches["turned"].judge_by(turned_over(benches["noise"].model))
        found.keep(
            fits=fits,
            agree=agreement(votes, judgements["noise"]),
            prompts=list(own.asked.brief.evaluation_prompts),
        )
        yield {"kind": "start"}

        # 3. The same PPO on each, with the app's own settings.
        for name in settings.RUNS:
            bench = benches[name]
            how = PPOSettings(steps=settings.steps, seed=settings.seed)
            policy, scale = Policy(bench.lm.trunk, how), None
            work = train(policy=policy, settings=how, **bench.common)
            for item in bench.measured(policy, work, settings.EVERY):
                if isinstance(item, Progress):
                    yield item
                    continue
                step, _, answers = item
                scale = scale or Scale(answers)
                point = {"step": step, **point_of(scale, answers)}
                points = found.found["points"]
                rows = [*points.get(name, []), point]
                found.keep(gold_top=scale.top, points={**points, name: rows})
                yield {"kind": "point", "run": name, **{key: point[key] for key in POINT}}
