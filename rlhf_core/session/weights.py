"""Weights by name: where the tensors lie that a session's parts name.

A name is the hash of what it names (``loop.workbench`` gives it). Its tensors are in memory
(``session.held``), in the session's bundle, or in its folder of rounds. Imports torch only where
tensors are read from a file or written to one.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open

from rlhf_core.common.errors import BundleError
from rlhf_core.session.state import Session, without_place
from rlhf_core.store import bundle, checkpoint_folder
from rlhf_core.store.plain_files import OWNERS, make_folder

SMALL = 32_000_000  # bytes of a policy that is saved at every step; a larger one every so often
SAVE_EVERY = 5  # PPO steps between two saves of a large policy


def folder(session: Session) -> Path | None:
    """Where finished rounds and branches have their weights."""
    return session.directory / "rounds" if session.directory and not session.deleted else None


def checkpoints(session: Session) -> Path | None:
    """Where this round's checkpoints are; None where none are kept."""
    if not (session.restartable and session.directory and not session.deleted):
        return None
    return session.directory / "checkpoints" / session.tuned.run


def now(session: Session) -> str:
    """The model as it stands: this round's weights, else what the round started from; "": the
    original.
    """
    return session.tuned.weights or session.history.start


def in_use(session: Session) -> set[str]:
    """Every name that the session's parts name."""
    history = session.history
    names = {session.learned.head, session.tuned.weights, history.start}
    names |= {name for row in history.rounds for name in names_of(row)}
    for branch in history.branches:
        names |= {*names_of(branch), branch["start"]}
        names |= {name for row in branch["rounds"] for name in names_of(row)}
    for found in session.labs.values():
        if isinstance(found, dict):
            names |= {*found.get("heads", ())}
    return names - {""}


def names_of(row: dict) -> tuple[str, str]:
    """The policy and the reward model of a finished round or a branch; "": none is kept."""
    return row.get("weights") or "", row.get("head") or ""


def is_name(name: object) -> bool:
    """Whether this is one of our names: a record may come from a file, and nothing else may become
    a part of a path.
    """
    return isinstance(name, str) and bool(re.fullmatch(r"[0-9a-f]{64}", name) or _former(name))


def _former(name: str) -> re.Match | None:
    """An older version kept both in one file: "weights-1234.policy" is one half of it."""
    return re.fullmatch(r"(weights-[0-9a-f]{12})\.(policy|reward_model)", name)


def place_of(session: Session, name: str) -> Path | None:
    """The file of a name in the folder of rounds, whether it is there or not."""
    place = folder(session)
    if place is None or not is_name(name):
        return None
    former = _former(name)
    return place / f"{former[1] if former else name}.safetensors"


def is_kept(session: Session, name: str) -> bool:
    """Whether there are tensors under ``name``, without reading them."""
    if not is_name(name):
        return False
    place = place_of(session, name)
    bundled = name in session.on_disk.values()
    return name in session.held or bundled or bool(place and place.is_file())


def is_whole(session: Session, name: str) -> bool:
    """Whether the tensors of ``name`` can be had: kept, and not in a file that is damaged."""
    if not is_kept(session, name):
        return False
    if name in session.held or name in session.on_disk.values():
        return True
    try:
        with safe_open(place_of(session, name), framework="numpy"):
            return True
    except (OSError, SafetensorError):
        return False


def tensors(session: Session, name: str) -> dict | None:
    """The tensors of ``name``, or None: not kept any more. Raises BundleError for a bundle that is
    damaged.
    """
    if not is_name(name):
        return None
    with session.lock:  # a save may put other weights into the file that the name is read from
        if name not in session.held:
            session.held = {**session.held, **_read(session, name)}
        return session.held.get(name)


