"""A PPO run that a learner steers: knobs that move between two steps, and a way back to any step.

A run is a row of segments (``session.ppo_log``): from which step on it had which settings, reward
model and prompts. With these, and the last checkpoint before it, every step can be made again with
exactly the numbers of before (same machine, same number of threads); so going back to step k and on
from there is the same as never having gone further. Works on the worker thread (or the command
line). Knows nothing about pages. Simplification: the text of a sample is not looked at again when a
step is made again; it follows from the numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import suppress

from rlhf_core.algorithms.ppo import Batch, Policy, train
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.ppo_presets import fitting
from rlhf_core.common.settings import PPOSettings
from rlhf_core.evaluation import token_view
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import encode_prompt
from rlhf_core.loop.workbench import policy_weights, ready, trunk_with
from rlhf_core.rewards import reward_model as rm
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder

FIXED = (
    "steps",
    "seed",
    "frozen_layers",
    "max_new_tokens",
)  # what stays as it is while a run is under way
SCORED = (
    "reward_mean",
    "reward_std",
    "kl_to_reference",
    "entropy",
)  # of a step; equal means equal: nothing is rounded


# --- while it runs --------------------------------------------------------------------------------


def settled(session: Session, settings: PPOSettings) -> PPOSettings:
    """``settings``, and what the knobs have been moved to meanwhile; a combination that cannot work
    leaves it as it is (the page says why).
    """
    with session.lock:
        wished = {
            name: value
            for name, value in session.settings.get("ppo_next", {}).items()
            if name not in FIXED
        }
        try:
            now = PPOSettings(**fitting(vars(settings) | wished)).validate()
        except (SettingsError, TypeError):
            return settings
        if wished:
            later = {
                name: value for name, value in session.settings["ppo_next"].items() if name in FIXED
            }
            session.settings = {
                **{name: values for name, values in session.settings.items() if name != "ppo_next"},
                "ppo": vars(now),
            }
            if later:
                session.settings = {**session.settings, "ppo_next": later}
    return now


def note_segment(
    session: Session,
    policy: Policy,
    settings: PPOSettings,
    fit: int,
    model: rm.RewardModel,
    prompts: list[str],
    fresh: bool,
) -> None:
    """Write down under which conditions the run goes on, where they have changed; keep the reward
    model that scores from here on.
    """
    segment = {
        "step": policy.step,
        "settings": {k: v for k, v in vars(settings).items() if k != "steps"},
        "fit": fit,
        "prompts": prompts,
    }
    last = session.ppo_log[-1] if session.ppo_log else {}
    if fresh or any(last.get(name) != segment[name] for name in ("settings", "fit", "prompts")):
        session.ppo_log = [
            *session.ppo_log,
            segment | ({"fresh": True} if fresh and policy.step else {}),
        ]
    if folder := session.checkpoint_folder:
        checkpoint_folder.drop_after(folder, policy.step)
        with suppress(
            OSError
            # a full disk, which the save of the session tells: going back then takes the long way,
            # or is refused in words
        ):
            checkpoint_folder.keep_reward_model(folder, fit, model.tensors())


def keep(session: Session, policy: Policy) -> None:
    """Put a checkpoint down where it is time for one."""
    folder = session.checkpoint_folder
    if folder is None or policy.step == 0 or policy.step % checkpoint_folder.EVERY:
        return
    if len(checkpoint_folder.steps_in(folder)) == 0:
        checkpoint_folder.clear_others(folder.parent, {session.ppo_run})
    with suppress(OSError):  # likewise: without this checkpoint going back takes longer
        checkpoint_folder.write(
            folder, policy, model=session.model_hash, segment=len(session.ppo_log) - 1
        )


def traced(
    traces: dict[int, token_view.Trace],
    lm: LanguageModel,
    row: dict,
    batch: Batch,
    before: Batch | None,
    settings: PPOSettings,
) -> dict[int, token_view.Trace]:
    """``traces`` with that of a step just made, and with what its update said of the batch before."""
    former = row["step"] - 1
    if (
        row["learning_rate"]
        and former in traces
        and before is not None
        and before.last_logprobs is not None
    ):
        traces = token_view.with_trace(
            traces, former, token_view.updated(traces[former], before, settings.clip, row["beta"])
        )
    return token_view.with_trace(traces, row["step"], token_view.of_batch(batch, lm))


def can_be_taken_up(session: Session, settings: PPOSettings) -> bool:
    """Whether a reopened run's optimiser and random numbers can be had again in a few steps, so
    that it goes on as if never closed.
    """
    folder, log, step = session.checkpoint_folder, session.ppo_log, session.steps_done
    if (
        session.policy is not None
        or folder is None
        or not log
        or not step
        or log[-1]["settings"].get("frozen_layers") != settings.frozen_layers
    ):
        return False
    found = checkpoint_folder.nearest(folder, step)
    return step - (found or 0) <= checkpoint_folder.EVERY and (
        found is not None or log[0]["step"] == 0
    )


def training(
    lm: LanguageModel,
    policy: Policy,
    model: rm.RewardModel,
    prompts: list[list[int]],
    settings: PPOSettings,
    steps: int,
) -> Iterator:
    """``ppo.train`` of a session's policy for ``steps`` steps."""
    return train(
        policy=policy,
        reference=lm.trunk,
        prompts=prompts,
        score_fn=model.score,
        settings=dataclasses.replace(settings, steps=steps),
        end_id=lm.end_id,
        pad_id=lm.pad_id,
        doubt_fn=model.uncertainty,
    )


