"""The Goodhart lab and the algorithms side by side on the bundled model, made small: what they
record, what they keep, and what they leave alone.
"""

import functools

import numpy as np
import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.algorithms import best_of_n
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import AlgorithmsSettings, GoodhartSettings
from rlhf_core.common.settings import (
    DPOSettings,
    GRPOSettings,
    KTOSettings,
    PPOSettings,
    RewardModelSettings,
    RLOOSettings,
)
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Ranking
from rlhf_core.labs import goodhart, measuring, side_by_side
from rlhf_core.labs.measuring import Answer, answers_of
from rlhf_core.lm import language_model
from rlhf_core.loop import reward, scripted_rater, workbench
from rlhf_core.session import judged, saving
from rlhf_core.session.state import Session

BRIEF = PRESETS["biology-homework"].edited(
    training_prompts=PRESETS["biology-homework"].training_prompts[:4],
    evaluation_prompts=("A badger is", "A fox is"),
)
GOODHART = GoodhartSettings(steps=4, comparisons=6, features=8, learning_rate=1e-3, beta=1.0)
ALGORITHMS = AlgorithmsSettings(steps=4, comparisons=6)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Small batches and pools: the same code, seconds instead of minutes."""
    batch = {"batch_size": 8, "minibatch_size": 8, "max_new_tokens": 6, "epochs": 1}
    for module in (measuring, goodhart, side_by_side):
        monkeypatch.setattr(module, "POOL", 4)
    monkeypatch.setattr(measuring, "POOL_PROMPTS", 2)
    for module in (goodhart, side_by_side):
        monkeypatch.setattr(
            module,
            "RewardModelSettings",
            functools.partial(RewardModelSettings, reference_samples=64),
        )
        monkeypatch.setattr(module, "PPOSettings", functools.partial(PPOSettings, **batch))
    for name, kind in (("RLOOSettings", RLOOSettings), ("GRPOSettings", GRPOSettings)):
        monkeypatch.setattr(side_by_side, name, functools.partial(kind, **batch))
    for name, kind in (("DPOSettings", DPOSettings), ("KTOSettings", KTOSettings)):
        monkeypatch.setattr(side_by_side, name, functools.partial(kind, max_new_tokens=6))


def drain(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


@pytest.fixture(scope="module")
def lm():
    return language_model.load()


def test_the_lab_records_three_runs_and_leaves_the_session_alone(lm, tmp_path):
    session, before = Session(BRIEF, directory=tmp_path / "s"), lm.fingerprint()
    session.store = saving.Folder()
    records = drain(goodhart.run(session, GOODHART))
    assert len(records) == GOODHART.records == 1 + 3 * 3
    found = session.labs["goodhart"]
    assert found["status"] == "done" and list(found["points"]) == list(GOODHART.RUNS)
    for rows in found["points"].values():
        assert [row["step"] for row in rows] == [0, 2, 4]
        assert (
            rows[0]["kl"] == pytest.approx(0, abs=1e-5)
            and rows[0]["gold"] == rows[0]["proxy"] == rows[0]["fluency"] == 0
        )  # the zero of everything
        assert all(len(row["gold_a"]) == len(row["gold_b"]) == 2 and row["kl"] >= 0 for row in rows)
    assert (
        len({rows[-1]["kl"] for rows in found["points"].values()}) == 3
    )  # from one start, three ways to go
    assert [goodhart.run_settings(kind, GOODHART).beta for kind in GOODHART.RUNS] == [0.0, 1.0, 0.0]
    assert [goodhart.run_settings(kind, GOODHART).conservative for kind in GOODHART.RUNS] == [
        0.0,
        0.0,
        1.0,
    ]
    assert [row["n"] for row in found["best_of_n"]] == [1, 2, 4] and found["best_of_n"][0][
        "gold"
    ] == pytest.approx(0, abs=1e-9)
    assert (
        found["best_of_n"][2]["kl"] == best_of_n.kl_bound(4)
        and found["best_of_n"][2]["proxy"] > found["best_of_n"][1]["proxy"] > 0
    )
    # Nothing of the learner's was touched, the base is as it was, and a reload finds it all.
    assert lm.fingerprint() == before
    assert (
        session.judged.rankings,
        session.tuned.metrics,
        session.asked.candidate_sets,
        session.learned.head,
        session.tuned.weights,
        workbench.policy_of(session),
    ) == ([], [], [], "", "", None)
    assert saving.load(session.directory).labs == session.labs


def test_the_same_seed_tells_the_same_story_and_a_stop_keeps_it(lm):
    sessions = [Session(BRIEF), Session(BRIEF)]
    for session in sessions:
        work = goodhart.run(session, GOODHART)
        points = 0
        for item in work:
            points += isinstance(item, dict) and item["kind"] == "point"
            if points == 2:
                break  # step 0 and step 2
        work.close()
    first, second = (session.labs["goodhart"] for session in sessions)
    assert first["status"] == "stopped" and [row["step"] for row in first["points"]["free"]] == [
        0,
        2,
    ]
    assert untimed(first) == untimed(second)


def untimed(found: dict) -> dict:
    """What a lab found, without the seconds that its training took."""
    points = {
        run: [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
        for run, rows in found["points"].items()
    }
    return {**found, "points": points}


def test_an_impossible_setting_is_refused_before_anything_is_lost(lm):
    session = Session(BRIEF)
    session.labs = {"goodhart": {"kept": 1}}
    with pytest.raises(SettingsError, match="beta is 0"):
        drain(goodhart.run(session, GoodhartSettings(beta=0.0)))
    assert session.labs == {"goodhart": {"kept": 1}}


def test_a_brief_without_a_rule_borrows_one(lm):
    own = goodhart.lab_session(Session(BRIEF.edited(wanted=None)), 3)
    brief = own.asked.brief
    assert (brief.slug, brief.wanted) == ("biology-homework", "fact")
    assert (own.seed, own.directory, own.store) == (3, None, None)


def test_measured_answers_are_the_originals_at_no_distance_and_repeatable(lm):
    session = Session(BRIEF)
    drain(scripted_rater.judge_for_me(session, 6, 2))
    drain(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
    model, prompts = workbench.head_of(session), [lm.encode("A badger is"), lm.encode("A fox is")]
    one, two = (
        [*answers_of(lm, lm.trunk, model, prompts, 4, wanted="fact", seed=5, stage="x")][-1]
        for _ in range(2)
    )
    assert one == two and [answer.prompt for answer in one] == [0] * 4 + [1] * 4
    assert all(abs(answer.kl) < 1e-4 for answer in one)
    whole = [a for a in one[:4] if a.ended]
    assert whole
    # Read one by one, by other code.
    read = reward.score_texts(session, "A badger is", [a.text for a in whole])
    for answer, row in zip(whole, read, strict=True):
        assert answer.proxy == pytest.approx(row["reward"], abs=1e-3)
        assert answer.fluency * len(lm.encode_response(answer.text)) == pytest.approx(
            row["reference_logprob"], abs=1e-2
        )


def answer(prompt: int, proxy: float, gold: float) -> Answer:
    return Answer(prompt, "", True, proxy, gold, {"words": 1.0}, 0.0, 0.0)


def test_the_frontier_trades_as_well_as_any_reweighting_can():
    """Two equally good levels: at beta -> 0 the weight goes to the better half, KL log 2, and it
    never costs more than best-of-n's bound for the same gain.
    """
    pool = [answer(p, float(i % 2), float(i % 2)) for p in range(3) for i in range(64)]
    rows = goodhart.frontier_rows(pool, 64, unit=1.0)
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-6) and rows[0]["proxy"] == pytest.approx(
        0, abs=1e-5
    )
    assert [r["kl"] for r in rows] == sorted(r["kl"] for r in rows) and rows[-1][
        "kl"
    ] == pytest.approx(0.693, abs=0.01)
    assert rows[-1]["proxy"] == pytest.approx(0.5, abs=0.01) == rows[-1]["gold"]
    spread = [
        answer(p, v, v)
        for p in range(3)
        for v in torch.randn(64, generator=torch.Generator().manual_seed(p)).tolist()
    ]
    best = measuring.best_of_n_rows(spread, 64, unit=2.0)
    frontier = goodhart.frontier_rows(spread, 64, unit=2.0)
    assert best[1]["gold"] == pytest.approx(best[1]["proxy"] / 2)
    within = [row for row in best[1:] if row["kl"] <= frontier[-1]["kl"]]
    assert len(within) >= 2
    for row in within:  # nothing gains more for the same drift
        assert (
            np.interp(row["kl"], [r["kl"] for r in frontier], [r["proxy"] for r in frontier])
            >= row["proxy"] - 0.02
        )


def test_every_algorithm_from_the_same_comparisons(lm):
    session = Session(BRIEF)
    records = drain(side_by_side.run(session, ALGORITHMS))
    assert len(records) == ALGORITHMS.records == 1 + 5 * 2
    found = session.labs["algorithms"]
    assert (
        found["status"] == "done"
        and list(found["points"]) == list(ALGORITHMS.TRAINED)
        and found["pairs"] > 0
    )
    for rows in found["points"].values():
        assert (
            [row["step"] for row in rows] == [0, 4]
            and rows[0]["seconds"] == 0 < rows[1]["seconds"]
            and rows[0]["kl"] < 1e-4 < rows[1]["kl"]
        )
    best = found["best_of_n"][-1]
    assert len(best["gains"]) == len(best["golds"]) == 2  # of each prompt: it has an interval too
    assert np.mean(best["gains"]) == pytest.approx(best["gold"], abs=1e-3)
    assert max(best["golds"]) <= found["gold_top"] + 1e-6
    kept = session.settings["algorithms"]
    assert (kept["runs"], kept["own"]) == (list(ALGORITHMS.TRAINED), False)
    assert session.judged.rankings == [] and session.learned.head == ""


def test_time_is_the_processors_and_others_do_not_count(monkeypatch):
    """PPO, measured while another program was busy, once took three times as long as RLOO."""
    now = {"thread": 0.0}
    monkeypatch.setattr(measuring.time, "thread_time", lambda: now["thread"])

    def work():
        for step in (1, 2):
            now["thread"] += 0.25
            yield Progress("writing", 0, 1)
            now["thread"] += 0.5
            yield {"step": step, "seconds": 99.0}  # on the wall, beside who knows what

    timed = measuring.Timed(work())
    for item in timed:
        now["thread"] += 10.0  # another learner's slice, on the same thread
        if not isinstance(item, Progress):
            assert timed.seconds == pytest.approx(0.75 * item["step"])


def test_only_what_was_chosen_trains(lm):
    session = Session(BRIEF)
    records = drain(side_by_side.run(session, ALGORITHMS, runs=["kto", "ppo"]))
    assert len(records) == ALGORITHMS.records_of(2) == 5
    found = session.labs["algorithms"]
    assert list(found["points"]) == found["runs"] == ["ppo", "kto"]
    for runs, sentence in ((["ppo", "magic"], "no algorithm called magic"), ([], "Choose what")):
        with pytest.raises(InputError, match=sentence):
            drain(side_by_side.run(session, ALGORITHMS, runs=runs))
    assert session.labs["algorithms"] == found


def test_too_little_for_one_of_them_is_said_before_any_trains_or_a_result_is_lost(lm):
    """A skipped set with an ideal answer is two pairs, and one answer that was called good."""
    session, texts = Session(BRIEF), [" a small mammal.", " basically me."]
    said = {"verdict": "skip", "brief": BRIEF.slug, "ideal": " a bird."}
    session.judged.rankings = [Ranking("r", BRIEF.training_prompts[0], texts, [0, 1], **said)]
    assert len(side_by_side.token_pairs(lm, session)) == 2
    session.labs = {"algorithms": {"kept": 1}}
    work = side_by_side.run(session, ALGORITHMS, own_votes=True, runs=["ppo", "kto"])
    with pytest.raises(InputError, match="KTO needs at least two answers.*leave KTO out"):
        next(work)
    assert session.labs == {"algorithms": {"kept": 1}}
    with pytest.raises(InputError, match="no pair to learn from yet.*leave DPO out"):
        side_by_side.learned_from(lm, Session(BRIEF), ["dpo"])
    # What does not train needs nothing.
    assert side_by_side.learned_from(lm, Session(BRIEF), ["ppo"]) == {"pairs": [], "thumbs": []}


def test_the_learners_own_comparisons_are_lent_and_not_changed(lm):
    session = Session(BRIEF)
    with pytest.raises(InputError, match="cannot be used yet"):
        drain(side_by_side.run(session, ALGORITHMS, own_votes=True))
    texts = [" a small mammal that eats insects.", " basically me on a Monday."]
    for number, groups in enumerate(([[0], [1]], [[0], [1]], [[0, 1]], [[1], [0]])):
        prompt = BRIEF.training_prompts[number]
        session.judged.rankings = [
            *session.judged.rankings,
            Ranking(
                f"r{number}",
                prompt,
                texts,
                [0, 1],
                groups,
                brief=BRIEF.slug,
                finished=[True, False],
            ),
        ]
    pairs = side_by_side.token_pairs(lm, session)
    facts, memes = lm.encode(texts[0]) + [lm.end_id], lm.encode(texts[1])  # the second broke off
    assert [(p.chosen, p.rejected, p.target) for p in pairs] == [(facts, memes, 1.0)] * 2 + [
        (facts, memes, 0.5),
        (memes, facts, 1.0),
    ]
    thumbs = side_by_side.token_thumbs(lm, session)
    said = [(t.answer, t.good) for t in thumbs]  # the tie says nothing
    assert said == [(facts, True), (memes, False)] * 2 + [(memes, True), (facts, False)]
    kept = list(session.judged.rankings)
    work = side_by_side.run(session, ALGORITHMS, own_votes=True)
    next(item for item in work if isinstance(item, dict) and item["kind"] == "pool")
    work.close()
    assert (
        session.labs["algorithms"]["rater"] == judged.rater(session)
        and session.labs["algorithms"]["pairs"] == 4
        and session.judged.rankings == kept
    )
