"""Which folders the app made for itself, and may therefore delete.

A session's folder carries a small file that names it, by its public id (``public_id``). Only the
app writes one (``session.registry``), never the command line; and a copy under another name is no
longer the app's, because a person chose that name. Knows nothing about what else is in the folder.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from rlhf_core.store.plain_files import OWNERS, PRIVATE, lstat
from rlhf_core.store.public_id import public_id

MARKER = ".opossum-session"


def mark(directory: Path) -> None:
    """Make ``directory``, which is there, the app's own, and nobody else's to read."""
    if is_ours(directory):
        return
    with suppress(OSError):  # unmarked, it is kept for longer, which does no harm
        os.chmod(directory, PRIVATE)
        place = directory / MARKER
        place.touch(mode=OWNERS)
        place.write_text(f"{public_id(directory.name)}\n", encoding="utf-8")


def is_ours(directory: Path) -> bool:
    """Whether the app made ``directory``, under the name that it has now."""
    info, place = lstat(directory), directory / MARKER
    if info is None or not stat.S_ISDIR(info.st_mode):  # a link leads to somebody's own place
        return False
    try:
        info = os.lstat(place)
        if not stat.S_ISREG(info.st_mode) or info.st_size > 100:
            return False
        told = place.read_text(encoding="utf-8").strip()
        return public_id(told) == public_id(directory.name)  # older ones hold the name itself
    except (OSError, ValueError):
        return False
