"""Bad weather for tests of what is kept: a disk that is small, a folder that may only be read."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def open_path() -> Iterator[Path]:
    """A folder like ``tmp_path`` that other users may enter too."""
    place = Path(tempfile.mkdtemp(prefix="opossum-weather-"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def small_disk(open_path) -> Iterator[Path]:
    """A folder on a disk of its own, of 16 MB. Skips the test where none may be mounted."""
    place = open_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk can only be mounted by root, on Linux")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Inside, ``folder`` (below ``open_path``) and what is in it may be read by this process, and
    not written to.
    """
    places = [folder, *folder.rglob("*")]
    before = {place: stat.S_IMODE(place.stat().st_mode) for place in places}
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    root = os.geteuid() == 0  # who may write everywhere
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for place, mode in before.items():
            if place.exists():
                place.chmod(mode)
