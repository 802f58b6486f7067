"""PPO over a session: a run that a learner steers, with knobs that move between two steps, and a
way back to any step.

Knobs reach a run under way as data: what was chosen for the next run (``settings["ppo_next"]``)
counts from the next step on. An unfinished step leaves no trace. Runs on the worker thread (or the
command line); imports torch. The algorithm itself is ``algorithms.ppo``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from rlhf_core.algorithms import ppo as ppo_engine
from rlhf_core.algorithms.batch import Batch
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common.errors import InputError, SettingsError
from rlhf_core.common.events import Progress, Recording, Reporting
from rlhf_core.common.knob import within
from rlhf_core.common.known import known
from rlhf_core.common.ppo_presets import fitting
from rlhf_core.common.settings import FIXED, PPOSettings
from rlhf_core.evaluation import token_view
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import decode_texts
from rlhf_core.loop import run_log
from rlhf_core.loop.workbench import (
    head_of,
    make_room,
    policy_of,
    policy_weights,
    put,
    ready,
    same_below,
    set_policy,
    training_prompts,
    trunk_with,
    tuned_of,
)
from rlhf_core.session import weights
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder

SCORED = ("reward_mean", "reward_std", "kl_to_reference", "entropy")  # equal means equal


def ppo(session: Session, settings: PPOSettings | None = None) -> Recording[None]:
    """Train for ``settings.steps`` more steps, from where this round stands; a record a step, as in
    ``tuned.metrics``. Knobs that are moved meanwhile count from the next step on.

    ``settings`` left out: what the knobs say when the run begins.
    """
    settings = settings or chosen(session)
    yield from _run(session, settings, settings.steps)


def ppo_again(
    session: Session, begun: dict, settings: PPOSettings | None = None
) -> Iterator[Progress | dict]:
    """Go on with a ``ppo`` that ended in the middle: the steps that are there, and those that are
    left, which are made.

    ``begun``: "step": where the run began, "rows": how many steps the round had then.
    """
    part, first = session.tuned, begun["step"] + 1 if begun["rows"] else 0
    there = [row for row in part.metrics if row["step"] >= first]
    if there and settings is None:
        ran = within(PPOSettings, {"seed": session.seed, **session.settings.get("ppo", {})})
        settings = PPOSettings(**fitting(ran))
    settings = settings or chosen(session)
    yield from there
    if not part.steps_done:
        part.log = []  # nothing but the look at step 0, which is made again
    yield from _run(session, settings, settings.steps - (part.steps_done - begun["step"]))


def _run(session: Session, settings: PPOSettings, steps: int) -> Iterator[Progress | dict]:
    """``steps`` more of them."""
    settings.validate()
    lm = ready(session)
    if not session.learned.head:
        raise InputError(
            "PPO needs a reward model: it is what the answers are scored with. Train one first."
        )
    if settings.frozen_layers >= lm.trunk.layers:
        raise InputError(
            f"This model has {lm.trunk.layers} layers; at most {lm.trunk.layers - 1} can be frozen."
        )
    prompts = training_prompts(session, lm, settings.max_new_tokens)
    make_room(session, lm)
    former_beta, part = session.settings.get("ppo", {}).get("beta"), session.tuned
    session.begin("ppo", vars(settings))  # what is moved from here on counts from the next step on
    policy, fresh = yield from policy_at_hand(session, lm, settings)
    former_fit = part.log[-1]["fit"] if part.log else None  # of the batch at hand, if there is one
    part.broke = None
    try:
        for number in range(steps):
            # 1. What this step runs with.
            settings = settled(session, settings)
            with session.lock:
                model, fit = known(head_of(session)), session.learned.summary.get("fit", 1)
            if fit != former_fit:
                policy.batch = None  # trained anew meanwhile: its predecessor scored the batch
            if run_log.steered_anew(settings, former_beta):
                policy.beta = settings.beta
            former_beta, former_fit, before = settings.beta, fit, policy.batch
            begins = fresh and number == 0
            run_log.note_segment(session, policy, settings, fit, model, list(prompts), begins)

            # 2. The step, and what the session keeps of it.
            encoded = list(prompts.values())
            for item in run_log.training(lm, policy, model, encoded, settings, steps=1):
                if isinstance(item, Progress):
                    yield item
                    continue
                if session.tuned is not part:
                    return  # the round was put away meanwhile: what it made is nobody's
                batch = item.pop("batch")
                session.tuned.traces = traced(
                    session.tuned.traces, lm, item, batch, before, settings
                )
                before = measured(batch)
                rows = session.tuned.metrics
                if rows and item["step"] == rows[-1]["step"]:
                    continue  # measured again, at another temperature or by another reward model
                item["reward_model"] = fit
                keep_step(session, lm, policy, item, batch)
                run_log.keep_checkpoint(session, policy)
                yield item
    except ppo_engine.TrainingDiverged as error:
        with session.change():
            session.tuned.broke = {"step": session.tuned.steps_done + 1, "sentence": str(error)}
        raise


def chosen(session: Session) -> PPOSettings:
    """What the knobs of this session say."""
    ran, moved = (session.settings.get(name, {}) for name in ("ppo", "ppo_next"))
    values = within(PPOSettings, {"seed": session.seed, **ran, **moved})
    return PPOSettings(**fitting(values))


def settled(session: Session, settings: PPOSettings) -> PPOSettings:
    """``settings``, and what the knobs have been moved to meanwhile; a combination that cannot work
    leaves it as it is (the page says why).
    """
    session.refresh()  # the page may be another process's
    with session.lock:
        moved = session.settings.get("ppo_next", {})
        wished = {name: value for name, value in moved.items() if name not in FIXED}
        try:
            now = PPOSettings(**fitting(vars(settings) | wished)).validate()
        except (SettingsError, TypeError):
            return settings
        if wished:
            later = {name: value for name, value in moved.items() if name in FIXED}
            session.begin("ppo", vars(now))
            if later:
                session.choose("ppo", later)
    return now


def policy_at_hand(
    session: Session, lm: LanguageModel, settings: PPOSettings
) -> Reporting[tuple[Policy, bool]]:
    """The policy that training goes on with; returns (policy, whether its optimiser is a fresh
    one). Yields Progress where a reopened run is made whole first.
    """
    policy = policy_of(session)
    if policy is not None and policy.frozen_layers == settings.frozen_layers:
        return policy, False
    if run_log.can_be_taken_up(session, settings):
        policy, *_ = yield from run_log.reach(session, lm, session.tuned.steps_done)
        set_policy(session, policy)
        return policy, False
    start = tuned_of(session)
    if start is not None and not same_below(lm, start, settings.frozen_layers):
        raise InputError(
            "This model was already trained in all its layers, so none can be frozen now. Set"
            " frozen layers to 0, or restart the round."
        )
    policy = Policy(trunk_with(lm, start), settings)
    policy.step = session.tuned.steps_done
    set_policy(session, policy)
    return policy, True


def keep_step(session: Session, lm: LanguageModel, policy: Policy, row: dict, batch: Batch) -> None:
    """A finished step's numbers, texts and weights, for everybody to see."""
    asked = batch.responses
    samples = [
        {
            "step": row["step"],
            "prompt": lm.prompt_text(ids[keep].tolist()),
            "text": text,
            "reward": reward,
            "kl": kl,
            "ended": ended,
        }
        for ids, keep, text, reward, kl, ended in zip(
            asked.prompt_ids,
            asked.prompt_mask,
            decode_texts(lm, asked),
            batch.scores.tolist(),
            batch.kl.sum(1).tolist(),
            batch.ended.tolist(),
            strict=True,
        )
    ]
    with session.change():
        part = session.tuned
        if row["step"]:
            part.weights = put(session, policy_weights(policy))
        part.metrics, part.samples = [*part.metrics, row], [*part.samples, *samples]
        part.evaluation = None
        weights.drop_unused(session)


