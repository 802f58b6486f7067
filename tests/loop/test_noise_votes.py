"""Noise through the whole loop on the bundled model: the control stands in the session, the score
shrinks, the verdict does not call it better, and the rater is known through an export.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from lab_data import returned
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.evaluation import conclusion
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, workbench, writing
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import SCRIPTED, Session

FEW = RewardModelSettings(reference_samples=128)
SHORT = PPOSettings(steps=1, batch_size=8, minibatch_size=8, epochs=1, max_new_tokens=10)


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


@pytest.fixture(scope="module")
def votes() -> list[Pair]:
    session = Session(briefs.PRESETS["biology-homework"], seed=3)
    run(scripted_rater.judge_for_me(session, 24))
    return judged.pairs(session)


def fitted(pairs: list[Pair], slug: str = "biology-homework") -> Session:
    session = Session(briefs.PRESETS[slug], seed=3)
    session.judged.imported = pairs
    run(reward.fit_reward_model(session, FEW))
    return session


def turned(votes: list[Pair]) -> list[Pair]:
    """Every other winner turned round: what is left agrees on nothing."""
    other, clear = {"a": "b", "b": "a"}, 0
    found = []
    for pair in votes:
        clear += pair.choice != "tie"
        choice = other.get(pair.choice, "tie") if clear % 2 else pair.choice
        found.append(replace(pair, choice=choice, annotator="somebody"))
    return found


def test_a_taste_is_told_from_noise_and_only_a_taste_scores_in_full(votes):
    true, noise = fitted(votes), fitted(turned(votes))
    clear, none = (session.learned.summary["chance"] for session in (true, noise))
    assert clear["p"] <= 0.01 and clear["support"] > 0.85 and clear["decided"] >= 12
    assert none["p"] > 0.05 and none["support"] < clear["support"]
    for session, chance in ((true, clear), (noise, none)):
        lm = workbench.ready(session)
        _, _, states = returned(workbench.reference_pool(session, lm, FEW.reference_samples))
        spread = workbench.head_of(session).score(states).std().item()
        assert spread == pytest.approx(chance["support"], abs=1e-3)
    run(tuning.ppo(noise, SHORT))
    run(comparing.evaluate(noise, 24))
    found = noise.tuned.evaluation
    assert found["verdict"] == conclusion.NOT_THE_VOTES and found["permutation_p"] == none["p"]
    assert "better" not in found["conclusion"] and json.loads(json.dumps(found)) == found
    for number in range(12):  # a learner who likes the drift does not make it the votes' doing
        judged.add_vote(noise, f"prompt {number}", "after")
    assert rounds.with_votes(noise)["verdict"] == conclusion.NOT_THE_VOTES


def test_the_scripted_rater_is_known_after_an_export_and_an_import(votes, tmp_path):
    assert {pair.annotator for pair in votes} == {SCRIPTED}
    lines = "\n".join(json.dumps(pair.to_dict()) for pair in votes)
    again = import_preferences(lines.encode(), "prefs.jsonl").pairs
    session = Session(briefs.PRESETS["biology-homework"])
    session.judged.imported = again
    assert judged.scripted(session) and judged.rater(session) == SCRIPTED
    session.judged.imported = turned(votes)
    assert not judged.scripted(session)


def test_the_most_unlike_answers_are_kept_in_the_order_they_were_written():
    places = {"a": [0.0, 0.0], "b": [0.1, 0.0], "c": [5.0, 0.0], "d": [0.0, 3.0]}
    states = {text: torch.tensor(place) for text, place in places.items()}
    assert writing.most_unlike(states, 2) == ["c", "d"]
    assert writing.most_unlike(states, 3) == ["b", "c", "d"]  # 3.002 from both; "a" is 3
    assert writing.most_unlike(states, 4) == list("abcd") == writing.most_unlike(states, 9)
    assert writing.most_unlike({}, 2) == []
