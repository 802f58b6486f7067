"""Rounds of a session: closing one, going back to one, and the futures that going back leaves
behind (branches).

A finished round keeps its model and reward model (a file in the session's folder; in memory where
the session has none), and in its row what was judged by then, how it was trained and what the
verdict was. Going back keeps what came after as a branch with a name, unfinished round included;
returning to a branch makes a branch of the present in its turn. Comparisons belong to the session,
whatever branch it is on. Bounded: ``MOST_BRANCHES``, and ``MOST_BYTES`` on disk (the oldest branch
goes first).

Every function changes the session under its lock, and saves it. Imports torch only where weights
are touched.
"""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from pathlib import Path

from rlhf_core.common.errors import InputError
from rlhf_core.evaluation import verdict
from rlhf_core.session.state import MAX_ROUNDS, ON_DISK, Session
from rlhf_core.store import bundle, checkpoint_folder

MOST_BRANCHES, MOST_BYTES, MAX_NAME = 4, 1_500_000_000, 60
_VERDICT = (
    "sentence",
    "conclusion",
    "judge",
    "win_rate",
    "interval",
    "wins",
    "ties",
    "losses",
    "rule",
    "step",
    "seed",
    "full_sentences",
    "distinct_2",
    "mean_words",
)


# --- weights, wherever they are -------------------------------------------------------------------


def folder(session: Session) -> Path | None:
    """Where finished rounds and branches have their weights."""
    return session.directory / "rounds" if session.directory and not session.deleted else None


def put_away(session: Session, policy: dict, reward_model: dict | None) -> str:
    """Keep weights under a new name, which is returned: on disk, or in memory where there is no
    folder or it is full.
    """
    name = f"weights-{secrets.token_hex(6)}"
    tensors = {f"policy.{key}": value for key, value in policy.items()} | {
        f"reward_model.{key}": value for key, value in (reward_model or {}).items()
    }
    if place := folder(session):
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        with suppress(
            OSError, SafetensorError
        ):  # no room: then in memory, and a restart of the server loses them
            place.mkdir(parents=True, exist_ok=True)
            about = {"about": json.dumps({"model": session.model_hash})}
            save_file(
                {key: value.detach().clone().contiguous() for key, value in tensors.items()},
                place / f"{name}.tmp",
                about,
            )
            (place / f"{name}.tmp").replace(place / f"{name}.safetensors")
            return name
    session.held = {**session.held, name: tensors}
    return name


def _is_name(name: object) -> bool:
    """Whether this is one of our names: a record may come from a file, and nothing else may become
    a part of a path.
    """
    return isinstance(name, str) and re.fullmatch("weights-[0-9a-f]{12}", name) is not None


def take_out(session: Session, name: str | None) -> tuple[dict, dict | None] | None:
    """(policy, reward model or None) kept under ``name``, or None: not kept any more."""
    if not _is_name(name):
        return None
    tensors, place = session.held.get(name), folder(session)
    if tensors is None and place:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        with suppress(OSError, SafetensorError):
            tensors = load_file(place / f"{name}.safetensors")
    if not tensors:
        return None
    parts = [
        {
            key.removeprefix(f"{part}."): value
            for key, value in tensors.items()
            if key.startswith(f"{part}.")
        }
        for part in ("policy", "reward_model")
    ]
    return parts[0], parts[1] or None


def is_kept(session: Session, name: str | None) -> bool:
    """Whether there are weights under ``name``, without reading them."""
    place = folder(session)
    return _is_name(name) and (
        name in session.held or bool(place and (place / f"{name}.safetensors").is_file())
    )


def kept(session: Session, number: int) -> bool:
    """Whether one can go back to the end of round ``number`` (0: the original model)."""
    return (
        number == 0
        or is_kept(session, session.rounds[number - 1].get("file"))
        or (number == len(session.rounds) and session.start_weights is not None)
    )


def tidy(session: Session) -> None:
    """Remove weights that no round and no branch names, and the oldest branches beyond the bounds."""
    session.branches = session.branches[-MOST_BRANCHES:]
    place = folder(session)

    def used() -> set[str]:
        names = {row.get("file") for row in session.rounds}
        for branch in session.branches:
            names |= {
                branch["file"],
                branch["start_file"],
                *(row.get("file") for row in branch["rounds"]),
            }
        return {name for name in names if name}

    def size(name: str) -> int:
        with suppress(OSError):
            return (place / f"{name}.safetensors").stat().st_size
        return 0

    if place and place.is_dir():
        while session.branches and sum(map(size, used())) > MOST_BYTES:
            session.branches = session.branches[1:]
        for i, row in enumerate(
            session.rounds[:-1]
        ):  # a large model: the oldest rounds keep their numbers only
            if row.get("file") and sum(map(size, used())) > MOST_BYTES:
                session.rounds = [*session.rounds[:i], row | {"file": ""}, *session.rounds[i + 1 :]]
        for path in place.iterdir():
            if path.stem not in used():
                with suppress(OSError):
                    path.unlink()
    session.held = {name: tensors for name, tensors in session.held.items() if name in used()}
    if session.directory and not session.deleted:
        checkpoint_folder.clear_others(session.directory / "checkpoints", {session.ppo_run})