def traced(
    traces: dict[int, token_view.Trace],
    lm: LanguageModel,
    row: dict,
    batch: Batch,
    before: Batch | None,
    settings: PPOSettings,
) -> dict[int, token_view.Trace]:
    """``traces`` with a step just made, and with what its update said of the batch before."""
    former = row["step"] - 1
    known = before is not None and before.last_logprobs is not None
    if row["learning_rate"] and former in traces and known:
        seen = token_view.updated(traces[former], before, settings.clip, row["beta"])
        traces = token_view.with_trace(traces, former, seen)
    return token_view.with_trace(traces, row["step"], token_view.of_batch(batch, lm))


def measured(batch: Batch) -> Batch:
    """The batch without what only a closer look needed: 20 MB a session otherwise."""
    batch.responses.full_logprobs = batch.responses.hidden = batch.ref_full_logprobs = None
    return batch


# --- going back -----------------------------------------------------------------------------------


def restart_from(session: Session, step: int) -> Iterator[Progress | dict]:
    """Go back to ``step`` of this round: later steps are taken back, and the run can go on from
    there. Last record {"kind": "restarted", "step", "exact"}.

    ``exact`` says whether the step, where it had to be made again, came out with the very numbers
    that it had; None where a checkpoint held it.
    """
    lm = ready(session)
    if not session.tuned.metrics:
        raise InputError("This round has no steps yet, so there is nothing to go back to.")
    done = session.tuned.steps_done
    if not isinstance(step, int) or not 0 <= step <= done:
        raise InputError(f"This round has no step {step}: it stands at step {done}.")
    traces = {at: trace for at, trace in session.tuned.traces.items() if at <= step}
    before = None

    def look(row: dict, settings: PPOSettings) -> None:
        nonlocal traces, before
        traces = traced(traces, lm, row, row["batch"], before, settings)
        before = measured(row["batch"])

    policy, segments, record = yield from run_log.reach(session, lm, step, look)
    with session.change():
        part = session.tuned
        row = next(row for row in reversed(part.metrics) if row["step"] == step)
        exact = None
        if record and record["step"] == step:
            exact = all(record[name] == row.get(name) for name in SCORED)
        part.log = part.log[:segments]
        set_policy(session, policy)
        if not session.learned.head or session.learned.summary.get("fit", 1) != part.log[-1]["fit"]:
            policy.batch = None  # the next step is scored by today's reward model
        part.weights = put(session, policy_weights(policy)) if step else ""
        part.metrics = [row for row in part.metrics if row["step"] <= step]
        part.samples = [row for row in part.samples if row["step"] <= step]
        part.traces = traces
        if step in traces:
            part.traces = traces | {step: dataclasses.replace(traces[step], update=None)}
        part.evaluation = part.broke = None
        history = session.history  # a guess about what was taken back can no longer be scored
        history.predictions = [
            one
            for one in history.predictions
            if one["round"] != history.current_round or one["to"] <= step
        ]
        if folder := weights.checkpoints(session):
            checkpoint_folder.drop_after(folder, step)
        weights.drop_unused(session)
    yield {"kind": "restarted", "step": step, "exact": exact}


def retry(session: Session, step: int, settings: PPOSettings) -> Iterator[Progress | dict]:
    """Back to ``step``, and on from there with other settings."""
    settings.validate()
    yield from restart_from(session, step)
    yield from ppo(session, settings)


def retry_again(
    session: Session, begun: dict, step: int, settings: PPOSettings
) -> Iterator[Progress | dict]:
    """Go on with a ``retry`` that ended in the middle. ``begun``: "made", how many records there
    are.
    """
    if begun["made"]:
        yield {"kind": "restarted", "step": step, "exact": None}
        yield from ppo_again(session, {"step": step, "rows": 1}, settings)
    else:
        yield from retry(session, step, settings)
