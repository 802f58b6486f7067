"""A session's bundle: what of a ``Session`` goes to disk, and a ``Session`` from what lies there.

Weights of a reopened session stay on disk until the worker needs them (``weights``). Knows nothing
about how files are written safely (``store.bundle``) or what the values mean.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from rlhf_core.common.errors import BriefError, BundleError, PreferenceError
from rlhf_core.common.known import known
from rlhf_core.common.source import engine_version
from rlhf_core.judging.preferences import pair_from_row
from rlhf_core.session import judged, older_limits, paper, rounds, shelf, weights
from rlhf_core.session.folder_weights import is_name
from rlhf_core.session.state import ABOUT_HEAD, Asked, History, Judged, Learned, Session, Tuned
from rlhf_core.store import bundle, marker


class Folder:
    """A ``store.keeping.Store``: each session in its own folder.

    ``ours``: the app chose that folder. Only then is it marked as the app's and ever deleted; a
    folder that a person named stays.
    """

    weights = pools = None

    def __init__(self, ours: bool = False):
        self.ours = ours

    def refresh(self, session: Session) -> None:
        """Nobody else writes the folder of a run."""

    def save(self, session: Session) -> None:
        """Raises BundleError."""
        save(session)
        if self.ours:
            marker.mark(known(session.directory))

    def delete(self, session: Session) -> None:
        """Remove what the session has on disk, where the app made it; the object is not used
        again.
        """
        with session.lock:
            session.deleted = True
            if self.ours and session.directory is not None and session.directory.exists():
                shutil.rmtree(session.directory, ignore_errors=True)


# --- a session as plain values, and back ----------------------------------------------------------


def to_dict(session: Session) -> dict:
    """The whole session as plain values: what a job takes along when it leaves the process."""
    with session.lock:
        return {
            "id": session.id,
            "seed": session.seed,
            "model": {"name": session.model_name, "sha256": session.model_hash},
            "made_by": session.made_by,
            "settings": session.settings,
            "step_times": session.step_times,
            "restartable": session.restartable,
            "asked": session.asked.to_dict(),
            "judged": session.judged.to_dict(),
            "learned": session.learned.to_dict(),
            "tuned": session.tuned.to_dict(),
            "history": session.history.to_dict(),
            "labs": session.labs,
            "shelf": session.shelf,
        }


def from_dict(data: dict) -> Session:
    """A session from ``to_dict``'s values. Raises ValueError (our own too), KeyError, TypeError."""
    asked, model = Asked.from_dict(data["asked"]), data["model"]
    session = Session(asked.brief, model_name=model["name"], seed=int(data["seed"]), id=data["id"])
    session.model_hash, session.asked = model.get("sha256", ""), asked
    session.judged = Judged.from_dict(data["judged"])
    session.learned = Learned.from_dict(data["learned"])
    session.tuned = Tuned.from_dict(data["tuned"])
    session.history = History.from_dict(data["history"])
    session.labs, session.settings = dict(data.get("labs", {})), dict(data.get("settings", {}))
    session.shelf = {k: row for k, row in data.get("shelf", {}).items() if shelf.readable(row)}
    session.made_by = list(map(str, data.get("made_by", [])))
    session.step_times = dict(data.get("step_times", {}))
    session.restartable = bool(data.get("restartable", False))
    return session


# --- the bundle -----------------------------------------------------------------------------------

_IN_FILES = {"tuned": ("metrics", "samples", "evaluation"), "judged": ("rankings", "imported")}


def save(session: Session, directory: str | Path | None = None, *, status: str = "") -> Path:
    """Write the bundle, into the session's own folder or another. Raises BundleError."""
    directory = Path(directory or known(session.directory))
    with session.lock:
        session.made_by = list(dict.fromkeys([*session.made_by, engine_version()]))
        told = "running" if session.under_way and session.status == "done" else session.status
        tensors, holds = weights.to_write(session, directory)
        state = to_dict(session)
        in_files = {name: state[part].pop(name) for part in _IN_FILES for name in _IN_FILES[part]}
        imported = in_files.pop("imported")
        state["judged"]["imported"] = len(imported)
        others = judged.pairs(session)[len(imported) :]  # what was imported comes first
        run = {
            "id": session.id,
            "status": status or told,
            "brief": state["asked"].pop("brief"),
            "judge": judged.rater(session),
            "model": state.pop("model"),
            "made_by": state.pop("made_by"),
            "seed": state.pop("seed"),
            "settings": state.pop("settings"),
            "round": session.history.current_round,
            "state": {
                **{k: v for k, v in state.items() if k not in ("id", "step_times", "restartable")},
                "on_disk": holds,
            },
        }
        whole = run["status"] != "running"  # in between, a save has to be quick
        place = bundle.write_bundle(
            directory,
            run=run,
            facts=paper.facts(session) if whole else None,
            preferences=[*imported, *(pair.to_dict() for pair in others)],
            tensors=tensors,
            **in_files,
        )
        if directory == session.directory:
            session.on_disk = holds
        return place