def _policy_now(session: Session) -> dict | None:
    """This round's weights, read from the bundle where nobody needed them yet."""
    if session.weights == ON_DISK:
        return bundle.read_bundle(session.directory)["tensors"]["policy"]
    return session.weights


def _reward_model_now(session: Session) -> dict | None:
    if session.reward_model == ON_DISK:
        return bundle.read_bundle(session.directory)["tensors"]["reward_model"]
    return None if session.reward_model is None else session.reward_model.tensors()


# --- the next round -------------------------------------------------------------------------------


def summary(session: Session) -> dict:
    """This round in one row: what the timeline shows, and what going back gives back besides the
    weights.
    """
    evaluation, metrics = with_votes(session), session.metrics
    last = metrics[-1] if metrics else {}
    answers = sum(row["step"] == last.get("step") for row in session.samples)
    reward, spread = last.get("reward_mean", 0.0), last.get("reward_std")
    half = 1.96 * spread / answers**0.5 if answers > 1 and isinstance(spread, int | float) else None
    return {
        "round": session.current_round,
        "comparisons": sum(
            r.verdict != "skip" for r in session.rankings if r.brief == session.brief.slug
        ),
        "heldout_accuracy": session.reward_summary.get("heldout_accuracy"),
        "steps": session.steps_done,
        "reward_gain": session.reward_gain or 0.0,
        "reward": reward,
        "reward_interval": (
            [reward - half, reward + half] if half is not None and reward is not None else None
        ),
        "kl": last.get("kl_to_reference", 0.0) if metrics else 0.0,
        "win_rate": evaluation.get("win_rate"),
        "win_interval": evaluation.get("interval"),
        "pairs": len(evaluation.get("pairs") or []),
        "by_prompt": by_prompt(evaluation),
        "verdict": {k: evaluation[k] for k in _VERDICT if k in evaluation} or None,
        "reward_summary": {k: v for k, v in session.reward_summary.items() if k != "examples"},
    }


def with_votes(session: Session) -> dict:
    """The round's verdict, and the conclusion as it reads with the blind votes that were cast on
    it.
    """
    found = session.evaluation or {}
    votes = [
        row
        for row in session.votes
        if (row["round"], row["step"]) == (session.current_round, session.steps_done)
    ]
    if not (found.get("judges") and votes):
        return found
    return found | {
        "conclusion": verdict.conclusion(
            [*found["judges"], verdict.by_votes(votes, seed=session.seed)],
            found.get("language") or (),
        )
    }


def by_prompt(evaluation: dict) -> dict[str, float]:
    """Win rate of each prompt of a verdict (a tie is half): what two rounds are compared by."""
    found: dict[str, list[float]] = {}
    for pair in evaluation.get("pairs") or []:
        before, after = pair.get("reward_before"), pair.get("reward_after")
        if isinstance(before, int | float) and isinstance(after, int | float):
            same = pair.get("before") == pair.get("after") or abs(after - before) < 1e-6
            found.setdefault(pair["prompt"], []).append(0.5 if same else float(after > before))
    return {prompt: sum(rates) / len(rates) for prompt, rates in found.items()}


def start_next(session: Session) -> int:
    """Close this round; the next one samples from, and trains, the tuned model. Comparisons
    accumulate. Raises InputError.
    """
    with session.lock:
        if session.weights is None or session.steps_done < 1:
            raise InputError(
                "This round has no finished PPO step yet, so there is no tuned model to start from."
            )
        if session.current_round >= MAX_ROUNDS:
            raise InputError(
                f"A session keeps at most {MAX_ROUNDS} rounds. Roll back to an earlier one, or"
                " start over."
            )
        session.weights = _policy_now(session)
        session.rounds = [
            *session.rounds,
            summary(session)
            | {"file": put_away(session, session.weights, _reward_model_now(session))},
        ]
        session.start_weights, session.current_round = session.weights, session.current_round + 1
        _begin(session)
    session.autosave(weights=True)
    return session.current_round


def _begin(session: Session) -> None:
    """A round that has no step yet. Answers of another model that nobody judged are of no more use."""
    judged = {ranking.id for ranking in session.rankings}
    session.candidate_sets = [row for row in session.candidate_sets if row["id"] in judged]
    session._forget_policy()
    tidy(session)


# --- back, and to the other branches --------------------------------------------------------------


