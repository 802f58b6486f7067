"""A PPO run that is steered: any step can be gone back to, and what follows is what followed
before, bit for bit; on the bundled model, small batches.
"""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from tiny_models import END, PAD, one_thread, random_prompts, tiny_trunk  # noqa: F401

from rlhf_core.algorithms import checkpoints, ppo
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.evaluation import token_view
from rlhf_core.judging import briefs
from rlhf_core.loop import replay, reward, run_log, scripted_rater, tuning, workbench, writing
from rlhf_core.session import asked, rounds, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder
from rlhf_core.store.bundle import read_bundle

FEW = RewardModelSettings(reference_samples=64, iterations=12)
SHORT = PPOSettings(
    steps=7, batch_size=8, minibatch_size=8, epochs=1, max_new_tokens=8, learning_rate=5e-4
)


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def changed(**values) -> PPOSettings:
    return dataclasses.replace(SHORT, **values)


def knobs(session: Session, **moved) -> None:
    """What the page does when somebody moves a knob."""
    session.settings = {
        **session.settings,
        "ppo_next": {**session.settings.get("ppo_next", {}), **moved},
    }


def numbers(session: Session) -> list[dict]:
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in session.tuned.metrics
    ]


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A session with judgements and a reward model, on disk. Never changed by a test."""
    session = Session(
        briefs.PRESETS["biology-homework"],
        directory=tmp_path_factory.mktemp("studio") / "run",
        id="studio-session16",
    )
    session.store = saving.Folder()
    run(writing.generate_pool(session, 8))
    run(scripted_rater.judge_for_me(session, 8))
    run(reward.fit_reward_model(session, FEW))
    saving.save(session)
    return session


def reopened(directory) -> Session:
    session = saving.load(directory)
    session.restartable, session.store = True, saving.Folder()
    return session


@pytest.fixture
def fresh(learned, tmp_path) -> Session:
    return reopened(shutil.copytree(learned.directory, tmp_path / "run"))


@pytest.fixture(scope="module")
def finished(learned, tmp_path_factory) -> Session:
    """Seven steps with checkpoints, knobs moved after steps 2 and 5. Copied before a test changes
    it.
    """
    session = reopened(
        shutil.copytree(learned.directory, tmp_path_factory.mktemp("finished") / "run")
    )
    on_from(session, 0)
    return session


@pytest.fixture
def steered(finished, tmp_path) -> Session:
    """A copy of it, reopened, as after a restart of the server."""
    return reopened(shutil.copytree(finished.directory, tmp_path / "run"))


# --- knobs between steps --------------------------------------------------------------------------


def test_a_moved_knob_counts_from_the_next_step_on_and_is_written_down(finished):
    assert [row["beta"] for row in finished.tuned.metrics] == [0.25] * 3 + [0.5] * 5
    assert [row["learning_rate"] for row in finished.tuned.metrics] == [0.0] + [5e-4] * 5 + [
        1e-3
    ] * 2
    assert [
        (segment["step"], segment["settings"]["clip"], segment["settings"]["temperature"])
        for segment in finished.tuned.log
    ] == [(0, 0.2, 0.8), (2, 0.1, 0.8), (5, 0.1, 0.9)]
    assert "ppo_next" not in finished.settings and finished.settings["ppo"]["temperature"] == 0.9
    saved = read_bundle(finished.directory, tensors=False)
    assert [row["beta"] for row in saved["metrics"]] == [
        row["beta"] for row in finished.tuned.metrics
    ]


def test_what_cannot_work_leaves_the_run_as_it_is_and_a_minibatch_is_at_most_the_batch(fresh):
    knobs(fresh, temperature=99.0)
    assert tuning.settled(fresh, SHORT) == SHORT and fresh.settings["ppo_next"] == {
        "temperature": 99.0
    }
    fresh.settings.pop("ppo_next")
    knobs(fresh, minibatch_size=64)
    assert tuning.settled(fresh, SHORT).minibatch_size == SHORT.batch_size
    knobs(fresh, batch_size=64, minibatch_size=64, steps=3)
    now = tuning.settled(fresh, SHORT)
    assert (now.batch_size, now.minibatch_size, now.steps) == (64, 64, 7) and fresh.settings[
        "ppo_next"
    ] == {"steps": 3}, "steps are for the next run"
    knobs(fresh, batch_size=8)
    assert tuning.settled(fresh, now).minibatch_size == 8


def test_a_steered_run_replays(finished):
    stored = read_bundle(finished.directory)
    saved = saving.load(finished.directory)
    saved.status = "done"
    *different, last = run(replay.replay(saved, stored))
    assert different == [] and last["compared"] > 100
    saved.tuned.log = saved.tuned.log[:2]
    assert any(row.get("where") == "metrics.csv" for row in run(replay.replay(saved))), (
        "the last change was part of the run"
    )


PLAN = {2: {"beta": 0.5, "clip": 0.1}, 5: {"learning_rate": 1e-3, "temperature": 0.9}}


def on_from(session: Session, step: int) -> None:
    """The rest of the seven steps, with the knobs moved where they were."""
    settings = changed(
        steps=7 - step,
        **{
            name: value for at, moved in PLAN.items() if at <= step for name, value in moved.items()
        },
    )
    for item in tuning.ppo(session, settings):
        if isinstance(item, dict) and item["step"] in PLAN:
            knobs(session, **PLAN[item["step"]])


# --- going back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 2, 5, 6])
def test_back_to_a_step_and_on_is_the_same_as_never_having_gone_further(finished, steered, step):
    (told,) = run(tuning.restart_from(steered, step))
    assert told == {"kind": "restarted", "step": step, "exact": None if step == 5 else True}
    assert numbers(steered) == numbers(finished)[: step + 1] and {
        row["step"] for row in steered.tuned.samples
    } == set(range(step + 1))
    assert (steered.tuned.weights == "") == (step == 0)
    on_from(steered, step)
    assert numbers(steered) == numbers(finished) and steered.tuned.samples == finished.tuned.samples
    assert (
        same(workbench.tuned_of(steered), workbench.tuned_of(finished))
        and steered.tuned.log == finished.tuned.log
    )


def test_a_reopened_run_goes_on_as_if_never_closed(finished, steered):
    assert workbench.policy_of(steered) is None and steered.tuned.steps_done == 7
    steered.tuned.metrics, steered.tuned.samples = (
        [row for row in rows if row["step"] <= 6]
        for rows in (steered.tuned.metrics, steered.tuned.samples)
    )  # killed between two saves
    on_from(steered, 6)
    assert numbers(steered) == numbers(finished) and same(
        workbench.tuned_of(steered), workbench.tuned_of(finished)
    )


def test_going_back_without_checkpoints_makes_everything_again(finished, steered):
    shutil.rmtree(weights.checkpoints(steered))
    assert weights.steps_again(steered, 6) == 6
    assert run(tuning.restart_from(steered, 6))[0]["exact"] is True
    assert numbers(steered) == numbers(finished)[:7]


def test_a_damaged_checkpoint_is_passed_over(finished, steered):
    place = weights.checkpoints(steered) / "step-0005.safetensors"
    assert checkpoint_folder.steps_in(weights.checkpoints(steered)) == [5]
    place.write_bytes(place.read_bytes()[:1000])
    assert (
        run(tuning.restart_from(steered, 6))[0]["exact"] is True
        and numbers(steered) == numbers(finished)[:7]
    )
    assert not place.exists()


def test_a_stop_while_going_back_changes_nothing(steered):
    before = (
        numbers(steered),
        steered.tuned.log,
        checkpoint_folder.steps_in(weights.checkpoints(steered)),
    )
    work = tuning.restart_from(steered, 6)
    assert next(work).stage == "making step 6 again"
    work.close()
    assert (
        numbers(steered),
        steered.tuned.log,
        checkpoint_folder.steps_in(weights.checkpoints(steered)),
    ) == before and workbench.policy_of(steered) is None


@pytest.mark.parametrize("step", [-1, 8, None, 2.5])
def test_a_step_that_is_not_there_is_refused_in_words(steered, step):
    with pytest.raises(InputError, match="stands at step 7"):
        run(tuning.restart_from(steered, step))
    with pytest.raises(InputError, match="no steps yet"):
        run(tuning.restart_from(Session(), 0))


def test_going_back_before_a_new_reward_model_uses_the_one_of_then(fresh):
    run(tuning.ppo(fresh, changed(steps=2)))
    run(scripted_rater.judge_for_me(fresh, 4))
    run(reward.fit_reward_model(fresh, FEW))
    run(tuning.ppo(fresh, changed(steps=2)))
    assert [row["reward_model"] for row in fresh.tuned.metrics] == [1, 1, 1, 2, 2] and [
        segment["fit"] for segment in fresh.tuned.log
    ] == [1, 2]
    all_of_them = numbers(fresh)
    assert run(tuning.restart_from(fresh, 3))[0]["exact"] is True
    run(tuning.ppo(fresh, changed(steps=1)))
    assert numbers(fresh) == all_of_them
    assert run(tuning.restart_from(fresh, 1))[0]["exact"] is True
    policy = workbench.policy_of(fresh)
    assert policy.batch is None, "the next step is scored by today's reward model"
    run(tuning.ppo(fresh, changed(steps=1)))
    assert [row["reward_model"] for row in fresh.tuned.metrics] == [1, 1, 2]


def test_without_the_reward_model_of_then_it_is_refused(fresh):
    run(tuning.ppo(fresh, changed(steps=1)))
    run(reward.fit_reward_model(fresh, FEW))
    run(tuning.ppo(fresh, changed(steps=1)))
    (weights.checkpoints(fresh) / "reward-1.safetensors").unlink()
    with pytest.raises(InputError, match="earlier reward model that is no longer kept"):
        run(tuning.restart_from(fresh, 0))


def test_a_retry_goes_back_and_on_with_other_settings(steered):
    first, *rows = run(tuning.retry(steered, 2, changed(steps=2, beta=1.0)))
    assert (
        first["kind"] == "restarted"
        and [row["step"] for row in rows] == [3, 4]
        and [row["beta"] for row in rows] == [1.0, 1.0]
    )
    assert (
        steered.tuned.steps_done == 4
        and checkpoint_folder.steps_in(weights.checkpoints(steered)) == []
    )


def test_starting_the_round_again_forgets_its_checkpoints(steered):
    folder = weights.checkpoints(steered)
    rounds.restart(steered)
    assert (
        not folder.exists()
        and steered.tuned.log == []
        and steered.tuned.traces == {}
        and weights.checkpoints(steered) != folder
    )


def test_the_command_line_keeps_no_checkpoints(learned, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_folder, "EVERY", 1)
    session = saving.load(shutil.copytree(learned.directory, tmp_path / "run"))
    run(tuning.ppo(session, changed(steps=1)))
    assert weights.checkpoints(session) is None and not (session.directory / "checkpoints").exists()


def test_a_run_that_breaks_says_so_in_the_session(fresh, monkeypatch):
    run(tuning.ppo(fresh, changed(steps=1)))
    monkeypatch.setattr(
        type(workbench.head_of(fresh)), "score", lambda self, pooled: pooled[:, 0] * float("nan")
    )
    with pytest.raises(ppo.TrainingDiverged):
        run(tuning.ppo(fresh, changed(steps=1)))
    assert (
        fresh.tuned.broke["step"] == 2
        and "no longer finite" in fresh.tuned.broke["sentence"]
        and fresh.tuned.steps_done == 1
    )


# --- checkpoints ----------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_checkpoint_gives_back_a_policy_that_goes_on_identically(tmp_path, frozen):
    reference, settings = (
        tiny_trunk(),
        dataclasses.replace(SHORT, steps=2, frozen_layers=frozen, max_new_tokens=5),
    )

    def on(policy):
        score = lambda pooled: pooled[:, 0]  # noqa: E731
        work = ppo.train(
            policy=policy,
            reference=reference,
            prompts=random_prompts([3, 5]),
            score_fn=score,
            settings=settings,
            end_id=END,
            pad_id=PAD,
        )
        return [
            {k: v for k, v in row.items() if k not in ("seconds", "batch")} for row in run(work)
        ]

    one = ppo.Policy(reference, settings)
    on(one)
    assert (
        checkpoints.write(tmp_path, one, model="m", segment=3)
        and checkpoint_folder.about(tmp_path, 2)["segment"] == 3
    )
    other = ppo.Policy(reference, settings)
    assert not checkpoints.restore(tmp_path, 2, other, model="another")
    assert checkpoints.restore(tmp_path, 2, other, model="m")
    assert on(one) == on(other) and all(
        torch.equal(p, q) for p, q in zip(one.parameters, other.parameters, strict=True)
    )


def test_checkpoints_are_bounded_in_number_and_size(tmp_path, monkeypatch):
    policy = ppo.Policy(tiny_trunk(), SHORT)
    for step in range(5, 205, 5):
        policy.step = step
        checkpoints.write(tmp_path, policy, model="m", segment=0)
        kept = checkpoint_folder.steps_in(tmp_path)
        assert len(kept) <= checkpoint_folder.MOST and kept[-1] == step
        if step <= 5 * checkpoint_folder.MOST:
            assert kept == list(range(5, step + 1, 5)), "every fifth step, while there is room"
    gaps = [b - a for a, b in zip([0, *kept], kept)]
    assert max(gaps) <= 4 * 200 / checkpoint_folder.MOST, "spread over the whole run"
    size = (tmp_path / f"step-{kept[0]:04}.safetensors").stat().st_size
    monkeypatch.setattr(checkpoint_folder, "MOST_BYTES", 3 * size + 100)
    policy.step = 205
    assert (
        checkpoints.write(tmp_path, policy, model="m", segment=0)
        and len(checkpoint_folder.steps_in(tmp_path)) <= 3
    )
    monkeypatch.setattr(checkpoint_folder, "MOST_BYTES", size // 2)
    policy.step = 210
    assert not checkpoints.write(tmp_path, policy, model="m", segment=0), (
        "too large a model has none"
    )
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_does_not_stop_the_training(fresh, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "write", full)
    monkeypatch.setattr(checkpoint_folder, "EVERY", 1)
    run(tuning.ppo(fresh, changed(steps=1)))
    assert (
        fresh.tuned.steps_done == 1
        and checkpoint_folder.steps_in(weights.checkpoints(fresh)) == []
        and run(tuning.restart_from(fresh, 0))
    )


# --- token by token -------------------------------------------------------------------------------


def test_the_token_view_is_the_engines_own_numbers(fresh, monkeypatch):
    seen = []
    train = ppo.train

    def spy(**options):
        for item in train(**options):
            if isinstance(item, dict):
                r, batch = item["batch"].responses, item["batch"]
                seen.append((batch, r.full_logprobs.clone(), batch.ref_full_logprobs.clone()))
            yield item

    monkeypatch.setattr(run_log, "train", spy)
    run(tuning.ppo(fresh, changed(steps=2, epochs=2)))
    lm = workbench.ready(fresh)
    batch, now, original = seen[1]
    trace = fresh.tuned.traces[1]
    assert (
        len(token_view.answers(trace)) == 8
        and trace.update["clip"] == 0.2
        and fresh.tuned.traces[2].update is None
    )
    for number in (0, 5):
        rows = token_view.tokens(trace, number)
        length = int(batch.responses.lengths[number])
        assert len(rows) == length
        assert "".join(
            row["token"] for row in rows if not row["token"].startswith("⏹")
        ) == lm.decode(batch.responses.tokens[number, :length].tolist())
        for t, row in enumerate(rows):
            token = batch.responses.tokens[number, t]
            p, q = now[number, t].exp(), original[number, t].exp()
            assert row["policy"] == pytest.approx(p[token].item(), rel=1e-4) and row[
                "reference"
            ] == pytest.approx(q[token].item(), rel=1e-3, abs=1e-6)
            assert row["kl"] == pytest.approx((p * (p.log() - q.log())).sum().item(), abs=1e-4)
            assert row["after"][0][1] == pytest.approx(p.max().item(), abs=1e-3) and row["before"][
                0
            ][0] == lm.piece(int(q.argmax()))
            price = 0.25 * (now[number, t, token] - original[number, t, token]).item()
            earned = (
                0.0
                if t < length - 1
                else min(batch.scores[number].item(), 1.0) - (0.0 if batch.ended[number] else 1.0)
            )
            assert row["reward"] == pytest.approx(earned - price, abs=1e-4)
            beyond = row["ratio"] > 1.2 if row["advantage"] > 0 else row["ratio"] < 0.8
            assert row["clipped"] == beyond
    ratios = [row["ratio"] for n in range(8) for row in token_view.tokens(trace, n)]
    assert max(ratios) > 1.0001 and fresh.tuned.metrics[2]["clip_fraction"] >= 0


def test_traces_are_bounded_and_those_of_steps_taken_back_go(fresh, monkeypatch):
    monkeypatch.setattr(token_view, "KEPT", 2)
    run(tuning.ppo(fresh, changed(steps=3)))
    assert sorted(fresh.tuned.traces) == [2, 3]
    run(tuning.restart_from(fresh, 2))
    assert max(fresh.tuned.traces) == 2 and fresh.tuned.traces[2].update is None
    run(tuning.ppo(fresh, changed(steps=1)))
    assert fresh.tuned.traces[2].update is not None


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"beta": -0.1}, "beta"),
        ({"beta": float("nan")}, "beta"),
        ({"beta": float("inf")}, "beta"),
        ({"beta": 1e9}, "beta"),
    ],
)
def test_impossible_betas_are_refused(fresh, values, words):
    with pytest.raises(ValueError, match=words):
        run(tuning.ppo(fresh, changed(**values)))
    assert fresh.tuned.metrics == []


@pytest.mark.parametrize("beta", [0.0, 10.0])
def test_betas_at_the_ends_run(fresh, beta):
    run(tuning.ppo(fresh, changed(steps=1, beta=beta)))
    assert fresh.tuned.metrics[-1]["beta"] == beta


def test_a_stop_at_step_0_and_then_play(fresh, finished):
    work = tuning.ppo(fresh, changed(steps=2))
    for _ in range(3):
        assert isinstance(next(work), Progress)
    work.close()
    assert fresh.tuned.metrics == [] and fresh.tuned.log[0]["step"] == 0
    run(tuning.ppo(fresh, changed(steps=2)))
    assert numbers(fresh) == numbers(finished)[:3], "as if nothing had been"


def test_another_model_half_way_puts_the_run_away_and_it_goes_on_where_it_was(steered):
    before = numbers(steered)
    folder = weights.checkpoints(steered)
    asked.set_model(steered, "somebody/else")
    assert (
        steered.tuned.metrics == []
        and steered.tuned.log == []
        and steered.history.branches == []
        and steered.history.rounds == []
        and weights.checkpoints(steered) != folder
    )
    with pytest.raises(InputError, match="reward model"):
        run(tuning.ppo(Session(), changed(steps=1)))
    asked.set_model(steered, "bundled")
    assert numbers(steered) == before and weights.checkpoints(steered) == folder
    run(tuning.ppo(steered, changed(steps=1)))
    assert len(numbers(steered)) == len(before) + 1


def test_weights_and_checkpoints_are_of_the_same_steps():
    assert weights.SAVE_EVERY == checkpoint_folder.EVERY, (
        "weights and checkpoints of a large model are of the same step"
    )
