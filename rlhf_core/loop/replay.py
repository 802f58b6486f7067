"""Same seeds, same numbers? Run a saved session's loop again, in memory, and name every number that
comes out differently.

A scripted rater judges again; a person's (or a file's) judgements are taken from the record,
because a person can't be run again. Knows nothing about terminals or pages. Settings that were
changed between steps are changed again where they were (``session.ppo_log``). Simplification: one
round, scored by one reward model; a run that an older version continued after a restart had a fresh
optimiser there, and differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.preferences import Ranking
from rlhf_core.session.state import SCRIPTED, Session

RELATIVE, ABSOLUTE = 1e-5, 1e-7  # one machine gives equal numbers; another sums in another order
UNTIMED = ("seconds", "reward_model")  # the latter counts fits, and a replay needs only one


def check_replayable(saved: Session) -> None:
    """Raises InputError for a run that cannot be run again, in words."""
    if saved.status == "running":
        raise InputError("This run is still going on. Replay it when it is done.")
    if saved.rounds or saved.current_round > 1:
        raise InputError(
            f"This run is in round {saved.current_round}; only runs of one round can be replayed,"
            " because earlier rounds' weights are not kept."
        )
    if len({row.get("reward_model") for row in saved.metrics}) > 1:
        raise InputError(
            "Its reward model was trained anew between two PPO steps, and the former one is not in"
            " the bundle, so the steps cannot be run again."
        )
    if not saved.rankings and not saved.imported:
        raise InputError("This run has no judgements yet, so there is nothing to replay.")


def judges_again(saved: Session) -> bool:
    """Whether the judgements can be made again: all by the scripted rater, from the session's very
    first outputs on.
    """
    scripted = saved.rankings and all(ranking.annotator == SCRIPTED for ranking in saved.rankings)
    return bool(
        scripted and not saved.imported and saved.rankings[0].id == "set-1" and saved.candidate_sets
    )


def replay(saved: Session, tensors: dict | None = None) -> Iterator[Progress | dict]:
    """Run ``saved`` again.

    Args:
        tensors: the weights in its bundle ("reward_model", "policy"), to be compared too.

    Yields:
        ``Progress``; a record {"where", "name", "saved", "now"} for each thing that differs; last
        {"kind": "replayed", "compared": how many were compared, "judged_again": bool}. No
        difference: the run is what it says it is.
    """
    check_replayable(saved)
    from rlhf_core.lm import language_model

    now = Session(saved.brief, model_name=saved.model_name, seed=saved.seed)
    now.user_prompts, now.exploits = list(saved.user_prompts), list(saved.exploits)
    settings, compared = saved.settings, 0
    model_hash = language_model.load(saved.model_name).fingerprint()
    if (
        saved.model_hash and saved.model_hash != model_hash
    ):  # nothing that follows could be the same
        yield {
            "where": "run.json",
            "name": "model sha256",
            "saved": saved.model_hash,
            "now": model_hash,
        }
        yield {"kind": "replayed", "compared": 1, "judged_again": False}
        return

    again = judges_again(saved)
    if again:
        asked = settings.get("run", {}).get("comparisons") or len(saved.rankings)
        yield from _progress(now.generate_pool(asked, 2))
        yield from _progress(now.judge_for_me(len(saved.rankings), 2))
        compared += yield from differences(
            "rankings.jsonl", _rows(saved.rankings), _rows(now.rankings)
        )
    else:
        now.rankings, now.imported, now.candidate_sets = (
            list(saved.rankings),
            list(saved.imported),
            list(saved.candidate_sets),
        )

    if saved.reward_model is not None:
        yield from _progress(
            now.fit_reward_model(_settings(RewardModelSettings, settings.get("reward_model", {})))
        )
        names = (
            "loss",
            "train_accuracy",
            "heldout_accuracy",
            "heldout_low",
            "heldout_high",
            "heldout_pairs",
        )
        rows = [
            [{name: row.get(name) for name in names} for row in session.fit_records]
            for session in (saved, now)
        ]
        compared += yield from differences("run.json, fit_records", *rows)

    if saved.metrics:
        yield from _steps_again(saved, now)
        known = set(saved.metrics[0])  # an older version wrote fewer numbers down
        compared += yield from differences(
            "metrics.csv",
            saved.metrics,
            [{k: v for k, v in row.items() if k in known} for row in now.metrics],
        )
        compared += yield from differences("samples.jsonl", saved.samples, now.samples)

    for name, own in (
        ("reward_model", now.reward_model and now.reward_model.tensors()),
        ("policy", now.weights),
    ):
        if own is not None and (tensors or {}).get(name) is not None:
            compared += yield from weight_differences(f"{name}.safetensors", tensors[name], own)

    pairs = (saved.evaluation or {}).get("pairs")
    if pairs and saved.steps_done and saved.evaluation.get("step") == saved.steps_done:
        yield from _progress(now.evaluate(len(pairs), saved.evaluation.get("seed", 1)))
        measured = {
            name: now.evaluation.get(name) for name in saved.evaluation
        }  # an older version measured less
        compared += yield from differences("evaluation.json", saved.evaluation, measured)
    yield {"kind": "replayed", "compared": compared, "judged_again": again}


def _steps_again(saved: Session, now: Session) -> Iterator[Progress]:
    """The PPO steps of ``saved``, each under the settings that it had."""
    last, own = saved.steps_done, now.user_prompts
    log = saved.ppo_log or [{"step": 0, "settings": saved.settings.get("ppo", {})}]
    ends = [min(last, segment["step"]) for segment in log[1:]] + [last]
    for segment, end in zip(log, ends, strict=True):
        if "prompts" in segment:
            now.user_prompts = [
                prompt for prompt in segment["prompts"] if prompt not in now.brief.training_prompts
            ]
        if segment.get("fresh"):
            now.policy = None
        if now.metrics and end <= now.steps_done:
            continue
        work = now.ppo(
            _settings(PPOSettings, {**segment["settings"], "steps": max(1, end - now.steps_done)})
        )
        for item in work:
            if isinstance(item, Progress):
                yield item
            elif item["step"] >= end:
                break
        work.close()
    now.user_prompts = own


def differences(where: str, saved: object, now: object, name: str = "") -> Iterator[dict]:
    """A record for each leaf of two plain values that differs (numbers: beyond rounding); returns
    how many leaves were compared.
    """
    if isinstance(saved, dict) and isinstance(now, dict):
        count = 0
        for key in dict.fromkeys([*saved, *now]):
            if key not in UNTIMED:
                count += yield from differences(
                    where, saved.get(key), now.get(key), f"{name}.{key}" if name else str(key)
                )
        return count
    if isinstance(saved, list | tuple) and isinstance(now, list | tuple):
        count = 1
        if len(saved) != len(now):
            yield {
                "where": where,
                "name": f"{name} length".strip(),
                "saved": len(saved),
                "now": len(now),
            }
        for number, (one, other) in enumerate(zip(saved, now, strict=False)):
            step = one.get("step") if isinstance(one, dict) else None
            place = (
                f"step {step}"
                if step is not None and where == "metrics.csv"
                else f"row {number + 1}"
            )
            count += yield from differences(where, one, other, f"{name} {place}".strip())
        return count
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in (saved, now)
    )
    if not (
        math.isclose(saved, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE) if numbers else saved == now
    ):
        yield {"where": where, "name": name, "saved": saved, "now": now}
    return 1


def weight_differences(where: str, saved: dict, now: dict) -> Iterator[dict]:
    """A record for each tensor that differs by more than rounding (its largest difference); returns
    how many were compared.
    """
    for name in dict.fromkeys([*saved, *now]):
        one, other = saved.get(name), now.get(name)
        if one is None or other is None or one.shape != other.shape:
            yield {
                "where": where,
                "name": name,
                "saved": None if one is None else list(one.shape),
                "now": None if other is None else list(other.shape),
            }
            continue
        gap = (one.double() - other.double()).abs().max().item()
        if not gap <= 1e-4 * max(1.0, one.double().abs().max().item()):
            yield {"where": where, "name": f"{name}: largest difference", "saved": 0.0, "now": gap}
    return len(saved)


def _settings(cls, values: dict):
    """The settings of a record, checked. Raises InputError, SettingsError."""
    try:
        return cls(**values).validate()
    except TypeError as error:
        raise InputError(
            f"run.json has settings that this version does not know ({error})."
        ) from error


def _rows(rankings: list[Ranking]) -> list[dict]:
    return [ranking.to_dict() for ranking in rankings]


def _progress(work: Iterator) -> Iterator[Progress]:
    """Only the Progress of a generator; its records are in the session."""
    yield from (item for item in work if isinstance(item, Progress))
