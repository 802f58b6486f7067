"""Weights by name: where the tensors lie that a session's parts name.

A name is the hash of what it names (``loop.workbench`` gives it). Its tensors are in memory
(``session.held``), or where the session's store keeps them: as blobs (``database_weights``), else
in the session's folder (``folder_weights``). Imports no torch.
"""

from __future__ import annotations

from pathlib import Path

from rlhf_core.common.errors import BundleError
from rlhf_core.session import folder_weights
from rlhf_core.session.folder_weights import is_name
from rlhf_core.session.state import Session
from rlhf_core.store import checkpoint_folder
from rlhf_core.store.keeping import Weights

SMALL = 32_000_000  # bytes of a policy that is saved at every step; a larger one every so often
SAVE_EVERY = 5  # PPO steps between two saves of a large policy


def keeper(session: Session) -> Weights:
    """Where this session's weights lie while they are not in memory."""
    return getattr(session.store, "weights", None) or folder_weights


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
    """Every name that the session's parts name, those on the shelf too."""
    names = names_in(vars(session.learned), vars(session.tuned), vars(session.history))
    for row in session.shelf.values():
        names |= names_in(row["learned"], row["tuned"], row["history"])
        names |= {name for heads in row["heads"].values() for name in heads}
    for found in session.labs.values():
        if isinstance(found, dict):
            names |= {*found.get("heads", ())}
    return names - {""}


def names_in(learned: dict, tuned: dict, history: dict) -> set[str]:
    """The names in these three parts, given as plain values."""
    names = {learned["head"], tuned["weights"], history["start"]}
    names |= {name for row in history["rounds"] for name in names_of(row)}
    for branch in history["branches"]:
        names |= {*names_of(branch), branch["start"]}
        names |= {name for row in branch["rounds"] for name in names_of(row)}
    return names


def names_of(row: dict) -> tuple[str, str]:
    """The policy and the reward model of a finished round or a branch; "": none is kept."""
    return row.get("weights") or "", row.get("head") or ""


def is_kept(session: Session, name: str) -> bool:
    """Whether there are tensors under ``name``, without reading them."""
    return is_name(name) and (name in session.held or keeper(session).has(session, name))


def is_whole(session: Session, name: str) -> bool:
    """Whether the tensors of ``name`` can be had: kept, and not in a file that is damaged."""
    if not is_kept(session, name):
        return False
    return name in session.held or keeper(session).whole(session, name)


def is_put_away(session: Session, name: str) -> bool:
    """Whether ``name`` lies elsewhere than in memory."""
    return is_name(name) and keeper(session).has(session, name)


def tensors(session: Session, name: str) -> dict | None:
    """The tensors of ``name``, or None: not kept any more. Raises BundleError for a bundle that is
    damaged.
    """
    if not is_name(name):
        return None
    with session.lock:  # a save may put other weights into the file that the name is read from
        if name not in session.held:
            session.held = {**session.held, **keeper(session).read(session, name)}
        return session.held.get(name)


def put_away(session: Session, name: str) -> None:
    """Have the tensors of ``name`` elsewhere than in memory, where there is a place for them."""
    if not is_name(name) or keeper(session).lasts(session, name):
        return
    if (found := tensors(session, name)) is None:
        return
    keeper(session).put_away(session, name, found)


def hold(session: Session, name: str) -> None:
    """Have the tensors of ``name`` stay, in memory where they lie nowhere that lasts."""
    if is_name(name) and not keeper(session).lasts(session, name):
        tensors(session, name)


def bytes_kept(session: Session) -> int:
    """Bytes of all weights that the session has put away."""
    return keeper(session).size(session, in_use(session))


def tidy(session: Session) -> None:
    """Remove what nothing names."""
    keeper(session).tidy(session, in_use(session))
    drop_unused(session)


def drop_unused(session: Session) -> None:
    """Let go of tensors in memory that no part names, and of those of earlier rounds that are put
    away.
    """
    used, present = in_use(session), {session.learned.head, session.tuned.weights}
    present |= {session.history.start}
    others = {name for name in used - present if keeper(session).lasts(session, name)}
    keep = used - others
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
    written: dict[str, dict | None] = {}
    holds = {**names, **here}
    for role, name in names.items():
        if not name:
            written[role] = None
        elif there.get(role) == name:
            continue
        elif role == "policy" and may_wait(session, name, there):
            holds |= {key: there[key] for key in ("policy", "run", "step")}
        else:
            written[role] = _needed(session, name)
    return written, holds


def may_wait(session: Session, name: str, there: dict) -> bool:
    """Whether a large policy in training may go unwritten for some steps: the file then has to hold
    an earlier step of the same run, or it would be taken for what it is not.
    """
    done, found = session.tuned.steps_done, session.held.get(name)
    same_run = there.get("run") == session.tuned.run and there.get("policy")
    earlier = same_run and there.get("step", done + 1) <= done
    on_the_way = session.under_way and done % SAVE_EVERY
    return bool(earlier and on_the_way and found is not None and size(found) > SMALL)


def _needed(session: Session, name: str) -> dict:
    """From memory, else as they are kept: a server writes a bundle without torch."""
    found = session.held.get(name) or keeper(session).raw(session, name)
    if not found:
        raise BundleError(
            "Weights of this session are no longer kept, so it cannot be saved whole."
        )
    return found


def steps_again(session: Session, step: int) -> int:
    """How many PPO steps have to be made again before the round stands at ``step``."""
    place = checkpoints(session)
    return step - (checkpoint_folder.nearest(place, step) or 0 if place else 0)
