"""A run from elsewhere, opened as a session of one's own: a zip that somebody gave, or a folder
that the command line made in the folder of runs.

A stranger's zip is looked at before it is unpacked (``store.archive``), its files must be what
run.json says of them (``store.bundle``), and what is in them must be what a run holds
(``harmless``). The session gets an id of its own; where it came from stays as it is. Jobs of the
worker; they import no torch.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from rlhf_core.common.errors import BundleError, InputError, StoreError
from rlhf_core.common.events import Progress, Record
from rlhf_core.judging.preferences import EXPLOIT, Pair, Ranking
from rlhf_core.session import folder_sessions, harmless, registry, saving
from rlhf_core.session.pseudonyms import OPENED
from rlhf_core.session.state import Session
from rlhf_core.store import archive, bundle, plain_files
from rlhf_core.store.card import holds

HEAD = ("whitener.mean", "whitener.matrix", "weights", "covariance", "normalisation")
MOST_SHOWN = 3
# What reading values of the wrong kind or size raises: 1e400 is infinity, and no whole number.
STRANGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def from_zip(session: Session, sha256: str, called: str) -> Iterator[Progress | dict]:
    """Open the zip that lies among the blobs as ``sha256``; ``called``: as who gave it calls it.

    One record {"kind": "opened", "id", "sentence"}. Raises BundleError, in one sentence.
    """
    yield Progress("unpacking", 0, 2)
    try:
        data = registry.keeper().weights.take_up(sha256)
    except StoreError as error:
        if error.kind != "missing":
            raise
        raise BundleError("The uploaded file is no longer there: give it once more.") from error
    files, left_out = archive.unpack(data, called, bundle.most_bytes)
    if bundle.RUN not in files:
        raise BundleError(
            f"{Path(called).name[:80]} is a zip, but there is no run.json in it: it is not a run"
            " of this app."
        )
    yield Progress("checking", 1, 2)
    try:
        with tempfile.TemporaryDirectory(prefix="opossum-") as place:
            plain_files.put_files(Path(place), files)
            opened, told = _checked(Path(place), called)
            here: Record = {"file": Path(called).name[:200], "sha256": sha256}
            here["rankings"] = len(opened.judged.rankings)  # whose "you" is not the opener's
            opened.settings = {**opened.settings, OPENED: here}
            _keep(opened, Path(place))
    except OSError as error:
        raise plain_files.no_room(Path("The unpacked run"), error) from error
    if left_out:
        names = ", ".join(f"“{name[:40]}”" for name in left_out[:MOST_SHOWN])
        more = f" and {len(left_out) - MOST_SHOWN} more" if len(left_out) > MOST_SHOWN else ""
        words = "belongs to no run and was" if len(left_out) == 1 else "belong to no run and were"
        told = [*told, f"{names}{more} in the zip {words} not read"]
    yield _record(opened, called, told)


def from_folder(session: Session, name: str) -> Iterator[Progress | dict]:
    """Open the folder called ``name`` in the folder of runs, where it stays. As ``from_zip``."""
    if name not in folders():
        raise InputError(f"There is no run called {name[:60]!r} in the folder of runs.")
    yield Progress("checking", 1, 2)
    opened, told = _checked(registry.folder() / name, name, trusted=True)
    _keep(opened, registry.folder() / name)
    yield _record(opened, name, told)


def folders() -> list[str]:
    """The runs in the folder of runs that a person put there, by name."""
    place = registry.folder()
    if not place.is_dir():
        return []
    found = []
    for directory in place.iterdir():
        plain = re.fullmatch(r"[^./\\][^/\\]{0,99}", directory.name) and not directory.is_symlink()
        if plain and not registry.is_id(directory.name) and (directory / bundle.RUN).is_file():
            found.append(directory.name)
    return sorted(found)


def _checked(directory: Path, called: str, trusted: bool = False) -> tuple[Session, list[str]]:
    """The session that a folder holds, and what there is to know of it. Raises BundleError, whose
    sentence names what was given and no place on this server.
    """
    shown = f"{Path(called).name[:80]} is not opened: "
    try:
        contents = bundle.read_bundle(directory, tensors=False)
        _check_weights(directory, contents["run"])
        if not trusted:
            harmless.check_steps(contents)
        session = saving.load(directory)
        told = [] if trusted else harmless.check(session)
    except STRANGE as error:
        if not type(error).__module__.startswith("rlhf_core"):
            what = f"it holds something that no run of this app writes ({type(error).__name__})."
            raise BundleError(shown + what) from error
        sentence = plain_files.without_place(str(error), directory)
        sentence = sentence.replace("This session's folder", "it")
        raise BundleError(shown + sentence[:1].lower() + sentence[1:]) from error
    told_of = holds(contents["run"], contents, list(contents["run"]["files"]))
    session.note = told_of.replace("comparison", "judged pair")
    return session, told


def _check_weights(directory: Path, run: dict) -> None:
    """Every file of weights: its checksum, format and numbers. Raises BundleError."""
    for name in bundle.WEIGHTS.values():
        entry = run["files"].get(name)
        if entry is None:
            continue
        data = bundle.checked_bytes(directory, name, entry)
        try:
            tensors = load_tensors(data)
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{name} is not a usable safetensors file: {error}.") from error
        for key, tensor in tensors.items():
            if tensor.dtype.kind == "f" and not numpy.isfinite(tensor).all():
                raise BundleError(f"{name} holds numbers that are not finite in {key[:60]!r}.")
        if name == bundle.WEIGHTS["reward_model"] and not _is_head(tensors):
            raise BundleError(f"{name} is no reward model of this app.")


def _is_head(tensors: dict) -> bool:
    if not {*HEAD} <= {*tensors}:
        return False
    mean, matrix, weights, covariance, unit = (tensors[name].shape for name in HEAD)
    wide = len(mean) == 1 and len(weights) == 1 and matrix == (*mean, *weights)
    return wide and covariance == (*weights, *weights) and unit == (2,)


def _keep(session: Session, directory: Path) -> None:
    """In the database from now on, under an id of its own. Raises StoreError."""
    session.directory = directory
    files = folder_sessions.files_of(session, directory)
    session.id, session.status, session.restartable = secrets.token_urlsafe(12), "done", True
    session.under_way, session.process, session.jobs = 0, None, {}
    store = registry.keeper()
    session.store, session.on_disk = store, {}
    note, session.note = session.note, ""
    store.take_in(session, files)
    session.note = note


def _record(session: Session, called: str, told: list[str]) -> dict:
    rows: list[Ranking | Pair] = [*session.judged.rankings, *session.judged.imported]
    brief = session.asked.brief
    sentence = (
        f"Opened {Path(called).name[:80]}: a run under the brief “{brief.title}” with"
        f" {session.note}; every file is as it was when the run was saved."
    )
    if told:
        sentence += f" {'. '.join(one[:1].upper() + one[1:] for one in told)}."
    judges = {row.annotator for row in rows} - {EXPLOIT}
    return {"kind": "opened", "id": session.id, "sentence": sentence, "judges": len(judges)}
