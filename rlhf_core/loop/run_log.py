"""How a PPO run was made, written down, and any step of it made again with the very same numbers.

A run is a row of segments (``tuned.log``): from which step on it had which settings, reward model
and prompts. With these, and the last checkpoint before it, every step can be made again (same
machine, same number of threads); so going back to step k and on from there is the same as never
having gone further. Imports torch. Simplification: the text of a sample is not looked at again when
a step is made again; it follows from the numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress

from rlhf_core.algorithms import checkpoints
from rlhf_core.algorithms.ppo import Policy, train
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress, Record, Recording, Reporting
from rlhf_core.common.known import known
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.texts import encode_prompt
from rlhf_core.loop.workbench import head_of, policy_of, policy_weights, start_of, trunk_with
from rlhf_core.rewards.reward_model import RewardModel
from rlhf_core.session import weights
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder


def training(
    lm: LanguageModel,
    policy: Policy,
    model: RewardModel,
    prompts: list[list[int]],
    settings: PPOSettings,
    steps: int,
) -> Recording[None]:
    """``ppo.train`` of a session's policy for ``steps`` steps."""
    yield from train(
        policy=policy,
        reference=lm.trunk,
        prompts=prompts,
        score_fn=model.score,
        settings=dataclasses.replace(settings, steps=steps),
        end_id=lm.end_id,
        pad_id=lm.pad_id,
        doubt_fn=model.uncertainty,
    )


# --- writing down ---------------------------------------------------------------------------------


def note_segment(
    session: Session,
    policy: Policy,
    settings: PPOSettings,
    fit: int,
    model: RewardModel,
    prompts: list[str],
    fresh: bool,
) -> None:
    """Write down under which conditions the run goes on, where they have changed; keep the reward
    model that scores from here on.
    """
    values = {k: v for k, v in vars(settings).items() if k != "steps"}
    segment = {"step": policy.step, "settings": values, "fit": fit, "prompts": prompts}
    segment["chance"] = session.learned.summary.get("chance")  # of the votes it was fitted to
    log = session.tuned.log
    former = log[-1] if log else {}
    if fresh or any(former.get(name) != segment[name] for name in ("settings", "fit", "prompts")):
        session.tuned.log = [*log, segment | ({"fresh": True} if fresh and policy.step else {})]
    if folder := weights.checkpoints(session):
        checkpoint_folder.drop_after(folder, policy.step)
        # A full disk is told by the session's own save: going back then takes the long way, or is
        # refused in words.
        with suppress(OSError):
            checkpoints.keep_reward_model(folder, fit, model.tensors())


def keep_checkpoint(session: Session, policy: Policy) -> None:
    """Put a checkpoint down where it is time for one; without it going back takes longer."""
    folder = weights.checkpoints(session)
    if folder is None or policy.step == 0 or policy.step % checkpoint_folder.EVERY:
        return
    if not checkpoint_folder.steps_in(folder):
        checkpoint_folder.clear_others(folder.parent, {session.tuned.run})
    segment = len(session.tuned.log) - 1
    with suppress(OSError):
        checkpoints.write(folder, policy, model=session.model_hash, segment=segment)


# --- made again -----------------------------------------------------------------------------------


def can_be_taken_up(session: Session, settings: PPOSettings) -> bool:
    """Whether a reopened run's optimiser and random numbers can be had again in a few steps, so
    that it goes on as if never closed.
    """
    folder, log, step = weights.checkpoints(session), session.tuned.log, session.tuned.steps_done
    if policy_of(session) is not None or folder is None or not log or not step:
        return False
    if log[-1]["settings"].get("frozen_layers") != settings.frozen_layers:
        return False
    found = checkpoint_folder.nearest(folder, step)
    known = found is not None or log[0]["step"] == 0
    return known and step - (found or 0) <= checkpoint_folder.EVERY