# --- going back -----------------------------------------------------------------------------------


def reach(
    session: Session, lm: LanguageModel, step: int, told: Callable = lambda record, settings: None
) -> Iterator:
    """A policy as it stood at ``step``, made anew; the session's own is left alone. Yields
    Progress; returns (policy, segments that led there, last record or None).

    Args:
        told: called with every record that is made again (with its "batch") and the settings.
    Raises:
        InputError: that step cannot be made again.
    """
    log, folder = session.ppo_log, session.checkpoint_folder
    if not log:
        raise InputError(
            "How this run was made was not written down (an older version began it), so its steps"
            " cannot be made again."
        )
    first, record, restored = 0, None, False
    found = checkpoint_folder.nearest(folder, step) if folder else None
    while found is not None and not restored:
        about = checkpoint_folder.about(folder, found)
        if about is not None and 0 <= about["segment"] < len(log):
            first = about["segment"]
            policy = Policy(trunk_with(lm, session.start_weights), settings_of(log[first]))
            restored = checkpoint_folder.restore(folder, found, policy, model=session.model_hash)
        if not restored:  # damaged, or of another model: take the one before
            checkpoint_folder.drop(folder, found)
            first, found = 0, checkpoint_folder.nearest(folder, step)
    if not restored:
        if log[0]["step"] > 0:
            raise InputError(
                f"How the steps up to {log[0]['step']} were made was not written down, so they"
                " cannot be made again. Choose a later step."
            )
        policy = Policy(trunk_with(lm, session.start_weights), settings_of(log[0]))
    for index in range(first, len(log)):
        segment, settings = log[index], settings_of(log[index])
        end = min(step, log[index + 1]["step"]) if index + 1 < len(log) else step
        if index > first or not restored:
            if index and segment["step"] >= step:
                return policy, index, record
            policy = entered(lm, policy, segment, log[index - 1] if index else None)
        model = reward_model_of(session, segment["fit"])
        measures = policy.batch is None or policy.batch.temperature != settings.temperature
        if policy.step >= end and not measures:
            continue
        prompts = [
            encode_prompt(lm, prompt, settings.max_new_tokens) for prompt in segment["prompts"]
        ]
        work = training(lm, policy, model, prompts, settings, max(1, end - policy.step))
        for item in work:
            if isinstance(item, Progress):
                yield Progress(
                    f"making step {min(step, policy.step + 1)} again", item.done, item.total
                )
                continue
            record = item
            told(record, settings)
            if policy.step >= end:
                work.close()
                break
    return policy, len(log), record


