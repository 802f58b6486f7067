"""The loop over a whole session on the bundled model, few steps: what is kept, what is forgotten,
and that nobody's run touches another's.
"""

from __future__ import annotations

import pytest
import torch

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings, SamplingSettings
from rlhf_core.judging import briefs
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, whole, workbench, writing
from rlhf_core.session import asked, judged, registry, rounds, saving
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.store import bundle

FEW = RewardModelSettings(reference_samples=64, iterations=12)
SHORT = PPOSettings(steps=2, batch_size=8, minibatch_size=8, epochs=2, max_new_tokens=10)


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def kept(session: Session) -> Session:
    """Saved with every change, as the app's sessions are."""
    session.store = saving.Folder()
    return session


def tuned(directory=None, seed: int = 0, brief: str = "meme-bot") -> Session:
    session = Session(briefs.PRESETS[brief], seed=seed, directory=directory)
    if directory is not None:
        kept(session)
    run(scripted_rater.judge_for_me(session, 10))
    run(reward.fit_reward_model(session, FEW))
    run(tuning.ppo(session, SHORT))
    return session


def numbers(session: Session) -> list:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in session.tuned.metrics]


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_whole_loop_says_who_judged_and_measures_on_unseen_prompts():
    session = Session(briefs.PRESETS["biology-homework"])
    before = workbench.ready(session).fingerprint()
    stages = [r["stage"] for r in run(whole.run_once(session, comparisons=8, steps=1))]
    assert list(dict.fromkeys(stages)) == ["generate", "rank", "reward", "ppo", "evaluate"]
    assert judged.rater(session) == SCRIPTED and {r.annotator for r in session.judged.rankings} == {
        SCRIPTED
    }
    assert len(session.judged.rankings) == 8 and [row["step"] for row in session.tuned.metrics] == [
        0,
        1,
    ]
    prompts = {row["prompt"] for row in session.asked.candidate_sets} | {
        row["prompt"] for row in session.tuned.samples
    }
    assert prompts <= set(session.asked.brief.training_prompts)
    assert {pair["prompt"] for pair in session.tuned.evaluation["pairs"]} <= set(
        session.asked.brief.evaluation_prompts
    )
    assert (
        len(session.tuned.evaluation["pairs"]) == 200
        and 0
        <= session.tuned.evaluation["interval"][0]
        <= session.tuned.evaluation["interval"][1]
        <= 1
    )
    assert workbench.ready(session).fingerprint() == before, "the frozen base is untouched"


def test_an_evaluation_prompt_that_a_learner_types_is_shown_but_never_trained_on():
    session = Session(briefs.PRESETS["biology-homework"])
    prompt = asked.add_prompt(session, "  A badger   is ")
    assert prompt == "A badger is" and prompt not in asked.training_prompts(session)
    run(writing.generate(session, prompt, SamplingSettings(candidates=4, seed=3)))
    judged.add_ranking(
        session,
        asked.next_set(session)["id"],
        groups=[[0], *[[i] for i in range(1, len(asked.next_set(session)["texts"]))]],
    )
    assert judged.pairs(session) and judged.learnable(session) == []
    with pytest.raises(InputError, match="kept for the verdict"):
        run(reward.fit_reward_model(session, FEW))


