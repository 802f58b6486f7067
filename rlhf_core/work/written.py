"""A job written down: its name, its arguments and the session state that it needs, as JSON and
safetensors; and run from there, in whatever process.

    FOLDER/job.json          {"name", "args", "more", "session": the session as plain values}
    FOLDER/weights/NAME.safetensors      the tensors that the state names
    FOLDER/policy/           a policy in training: a checkpoint, with its optimiser and its luck
    FOLDER/session/          the session's own checkpoints, where it keeps any

``python -m rlhf_core.work.written FOLDER ...`` runs each, and writes FOLDER/records.jsonl and
FOLDER/after.json, the session as it then is (any new weights beside the old). Settings and briefs
among the arguments are written by the name of their class. Imports torch.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file, save_file

from rlhf_core.algorithms import checkpoints
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.common import settings
from rlhf_core.common.events import Progress
from rlhf_core.common.known import known
from rlhf_core.loop.run_log import settings_of
from rlhf_core.loop.workbench import policy_of, ready, set_policy, trunk_with, tuned_of
from rlhf_core.session import saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder
from rlhf_core.work import plain, running

JOB, RECORDS, AFTER = "job.json", "records.jsonl", "after.json"


# --- down -----------------------------------------------------------------------------------------


def write(folder: Path, session: Session, name: str, *args, **more) -> Path:
    """Write the job down into ``folder``, which is made; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    with session.lock:
        _write_weights(folder, session)
        policy = policy_of(session)
        if policy is not None:
            segment = len(session.tuned.log) - 1
            checkpoints.write(folder / "policy", policy, model=session.model_hash, segment=segment)
        kept = weights.checkpoints(session)
        if kept is not None and kept.is_dir():
            shutil.copytree(kept, folder / "session" / "checkpoints" / kept.name)
        data = {
            "name": name,
            "args": [plain.written(value) for value in args],
            "more": {key: plain.written(value) for key, value in more.items()},
            "session": saving.to_dict(session),
        }
    (folder / JOB).write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return folder


def _write_weights(folder: Path, session: Session) -> None:
    """The tensors of every name that the session names, each once."""
    for name in sorted(weights.in_use(session)):
        place = folder / "weights" / f"{name}.safetensors"
        if not place.is_file() and (tensors := weights.tensors(session, name)) is not None:
            place.parent.mkdir(exist_ok=True)
            save_file({k: t.detach().clone().contiguous() for k, t in tensors.items()}, place)


# --- and run from there ---------------------------------------------------------------------------


def read(folder: Path) -> tuple[Session, str, list, dict]:
    """The session as it was, and the job's name, arguments and named arguments."""
    data = json.loads((folder / JOB).read_text(encoding="utf-8"))
    session = saving.from_dict(data["session"])
    for place in (folder / "weights").glob("*.safetensors"):
        session.held[place.stem] = load_file(place)
    if session.restartable:
        session.directory = folder / "session"
    if steps := checkpoint_folder.steps_in(folder / "policy"):
        lm, start = ready(session), tuned_of(session)
        about = known(checkpoint_folder.about(folder / "policy", steps[-1]))
        frozen = about["frozen_layers"]
        log = session.tuned.log
        how = settings_of(log[-1]) if log else settings.PPOSettings(frozen_layers=frozen)
        policy = Policy(trunk_with(lm, start), dataclasses.replace(how, frozen_layers=frozen))
        checkpoints.restore(folder / "policy", steps[-1], policy, model=session.model_hash)
        set_policy(session, policy)
    more = {key: plain.read(value) for key, value in data["more"].items()}
    return session, data["name"], [plain.read(value) for value in data["args"]], more


def records(folder: Path) -> Iterator[dict]:
    """Run the job that ``folder`` holds; its records. After the last one stands what it changed."""
    session, name, args, more = read(folder)
    work = running.begin(running.Order(name, session, tuple(args), more))
    yield from (item for item in work if not isinstance(item, Progress))
    _write_weights(folder, session)
    after = json.dumps(saving.to_dict(session), ensure_ascii=False)
    (folder / AFTER).write_text(after, encoding="utf-8")


def main(folders: list[str]) -> int:
    for folder in map(Path, folders):
        with (folder / RECORDS).open("w", encoding="utf-8") as out:
            for record in records(folder):
                out.write(json.dumps(record, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
