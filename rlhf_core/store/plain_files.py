"""Plain files, read and written so that neither a crash nor a stranger's folder does harm.

What is written is flushed to the disk before it counts. A link, a folder or a pipe is no plain
file. Knows nothing about bundles. Every error is a BundleError in words.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rlhf_core.common.errors import BundleError

PRIVATE, OWNERS = 0o700, 0o600  # a folder and a file that other users of the machine cannot read
OTHERS = 0o666  # a file as the system makes them


def make_folder(directory: Path) -> None:
    """Make ``directory`` and what is missing above it, for the owner only. Raises OSError."""
    missing = [place for place in (directory, *directory.parents) if not os.path.lexists(place)]
    for place in reversed(missing):
        place.mkdir(mode=PRIVATE, exist_ok=True)
    directory.mkdir(mode=PRIVATE, exist_ok=True)  # a file in its place is an error


def lstat(path: Path) -> os.stat_result | None:
    """What lies at ``path``, not following links; None where nothing does.

    A folder that may not be entered is a BundleError.
    """
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be reached: {reason(error)}.") from error


def size_of(path: Path) -> int | None:
    info = lstat(path)
    return info.st_size if info and stat.S_ISREG(info.st_mode) else None


def identity(path: Path) -> tuple | None:
    info = lstat(path)
    return (info.st_ino, info.st_mtime_ns, info.st_size) if info else None


def bytes_of(path: Path, limit: int, name: str = "") -> bytes:
    """A plain file's bytes.

    A link, a folder or a pipe is refused, so that a bundle cannot point out of its folder.
    """
    name = name or path.name
    try:
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            raise BundleError(
                f"{name} is a link to somewhere else; a bundle holds plain files only."
            )
        if not stat.S_ISREG(info.st_mode):
            raise BundleError(f"{name} is not a plain file.")
        if info.st_size > limit:
            raise BundleError(
                f"{name} is larger than it should be: {info.st_size:,} bytes where at most"
                f" {limit:,} belong."
            )
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"{name} cannot be read: {reason(error)}.") from error


def stage(directory: Path, contents: dict[str, bytes]) -> None:
    """Write every file as NAME.tmp, flushed to the disk, in order; on an error none is left."""
    name, done = "", []
    try:
        for name, data in contents.items():
            place = directory / f"{name}.tmp"
            place.unlink(missing_ok=True)
            done.append(place)
            _write(place, data)
        sync_folder(directory)
    except OSError as error:
        for place in done:
            with suppress(OSError):
                place.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1), errno.EFBIG):
            raise BundleError(
                f"The disk is full: {name} did not fit into {directory}; the save before this one"
                " is still there, whole."
            ) from error
        raise BundleError(
            f"{directory / name} cannot be written: {reason(error)}; the save before this one is"
            " still there, whole."
        ) from error


def put_file(place: Path, data: bytes | Iterable[bytes], mode: int = OWNERS) -> None:
    """The whole file, under its name, or nothing. ``data``: all of it, or its parts. ``mode``: who
    may read it, where the system's mask lets them (``OTHERS``: a file to hand on). Raises
    BundleError.
    """
    aside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        _write(aside, data, mode)
        os.replace(aside, place)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            aside.unlink(missing_ok=True)
        raise no_room(place, error) from error
    sync_folder(place.parent)


@contextmanager
def whole_folder(place: Path) -> Iterator[Path]:
    """A folder to fill, which stands at ``place`` when all went well; else nothing is left of it.

    Raises BundleError: something lies there already, or it cannot be written.
    """
    aside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise BundleError(f"{place} is there already and no folder; choose another name.")
        if place.is_dir() and any(place.iterdir()):
            raise BundleError(
                f"The folder {place} is there already and holds something; choose another one, or"
                " delete it first."
            )
        make_folder(aside)
        yield aside
        for path in aside.rglob("*"):
            sync_folder(path)
        os.replace(aside, place)
    except (OSError, ValueError) as error:
        if isinstance(error, BundleError) or type(error).__module__.startswith("rlhf_core"):
            raise
        raise no_room(place, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    sync_folder(place.parent)


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each file into ``folder``, flushed to the disk. Raises OSError."""
    for name, data in files.items():
        _write(folder / name, data)


def _write(place: Path, data: bytes | Iterable[bytes], mode: int = OWNERS) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(place, flags, mode), "wb") as file:
        file.writelines([data] if isinstance(data, bytes) else data)
        file.flush()
        os.fsync(file.fileno())


def no_room(place: Path, error: Exception) -> BundleError:
    """Why ``place`` cannot be written, in a sentence."""
    error = as_the_system_says(error)
    if getattr(error, "errno", None) in (errno.ENOSPC, getattr(errno, "EDQUOT", -1), errno.EFBIG):
        return BundleError(f"The disk is full: {place} did not fit, and nothing of it is left.")
    return BundleError(f"{place} cannot be written: {reason(error)}. Nothing of it is left.")


def as_the_system_says(error: Exception) -> Exception:
    """What tokenizers and safetensors ("(os error 28)", no OSError) and shutil ("[Errno 28]", a
    list of files) make of the system's error, as an OSError with its number; others as they are.
    """
    code = getattr(error, "errno", None)
    if code is None and (told := re.search(r"(?:os error|\[Errno) (\d+)", str(error))):
        return OSError(int(told[1]), os.strerror(int(told[1])))
    return error


@contextmanager
def told_as_oserror() -> Iterator[None]:
    """Around libraries that have an error of their own for a full disk. Raises OSError."""
    try:
        yield
    except Exception as error:
        found = as_the_system_says(error)
        if found is error:
            raise
        raise found from error


def sync_folder(directory: Path) -> None:
    """Make the names last, where the system can flush a folder (Windows cannot)."""
    with suppress(OSError, AttributeError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def without_place(sentence: str, directory: Path | None) -> str:
    """``sentence`` for the page, which must not tell where on the server's disk a session lies."""
    if directory is None:
        return sentence
    for where, here in (
        (f"The folder {directory}", "This session's folder"),
        (f"{directory}{os.sep}", ""),
        (f"{directory}", "this session's folder"),
        (f"{directory.absolute()}", "this session's folder"),
    ):
        sentence = sentence.replace(where, here)
    return sentence[:1].upper() + sentence[1:]
