"""What a run says about the machine that wrote it: package versions, and whether it still runs."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path


def package_versions() -> dict[str, str]:
    """Python's version and those of the packages that numbers depend on, without importing them."""
    versions = {"python": platform.python_version()}
    for name in ("torch", "transformers", "tokenizers", "safetensors", "numpy"):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def process_mark(pid: int) -> str | None:
    """A mark that no other process, here or elsewhere, shares; None where the system does not tell.

    It is the start time and the boot, hashed.
    """
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (OSError, IndexError, ValueError):
        return None
    return hashlib.sha256(f"{boot} {started}".encode()).hexdigest()[:16]


def this_process() -> dict:
    """What ``alive`` tells this process by."""
    return {"pid": os.getpid(), "mark": process_mark(os.getpid())}


def alive(process: object) -> bool:
    """Whether the process that said "running" still runs, here.

    Unknown counts as gone: the bundle opens either way.
    """
    if not isinstance(process, dict):
        return False
    pid = process.get("pid")
    if isinstance(pid, bool) or not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    if process_mark(os.getpid()) is not None:
        return process.get("mark") is not None and process_mark(pid) == process["mark"]
    if pid == os.getpid():
        return True
    if os.name != "posix":  # on Windows os.kill would end the process
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True