def reach(
    session: Session,
    lm: LanguageModel,
    step: int,
    told: Callable[[Record, PPOSettings], None] = lambda record, settings: None,
) -> Reporting[tuple[Policy, int, Record | None]]:
    """A policy as it stood at ``step``, made anew; the session's own is left alone. Yields
    Progress; returns (policy, segments that led there, last record or None).

    Args:
        told: called with every record that is made again (with its "batch") and the settings.
    Raises:
        InputError: that step cannot be made again.
    """
    log = session.tuned.log
    if not log:
        raise InputError(
            "How this run was made was not written down (an older version began it), so its steps"
            " cannot be made again."
        )
    policy, first = _restored(session, lm, step)
    restored, record = policy is not None, None
    if policy is None:
        if log[0]["step"] > 0:
            raise InputError(
                f"How the steps up to {log[0]['step']} were made was not written down, so they"
                " cannot be made again. Choose a later step."
            )
        policy = Policy(trunk_with(lm, start_of(session)), settings_of(log[0]))
    for index in range(first, len(log)):
        segment, settings = log[index], settings_of(log[index])
        end = min(step, log[index + 1]["step"]) if index + 1 < len(log) else step
        if index > first or not restored:
            if index and segment["step"] >= step:
                return policy, index, record
            policy = entered(lm, policy, segment, log[index - 1] if index else None)
        model = _reward_model_of(session, segment["fit"])
        measures = policy.batch is None or policy.batch.temperature != settings.temperature
        if policy.step >= end and not measures:
            continue
        fitting = [encode_prompt(lm, one, settings.max_new_tokens) for one in segment["prompts"]]
        work = training(lm, policy, model, fitting, settings, max(1, end - policy.step))
        for item in work:
            if isinstance(item, Progress):
                stage = f"making step {min(step, policy.step + 1)} again"
                yield Progress(stage, item.done, item.total)
                continue
            record = item
            told(record, settings)
            if policy.step >= end:
                work.close()
                break
    return policy, len(log), record


def _restored(session: Session, lm: LanguageModel, step: int) -> tuple[Policy | None, int]:
    """The policy of the nearest checkpoint that is whole and of this model, and the number of the
    segment that led there; (None, 0) where there is none. Damaged ones are dropped.
    """
    log, folder = session.tuned.log, weights.checkpoints(session)
    while folder and (found := checkpoint_folder.nearest(folder, step)) is not None:
        about = checkpoint_folder.about(folder, found)
        if about is not None and 0 <= about["segment"] < len(log):
            first = about["segment"]
            policy = Policy(trunk_with(lm, start_of(session)), settings_of(log[first]))
            if checkpoints.restore(folder, found, policy, model=session.model_hash):
                return policy, first
        checkpoint_folder.drop(folder, found)
    return None, 0


def settings_of(segment: dict) -> PPOSettings:
    """Raises InputError for a record that this version cannot read."""
    try:
        values = {k: v for k, v in segment["settings"].items() if k != "steps"}
        return PPOSettings(**values).validate()
    except (TypeError, KeyError, SettingsError) as error:
        raise InputError(
            f"The settings of this run cannot be read any more ({error}), so its steps cannot be"
            " made again."
        ) from error


def entered(lm: LanguageModel, policy: Policy, segment: dict, former: dict | None) -> Policy:
    """``policy`` as ``tuning.ppo`` prepares it where a new segment begins."""
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


def _reward_model_of(session: Session, fit: int) -> RewardModel:
    """The reward model of one of this run's fits. Raises InputError: it is no longer kept."""
    if session.learned.head and session.learned.summary.get("fit", 1) == fit:
        return known(head_of(session))
    folder = weights.checkpoints(session)
    tensors = checkpoints.reward_model(folder, fit) if folder else None
    if tensors is None:
        raise InputError(
            "These steps were scored by an earlier reward model that is no longer kept, so they"
            " cannot be made again. Choose a later step."
        )
    return RewardModel.from_tensors(tensors)