def _read(session: Session, name: str) -> dict[str, dict]:
    """The tensors of ``name`` by it, from a file; with them whatever else the bundle holds, which
    is read and checked as a whole. Empty where they are not kept.
    """
    if name in session.on_disk.values():
        try:
            stored = bundle.read_bundle(session.directory)["tensors"]
        except BundleError as error:
            if not session.restartable:  # a terminal is told which folder
                raise
            raise BundleError(without_place(str(error), session.directory)) from error
        names = {role: session.on_disk.get(role) for role, found in stored.items() if found}
        return {one: stored[role] for role, one in names.items() if one}
    place = place_of(session, name)
    if place is None:
        return {}
    from safetensors.torch import load_file

    try:
        found = load_file(place)
    except (OSError, SafetensorError):
        return {}
    if former := _former(name):
        part = f"{former[2]}."
        found = {k.removeprefix(part): v for k, v in found.items() if k.startswith(part)}
    return {name: found} if found else {}


def put_away(session: Session, name: str) -> None:
    """Have the tensors of ``name`` in the folder of rounds. Where there is none, or no room in it,
    they stay in memory, and a restart of the server loses them.
    """
    place = place_of(session, name)
    if place is None or place.is_file() or (found := tensors(session, name)) is None:
        return
    from safetensors.torch import save_file

    with suppress(OSError, SafetensorError):
        make_folder(place.parent)
        about = {"about": json.dumps({"model": session.model_hash})}
        whole = {key: value.detach().clone().contiguous() for key, value in found.items()}
        save_file(whole, place.with_suffix(".tmp"), about)
        place.with_suffix(".tmp").chmod(OWNERS)
        place.with_suffix(".tmp").replace(place)


def drop_unused(session: Session) -> None:
    """Let go of tensors in memory that no part names, and of those of earlier rounds that lie on
    disk.
    """
    used, present = in_use(session), {session.learned.head, session.tuned.weights}
    present |= {session.history.start}
    on_disk = {name for name in used if (place := place_of(session, name)) and place.is_file()}
    keep = used - (on_disk - present)
    session.held = {name: found for name, found in session.held.items() if name in keep}


def size(found: dict) -> int:
    """Bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in found.values())


# --- what the bundle's weight files shall hold ----------------------------------------------------


def to_write(session: Session, directory: Path) -> tuple[dict, dict]:
    """(tensors by role for ``bundle.write_bundle``, what the files then hold, by role, and "step").

    A role left out of the first stays as it lies there. A large policy that trains is written only
    every so often: until then the file holds an earlier step's.
    """
    there = session.on_disk if directory == session.directory else {}
    names = {
        "reward_model": session.learned.head,
        "policy": now(session),
        "round_start": session.history.start,
    }
    here = {"run": session.tuned.run, "step": session.tuned.steps_done}
    written, holds = {}, {**names, **here}
    for role, name in names.items():
        if not name:
            written[role] = None
        elif there.get(role) == name:
            continue
        elif role == "policy" and _may_wait(session, name, there):
            holds |= {key: there[key] for key in ("policy", "run", "step")}
        else:
            written[role] = _needed(session, name)
    return written, holds


def _may_wait(session: Session, name: str, there: dict) -> bool:
    """Whether a large policy in training may go unwritten for some steps: the file then has to hold
    an earlier step of the same run, or it would be taken for what it is not.
    """
    done, found = session.tuned.steps_done, session.held.get(name)
    same_run = there.get("run") == session.tuned.run and there.get("policy")
    earlier = same_run and there.get("step", done + 1) <= done
    on_the_way = session.under_way and done % SAVE_EVERY
    return bool(earlier and on_the_way and found is not None and size(found) > SMALL)


def _needed(session: Session, name: str) -> dict:
    found = tensors(session, name)
    if found is None:
        raise BundleError(
            "Weights of this session are no longer kept, so it cannot be saved whole."
        )
    return found


def steps_again(session: Session, step: int) -> int:
    """How many PPO steps have to be made again before the round stands at ``step``."""
    place = checkpoints(session)
    return step - (checkpoint_folder.nearest(place, step) or 0 if place else 0)
