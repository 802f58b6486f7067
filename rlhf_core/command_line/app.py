"""The command ``app``, which is also what ``opossum`` alone and ``make run`` do: Streamlit with
``serve.py``, in this process's place.

Knows nothing about pages: where they lie is ``common/places.py``'s.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from rlhf_core.command_line import ports
from rlhf_core.command_line.terminal import say
from rlhf_core.common import places
from rlhf_core.common.errors import InputError

HOME = ("127.0.0.1", "localhost", "::1")


def runs_folder() -> Path:
    """Where the app keeps sessions: OPOSSUM_RUNS; else ``runs`` in a checkout, and for an installed
    package the folder for data that this system gives each of its users.
    """
    if told := os.environ.get("OPOSSUM_RUNS"):
        return Path(told)
    if not places.INSTALLED:
        return Path("runs")
    from platformdirs import user_data_path

    return user_data_path("opossum", appauthor=False) / "runs"


def kept(runs: Path) -> str:
    """Whether what is done there outlives the server, in a sentence."""
    named = runs if runs.is_absolute() else f".{os.sep}{runs}"
    there = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return f"What you do is kept in {named}."
    return (
        f"What you do is not kept: nothing can be written in {named}. Set OPOSSUM_RUNS to a folder"
        " of yours and start again."
    )


def command(host: str, port: int | None, browser: bool) -> list[str]:
    """How Streamlit is started. At home only names of this machine are answered: a page elsewhere
    whose name points here is not.
    """
    # -P: no module that lies in the shell's own folder
    found = [sys.executable, "-P", str(places.BESIDE / "ui" / "quietly.py")]
    found += ["run", str(places.BESIDE / "serve.py"), "--server.address", host]
    if host in HOME:
        for name in HOME:
            found += ["--server.allowedHosts", name]
    if port is not None:
        found += ["--server.port", str(port)]
    return found if browser else [*found, "--server.headless", "true"]


def app(args: argparse.Namespace) -> int:
    """Never returns where the system can put one program in another's place."""
    if importlib.util.find_spec("streamlit") is None:
        raise InputError(
            "Streamlit is not installed here, so there is nothing to open the app with."
        )
    if why := ports.refusal(args.host, args.port):
        raise InputError(why)
    runs = runs_folder()
    start = command(args.host, args.port, args.browser)
    say(
        "Starting Opossum. Your browser opens at it; if it does not, open the address below."
        if args.browser
        else "Starting Opossum. Open the address below."
    )
    say(
        "Everything runs on this machine: no key, no GPU, nothing to download."
        f" {kept(runs)} Ctrl-C stops it."
    )
    environment = {**os.environ, "OPOSSUM_RUNS": str(runs)}
    if os.name == "nt":
        return subprocess.call(start, env=environment)
    sys.stdout.flush()
    os.execve(start[0], start, environment)
