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
from rlhf_core.loop import workbench
from rlhf_core.session import registry
from rlhf_core.session.state import ON_DISK, SCRIPTED, Session
from rlhf_core.store import bundle

FEW = RewardModelSettings(reference_samples=64, iterations=12)
SHORT = PPOSettings(steps=2, batch_size=8, minibatch_size=8, epochs=2, max_new_tokens=10)


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def tuned(directory=None, seed: int = 0, brief: str = "meme-bot") -> Session:
    session = Session(briefs.PRESETS[brief], seed=seed, directory=directory)
    run(session.judge_for_me(10))
    run(session.fit_reward_model(FEW))
    run(session.ppo(SHORT))
    return session


def numbers(session: Session) -> list:
    return [{k: v for k, v in row.items() if k != "seconds"} for row in session.metrics]


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_whole_loop_says_who_judged_and_measures_on_unseen_prompts():
    session = Session(briefs.PRESETS["biology-homework"])
    before = workbench.ready(session).fingerprint()
    stages = [r["stage"] for r in run(session.run_once(comparisons=8, steps=1))]
    assert list(dict.fromkeys(stages)) == ["generate", "rank", "reward", "ppo", "evaluate"]
    assert session.rater == SCRIPTED and {r.annotator for r in session.rankings} == {SCRIPTED}
    assert len(session.rankings) == 8 and [row["step"] for row in session.metrics] == [0, 1]
    asked = {row["prompt"] for row in session.candidate_sets} | {
        row["prompt"] for row in session.samples
    }
    assert asked <= set(session.brief.training_prompts)
    assert {pair["prompt"] for pair in session.evaluation["pairs"]} <= set(
        session.brief.evaluation_prompts
    )
    assert (
        len(session.evaluation["pairs"]) == 200
        and 0 <= session.evaluation["interval"][0] <= session.evaluation["interval"][1] <= 1
    )
    assert workbench.ready(session).fingerprint() == before, "the frozen base is untouched"


def test_an_evaluation_prompt_that_a_learner_types_is_shown_but_never_trained_on():
    session = Session(briefs.PRESETS["biology-homework"])
    prompt = session.add_prompt("  A badger   is ")
    assert prompt == "A badger is" and prompt not in session.training_prompts
    run(session.generate(prompt, SamplingSettings(candidates=4, seed=3)))
    session.add_ranking(
        session.next_set()["id"],
        groups=[[0], *[[i] for i in range(1, len(session.next_set()["texts"]))]],
    )
    assert session.pairs and session.learnable == []
    with pytest.raises(InputError, match="kept for the verdict"):
        run(session.fit_reward_model(FEW))


def test_streaming_ends_in_a_set_whose_tokens_carry_their_probability():
    session = Session()
    records = run(
        session.generate("An opossum is", SamplingSettings(candidates=3, max_new_tokens=12, seed=5))
    )
    assert [r["kind"] for r in records] == ["tokens"] * (len(records) - 1) + ["done"]
    for earlier, later in zip(records[:-2], records[1:-1], strict=True):
        assert all(b.startswith(a) for a, b in zip(earlier["texts"], later["texts"], strict=True))
    row = session.candidate_sets[0]
    for text, tokens in zip(row["texts"], row["tokens"], strict=True):
        assert "".join(t["token"] for t in tokens if not t["token"].startswith("⏹")) == text
        assert all(0 < t["probability"] <= 1 and len(t["alternatives"]) == 6 for t in tokens)
    again = Session()
    run(again.generate("An opossum is", SamplingSettings(candidates=3, max_new_tokens=12, seed=5)))
    assert again.candidate_sets[0]["texts"] == row["texts"], "same seed, same answers"


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
        run(Session().generate(prompt, SamplingSettings()))
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
        session.generate(
            session.add_prompt(prompt), SamplingSettings(candidates=2, max_new_tokens=4)
        )
    )
    assert session.candidate_sets[0]["prompt"] == prompt and prompt in session.training_prompts


def test_rounds_accumulate_comparisons_and_roll_back():
    session = tuned()
    first, comparisons = session.weights, len(session.rankings)
    normalisation = session.reward_model.center, session.reward_model.scale
    assert (
        session.start_next_round() == 2
        and session.metrics == []
        and len(session.rankings) == comparisons
    )
    run(session.ppo(SHORT))
    assert session.metrics[0]["kl_to_reference"] > 1e-3, (
        "step 0 of round 2 is the tuned model, measured against the original"
    )
    assert (session.reward_model.center, session.reward_model.scale) == normalisation
    assert not same(session.weights, first)
    session.start_next_round()
    session.roll_back(1)
    assert (
        session.current_round == 2
        and len(session.rounds) == 1
        and same(session.start_weights, first)
        and len(session.rankings) == comparisons
    )
    session.roll_back(0)
    assert session.current_round == 1 and session.start_weights is None
    with pytest.raises(InputError, match="no finished round 3"):
        session.roll_back(3)
    with pytest.raises(InputError, match="no finished PPO step"):
        session.start_next_round()


