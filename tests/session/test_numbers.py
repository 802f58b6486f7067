"""The session's numbers against the functions that training itself calls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from rlhf_core.algorithms import ppo
from rlhf_core.common.settings import PPOSettings
from rlhf_core.evaluation import conclusion
from rlhf_core.session import numbers
from rlhf_core.session.state import Session


@pytest.mark.parametrize("score_clip", [0.0, 1.0])
def test_what_an_answer_earns_on_average_is_what_the_update_is_given(score_clip):
    """The mean over answers of all that ``ppo.token_rewards`` pays, from a batch as it is made."""
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(16, generator=generator) * 1.5
    ended = torch.rand(16, generator=generator) < 0.7
    mask = torch.arange(6) < torch.randint(1, 7, (16, 1), generator=generator)
    drift = torch.randn(16, 6, generator=generator) * mask  # log pi - log pi_ref
    chosen = PPOSettings(beta=0.4, score_clip=score_clip, missing_end_penalty=0.7)
    batch = SimpleNamespace(scores=scores, ended=ended, doubt=None)
    paid = ppo.token_rewards(ppo.earned_scores(batch, chosen), drift, mask, chosen.beta)

    session = Session()
    session.settings = {"ppo": vars(chosen)}
    row = {"step": 1, "reward_mean": scores.mean().item(), "kl_k1": drift.sum(1).mean().item()}
    session.tuned.metrics = [{**row, "beta": chosen.beta, "learning_rate": 1e-4}]
    session.tuned.samples = [
        {"step": 1, "reward": score, "ended": end}
        for score, end in zip(scores.tolist(), ended.tolist(), strict=True)
    ]
    assert numbers.of(session)["earned"] == pytest.approx(paid.sum(1).mean().item(), abs=1e-6)


def test_what_drift_has_left_of_the_gain_goes_by_one_reward_model():
    session = Session()
    assert numbers.after_drift(session) is None
    rows = [
        {"step": 0, "reward_mean": 0.1, "kl_to_reference": 0.0, "beta": 0.25, "reward_model": 1},
        {"step": 1, "reward_mean": 1.1, "kl_to_reference": 2.0, "beta": 0.5, "reward_model": 1},
    ]
    session.tuned.metrics = rows[:1]
    assert numbers.after_drift(session) is None
    session.tuned.metrics = rows
    assert numbers.after_drift(session) == pytest.approx(1.1 - 0.5 * 2.0 - 0.1)
    session.tuned.metrics = [*rows, {**rows[1], "step": 2, "reward_model": 2}]
    assert numbers.after_drift(session) is None, "another score: nothing to compare with yet"


def test_the_shares_are_one_named_judges_and_rounded_as_the_page_shows_them():
    session = Session()
    assert numbers.judge(session) == "" and "win_rate" not in numbers.of(session)
    counts = {"pairs": 100, "wins": 33, "ties": 67, "losses": 0, "win_rate": 0.665}
    judges = [
        {"name": conclusion.REWARD_MODEL, **counts, "win_rate": 0.9},
        {"name": conclusion.GRADED, **counts, "interval": [0.555, 0.765]},
    ]
    session.tuned.evaluation = {"judges": judges, "win_rate": 0.9}
    found = numbers.of(session)
    assert numbers.judge(session) == conclusion.GRADED
    for name, share in (("win_rate", 0.665), ("win_low", 0.555), ("win_high", 0.765)):
        assert f"{100 * found[name]:.0f}%" == f"{share:.0%}"
