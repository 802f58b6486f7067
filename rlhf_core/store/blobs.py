"""Bytes by the name of their contents (sha256): weights, in a folder or, by fsspec, elsewhere.

Knows nothing about who refers to them (``blob_rows``) or what they hold. Every error is a
StoreError.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from rlhf_core.common.errors import StoreError
from rlhf_core.store.database_errors import FULL, NO_RIGHT
from rlhf_core.store.plain_files import OWNERS, make_folder, reason, sync_folder

FRESH_S = 1800  # elsewhere than in a folder, what is older is written again: it becomes young


def place_of(runs: Path) -> str:
    """OPOSSUM_BLOBS, or else a folder in that of the runs."""
    return os.environ.get("OPOSSUM_BLOBS", "").strip() or str(Path(runs) / "blobs")


def is_name(name: object) -> bool:
    """Nothing else may become a part of a path."""
    return isinstance(name, str) and re.fullmatch("[0-9a-f]{64}", name) is not None


class Blobs:
    """The blobs at one place: a folder, or an address that fsspec knows, as s3://bucket/folder."""

    def __init__(self, place: str):
        scheme, found, rest = place.partition("://")
        if found and scheme not in ("file", "local"):
            self._at: _Folder | _Elsewhere = _Elsewhere(place)
        else:
            self._at = _Folder(Path(rest if found else place))

    def put(self, data: bytes) -> str:
        """Keep ``data``; its name. What is there already is young again, as if just written."""
        name = hashlib.sha256(data).hexdigest()
        with _in_words():
            self._at.put(name, data)
        return name

    def get(self, sha256: str) -> bytes:
        """Raises StoreError, of the kind "missing" or "damaged" too."""
        with _in_words():
            data = self._at.get(_checked(sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError("Kept weights are damaged: train them again.", "damaged")
        return data

    def file(self, sha256: str) -> Path | None:
        """Where it lies on a local disk, unchecked, to be mapped into memory; None elsewhere, or
        where it is missing.
        """
        with _in_words():
            return self._at.file(sha256) if is_name(sha256) else None

    def has(self, sha256: str) -> bool:
        with _in_words():
            return is_name(sha256) and self._at.age_s(sha256) is not None

    def delete(self, sha256: str, *, older_than_s: float = 0) -> bool:
        """Whether it is gone by this: one that is missing or younger stays what it is."""
        with _in_words():
            return is_name(sha256) and self._at.delete(sha256, older_than_s)

    def tidy(self, older_than_s: float) -> None:
        """Remove what writers left that were killed, where it is older."""
        with _in_words():
            self._at.tidy(older_than_s)

    def __iter__(self) -> Iterator[str]:
        with _in_words():
            return iter([name for name in self._at.names() if is_name(name)])


def _checked(name: str) -> str:
    if not is_name(name):
        raise StoreError("Kept weights have a name that is none: train them again.", "missing")
    return name


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError:
        raise StoreError("Kept weights are missing: train them again.", "missing") from None
    except OSError as error:
        if error.errno in FULL:
            raise StoreError(
                "The disk of the kept weights is full: whoever runs Opossum has to make room on"
                " it.",
                "full",
            ) from None
        if error.errno in NO_RIGHT or isinstance(error, PermissionError):
            raise StoreError(
                "Weights may not be kept or read where OPOSSUM_BLOBS says: whoever runs Opossum has"
                " to give it the right to.",
                "read-only",
            ) from None
        raise _out_of_reach(reason(error)) from None


def _out_of_reach(why: str) -> StoreError:
    return StoreError(f"The kept weights are out of reach ({why}): try again.", "gone")


class _Folder:
    """Written under another name, flushed to the disk, then renamed: whole or not at all."""

    def __init__(self, folder: Path):
        self.folder = folder

    def put(self, name: str, data: bytes) -> None:
        place = self.folder / name
        with suppress(FileNotFoundError, NotADirectoryError):
            if place.stat().st_size == len(data) and place.read_bytes() == data:
                os.utime(place)
                return
        make_folder(self.folder)
        aside = self._aside(name)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(aside, flags, OWNERS), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(place)
        except BaseException:
            with suppress(OSError):
                aside.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def file(self, name: str) -> Path | None:
        place = self.folder / name
        return place if place.is_file() else None

    def age_s(self, name: str) -> float | None:
        try:
            return time.time() - (self.folder / name).stat().st_mtime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def delete(self, name: str, older_than_s: float) -> bool:
        """Moved aside before it is looked at again: a put that comes between then finds it missing
        and writes it anew, or has made it young before.
        """
        if not self._is_older(name, older_than_s):
            return False
        place, aside = self.folder / name, self._aside(name)
        try:
            place.rename(aside)
        except FileNotFoundError:
            return False
        if not self._is_older(aside.name, older_than_s):
            aside.replace(place)
            return False
        aside.unlink(missing_ok=True)
        return True

    def _is_older(self, name: str, older_than_s: float) -> bool:
        age = self.age_s(name)
        return age is not None and (older_than_s <= 0 or age > older_than_s)

    def tidy(self, older_than_s: float) -> None:
        for name in self.names():
            if name.endswith(".tmp") and self._is_older(name, older_than_s):
                (self.folder / name).unlink(missing_ok=True)

    def names(self) -> list[str]:
        try:
            return os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _aside(self, name: str) -> Path:
        return self.folder / f".{name}.{secrets.token_hex(4)}.tmp"


class _Elsewhere:
    """What fsspec reaches. On an object store a put is whole or not at all by itself; elsewhere
    ``get`` finds the half of one by its hash, and the next put writes it again.
    """

    def __init__(self, place: str):
        self.place = place
        self._known: tuple | None = None

    def put(self, name: str, data: bytes) -> None:
        with self._reached() as (files, root):
            with suppress(FileNotFoundError):
                size, age = files.size(f"{root}/{name}"), self._age(files, f"{root}/{name}")
                if size == len(data) and age < FRESH_S:
                    return
            try:
                files.pipe_file(f"{root}/{name}", data)
            except FileNotFoundError:  # a place that has folders; an object store has none
                files.makedirs(root, exist_ok=True)
                files.pipe_file(f"{root}/{name}", data)

    def get(self, name: str) -> bytes:
        with self._reached() as (files, root):
            return files.cat_file(f"{root}/{name}")

    def file(self, name: str) -> Path | None:
        return None

    def age_s(self, name: str) -> float | None:
        with self._reached() as (files, root), suppress(FileNotFoundError):
            return self._age(files, f"{root}/{name}")
        return None

    def delete(self, name: str, older_than_s: float) -> bool:
        with self._reached() as (files, root), suppress(FileNotFoundError):
            if older_than_s <= 0 or self._age(files, f"{root}/{name}") > older_than_s:
                files.rm_file(f"{root}/{name}")
                return True
        return False

    def tidy(self, older_than_s: float) -> None:
        """No writer leaves anything here."""

    def names(self) -> list[str]:
        with self._reached() as (files, root), suppress(FileNotFoundError):
            return [found.rpartition("/")[2] for found in files.ls(root, detail=False)]
        return []

    def _age(self, files, path: str) -> float:
        modified: datetime = files.modified(path)
        return (datetime.now(UTC) - modified.astimezone(UTC)).total_seconds()

    @contextmanager
    def _reached(self) -> Iterator[tuple]:
        """(fsspec's file system, the place in it). What a driver raises is one sentence."""
        try:
            if self._known is None:
                from fsspec.core import url_to_fs

                self._known = url_to_fs(self.place)
            files, root = self._known
            files.invalidate_cache()
            yield files, root.rstrip("/")
        except (StoreError, FileNotFoundError, PermissionError):
            raise
        except ImportError:
            raise StoreError(
                "The place in OPOSSUM_BLOBS needs a driver: pip install -r"
                " requirements-server.txt, or what fsspec names for it.",
                "settings",
            ) from None
        except ValueError:
            raise StoreError(
                "OPOSSUM_BLOBS has to be a folder or an address that fsspec knows, as"
                " s3://bucket/folder.",
                "settings",
            ) from None
        except Exception as error:  # each driver has its own
            raise _out_of_reach(type(error).__name__) from None