def settings_of(segment: dict) -> PPOSettings:
    """Raises InputError for a record that this version cannot read."""
    try:
        return PPOSettings(
            **{k: v for k, v in segment["settings"].items() if k != "steps"}
        ).validate()
    except (TypeError, KeyError, SettingsError) as error:
        raise InputError(
            f"The settings of this run cannot be read any more ({error}), so its steps cannot be"
            " made again."
        ) from error


def entered(lm: LanguageModel, policy: Policy, segment: dict, former: dict | None) -> Policy:
    """``policy`` as ``steps.ppo`` prepares it where a new segment begins."""
    settings = settings_of(segment)
    if segment.get("fresh"):
        step, policy = policy.step, Policy(trunk_with(lm, policy_weights(policy)), settings)
        policy.step = step
    elif former and segment["fit"] != former["fit"]:
        policy.batch = None  # it was scored by the former reward model
    if former and steered_anew(settings, former["settings"].get("beta")):
        policy.beta = settings.beta
    return policy


def steered_anew(settings: PPOSettings, former_beta: float | None) -> bool:
    """Whether beta starts from the settings, and not from where adaptive KL had steered it."""
    return settings.kl_target == 0 or settings.beta != former_beta


def reward_model_of(session: Session, fit: int) -> rm.RewardModel:
    if session.reward_model is not None and session.reward_summary.get("fit", 1) == fit:
        return session.reward_model
    folder = session.checkpoint_folder
    tensors = checkpoint_folder.reward_model(folder, fit) if folder else None
    if tensors is None:
        raise InputError(
            "These steps were scored by an earlier reward model that is no longer kept, so they"
            " cannot be made again. Choose a later step."
        )
    return rm.RewardModel.from_tensors(tensors)


def restart_from(session: Session, step: int) -> Iterator:
    """Go back to ``step`` of this round: later steps are taken back, and the run can go on from
    there. Last record {"kind": "restarted", "step", "exact"}.

    ``exact`` says whether the step, where it had to be made again, came out with the very numbers
    that it had; None where a checkpoint held it.
    """
    lm = ready(session)
    if not session.metrics:
        raise InputError("This round has no steps yet, so there is nothing to go back to.")
    if not isinstance(step, int) or not 0 <= step <= session.steps_done:
        raise InputError(f"This round has no step {step}: it stands at step {session.steps_done}.")
    traces, before = {at: trace for at, trace in session.traces.items() if at <= step}, None

    def look(row: dict, settings: PPOSettings) -> None:
        nonlocal traces, before
        batch = row["batch"]
        traces = traced(traces, lm, row, batch, before, settings)
        before = batch
        batch.responses.full_logprobs = batch.responses.hidden = batch.ref_full_logprobs = None

    policy, segments, record = yield from reach(session, lm, step, look)
    with session.lock:
        row = next(row for row in reversed(session.metrics) if row["step"] == step)
        exact = (
            all(record[name] == row.get(name) for name in SCORED)
            if record and record["step"] == step
            else None
        )
        session.policy, session.ppo_log = policy, session.ppo_log[:segments]
        if (
            session.reward_model is None
            or session.reward_summary.get("fit", 1) != session.ppo_log[-1]["fit"]
        ):
            policy.batch = None  # the next step is scored by today's reward model
        session.weights = policy_weights(policy) if step else None
        session.metrics, session.samples = (
            [row for row in rows if row["step"] <= step]
            for rows in (session.metrics, session.samples)
        )
        session.traces = traces | {
            step: dataclasses.replace(traces[step], update=None)
            for step in (step,)
            if step in traces
        }
        session.evaluation = session.broke = None
        here = session.current_round  # a guess about what was taken back can no longer be scored
        session.predictions = [
            one for one in session.predictions if one["round"] != here or one["to"] <= step
        ]
        if folder := session.checkpoint_folder:
            checkpoint_folder.drop_after(folder, step)
    session.autosave(weights=True)
    yield {"kind": "restarted", "step": step, "exact": exact}


def retry(session: Session, step: int, settings: PPOSettings) -> Iterator:
    """Back to ``step``, and on from there with other settings."""
    from rlhf_core.loop import whole

    settings.validate()
    yield from restart_from(session, step)
    yield from whole.ppo(session, settings)