def load(directory: str | Path) -> Session:
    """A session from its bundle. Raises BundleError, BriefError or PreferenceError, each in one
    sentence.

    Weights are read when they are first needed. The policy goes on as if never closed where its
    checkpoints are at hand (``loop.tuning``), else with a fresh optimiser and value head. A bundle
    holds the weights of the last round, and those that this round started from; the earlier ones'
    and the branches' lie in the session's folder (``weights``).
    """
    contents = bundle.read_bundle(directory, tensors=False)
    run = contents["run"]
    settings = run.get("settings", {})
    if not isinstance(settings, dict) or not all(isinstance(v, dict) for v in settings.values()):
        raise BundleError(
            f"The settings in run.json of {directory} are not settings that a run has: each stage"
            " has its own by name."
        )
    try:
        state = run.get("state", {})
        data = state if "asked" in state else from_before(run, state)
        imported = int(data["judged"].get("imported") or 0)
        rows = contents["preferences"][:imported]  # the rest follows from the rankings
        rankings, shortened = older_limits.rankings_within(contents["rankings"])
        files = list(data["judged"].get("imports", []))
        rows, files, reweighed = older_limits.imported_within(rows, files)
        data = {
            **data,
            **{name: run.get(name, {}) for name in ("id", "seed", "model", "settings")},
            "made_by": run.get("made_by", [""]),
            "asked": {**data["asked"], "brief": run["brief"]},
            "judged": {**data["judged"], "rankings": rankings, "imported": [], "imports": files},
            "tuned": {
                **data["tuned"],
                **{name: contents[name] for name in _IN_FILES["tuned"]},
                "run": run_name(data["tuned"].get("run")) or Tuned().run,
            },
        }
        session = from_dict(data)
        session.directory = Path(directory)
        session.judged.imported = [
            pair_from_row(row, f"preferences.jsonl row {i}") for i, row in enumerate(rows, 1)
        ]
        session.status = run["status"]
        session.note = " ".join(filter(None, (run.get("note", ""), shortened, reweighed)))
        files = run["files"]
        holds = {
            role: name
            for role, name in data["on_disk"].items()
            if role in ("step", "run") or (is_name(name) and bundle.WEIGHTS[role] in files)
        }
        session.on_disk = holds
        _settle(session)
        session.history.branches = rounds.readable(session.history.branches)
    except (BriefError, PreferenceError):
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BundleError(
            f"The bundle {directory} is incomplete: {type(error).__name__} {error} in run.json."
        ) from error
    return session


def read(directory: str | Path) -> Session:
    """As ``load``, of a folder that goes away again: the session keeps no place and no weights."""
    session = load(directory)
    session.directory = None
    return session


def _settle(session: Session) -> None:
    """Names whose files are gone name nothing; a run that ended between two saves of its weights
    goes on from where the weights are.
    """
    part, on_disk = session.tuned, session.on_disk
    step = int(on_disk.get("step", part.steps_done))
    if part.steps_done > step:
        part.metrics = [row for row in part.metrics if row["step"] <= step]
        part.samples = [row for row in part.samples if row["step"] <= step]
        part.evaluation = None
        session.note = (
            f"{session.note} Its weights are those of step {step}, so it goes on from there."
        ).strip()
    part.log = [segment for segment in part.log if segment["step"] <= part.steps_done]
    part.weights = on_disk.get("policy", "") if part.steps_done else ""
    session.learned.head = on_disk.get("reward_model", "")
    session.history.start = on_disk.get("round_start", "")


def run_name(name: object) -> str | None:
    """The name of a run's folder of checkpoints, from a file: nothing that could lead elsewhere."""
    return name if isinstance(name, str) and re.fullmatch("[0-9a-f]{8}", name) else None


# --- bundles of before the parts ------------------------------------------------------------------


def from_before(run: dict, state: dict) -> dict:
    """The parts from a run.json of format 1's first writers, which had everything side by side."""
    annotation, labs = dict(state.get("annotation", {})), dict(state.get("experiments", {}))
    moved = {
        "speed": "speed_accuracy",
        "instructions": "instructions_matter",
        "whose": "whose_preferences",
    }
    for old, new in moved.items():
        if annotation.get(old):
            labs[new] = annotation[old]
    if state.get("lab"):
        labs[ABOUT_HEAD] = state["lab"]
    files = run["files"]
    on_disk = {
        role: files[file]["sha256"] for role, file in bundle.WEIGHTS.items() if file in files
    }
    if "step_on_disk" in state:
        on_disk["step"] = state["step_on_disk"]
    asked = ("briefs", "older_count", "user_prompts", "candidate_sets", "drawn")
    return {
        "asked": {k: state[k] for k in asked if k in state},
        "judged": {
            "imported": state.get("imported", 0),
            "imports": annotation.get("imports", []),
            "exploits": state.get("exploits", []),
            "votes": state.get("votes", []),
            "people": annotation.get("people", []),
            "sitting": annotation.get("sitting", ""),
        },
        "learned": {
            "head": on_disk.get("reward_model", ""),
            "fit_records": list(state.get("fit_records", [])),
            "summary": dict(state.get("reward_summary", {})),
        },
        "tuned": {
            "weights": on_disk.get("policy", ""),
            "run": state.get("ppo_run"),
            "log": list(state.get("ppo_log", [])),
        },
        "history": {
            "rounds": [_named(row) for row in state.get("rounds", [])],
            "current_round": int(run.get("round", 1)),
            "start": on_disk.get("round_start", ""),
            "branches": [_named_branch(row) for row in state.get("branches", [])],
            "predictions": list(state.get("predictions", [])),
        },
        "labs": labs,
        "on_disk": on_disk,
    }


def _named(row: dict) -> dict:
    """A finished round, or a branch, whose policy and reward model shared a file."""
    file = row.get("file") if isinstance(row, dict) else None
    if not file:
        return row
    return {**row, "weights": f"{file}.policy", "head": f"{file}.reward_model"}


def _named_branch(branch: dict) -> dict:
    if not isinstance(branch, dict) or not isinstance(branch.get("rounds"), list):
        return branch
    start = branch.get("start_file")
    head = f"{start}.reward_model" if start else ""  # where the unfinished round has no step yet
    named = {"weights": "", "head": head, "log": branch.get("ppo_log"), **_named(branch)}
    rows = [_named(row) for row in branch["rounds"]]
    return {**named, "rounds": rows, "start": f"{start}.policy" if start else ""}
