"""Commands whose work lies outside the engine, in a folder beside ``rlhf_core``: another process
does it, and what it says and its exit status are ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from rlhf_core.common import places
from rlhf_core.common.errors import InputError

ROOT = places.BESIDE


def hand_over(module: str, arguments: list[str]) -> int:
    """``python -m module`` with ``arguments``, from the folder beside ``rlhf_core``."""
    folder, *rest = module.split(".")
    if not ROOT.joinpath(folder, *rest, "__main__.py").is_file():
        if places.INSTALLED:
            raise InputError(
                f"{module} lies in a checkout of the repository only, not in the package."
            )
        raise InputError(
            f"There is no folder {'/'.join((folder, *rest))} beside rlhf_core, in {ROOT}."
        )
    # -P and the path: the folder beside this file's, whatever the shell's own folder holds.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the terminal has told that process too
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return status if status >= 0 else 128 - status  # ended by a signal: as a shell counts it
