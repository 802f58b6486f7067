"""What would noise have done?: the coins and their mirror image, the size of the scores, what the
lab records at a small size and what it leaves alone; and what is said of three climbs.
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
from rlhf_core.labs.measuring import lab_session
from rlhf_core.lm import language_model
from rlhf_core.loop import workbench
from rlhf_core.loop.scripted_rater import judge_for_me
from rlhf_core.loop.workbench import head_of
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


def test_the_coins_turned_over_would_teach_the_mirror_image():
    """A fit to the swapped winners, against the head with its sign changed."""
    own, heads = lab_session(Session(BRIEF), 3), []
    drain(judge_for_me(own, 12, 2))
    coins = noise.coin_flips(own.judged.rankings, 7)
    swapped = [replace(one, groups=one.groups[::-1]) for one in coins]
    for rankings in (coins, swapped):
        own.judged.rankings = rankings
        drain(noise.fit_reward_model(own, noise.RewardModelSettings(seed=3)))
        heads.append((head_of(own), own.learned.summary))
    (one, told), (other, told_other) = heads
    mirror = noise.turned_over(one)
    assert one.weights.abs().max() > 0.01
    assert torch.allclose(mirror.weights, other.weights, atol=1e-4)
    assert torch.allclose(mirror.covariance, other.covariance, atol=1e-4)
    assert (mirror.center, mirror.scale) == pytest.approx((other.center, other.scale), abs=1e-4)
    states = torch.randn(5, len(one.whitener.mean), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(mirror.score(states), -one.score(states), atol=1e-5)
    # So what is said of the one fit is true of the other.
    assert told["heldout_accuracy"] == told_other["heldout_accuracy"]
    for key in ("p", "support"):
        assert told["chance"][key] == pytest.approx(told_other["chance"][key], abs=1e-4)


# --- the lab --------------------------------------------------------------------------------------


def test_the_lab_records_three_runs_and_leaves_the_session_alone(tmp_path, monkeypatch):
    asked, judges, fit, bench = [], [], noise.fit_reward_model, noise.Bench.judge_by

    def watched(own, settings):
        asked.append(list(own.judged.rankings))
        yield from fit(own, settings)

    def judged_by(self, model):
        judges.append((model, self.model))
        bench(self, model)

    monkeypatch.setattr(noise, "fit_reward_model", watched)
    monkeypatch.setattr(noise.Bench, "judge_by", judged_by)
    lm, session = language_model.load(), Session(BRIEF, directory=tmp_path / "s")
    session.store, before = saving.Folder(), lm.fingerprint()
    records = drain(noise.run(session, SMALL))
    assert len(records) == SMALL.records == 1 + 3 * 2
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
    assert starts[0] == starts[1] == starts[2], "one start, the same random numbers"
    # The same pairs, decided otherwise; and each score at its full size.
    votes, coins = asked
    assert [one.candidates for one in votes] == [one.candidates for one in coins]
    assert [len(one.groups) for one in votes] == [len(one.groups) for one in coins]
    assert any(one.groups != other.groups for one, other in zip(votes, coins, strict=True))
    assert found["agree"] == noise.agreement(votes, coins)
    assert list(found["fits"]) == list(SMALL.RUNS)
    for (blown, shrunk), fitted in zip(judges, found["fits"].values(), strict=True):
        assert blown.scale == pytest.approx(shrunk.scale * fitted["support"])
        assert 0.05 <= fitted["support"] <= 1 and 0 < fitted["p"] <= 1
        assert 0 <= fitted["accuracy"] <= 1 and fitted["pairs"] == 12
    # Turned over: no comparisons of its own, and exactly the opposite score.
    (_, _), (heads, _), (tails, _) = judges
    states = torch.randn(5, len(heads.whitener.mean), generator=torch.Generator().manual_seed(1))
    assert torch.equal(tails.score(states), -heads.score(states))
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


# --- what is said of three climbs -----------------------------------------------------------------


RUNS = ("votes", "noise", "turned")


def said(*climbs: list[dict]) -> dict | None:
    return beside_noise.verdict(dict(zip(RUNS, climbs, strict=True)))


def climb(rewards: list[float], golds: list[float], step: int = 2) -> list[dict]:
    start, none = {"step": 0, "kl": 0.0}, [0.0] * len(golds)
    end = {"step": step, "kl": 1.5, "proxies": rewards, "gold_a": golds, "gold_b": golds}
    return [{**start, "proxies": none, "gold_a": none, "gold_b": none}, end]


def test_a_change_is_one_only_where_its_interval_leaves_out_0():
    up, level = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0], [1.0, -1.0, 0.9, -0.9, 0.5, -0.5]
    found = said(climb(up, up), climb(up, level), climb(up, level))
    assert found["votes"]["gold"]["mean"] == pytest.approx(0.75)
    assert 0.5 < found["votes"]["gold"]["low"] < 0.75 < found["votes"]["gold"]["high"] < 1.0
    ways = {run: [found[run][what]["way"] for what in ("reward", "gold")] for run in RUNS}
    assert ways == {"votes": [1, 1], "noise": [1, 0], "turned": [1, 0]}
    assert found["gap"]["mean"] == pytest.approx(0.75)
    down = said(climb(up, up), climb(up, [2 * one for one in up]), climb(up, [-one for one in up]))
    assert [down[run]["gold"]["way"] for run in RUNS] == [1, 1, -1]
    # Less the mean of both coin runs: 0.75 - (1.5 - 0.75) / 2.
    assert down["gap"]["way"] == 1 and down["gap"]["mean"] == pytest.approx(0.375)


def test_of_few_prompts_or_unequal_runs_nothing_is_said():
    few = said(climb([1, 1], [1, 1]), climb([1, 1], [0, 0]), climb([1, 1], [0, 0]))
    assert few["votes"]["gold"]["way"] == 0 and few["gap"]["low"] == -math.inf
    one = climb([1], [1])
    assert beside_noise.verdict({}) is None
    assert beside_noise.verdict({"votes": one, "noise": one}) is None
    assert said(one, one, one[:1]) is None and said(one, one, climb([1], [1], 4)) is None