def roll_back(session: Session, number: int, name: str = "") -> str:
    """Go on from the end of round ``number`` (0: the original), with its model and its reward
    model. Comparisons stay. Raises InputError.

    What came after becomes a branch called ``name``; returns its name, "" where nothing was lost by
    going back.
    """
    with session.lock:
        if not 0 <= number <= len(session.rounds):
            raise InputError(f"There is no finished round {number} to roll back to.")
        found = take_out(session, session.rounds[number - 1].get("file")) if number else None
        if (
            number
            and found is None
            and not (number == len(session.rounds) and session.start_weights is not None)
        ):
            raise InputError(
                f"The weights of round {number} are no longer kept. Roll back to another round, or"
                " to round 0, the original model."
            )
        left = (
            _keep_branch(session, name, number)
            if len(session.rounds) > number or session.steps_done
            else ""
        )
        row = session.rounds[number - 1] if number else {}
        session.rounds, session.current_round = session.rounds[:number], number + 1
        session.start_weights = (found[0] if found else session.start_weights) if number else None
        if found and found[1]:
            _use_reward_model(session, found[1], row.get("reward_summary") or {})
        _begin(session)
    session.autosave(weights=True)
    return left


def _use_reward_model(session: Session, tensors: dict, told: dict) -> None:
    from rlhf_core.rewards.reward_model import RewardModel

    session.reward_model = RewardModel.from_tensors(tensors)
    session.fit_records = (
        session.fit_records if told.get("fit") == session.reward_summary.get("fit") else []
    )
    session.reward_summary = dict(told)


def _keep_branch(session: Session, name: str, number: int) -> str:
    """Put the present away, from round ``number`` + 1 on."""
    steps = session.steps_done
    own = (
        f"Round {session.current_round}, {steps} step{'s' if steps > 1 else ''}"
        if steps
        else f"After round {session.current_round - 1}"
    )
    name = " ".join(str(name).split())[:MAX_NAME] or own
    taken, base, count = {branch["name"] for branch in session.branches}, name, 1
    while name in taken:
        count += 1
        name = f"{base} ({count})"
    weights = _policy_now(session)
    start = session.rounds[-1].get("file", "") if session.rounds else ""
    file = put_away(session, weights, _reward_model_now(session)) if weights is not None else ""
    branch = {
        "name": name,
        "left_at": number,
        "rounds": session.rounds,
        "round": session.current_round,
        "file": file,
        "start_file": start,
        "metrics": session.metrics,
        "samples": [row for row in session.samples if row["step"] in (0, steps)],
        "evaluation": session.evaluation,
        "reward_summary": session.reward_summary,
        "settings": session.settings.get("ppo", {}),
        "ppo_log": session.ppo_log,
        "summary": summary(session),
    }
    session.branches = [*session.branches, branch]
    return name


def return_to(session: Session, name: str) -> str:
    """Go on where branch ``name`` was left; the present becomes a branch itself, whose name is
    returned. Raises InputError.
    """
    with session.lock:
        branch = next((branch for branch in session.branches if branch["name"] == name), None)
        if branch is None:
            raise InputError("That branch is no longer kept.")
        start, now = take_out(session, branch["start_file"]), take_out(session, branch["file"])
        if (branch["file"] and now is None) or (branch["start_file"] and start is None):
            raise InputError(
                "The weights of that branch are no longer kept, so there is nothing to return to."
            )
        session.branches = [other for other in session.branches if other is not branch]
        has_something = (
            session.steps_done
            or len(session.rounds) > len(branch["rounds"])
            or session.rounds != branch["rounds"][: len(session.rounds)]
        )
        left = (
            _keep_branch(session, "", len(_shared(session.rounds, branch["rounds"])))
            if has_something
            else ""
        )
        session.rounds, session.current_round = list(branch["rounds"]), branch["round"]
        session.start_weights = start[0] if start else None
        _begin(session)
        session.metrics, session.samples, session.evaluation = (
            list(branch["metrics"]),
            list(branch["samples"]),
            branch["evaluation"],
        )
        session.weights, session.ppo_log = now[0] if now else None, list(branch["ppo_log"])
        if (found := now or start) and found[1]:
            _use_reward_model(session, found[1], branch["reward_summary"])
        if branch["settings"]:
            session.settings = {**session.settings, "ppo": branch["settings"]}
    session.autosave(weights=True)
    return left


def _shared(rounds: list[dict], others: list[dict]) -> list[dict]:
    """The rounds that both have, from the first on."""
    count = 0
    while count < min(len(rounds), len(others)) and rounds[count].get("file") == others[count].get(
        "file"
    ):
        count += 1
    return rounds[:count]


def readable(branches: list) -> list[dict]:
    """The branches of a record that are whole; a page draws nothing from half of one."""
    kinds = {
        "name": str,
        "left_at": int,
        "rounds": list,
        "round": int,
        "file": str,
        "start_file": str,
        "metrics": list,
        "samples": list,
        "summary": dict,
    }
    kinds |= {"reward_summary": dict, "settings": dict, "ppo_log": list}
    return [
        one
        for one in branches
        if isinstance(one, dict)
        and "evaluation" in one
        and all(isinstance(one.get(key), kind) for key, kind in kinds.items())
    ]


def forget_branch(session: Session, name: str) -> None:
    """Delete a branch and what only it needs."""
    with session.lock:
        session.branches = [branch for branch in session.branches if branch["name"] != name]
        tidy(session)
    session.autosave()


# --- does it still improve? -----------------------------------------------------------------------
