"""Same seeds, same numbers? Run a saved session's loop again, in memory, and name every number that
comes out differently.

A scripted rater judges again; a person's (or a file's) judgements are taken from the record,
because a person can't be run again. Knows nothing about terminals or pages. Settings that were
changed between steps are changed again where they were (``session.tuned.log``). What was compared,
and how closely, says ``same_numbers``; what run.json claims is checked by ``claims``. Not checked:
the blind votes of a person, what labs found, and README.md, which says in words what the other
files hold. Simplification: one round, scored by one reward model; a run that an older version
continued after a restart had a fresh optimiser there, and differs.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress, only_progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.common.source import engine_version
from rlhf_core.judging.preferences import Ranking
from rlhf_core.lm import language_model, model_list
from rlhf_core.loop import claims, comparing, reward, scripted_rater, tuning, writing
from rlhf_core.loop.same_numbers import Numbers
from rlhf_core.loop.workbench import set_policy, tensors_of
from rlhf_core.session.state import SCRIPTED, Session

FITTED = (
    *("loss", "train_accuracy", "heldout_accuracy"),
    *("heldout_low", "heldout_high", "heldout_pairs"),
)


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


def replay(
    saved: Session, stored: dict | None = None, every: bool = False
) -> Iterator[Progress | dict]:
    """Run ``saved`` again.

    Args:
        stored: its bundle as ``store.bundle.read_bundle`` gives it, whose weights and claims are
            compared too.
        every: tell each number that was compared, and not only those that differ.

    Yields:
        ``Progress``; first {"kind": "note", "sentence"} where it was made otherwise
        (``made_otherwise``); a record {"where", "name", "saved", "now"} for each thing that
        differs, and where ``every`` {"kind": "compared", ..., "result"} for each that does not;
        last {"kind": "replayed", "compared": how many were compared, "different", "judged_again":
        bool, "numbers": a row for each column of ``same_numbers``, "what_follows"}. No difference:
        the run is what it says it is.
    """
    check_replayable(saved)
    found = Numbers(every)
    model_hash = language_model.load(saved.model_name).fingerprint()
    if sentence := made_otherwise(saved, model_hash):
        yield {"kind": "note", "sentence": sentence}
    if saved.model_hash and saved.model_hash != model_hash:
        # nothing that follows could be the same
        yield from found.compare("run.json", saved.model_hash, model_hash, "model sha256")
        yield from _ended(found, False)
        return

    # 1. What run.json says of the run, against what is in the other files.
    if stored:
        yield from claims.check(found, saved, stored)

    # 2. Judgements: a rule's again, a person's as they are on record.
    now = Session(saved.asked.brief, model_name=saved.model_name, seed=saved.seed)
    now.asked.user_prompts, now.judged.exploits = (
        list(saved.asked.user_prompts),
        list(saved.judged.exploits),
    )
    again, settings = judges_again(saved), saved.settings
    if again:
        count = len(saved.judged.rankings)
        asked = settings.get("run", {}).get("comparisons") or count
        # What run.json asks for may be anything: never more than was judged is written.
        yield from only_progress(writing.generate_pool(now, min(asked, count), 2))
        yield from only_progress(scripted_rater.judge_for_me(now, count, 2))
        was, is_now = _rows(saved.judged.rankings), _rows(now.judged.rankings)
        yield from found.compare("rankings.jsonl", was, is_now)
    else:
        now.judged.rankings, now.judged.imported, now.asked.candidate_sets = (
            list(saved.judged.rankings),
            list(saved.judged.imported),
            list(saved.asked.candidate_sets),
        )

    # 3. The reward model, the steps, the weights, before and after.
    if saved.learned.head:
        yield from _fitted_again(found, saved, now)
    if saved.tuned.metrics:
        yield from _steps_again(saved, now)
        known = set(saved.tuned.metrics[0])  # an older version wrote fewer numbers down
        rows = [{k: v for k, v in row.items() if k in known} for row in now.tuned.metrics]
        yield from found.compare("metrics.csv", saved.tuned.metrics, rows)
        yield from found.compare("samples.jsonl", saved.tuned.samples, now.tuned.samples)
    tensors = (stored or {}).get("tensors") or {}
    for name, own in (
        ("reward_model", tensors_of(now, now.learned.head)),
        ("policy", tensors_of(now, now.tuned.weights)),
    ):
        if own is not None and tensors.get(name) is not None:
            yield from found.compare_weights(f"{name}.safetensors", tensors[name], own)
    yield from _evaluated_again(found, saved, now)
    yield from _ended(found, again, what_follows(saved.tuned.evaluation, now.tuned.evaluation))


def _ended(found: Numbers, again: bool, follows: dict | None = None) -> Iterator[dict]:
    counts = {"compared": found.compared, "different": found.different}
    told = {"judged_again": again, "numbers": found.rows(), "what_follows": follows}
    yield {"kind": "replayed", **counts, **told}


def what_follows(was: dict | None, now: dict | None) -> dict | None:
    """Whether another order of sums, on another machine or with other threads, changed what the run
    shows: one rounding can turn one word, and then all that follows it. None where one of them was
    not measured.
    """
    if not was or not now:
        return None
    rates, interval = (was.get("win_rate"), now.get("win_rate")), was.get("interval") or [0, 1]
    known = isinstance(rates[0], int | float) and isinstance(rates[1], int | float)
    return {
        "same_verdict": was.get("verdict") == now.get("verdict"),
        "win_rate": list(rates),
        "inside_the_interval": known and interval[0] <= rates[1] <= interval[1],
    }


def _fitted_again(found: Numbers, saved: Session, now: Session) -> Iterator[Progress | dict]:
    values = saved.settings.get("reward_model", {})
    settings = _settings(RewardModelSettings, values)
    yield from only_progress(reward.fit_reward_model(now, settings))
    was, is_now = (
        [{name: row.get(name) for name in FITTED} for row in session.learned.fit_records]
        for session in (saved, now)
    )
    yield from found.compare("run.json, fit_records", was, is_now)
    known = saved.learned.summary  # an older version said less
    summary = {name: now.learned.summary.get(name) for name in known}
    yield from found.compare("run.json, learned.summary", known, summary)


def _evaluated_again(found: Numbers, saved: Session, now: Session) -> Iterator[Progress | dict]:
    was = saved.tuned.evaluation or {}
    pairs, step = was.get("pairs"), saved.tuned.steps_done
    if not pairs or not step:
        return
    if was.get("step") != step:
        yield from found.compare("evaluation.json", was.get("step"), step, "step")
        return
    yield from only_progress(comparing.evaluate(now, len(pairs), was.get("seed", 1)))
    # An older version measured less.
    measured = {name: (now.tuned.evaluation or {}).get(name) for name in was}
    yield from found.compare("evaluation.json", was, measured)


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
