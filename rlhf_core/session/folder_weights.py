"""Where a session without a database has its weights: in its bundle's files, and one file a name in
its folder of rounds.

Knows nothing about which names a session uses (``weights``). Imports torch only where tensors are
read from a file or written to one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open

from rlhf_core.common.errors import BundleError
from rlhf_core.common.known import known
from rlhf_core.session.state import Session
from rlhf_core.store import bundle
from rlhf_core.store.plain_files import OWNERS, make_folder, without_place


def is_name(name: object) -> bool:
    """Whether this is one of our names: a record may come from a file, and nothing else may become
    a part of a path.
    """
    return isinstance(name, str) and bool(re.fullmatch(r"[0-9a-f]{64}", name) or former(name))


def former(name: str) -> re.Match | None:
    """An older version kept both in one file: "weights-1234.policy" is one half of it."""
    return re.fullmatch(r"(weights-[0-9a-f]{12})\.(policy|reward_model)", name)


def half_of(name: str, found: dict) -> dict:
    """The tensors of ``name`` among those of its file: of an older version's file, one half."""
    half = former(name)
    if not half:
        return found
    part = f"{half[2]}."
    return {k.removeprefix(part): v for k, v in found.items() if k.startswith(part)}


def folder(session: Session) -> Path | None:
    """Where finished rounds and branches have their weights."""
    return session.directory / "rounds" if session.directory and not session.deleted else None


def place_of(session: Session, name: str) -> Path | None:
    """The file of a name in the folder of rounds, whether it is there or not."""
    place = folder(session)
    if place is None or not is_name(name):
        return None
    half = former(name)
    return place / f"{half[1] if half else name}.safetensors"


# --- what every keeper of weights can do (``store.keeping.Weights``) ------------------------------


def has(session: Session, name: str) -> bool:
    return name in session.on_disk.values() or lasts(session, name)


def lasts(session: Session, name: str) -> bool:
    """In the folder of rounds; the bundle's files are written over."""
    place = place_of(session, name)
    return bool(place and place.is_file())


def whole(session: Session, name: str) -> bool:
    if name in session.on_disk.values():
        return True
    try:
        with safe_open(place_of(session, name), framework="numpy"):
            return True
    except (OSError, SafetensorError, TypeError):
        return False


def read(session: Session, name: str) -> dict[str, dict]:
    """With the tensors of a name those of whatever else the bundle holds, which is read and checked
    as a whole. Raises BundleError.
    """
    if name in session.on_disk.values():
        try:
            stored = bundle.read_bundle(known(session.directory))["tensors"]
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
        found = half_of(name, load_file(place))
    except (OSError, SafetensorError):
        return {}
    return {name: found} if found else {}


def raw(session: Session, name: str) -> dict:
    return read(session, name).get(name, {})


def put_away(session: Session, name: str, tensors: dict) -> None:
    """Where there is no folder, or no room in it, they stay in memory, and a restart of the server
    loses them.
    """
    place = place_of(session, name)
    if place is None or place.is_file():
        return
    from safetensors.torch import save_file

    with suppress(OSError, SafetensorError):
        make_folder(place.parent)
        about = {"about": json.dumps({"model": session.model_hash})}
        whole = {key: value.detach().clone().contiguous() for key, value in tensors.items()}
        save_file(whole, place.with_suffix(".tmp"), about)
        place.with_suffix(".tmp").chmod(OWNERS)
        place.with_suffix(".tmp").replace(place)


def size(session: Session, names: Iterable[str]) -> int:
    places = {place for name in names if (place := place_of(session, name))}
    return sum(place.stat().st_size for place in places if place.is_file())


def tidy(session: Session, used: Iterable[str]) -> None:
    place = folder(session)
    if place is None or not place.is_dir():
        return
    named = (place_of(session, name) for name in used)
    kept = {path.name for path in named if path}
    for path in place.iterdir():
        if path.name not in kept:
            with suppress(OSError):
                path.unlink()
