"""What would noise have done?: the coins, the size of both scores, what the lab records at a small
size and what it leaves alone; and what is said of two climbs.
"""

import functools
import math
from dataclasses import replace

import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import NoiseSettings
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.evaluation import beside_noise
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Ranking, pairs_from_rankings
from rlhf_core.labs import noise
from rlhf_core.lm import language_model
from rlhf_core.loop import workbench
from rlhf_core.rewards.reward_model import RewardModel, Whitener
from rlhf_core.session import saving
from rlhf_core.session.state import Session

BRIEF = PRESETS["biology-homework"].edited(
    training_prompts=PRESETS["biology-homework"].training_prompts[:4],
    evaluation_prompts=("A badger is", "A fox is"),
)
SMALL = NoiseSettings(steps=2, comparisons=12)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    batch = {"batch_size": 8, "minibatch_size": 8, "max_new_tokens": 6, "epochs": 1}
    head = functools.partial(RewardModelSettings, reference_samples=64)
    monkeypatch.setattr(noise, "RewardModelSettings", head)
    monkeypatch.setattr(noise, "PPOSettings", functools.partial(PPOSettings, **batch))


def drain(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


# --- the coins ------------------------------------------------------------------------------------


def ranked(number: int, groups: list[list[int]]) -> Ranking:
    return Ranking(str(number), f"Prompt {number}", [" one.", " two."], [0, 1], groups)


def test_coins_decide_the_same_pairs_and_ties_stay_ties():
    votes = [ranked(i, [[0, 1]] if i % 5 == 0 else [[0], [1]]) for i in range(1000)]
    coins = noise.coin_flips(votes, 7)
    tied = {"groups": [[0, 1]]}
    assert [replace(one, **tied) for one in coins] == [replace(one, **tied) for one in votes]
    pairs, drawn = pairs_from_rankings(votes), pairs_from_rankings(coins)
    assert {(p.choice, q.choice) for p, q in zip(pairs, drawn, strict=True)} == {
        ("tie", "tie"),
        ("a", "a"),
        ("a", "b"),
    }
    assert noise.agreement(votes, votes) == [800, 800]
    turned = sum(p.choice != q.choice for p, q in zip(pairs, drawn, strict=True))
    assert abs(turned / 800 - 0.5) < 4 * math.sqrt(0.25 / 800)  # a fair coin, by 4 sigma
    assert noise.agreement(votes, coins) == [800 - turned, 800]
    assert coins == noise.coin_flips(votes, 7) != noise.coin_flips(votes, 8)
    assert votes[1].groups == [[0], [1]], "the votes themselves are left as they were"


def test_blown_up_is_the_score_as_it_was_before_it_was_shrunk():
    pool = torch.randn(200, 3, generator=torch.Generator().manual_seed(1)) * 4 + 2
    white = Whitener(torch.zeros(3), torch.eye(3))
    head = RewardModel(white, torch.tensor([0.5, -1.0, 0.2]), torch.eye(3))
    shrunk = head.normalised_on(pool, 0.05)
    assert shrunk.score(pool).std().item() == pytest.approx(0.05, rel=1e-5)
    whole = noise.blown_up(shrunk, 0.05)
    assert torch.allclose(whole.score(pool), head.normalised_on(pool).score(pool), atol=1e-5)
    assert whole.score(pool).std().item() == pytest.approx(1, rel=1e-5)
    doubt = head.normalised_on(pool).uncertainty(pool)
    assert torch.allclose(whole.uncertainty(pool), doubt, atol=1e-5)


# --- the lab --------------------------------------------------------------------------------------


def test_the_lab_records_two_runs_and_leaves_the_session_alone(tmp_path, monkeypatch):
    asked, sizes, fit, bench = [], [], noise.fit_reward_model, noise.Bench.judge_by

    def watched(own, settings):
        asked.append(list(own.judged.rankings))
        yield from fit(own, settings)

    def judged_by(self, model):
        sizes.append((model.scale, self.model.scale))
        bench(self, model)

    monkeypatch.setattr(noise, "fit_reward_model", watched)
    monkeypatch.setattr(noise.Bench, "judge_by", judged_by)
    lm, session = language_model.load(), Session(BRIEF, directory=tmp_path / "s")
    session.store, before = saving.Folder(), lm.fingerprint()
    records = drain(noise.run(session, SMALL))
    assert len(records) == SMALL.records == 1 + 2 * 2
    found = session.labs["noise"]
    assert found["status"] == "done" and list(found["points"]) == list(SMALL.RUNS)
    for rows in found["points"].values():
        assert [row["step"] for row in rows] == [0, 2]
        assert rows[0]["kl"] == pytest.approx(0, abs=1e-5) and rows[1]["kl"] > 0
        assert rows[0]["gold"] == rows[0]["proxy"] == 0  # the zero of both
        for row in rows:
            assert len(row["proxies"]) == len(row["gold_a"]) == 2
            assert sum(row["proxies"]) / 2 == pytest.approx(row["proxy"], abs=1e-4)
    starts = [[text[1] for text in rows[0]["texts"]] for rows in found["points"].values()]
    assert starts[0] == starts[1], "one start, the same random numbers"
    # The same pairs, decided otherwise; and each score at its full size.
    votes, coins = asked
    assert [one.candidates for one in votes] == [one.candidates for one in coins]
    assert [len(one.groups) for one in votes] == [len(one.groups) for one in coins]
    assert any(one.groups != other.groups for one, other in zip(votes, coins, strict=True))
    assert found["agree"] == noise.agreement(votes, coins)
    for (blown, shrunk), fitted in zip(sizes, found["fits"].values(), strict=True):
        assert blown == pytest.approx(shrunk * fitted["support"])
        assert 0.05 <= fitted["support"] <= 1 and 0 < fitted["p"] <= 1
        assert 0 <= fitted["accuracy"] <= 1 and fitted["pairs"] == 12
    # Nothing of the learner's was touched, the base is as it was, and a reload finds it all.
    assert lm.fingerprint() == before
    assert (session.judged.rankings, session.learned.head, session.tuned.weights) == ([], "", "")
    assert session.tuned.metrics == [] and workbench.policy_of(session) is None
    assert saving.load(session.directory).labs == session.labs


def test_same_seed_same_result_and_a_stop_keeps_it():
    found = []
    for _ in range(2):
        session = Session(BRIEF)
        work = noise.run(session, SMALL)
        points = 0
        for item in work:
            points += isinstance(item, dict) and item["kind"] == "point"
            if points == 3:
                break  # both of the votes, and the start of the noise
        work.close()
        found.append(session.labs["noise"])
    assert found[0] == found[1] and found[0]["status"] == "stopped"
    assert {run: len(rows) for run, rows in found[0]["points"].items()} == {"votes": 2, "noise": 1}


def test_an_impossible_setting_is_refused_before_anything_is_lost():
    session = Session(BRIEF)
    session.labs = {"noise": {"kept": 1}}
    with pytest.raises(SettingsError, match="comparisons"):
        drain(noise.run(session, NoiseSettings(comparisons=0)))
    assert session.labs == {"noise": {"kept": 1}}


# --- what is said of two climbs -------------------------------------------------------------------


def climb(rewards: list[float], golds: list[float], step: int = 2) -> list[dict]:
    start, none = {"step": 0, "kl": 0.0}, [0.0] * len(golds)
    end = {"step": step, "kl": 1.5, "proxies": rewards, "gold_a": golds, "gold_b": golds}
    return [{**start, "proxies": none, "gold_a": none, "gold_b": none}, end]


def test_a_change_is_one_only_where_its_interval_leaves_out_0():
    up, level = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [1.0, -1.0, 0.9, -0.9, 0.5, -0.5]
    found = beside_noise.verdict(climb(up, up), climb(up, level))
    assert found["votes"]["gold"]["mean"] == pytest.approx(0.75)
    assert 0.5 < found["votes"]["gold"]["low"] < 0.75 < found["votes"]["gold"]["high"] < 1.0
    ways = [found[run][what]["way"] for run in ("votes", "noise") for what in ("reward", "gold")]
    assert ways == [1, 1, 1, 0] and found["gap"]["mean"] == pytest.approx(0.75)
    down = beside_noise.verdict(climb(up, up), climb(up, [-one for one in up]))
    assert down["noise"]["gold"]["way"] == -1 and down["gap"]["way"] == 1
    assert down["gap"]["mean"] == pytest.approx(1.5)


def test_of_few_prompts_or_unequal_runs_nothing_is_said():
    few = beside_noise.verdict(climb([1, 1], [1, 1]), climb([1, 1], [0, 0]))
    assert few["votes"]["gold"]["way"] == 0 and few["gap"]["low"] == -math.inf
    assert beside_noise.verdict(climb([1], [1])[:1], climb([1], [1])) is None
    assert beside_noise.verdict(climb([1], [1], 4), climb([1], [1], 2)) is None
