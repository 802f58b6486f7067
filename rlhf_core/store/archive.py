"""A folder as a zip file, and a stranger's zip file as a folder: one level, plain files, bounded.

A zip can name places outside its folder, be a link, or be a few bytes that unpack to a disk full.
So everything is looked at before anything is written: how many entries, how they are called, how
they are packed, how large each says it is; and no entry is read for longer than that. Knows nothing
about what the files hold: names that nobody expects are left out, unread.

Sources: PKWARE's APPNOTE 6.3 (the end record is found from the file's end; general purpose bit 0 is
encryption); Fifield 2019, "A better zip bomb" (overlapping entries, which Python refuses).
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rlhf_core.common.errors import BundleError
from rlhf_core.common.untrusted import seen

MB = 2**20
MOST_ZIP = 40 * MB  # of a zip that is opened
MOST_ENTRIES, MOST_DIRECTORY = 64, 64 * 1024  # entries, and bytes of the list of them
MOST_UNPACKED = 160 * MB  # of all that is read
MOST_RATIO, SMALL = 200, MB  # how far an entry may be packed; up to SMALL it may be anything
METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
# What computers put beside one's files.
_CLUTTER = re.compile(r"(__MACOSX/.*|(.*/)?(\.DS_Store|Thumbs\.db|desktop\.ini))", re.DOTALL)


def pack(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """The files as a zip, in a ``folder`` where that is given. The same files, the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as made:
        for name, data in files.items():
            info = zipfile.ZipInfo(f"{folder}/{name}" if folder else name)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            info.create_system = 3  # the same on every system
            made.writestr(info, data, compresslevel=6)
    return out.getvalue()


def unpack(
    data: bytes, called: str, expected: Callable[[str], int | None]
) -> tuple[dict[str, bytes], list[str]]:
    """What of a zip is expected, by name, and the names of what was left out, unread.

    Where everything lies in one folder, the names are those in it.

    Args:
        called: what the file is called, for the sentences.
        expected: the most bytes that a file of this name may have; None: nobody expects it.
    Raises:
        BundleError: no zip, or one that no honest program makes of a few files.
    """
    called = seen(Path(called).name)[:80] or "The file"
    if len(data) > MOST_ZIP:
        raise BundleError(
            f"{called} has {len(data) / MB:.0f} MB; at most {MOST_ZIP // MB} MB are opened here."
        )
    _look_at_the_end(data, called)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            entries = [one for one in found.infolist() if not _CLUTTER.fullmatch(one.filename)]
            names = _names(entries, called)
            wanted, left_out = [], []
            for name, entry in names.items():
                most = expected(name)
                if most is None:
                    left_out.append(name)
                    continue
                _check_size(name, entry, most, called)
                wanted.append(name)
            if sum(names[name].file_size for name in wanted) > MOST_UNPACKED:
                raise BundleError(
                    f"{called} unpacks to more than {MOST_UNPACKED // MB} MB: it is not opened."
                )
            return {name: _read(found, names[name]) for name in wanted}, left_out
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, struct.error) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(
            f"{called} is a damaged zip file ({error}): download or copy it once more."
        ) from error
    except (NotImplementedError, RuntimeError) as error:  # what Python's zipfile cannot do
        raise BundleError(f"{called} is packed in a way that is not read here: {error}.") from error
    except Exception as error:  # zlib.error, which is no ValueError
        raise BundleError(
            f"{called} is a damaged zip file ({type(error).__name__}): download it once more."
        ) from error


def _look_at_the_end(data: bytes, called: str) -> None:
    """Count the entries before a list of a million of them is read. Raises BundleError."""
    end = data.rfind(_END, max(0, len(data) - 66_000))
    if end < 0 or len(data) - end < 22:
        raise BundleError(
            f"{called} is not a zip file. Give the zip that “Download the whole run” or export-zip"
            " made."
        )
    count, size = struct.unpack("<HI", data[end + 10 : end + 16])
    if count > MOST_ENTRIES or size > MOST_DIRECTORY or data[end - 20 : end - 16] == _END_64:
        raise BundleError(
            f"{called} holds more files than a run has (at most {MOST_ENTRIES}): it is not opened."
        )


def _names(entries: list[zipfile.ZipInfo], called: str) -> dict[str, zipfile.ZipInfo]:
    """The entries that are files, by their name in the one folder. Raises BundleError."""
    if len(entries) > MOST_ENTRIES:
        raise BundleError(f"{called} holds more files than a run has: it is not opened.")
    for entry in entries:
        _check_kind(entry, called)
    files = [entry for entry in entries if not entry.is_dir()]
    tops = {entry.filename.partition("/")[0] for entry in files if "/" in entry.filename}
    inside = len(tops) == 1 and all("/" in entry.filename for entry in files)
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in files:
        name = entry.filename.partition("/")[2] if inside else entry.filename
        if name.casefold() in {one.casefold() for one in found}:
            raise BundleError(f"{called} holds two files called {_shown(name)}: it is not opened.")
        found[name] = entry
    return found


def _check_kind(entry: zipfile.ZipInfo, called: str) -> None:
    """Raises BundleError for a name that leads elsewhere, a link, or what needs a password."""
    name, kind = entry.orig_filename, stat.S_IFMT(entry.external_attr >> 16)
    parts = name.rstrip("/").split("/")
    strange = any(part in ("", ".", "..") or part != part.strip() for part in parts)
    if strange or len(name) > 200 or re.search(r"[\\:\x00-\x1f\x7f]", name):
        raise BundleError(
            f"{called} names a place outside its own folder ({_shown(name)}): it is not opened."
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BundleError(
            f"{called} holds a link or a device ({_shown(name)}) and no plain file: it is not"
            " opened."
        )
    if entry.flag_bits & 0x1:
        raise BundleError(f"{called} is locked with a password: pack it again without one.")
    if entry.compress_type not in METHODS:
        raise BundleError(
            f"{called} is packed in an unusual way ({_shown(name)}): pack it again as an ordinary"
            " zip."
        )


def _check_size(name: str, entry: zipfile.ZipInfo, most: int, called: str) -> None:
    if entry.file_size > most:
        raise BundleError(
            f"In {called}, {_shown(name)} has {entry.file_size / MB:,.0f} MB, more than the"
            f" {most / MB:.0f} MB that belong there: it is not opened."
        )
    if entry.file_size > SMALL and entry.file_size > MOST_RATIO * max(1, entry.compress_size):
        raise BundleError(
            f"In {called}, {_shown(name)} is a few bytes that unpack to"
            f" {entry.file_size / MB:,.0f} MB: it is not opened."
        )


def _read(found: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The entry's bytes, and not one more than it said."""
    with found.open(entry) as file:
        data = file.read(entry.file_size + 1)
    if len(data) != entry.file_size:
        raise zipfile.BadZipFile(f"{_shown(entry.filename)} is not as long as it says")
    return data


def _shown(name: str) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in seen(name))
    return f"“{shown[:60]}”"
