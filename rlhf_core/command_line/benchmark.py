"""The command ``benchmark``: it hands over to the folder ``benchmarks`` beside ``rlhf_core``."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from rlhf_core.common.errors import InputError

ROOT = Path(__file__).resolve().parent.parent.parent


def benchmark(args: argparse.Namespace) -> int:
    """Hand over to ``python -m benchmarks``; what it says and its exit code are ours."""
    if not (ROOT / "benchmarks" / "__main__.py").is_file():
        raise InputError(f"There is no folder benchmarks beside rlhf_core, in {ROOT}.")
    command = [sys.executable, "-P", "-m", "benchmarks", "--no-page", *["--quick"] * args.quick]
    command += [] if args.part is None else [args.part, *args.options]
    # -P and the path: the folder beside this file's, whatever the shell's own folder holds.
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        status = process.wait()
    except KeyboardInterrupt:  # the terminal has told that process too
        process.wait()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return status if status >= 0 else 128 - status  # ended by a signal: as a shell counts it