def test_another_brief_keeps_the_judgements_and_forgets_what_was_learned():
    session = tuned()
    made = list(session.rankings)
    session.set_brief(briefs.PRESETS["biology-homework"])
    assert (
        session.rankings == made
        and session.pairs == []
        and session.reward_model is None
        and session.weights is None
    )
    assert session.needs("reward_model") and session.needs("ppo") and session.needs("before_after")
    session.set_brief(briefs.PRESETS["meme-bot"])
    assert len(session.pairs) >= len(made)


def test_more_steps_go_on_and_equal_one_longer_run():
    parts, whole = tuned(seed=4), Session(briefs.PRESETS["meme-bot"], seed=4)
    run(parts.ppo(SHORT))
    run(whole.judge_for_me(10))
    run(whole.fit_reward_model(FEW))
    run(whole.ppo(PPOSettings(**{**vars(SHORT), "steps": 4})))
    assert numbers(parts) == numbers(whole) and [row["step"] for row in whole.metrics] == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_one_session_never_changes_another():
    alone = tuned(seed=1)
    one, other = (
        Session(briefs.PRESETS["meme-bot"], seed=1),
        Session(briefs.PRESETS["biology-homework"], seed=2),
    )
    for session in (one, other):
        run(session.judge_for_me(10))
        run(session.fit_reward_model(FEW))
    running = [one.ppo(SHORT), other.ppo(SHORT)]
    while running:  # slice by slice, as the worker does
        for work in list(running):
            if next(work, None) is None:
                running.remove(work)
    assert numbers(one) == numbers(alone) and same(one.weights, alone.weights)
    assert not same(one.weights, other.weights)


def test_a_stop_in_the_middle_keeps_every_finished_step(tmp_path):
    session = tuned(tmp_path / "run")
    weights, made = session.weights, numbers(session)
    work = session.ppo(SHORT)
    for _ in range(9):
        assert isinstance(next(work), Progress)
    work.close()
    assert numbers(session) == made and same(session.weights, weights)
    assert all(
        torch.equal(a, b)
        for a, b in zip(session.policy.trunk.state_dict().values(), weights.values(), strict=True)
    )


def test_a_reopened_session_is_the_same_and_can_go_on(tmp_path):
    session = tuned(tmp_path / "run")
    again = Session.open(tmp_path / "run")
    assert again.reward_model == ON_DISK and again.weights == ON_DISK, (
        "nothing heavy is read before it is needed"
    )
    assert (
        again.rankings == session.rankings
        and numbers(again) == numbers(session)
        and again.samples == session.samples
    )
    (mine,), (theirs,) = (
        run(session.compare("A fox is", seed=3)),
        run(again.compare("A fox is", seed=3)),
    )
    assert mine == theirs and same(again.weights, session.weights)
    run(again.ppo(SHORT))
    assert [row["step"] for row in again.metrics] == [0, 1, 2, 3, 4]


def test_a_stranger_cannot_reach_a_session_by_path(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    mine = registry.create()
    mine.add_prompt("An opossum is happy when")
    assert registry.get(mine.id) is mine and (tmp_path / mine.id / "run.json").is_file()
    for name in ("", "..", "../../etc/passwd", "a" * 16, mine.id + "/", mine.id[:-1], "x" * 5000):
        assert registry.get(name) is None
    registry.delete(mine.id)
    assert registry.get(mine.id) is None and not (tmp_path / mine.id).exists()


def test_a_full_disk_is_told_and_loses_nothing(tmp_path, monkeypatch):
    session = tuned(tmp_path / "run")

    def full(*_args, **_kwargs):
        raise bundle.BundleError("The disk is full.")

    monkeypatch.setattr(bundle, "write_bundle", full)
    row = session.next_set() or run(session.generate_pool(2)) and session.next_set()
    session.add_ranking(row["id"], verdict="skip")
    assert "disk is full" in session.save_problem and session.rankings[-1].verdict == "skip"
    monkeypatch.undo()
    assert len(Session.open(tmp_path / "run").rankings) == len(session.rankings) - 1, (
        "the former save is whole"
    )
    session.autosave()
    assert session.save_problem == ""


def test_a_diverged_run_is_stopped_explained_and_undone():
    session = tuned()
    weights, made = session.weights, numbers(session)
    session.reward_model.weights = session.reward_model.weights * float("nan")
    with pytest.raises(RuntimeError, match="no longer finite numbers. The model of step 2 is kept"):
        run(session.ppo(SHORT))
    assert numbers(session) == made and same(session.weights, weights)
