"""Same seeds, same numbers? Run a saved session's loop again, in memory, and name every number that
comes out differently.

A scripted rater judges again; a person's (or a file's) judgements are taken from the record,
because a person can't be run again. Knows nothing about terminals or pages. Settings that were
changed between steps are changed again where they were (``session.tuned.log``). Simplification: one
round, scored by one reward model; a run that an older version continued after a restart had a fresh
optimiser there, and differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, only_progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.common.source import engine_version
from rlhf_core.judging.preferences import Ranking
from rlhf_core.lm import language_model, model_list
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, writing
from rlhf_core.loop.workbench import set_policy, tensors_of
from rlhf_core.session.state import SCRIPTED, Session

RELATIVE, ABSOLUTE = 1e-5, 1e-7  # one machine gives equal numbers; another sums in another order
UNTIMED = ("seconds", "reward_model")  # the latter counts fits, and a replay needs only one


def check_replayable(saved: Session) -> None:
    """Raises InputError for a run that cannot be run again, in words."""
    if saved.status == "running":
        raise InputError("This run is still going on. Replay it when it is done.")
    if saved.history.rounds or saved.history.current_round > 1:
        raise InputError(
            f"This run is in round {saved.history.current_round}; only runs of one round can be"
            " replayed, because earlier rounds' weights are not kept."
        )
    if len({row.get("reward_model") for row in saved.tuned.metrics}) > 1:
        raise InputError(
            "Its reward model was trained anew between two PPO steps, and the former one is not in"
            " the bundle, so the steps cannot be run again."
        )
    if not saved.judged.rankings and not saved.judged.imported:
        raise InputError("This run has no judgements yet, so there is nothing to replay.")


def judges_again(saved: Session) -> bool:
    """Whether the judgements can be made again: all by the scripted rater, from the session's very
    first outputs on.
    """
    scripted = saved.judged.rankings and all(
        ranking.annotator == SCRIPTED for ranking in saved.judged.rankings
    )
    return bool(
        scripted
        and not saved.judged.imported
        and saved.judged.rankings[0].id == "set-1"
        and saved.asked.candidate_sets
    )


def made_otherwise(saved: Session, model_hash: str) -> str:
    """Why its numbers may come out differently, in a sentence: the code or the model is not what
    it was made with. "" where both are. ``model_hash``: of the model as it is here.
    """
    others = [version for version in saved.made_by if version != engine_version()]
    code = f"by {'an older' if '' in others else 'another'} version of Opossum" if others else ""
    if saved.model_hash in ("", model_hash):
        return f"This run was made {code}: where numbers differ, that may be why." if code else ""
    model = "another bundled model"
    if saved.model_name != model_list.BUNDLED:
        model = f"other weights of the model {saved.model_name}"
    made = f"{code}, with {model}" if code else f"with {model}"
    return f"This run was made {made}, so its numbers cannot be the same here."


def replay(saved: Session, tensors: dict | None = None) -> Iterator[Progress | dict]:
    """Run ``saved`` again.

    Args:
        tensors: the weights in its bundle ("reward_model", "policy"), to be compared too.

    Yields:
        ``Progress``; first {"kind": "note", "sentence"} where it was made otherwise
        (``made_otherwise``); a record {"where", "name", "saved", "now"} for each thing that
        differs; last {"kind": "replayed", "compared": how many were compared, "judged_again":
        bool}. No difference: the run is what it says it is.
    """
    check_replayable(saved)
    now = Session(saved.asked.brief, model_name=saved.model_name, seed=saved.seed)
    now.asked.user_prompts, now.judged.exploits = (
        list(saved.asked.user_prompts),
        list(saved.judged.exploits),
    )
    settings, compared = saved.settings, 0
    model_hash = language_model.load(saved.model_name).fingerprint()
    if sentence := made_otherwise(saved, model_hash):
        yield {"kind": "note", "sentence": sentence}
    if saved.model_hash and saved.model_hash != model_hash:
        # nothing that follows could be the same
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
        asked = settings.get("run", {}).get("comparisons") or len(saved.judged.rankings)
        yield from only_progress(writing.generate_pool(now, asked, 2))
        yield from only_progress(scripted_rater.judge_for_me(now, len(saved.judged.rankings), 2))
        compared += yield from differences(
            "rankings.jsonl", _rows(saved.judged.rankings), _rows(now.judged.rankings)
        )
    else:
        now.judged.rankings, now.judged.imported, now.asked.candidate_sets = (
            list(saved.judged.rankings),
            list(saved.judged.imported),
            list(saved.asked.candidate_sets),
        )

    if saved.learned.head:
        yield from only_progress(
            reward.fit_reward_model(
                now, _settings(RewardModelSettings, settings.get("reward_model", {}))
            )
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
            [{name: row.get(name) for name in names} for row in session.learned.fit_records]
            for session in (saved, now)
        ]
        compared += yield from differences("run.json, fit_records", *rows)

    if saved.tuned.metrics:
        yield from _steps_again(saved, now)
        known = set(saved.tuned.metrics[0])  # an older version wrote fewer numbers down
        compared += yield from differences(
            "metrics.csv",
            saved.tuned.metrics,
            [{k: v for k, v in row.items() if k in known} for row in now.tuned.metrics],
        )
        compared += yield from differences("samples.jsonl", saved.tuned.samples, now.tuned.samples)

    for name, own in (
        ("reward_model", tensors_of(now, now.learned.head)),
        ("policy", tensors_of(now, now.tuned.weights)),
    ):
        if own is not None and (tensors or {}).get(name) is not None:
            compared += yield from weight_differences(f"{name}.safetensors", tensors[name], own)

    pairs = (saved.tuned.evaluation or {}).get("pairs")
    if (
        pairs
        and saved.tuned.steps_done
        and saved.tuned.evaluation.get("step") == saved.tuned.steps_done
    ):
        yield from only_progress(
            comparing.evaluate(now, len(pairs), saved.tuned.evaluation.get("seed", 1))
        )
        measured = {
            name: now.tuned.evaluation.get(name) for name in saved.tuned.evaluation
        }  # an older version measured less
        compared += yield from differences("evaluation.json", saved.tuned.evaluation, measured)
    yield {"kind": "replayed", "compared": compared, "judged_again": again}


def _steps_again(saved: Session, now: Session) -> Iterator[Progress]:
    """The PPO steps of ``saved``, each under the settings that it had."""
    last, own = saved.tuned.steps_done, now.asked.user_prompts
    log = saved.tuned.log or [{"step": 0, "settings": saved.settings.get("ppo", {})}]
    ends = [min(last, segment["step"]) for segment in log[1:]] + [last]
    for segment, end in zip(log, ends, strict=True):
        if "prompts" in segment:
            now.asked.user_prompts = [
                prompt
                for prompt in segment["prompts"]
                if prompt not in now.asked.brief.training_prompts
            ]
        if segment.get("fresh"):
            set_policy(now, None)
        if now.tuned.metrics and end <= now.tuned.steps_done:
            continue
        work = tuning.ppo(
            now,
            _settings(
                PPOSettings, {**segment["settings"], "steps": max(1, end - now.tuned.steps_done)}
            ),
        )
        for item in work:
            if isinstance(item, Progress):
                yield item
            elif item["step"] >= end:
                break
        work.close()
    now.asked.user_prompts = own


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
