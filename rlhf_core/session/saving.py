"""A session's bundle: what of a ``Session`` goes to disk, and a ``Session`` from what lies there.

Weights of a reopened session stay on disk (``ON_DISK``) until the worker needs them: reading them
imports torch. Knows nothing about how files are written safely (``run_bundle``) or what the values
mean.
"""

from __future__ import annotations

import re
from pathlib import Path

from rlhf_core.common import errors
from rlhf_core.common.errors import PreferenceError
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Ranking, pair_from_row
from rlhf_core.session.rounds import readable
from rlhf_core.session.state import ON_DISK, Session
from rlhf_core.store import bundle


def save(
    session: Session, directory: Path, *, status: str | None = None, weights: bool = True
) -> Path:
    """Write the bundle. ``weights=False`` leaves the weight files as they are. Raises
    run_bundle.BundleError.
    """
    with session.lock:
        status = status or (
            "running" if session.under_way and session.status == "done" else session.status
        )
        tensors = tensors_to_write(session, directory) if weights else {}
        step_on_disk = session.steps_done if weights else session.step_on_disk
        run = {
            "id": session.id,
            "status": status,
            "brief": session.brief.to_dict(),
            "judge": session.rater,
            "model": {"name": session.model_name, "sha256": session.model_hash},
            "seed": session.seed,
            "settings": session.settings,
            "round": session.current_round,
            "state": {
                "user_prompts": session.user_prompts,
                "rounds": session.rounds,
                "votes": session.votes,
                "drawn": session.drawn,
                "fit_records": session.fit_records,
                "reward_summary": session.reward_summary,
                "candidate_sets": [
                    {k: v for k, v in row.items() if k != "tokens"}
                    for row in session.candidate_sets
                ],
                "imported": len(session.imported),
                "step_on_disk": step_on_disk,
                "branches": session.branches,
                "predictions": session.predictions,
                "ppo_run": session.ppo_run,
                "ppo_log": session.ppo_log,
                "exploits": [pair.to_dict() for pair in session.exploits],
                "lab": session.lab,
                "briefs": [brief.to_dict() for brief in session.briefs],
                "older_count": session.older_count,
                "annotation": session.annotation,
                "experiments": session.experiments,
            },
        }
        place = bundle.write_bundle(
            directory,
            run=run,
            rankings=[r.to_dict() for r in session.rankings],
            preferences=[p.to_dict() for p in session.pairs],
            metrics=session.metrics,
            samples=session.samples,
            evaluation=session.evaluation,
            tensors=tensors,
        )
        if directory == session.directory:
            session.step_on_disk = step_on_disk
        return place


def tensors_to_write(session: Session, directory: Path) -> dict:
    """What the weight files shall hold. Weights of a reopened session that nobody needed yet stay
    where they are, or are copied to another folder.
    """
    model, policy, start = session.reward_model, session.tuned_weights, session.start_weights
    if (
        policy == ON_DISK and session.weights is None
    ):  # a round that has no step yet stands where it started
        policy = bundle.read_bundle(session.directory)["tensors"]["round_start"]
    stored = (
        bundle.read_bundle(session.directory)["tensors"]
        if ON_DISK in (model, policy, start) and directory != session.directory
        else {}
    )
    here = {
        "reward_model": model if model in (None, ON_DISK) else model.tensors(),
        "policy": policy,
        "round_start": start,
    }
    return {**stored, **{name: tensors for name, tensors in here.items() if tensors != ON_DISK}}


def run_name(name: object) -> str | None:
    """The name of a run's folder of checkpoints, from a file: nothing that could lead elsewhere."""
    return name if isinstance(name, str) and re.fullmatch("[0-9a-f]{8}", name) else None


def load(directory: str | Path) -> Session:
    """A session from its bundle. Raises BundleError, BriefError or PreferenceError, each in one
    sentence.

    Weights are read when they are first needed (``workbench.ready``). The policy goes on as if
    never closed where its checkpoints are at hand (``studio``), else with a fresh optimiser and
    value head. A bundle holds the weights of the last round, those that this round started from;
    the earlier ones' and the branches' lie in the session's folder (``rounds``).
    """
    contents = bundle.read_bundle(directory, tensors=False)
    run, state = contents["run"], contents["run"].get("state", {})
    try:
        session = Session(
            briefs.from_dict(run["brief"]),
            model_name=run["model"]["name"],
            seed=int(run["seed"]),
            id=run["id"],
            directory=Path(directory),
        )
        session.rankings = [Ranking.from_dict(row) for row in contents["rankings"]]
        session.briefs = [
            briefs.from_dict(row) for row in state.get("briefs", [])
        ] or session.briefs
        session.older_count = bool(state.get("older_count", True))
        if state.get("imported"):
            rows = contents["preferences"][
                : int(state["imported"])
            ]  # the rest follows from the rankings
            session.imported = [
                pair_from_row(row, f"preferences.jsonl row {i}") for i, row in enumerate(rows, 1)
            ]
        session.exploits = [
            pair_from_row(row, f"run.json exploit {i}")
            for i, row in enumerate(state.get("exploits", []), 1)
        ]
        session.lab = dict(state.get("lab", {}))
        session.annotation = dict(state.get("annotation", {}))
        session.status, session.note, session.settings = (
            run["status"],
            run.get("note", ""),
            run.get("settings", {}),
        )
        session.metrics, session.samples, session.evaluation = (
            contents["metrics"],
            contents["samples"],
            contents["evaluation"],
        )
        session.step_on_disk = int(state.get("step_on_disk", session.steps_done))
        if (
            session.steps_done > session.step_on_disk
        ):  # ended between two saves of the weights: go on from where the weights are
            session.metrics, session.samples = (
                [row for row in rows if row["step"] <= session.step_on_disk]
                for rows in (session.metrics, session.samples)
            )
            session.evaluation = None
            session.note = (
                f"{session.note} Its weights are those of step {session.step_on_disk}, so it goes"
                " on from there.".strip()
            )
        session.user_prompts, session.rounds, session.votes = (
            list(state.get("user_prompts", [])),
            list(state.get("rounds", [])),
            list(state.get("votes", [])),
        )
        session.fit_records, session.reward_summary = (
            list(state.get("fit_records", [])),
            dict(state.get("reward_summary", {})),
        )
        session.candidate_sets, session.drawn = (
            list(state.get("candidate_sets", [])),
            int(state.get("drawn", 0)),
        )
        session.current_round = int(run.get("round", 1))
        session.branches, session.predictions = (
            readable(list(state.get("branches", []))),
            list(state.get("predictions", [])),
        )
        session.ppo_run, session.ppo_log = (
            run_name(state.get("ppo_run")) or session.ppo_run,
            [s for s in state.get("ppo_log", []) if s["step"] <= session.steps_done],
        )
        session.experiments = dict(state.get("experiments", {}))
        session.model_hash = run["model"].get("sha256", "")
        files = run["files"]
        session.reward_model = ON_DISK if "reward_model.safetensors" in files else None
        session.weights = ON_DISK if session.steps_done and "policy.safetensors" in files else None
        session.start_weights = ON_DISK if "round_start.safetensors" in files else None
    except (errors.BriefError, PreferenceError):
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise bundle.BundleError(
            f"The bundle {directory} is incomplete: {type(error).__name__} {error} in run.json."
        ) from error
    return session
