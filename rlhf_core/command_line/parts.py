"""The five parts of the loop on the command line, one after the other in ``run``, one at a time in
``stage``: each drives its work on the bar, saves what changed, and yields what standard output
shows.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.command_line.terminal import drive, say
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.evaluation.conclusion import votes_say
from rlhf_core.session import judged
from rlhf_core.session.state import Session
from rlhf_core.work.running import kept


def generate(session: Session, pairs: int) -> Iterator[dict]:
    from rlhf_core.loop import writing

    for _ in drive("Writing pairs", kept(session, writing.generate_pool(session, pairs, 2))):
        pass
    yield {"kind": "written", "pairs": len(session.asked.candidate_sets)}


def rank(session: Session, pairs: int) -> Iterator[dict]:
    """By the scripted rater."""
    from rlhf_core.loop import scripted_rater

    work = kept(session, scripted_rater.judge_for_me(session, pairs, 2))
    for _ in drive("Judging", work, pairs):
        pass
    yield who_judged(session)


def who_judged(session: Session) -> dict:
    count = len(judged.pairs(session))
    return {"kind": "judged", "comparisons": count, "judge": judged.rater(session)}


def reward(session: Session, settings: RewardModelSettings) -> Iterator[dict]:
    from rlhf_core.loop import reward

    for _ in drive("Reward model", kept(session, reward.fit_reward_model(session, settings))):
        pass
    learned = {key: value for key, value in session.learned.summary.items() if key != "examples"}
    say(votes_say(learned["chance"]))
    yield {"kind": "reward_model", **learned}


def ppo(session: Session, settings: PPOSettings) -> Iterator[dict]:
    from rlhf_core.loop import tuning

    for row in drive("PPO", kept(session, tuning.ppo(session, settings)), settings.steps + 1):
        say(
            f"PPO step {row['step']:>3} of {settings.steps}: reward {row['reward_mean']:+.2f}, KL"
            f" to reference {row['kl_to_reference']:.2f} nats"
        )
        yield {"kind": "step", **row}


def evaluate(session: Session, answers: int = 200) -> Iterator[dict]:
    from rlhf_core.loop import comparing

    for row in drive("Before and after", kept(session, comparing.evaluate(session, answers))):
        say(row["conclusion"])
        yield {**row, "kind": "evaluation"}
