"""The paper trail on disk: one folder a run, which no crash and no full disk makes unreadable.

A save goes in three steps. (1) Every changed file is written beside its place as ``NAME.tmp`` and
flushed to the disk; nothing of the former save is touched, so a full disk stops here and costs
nothing. (2) ``run.json.tmp``, with the SHA-256 of every file of the new save, is written last: from
here on the new save counts. (3) The files are renamed into place, ``run.json`` last. Reading takes
the newest save that is whole, wherever the writer died. Unchanged files are not written again, so
saving after every PPO step is cheap.

Plain data in, plain data out: knows nothing about sessions, models or training. A bundle may come
from a stranger: names, sizes, checksums and formats are checked before anything is used, and
weights are safetensors only (never pickle). Imports no torch until weights are touched.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rlhf_core.common.errors import BundleError, ChangedError
from rlhf_core.common.events import Record
from rlhf_core.store.card import card, holds
from rlhf_core.store.formats import (
    from_csv,
    from_json,
    from_lines,
    from_safetensors,
    to_csv,
    to_json,
    to_lines,
    to_safetensors,
)
from rlhf_core.store.machine import alive, package_versions, this_process
from rlhf_core.store.plain_files import (
    bytes_of,
    identity,
    lstat,
    make_folder,
    put_file,
    reason,
    size_of,
    stage,
    sync_folder,
)
from rlhf_core.store.public_id import public_id

FORMAT, FORMAT_VERSION = "opossum-run", 1
STATUSES = ("running", "interrupted", "done")
ROWS = {key: f"{key}.jsonl" for key in ("rankings", "preferences", "samples")}
METRICS, EVALUATION, CARD, RUN = "metrics.csv", "evaluation.json", "README.md", "run.json"
WEIGHTS = {key: f"{key}.safetensors" for key in ("reward_model", "policy", "round_start")}
# Every file but run.json, in the order they are written.
NAMES = (*ROWS.values(), METRICS, EVALUATION, *WEIGHTS.values(), CARD)
ATTRIBUTES = ".gitattributes"
# Git must not turn line ends round, or no checksum fits; where LFS is there, weights go to it.
GIT_ATTRIBUTES = b"* -text\n*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
MAX_TEXT_BYTES = 64 * 1024 * 1024
MOST_OF_TEXT, MOST_OF_WEIGHTS = 16 * 1024 * 1024, 64 * 1024 * 1024  # of a stranger's
_WRITING = threading.Lock()


# --- writing --------------------------------------------------------------------------------------


def write_bundle(
    directory: str | Path,
    *,
    run: dict,
    rankings: Sequence[dict] = (),
    preferences: Sequence[dict] = (),
    metrics: Sequence[dict] = (),
    samples: Sequence[dict] = (),
    evaluation: dict | None = None,
    tensors: dict | None = None,
    facts: dict | None = None,
    only_changed: bool = True,
) -> Path:
    """Save one run into ``directory`` (made where it is missing), atomically.

    Args:
        run: what becomes run.json: status (running | interrupted | done), brief, settings, seed,
            model, judge, ... Format, package versions, time of saving and checksums are added here.
            Where it has an ``id``, a folder that holds a run with another id is refused.
        rankings, preferences, samples: rows of JSON-able values, written as JSON lines.
        metrics: rows of numbers; the columns of METRIC_COLUMNS first, then any others. None and
            non-finite numbers become empty cells.
        evaluation: JSON-able, or None for a run without a verdict yet.
        tensors: {"reward_model": {name: tensor} or None, "policy" and "round_start": likewise}.
            None: the run has no such weights. A key left out: whatever the former save holds stays
            (nothing is read or hashed, which is the cheapest).
        facts: what ``session.paper`` tells the card. None: the card says what the rows tell.
        only_changed: files whose content has not changed are not written again.
    Raises:
        BundleError: the folder cannot be written, is full, or holds something else. The former save
            is still whole then.
    """
    if run.get("status") not in STATUSES:
        raise BundleError(
            f"The run's status is {run.get('status')!r}; it must be one of {', '.join(STATUSES)}."
        )
    directory, tensors = Path(directory), dict(tensors or {})
    unknown = set(tensors) - set(WEIGHTS)
    if unknown:
        raise BundleError(f"A bundle has no place for weights called {sorted(unknown)[0]!r}.")
    with _WRITING:
        former = prepare_folder(directory, run.get("id"))
        former_files = former.get("files", {}) if former else {}
        contents = {
            name: to_lines(rows)
            for name, rows in zip(ROWS.values(), (rankings, preferences, samples), strict=True)
        }
        contents[METRICS] = to_csv(metrics)
        if evaluation is not None:
            contents[EVALUATION] = to_json(evaluation)
        files = {}
        for key, name in WEIGHTS.items():
            if key not in tensors and name in former_files:
                files[name] = former_files[name]
            elif tensors.get(key) is not None:
                contents[name] = to_safetensors(tensors[key], name)
        run = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **{k: v for k, v in run.items() if k not in ("files", "process", "note")},
            **({"id": public_id(run["id"])} if run.get("id") else {}),
            "versions": run.get("versions") or package_versions(),
            "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if run["status"] == "running":
            run["process"] = this_process()
        weights = [name for name in WEIGHTS.values() if name in contents or name in files]
        counts = {
            "rankings": rankings,
            "preferences": preferences,
            "metrics": metrics,
            "samples": samples,
            "evaluation": evaluation,
        }
        contents[CARD] = card(run, counts, weights, facts).encode("utf-8", "replace")
        files |= {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in contents.items()
        }
        run["files"] = {name: files[name] for name in NAMES if name in files}
        changed = {}
        for name, data in contents.items():
            same = former_files.get(name) == files[name] and size_of(directory / name) == len(data)
            if not (only_changed and same):
                changed[name] = data
        changed[RUN] = to_json(run)
        stage(directory, changed)
        _publish(directory, [name for name in changed if name != RUN], run["files"])
        if lstat(directory / ATTRIBUTES) is None:  # no part of the save: a person may change it
            put_file(directory / ATTRIBUTES, GIT_ATTRIBUTES)
    return directory


def prepare_folder(directory: str | Path, run_id: str | None = None) -> dict | None:
    """Make ``directory`` fit for a save; returns the run.json that is there now, or None.

    Finishes a save whose writer died while renaming. Raises BundleError where the folder cannot be
    made or written, or holds a run with another id, a run of a newer version, or files of ours that
    belong to no run (somebody's README.md must not be overwritten).
    """
    directory = Path(directory)
    try:
        make_folder(directory)
    except FileExistsError as error:
        raise BundleError(f"{directory} is a file, not a folder; a run needs a folder.") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"The folder {directory} cannot be made: {reason(error)}.") from error
    probe = directory / f"{RUN}.{secrets.token_hex(4)}.tmp"
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise BundleError(f"The folder {directory} cannot be written: {reason(error)}.") from error
    try:
        manifest, places = _pending_save(directory)
        if manifest is not None:
            staged = [name for name, place in places.items() if place.suffix == ".tmp"]
            _publish(directory, staged, manifest["files"])
        elif lstat(directory / RUN) is not None:
            manifest = _manifest(directory / RUN)
        # Left by a writer that died before its save counted; run.json's first, so that the rest can
        # never be taken for one.
        for name in (RUN, *NAMES):
            (directory / f"{name}.tmp").unlink(missing_ok=True)
    except OSError as error:
        raise BundleError(
            f"The folder {directory} cannot be tidied up after an interrupted save:"
            f" {reason(error)}."
        ) from error
    if manifest is None:
        strangers = [name for name in NAMES if lstat(directory / name) is not None]
        if strangers:
            raise BundleError(
                f"The folder {directory} already holds a {strangers[0]} that belongs to no run;"
                " choose another folder."
            )
        return None
    # Before there were public ids, a bundle carried its session's own.
    if run_id and manifest.get("id") and public_id(manifest["id"]) != public_id(run_id):
        raise BundleError(
            f"The folder {directory} already holds a different run; choose another folder, or"
            " delete that one first."
        )
    return manifest


def _publish(directory: Path, staged: list[str], files: dict) -> None:
    """Rename what was staged into place, run.json last; drop files that the new save has not."""
    try:
        for name in (*staged, RUN):
            os.replace(directory / f"{name}.tmp", directory / name)
        for name in NAMES:
            if name not in files:
                (directory / name).unlink(missing_ok=True)
        sync_folder(directory)
    except OSError as error:
        raise BundleError(
            f"The save in {directory} was written, but its files could not be renamed:"
            f" {reason(error)}."
        ) from error


# --- reading --------------------------------------------------------------------------------------


def read_bundle(directory: str | Path, tensors: bool = True) -> dict:
    """The newest whole save in ``directory``, under the keys of ``write_bundle``.

    A run that says "running" although its process is gone comes back as "interrupted";
    ``run["note"]`` then says, in words, what its last complete save holds. With ``tensors=False``
    weights are neither loaded nor checked, and ``tensors`` is empty (which ``write_bundle`` reads
    as "leave them"). Nothing on disk is changed. Raises BundleError.
    """
    directory = Path(directory)
    if lstat(directory) is None:
        raise BundleError(f"There is no folder {directory}.")
    if not os.path.isdir(directory):
        raise BundleError(
            f"{directory} is not a folder; a bundle is a folder with a run.json in it."
        )
    for attempt in (1, 2, 3):
        before = identity(directory / RUN)
        try:
            return _read_once(directory, tensors)
        except BundleError:
            busy = before != identity(directory / RUN) or lstat(directory / f"{RUN}.tmp")
            if attempt == 3 or not busy:  # somebody may be saving right now: look again
                raise
            time.sleep(0.05)
    raise AssertionError("not reached")


def whole_files(directory: str | Path) -> dict[str, bytes]:
    """The files of the newest whole save, checked, by name; run.json first. Raises BundleError."""
    directory = Path(directory)
    read_bundle(directory)  # every format is checked, and weights for numbers
    manifest, places = _pending_save(directory)
    if manifest is None:
        manifest = _manifest(directory / RUN)
        places = {name: directory / name for name in manifest["files"]}
    if manifest["status"] == "running":  # nobody goes on with a copy
        manifest = {**manifest, "status": "interrupted"}
    manifest = {k: v for k, v in manifest.items() if k != "process"}
    found = {name: _checked(places[name], name, manifest["files"][name]) for name in places}
    return {RUN: to_json(manifest), **found, ATTRIBUTES: GIT_ATTRIBUTES}


def most_bytes(name: str) -> int | None:
    """How large a file of a bundle may be that a stranger gives; None: it belongs to no bundle."""
    if name in WEIGHTS.values():
        return MOST_OF_WEIGHTS
    return MOST_OF_TEXT if name in (RUN, ATTRIBUTES, *NAMES) else None


def _read_once(directory: Path, with_tensors: bool) -> dict:
    run, places = _pending_save(directory)
    if run is None:
        run = _manifest(directory / RUN)
        places = {name: directory / name for name in run["files"]}
    data = {
        name: _checked(places[name], name, run["files"][name])
        for name in places
        if with_tensors or name not in WEIGHTS.values()
    }
    contents: Record = {key: from_lines(data.get(name, b""), name) for key, name in ROWS.items()}
    contents["metrics"] = from_csv(data.get(METRICS, b""))
    contents["evaluation"] = from_json(data[EVALUATION], EVALUATION) if EVALUATION in data else None
    run = dict(run)
    process = run.pop("process", None)
    if run["status"] == "running" and not alive(process):
        run["status"] = "interrupted"
    if run["status"] == "interrupted":
        run["note"] = (
            "This run was interrupted; its last complete save holds"
            f" {holds(run, contents, [n for n in WEIGHTS.values() if n in places])}."
        )
    tensors = {}
    if with_tensors:
        for key, name in WEIGHTS.items():
            tensors[key] = from_safetensors(data[name], name) if name in data else None
    return {"run": run, **contents, "tensors": tensors}


def _pending_save(directory: Path) -> tuple[dict | None, dict[str, Path]]:
    """A save that counts although its writer died while renaming; (None, {}): there is none.

    Returns (its run.json, {file name: where it lies now}).
    """
    if lstat(directory / f"{RUN}.tmp") is None:
        return None, {}
    places = {}
    try:
        manifest = _manifest(directory / f"{RUN}.tmp")
        for name, entry in manifest["files"].items():
            for place in (directory / f"{name}.tmp", directory / name):
                with suppress(BundleError):
                    _checked(place, name, entry)
                    places[name] = place
                    break
            else:
                return None, {}
    except BundleError:
        return None, {}
    return manifest, places


def _manifest(path: Path) -> dict:
    """run.json, checked: format, version, status, and a list of files that are ours."""
    if lstat(path) is None:
        raise BundleError(f"The folder {path.parent} holds no run: run.json is missing.")
    run = from_json(bytes_of(path, MAX_TEXT_BYTES), RUN)
    if run.get("format") != FORMAT:
        raise BundleError(
            "run.json is not the record of a run of this app (its format is not opossum-run)."
        )
    version = run.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise BundleError(f"run.json has no usable format version ({version!r:.40}).")
    if version > FORMAT_VERSION:
        raise BundleError(
            f"run.json has format version {version}, and this app reads up to {FORMAT_VERSION}: the"
            " bundle comes from a newer version of it."
        )
    if run.get("status") not in STATUSES:
        raise BundleError(
            f"run.json has the status {run.get('status')!r:.40}; it must be one of"
            f" {', '.join(STATUSES)}."
        )
    if not isinstance(run.get("files"), dict):
        raise BundleError("run.json does not list the run's files with their checksums.")
    for name, entry in run["files"].items():
        if name not in NAMES:
            raise BundleError(
                f"run.json names a file that does not belong into a bundle: {name!r:.60}."
            )
        entry = entry if isinstance(entry, dict) else {}
        sha, size = entry.get("sha256"), entry.get("bytes")
        counted = isinstance(size, int) and not isinstance(size, bool) and size >= 0
        if not (isinstance(sha, str) and len(sha) == 64 and counted):
            raise BundleError(f"run.json has no usable checksum for {name}.")
    return run


def checked_bytes(directory: Path, name: str, entry: dict) -> bytes:
    """One file of the newest whole save, checked. Raises BundleError."""
    places = _pending_save(directory)[1]
    return _checked(places.get(name, directory / name), name, entry)


def _checked(path: Path, name: str, entry: dict) -> bytes:
    """The bytes of one file, as long and with the SHA-256 that run.json says; else BundleError."""
    if lstat(path) is None:
        raise BundleError(f"{name} is missing from {path.parent}, although run.json lists it.")
    size = size_of(path)
    fits = size in (None, entry["bytes"])  # None: no plain file, which _bytes puts into words
    limit = entry["bytes"] if name in WEIGHTS.values() else MAX_TEXT_BYTES
    data = bytes_of(path, limit, name) if fits else b""
    if not fits or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise ChangedError(
            f"{name} does not match its checksum in run.json: it was changed or damaged after the"
            " run was saved."
        )
    return data