def test_streaming_ends_in_a_set_whose_tokens_carry_their_probability():
    session = Session()
    records = run(
        writing.generate(
            session, "An opossum is", SamplingSettings(candidates=3, max_new_tokens=12, seed=5)
        )
    )
    assert [r["kind"] for r in records] == ["tokens"] * (len(records) - 1) + ["done"]
    for earlier, later in zip(records[:-2], records[1:-1], strict=True):
        assert all(b.startswith(a) for a, b in zip(earlier["texts"], later["texts"], strict=True))
    row = session.asked.candidate_sets[0]
    for text, tokens in zip(row["texts"], row["tokens"], strict=True):
        assert "".join(t["token"] for t in tokens if not t["token"].startswith("⏹")) == text
        assert all(0 < t["probability"] <= 1 and len(t["alternatives"]) == 6 for t in tokens)
    again = Session()
    run(
        writing.generate(
            again, "An opossum is", SamplingSettings(candidates=3, max_new_tokens=12, seed=5)
        )
    )
    assert again.asked.candidate_sets[0]["texts"] == row["texts"], "same seed, same answers"


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        ("   \n", "empty"),
        ("x" * 10_000, "10,000 characters"),
        ("🐾" * 200, "tokens long"),
        ("<|endoftext|>", "nothing in it"),
    ],
)
def test_prompts_that_cannot_work_get_one_sentence(prompt, words):
    with pytest.raises(InputError, match=words) as caught:
        run(writing.generate(Session(), prompt, SamplingSettings()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prompt",
    [
        "Опоссум это",
        "袋鼠は",
        "🐾 is",
        "<script>alert(1)</script>",
        "![](http://example.invalid/x.png)",
        "**bold** $x$",
    ],
)
def test_other_scripts_and_markup_are_just_text(prompt):
    session = Session()
    run(
        writing.generate(
            session,
            asked.add_prompt(session, prompt),
            SamplingSettings(candidates=2, max_new_tokens=4),
        )
    )
    assert session.asked.candidate_sets[0]["prompt"] == prompt and prompt in asked.training_prompts(
        session
    )


def test_rounds_accumulate_comparisons_and_roll_back():
    session = tuned()
    first, comparisons = workbench.tuned_of(session), len(session.judged.rankings)
    head = workbench.head_of(session)
    normalisation = head.center, head.scale
    assert (
        rounds.start_next(session) == 2
        and session.tuned.metrics == []
        and len(session.judged.rankings) == comparisons
    )
    run(tuning.ppo(session, SHORT))
    assert session.tuned.metrics[0]["kl_to_reference"] > 1e-3, (
        "step 0 of round 2 is the tuned model, measured against the original"
    )
    head = workbench.head_of(session)
    assert (head.center, head.scale) == normalisation
    assert not same(workbench.tuned_of(session), first)
    rounds.start_next(session)
    rounds.roll_back(session, 1)
    assert (
        session.history.current_round == 2
        and len(session.history.rounds) == 1
        and same(workbench.start_of(session), first)
        and len(session.judged.rankings) == comparisons
    )
    rounds.roll_back(session, 0)
    assert session.history.current_round == 1 and session.history.start == ""
    with pytest.raises(InputError, match="no finished round 3"):
        rounds.roll_back(session, 3)
    with pytest.raises(InputError, match="no finished PPO step"):
        rounds.start_next(session)


def test_another_brief_keeps_the_judgements_and_forgets_what_was_learned():
    session = tuned()
    made = list(session.judged.rankings)
    asked.set_brief(session, briefs.PRESETS["biology-homework"])
    assert (
        session.judged.rankings == made
        and judged.pairs(session) == []
        and session.learned.head == session.tuned.weights == ""
    )
    assert (
        judged.needs(session, "reward_model")
        and judged.needs(session, "ppo")
        and judged.needs(session, "before_after")
    )
    asked.set_brief(session, briefs.PRESETS["meme-bot"])
    assert len(judged.pairs(session)) >= len(made)


def test_more_steps_go_on_and_equal_one_longer_run():
    parts, at_once = tuned(seed=4), Session(briefs.PRESETS["meme-bot"], seed=4)
    run(tuning.ppo(parts, SHORT))
    run(scripted_rater.judge_for_me(at_once, 10))
    run(reward.fit_reward_model(at_once, FEW))
    run(tuning.ppo(at_once, PPOSettings(**{**vars(SHORT), "steps": 4})))
    assert numbers(parts) == numbers(at_once)
    assert [row["step"] for row in at_once.tuned.metrics] == [0, 1, 2, 3, 4]


def test_one_session_never_changes_another():
    alone = tuned(seed=1)
    one, other = (
        Session(briefs.PRESETS["meme-bot"], seed=1),
        Session(briefs.PRESETS["biology-homework"], seed=2),
    )
    for session in (one, other):
        run(scripted_rater.judge_for_me(session, 10))
        run(reward.fit_reward_model(session, FEW))
    running = [tuning.ppo(one, SHORT), tuning.ppo(other, SHORT)]
    while running:  # slice by slice, as the worker does
        for work in list(running):
            if next(work, None) is None:
                running.remove(work)
    assert numbers(one) == numbers(alone)
    assert same(workbench.tuned_of(one), workbench.tuned_of(alone))
    assert not same(workbench.tuned_of(one), workbench.tuned_of(other))


def test_a_stop_in_the_middle_keeps_every_finished_step(tmp_path):
    session = tuned(tmp_path / "run")
    weights, made = workbench.tuned_of(session), numbers(session)
    work = tuning.ppo(session, SHORT)
    for _ in range(9):
        assert isinstance(next(work), Progress)
    work.close()
    assert numbers(session) == made and same(workbench.tuned_of(session), weights)
    assert same(workbench.policy_weights(workbench.policy_of(session)), weights)


def test_a_reopened_session_is_the_same_and_can_go_on(tmp_path):
    session = tuned(tmp_path / "run")
    again = saving.load(tmp_path / "run")
    assert again.held == {}, "nothing heavy is read before it is needed"
    assert again.learned.head == session.learned.head
    assert again.tuned.weights == session.tuned.weights
    assert (
        again.judged.rankings == session.judged.rankings
        and numbers(again) == numbers(session)
        and again.tuned.samples == session.tuned.samples
    )
    (mine,), (theirs,) = (
        run(comparing.compare(session, "A fox is", seed=3)),
        run(comparing.compare(again, "A fox is", seed=3)),
    )
    assert mine == theirs and same(workbench.tuned_of(again), workbench.tuned_of(session))
    run(tuning.ppo(again, SHORT))
    assert [row["step"] for row in again.tuned.metrics] == [0, 1, 2, 3, 4]


def test_a_stranger_cannot_reach_a_session_by_path(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    mine = registry.create()
    asked.add_prompt(mine, "An opossum is happy when")
    assert registry.get(mine.id) is mine
    for name in ("", "..", "../../etc/passwd", "a" * 16, mine.id + "/", mine.id[:-1], "x" * 5000):
        assert registry.get(name) is None
    registry.delete(mine.id)
    assert registry.get(mine.id) is None and registry.keeper().load(mine.id) is None


def test_a_full_disk_is_told_and_loses_nothing(tmp_path, monkeypatch):
    session = tuned(tmp_path / "run")

    def full(*_args, **_kwargs):
        raise bundle.BundleError("The disk is full.")

    monkeypatch.setattr(bundle, "write_bundle", full)
    row = (
        asked.next_set(session)
        or run(writing.generate_pool(session, 2))
        and asked.next_set(session)
    )
    judged.add_ranking(session, row["id"], verdict="skip")
    assert "disk is full" in session.save_problem and session.judged.rankings[-1].verdict == "skip"
    monkeypatch.undo()
    assert len(saving.load(tmp_path / "run").judged.rankings) == len(session.judged.rankings) - 1, (
        "the former save is whole"
    )
    with session.change():
        pass
    assert session.save_problem == ""


def test_a_diverged_run_is_stopped_explained_and_undone():
    session = tuned()
    weights, made = workbench.tuned_of(session), numbers(session)
    head = workbench.head_of(session)
    head.weights = head.weights * float("nan")
    with pytest.raises(RuntimeError, match="no longer finite numbers. The model of step 2 is kept"):
        run(tuning.ppo(session, SHORT))
    assert numbers(session) == made and same(workbench.tuned_of(session), weights)
