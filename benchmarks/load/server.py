"""The app as a process of its own, started as anybody starts it, and what it costs: processor time
and memory of it and of all its children.

Everything started here ends with the benchmark, by its process group and its family tree.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.machine import shipped

ROOT = Path(__file__).resolve().parent.parent.parent
BARE = ROOT / "benchmarks" / "load" / "bare_app.py"
START = 120.0  # seconds that a server may take until it is healthy


@dataclass
class Cost:
    """Processor seconds so far, and when they were read."""

    at: float
    server: float
    workers: float
    crowd: float

    def __sub__(self, before: Cost) -> Cost:
        mine, theirs = vars(self), vars(before)
        return Cost(**{name: mine[name] - theirs[name] for name in mine})


class Server:
    """``streamlit run`` on a free port of this machine, its sessions in ``runs``.

    ``root``: the checkout that is served; its own server, where no other ``script`` is named.
    """

    def __init__(self, runs: Path, script: Path | None = None, root: Path = ROOT):
        self.runs, self.script, self.root = runs, script or root / "serve.py", root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = runs / "server.log"
        self.process: subprocess.Popen | None = None
        self._seen: dict[psutil.Process, float] = {}  # children, and what each has used
        self._ended = 0.0  # seconds of servers that were killed

    def start(self) -> Server:
        """Returns when it answers. RuntimeError, with the end of its log, where it does not."""
        self.runs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "streamlit", "run", str(self.script)]
        command += ["--server.headless=true", "--server.address=127.0.0.1"]
        command += [f"--server.port={self.port}"]
        own = {"OPOSSUM_RUNS": str(self.runs), "OMP_WAIT_POLICY": "PASSIVE"}
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self.root,
                env=shipped(own),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + START
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, OSError):
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5) as reply:
                    if reply.read() == b"ok":
                        return self
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"The server did not start: {self.said()}")

    def said(self, letters: int = 2000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-letters:] if self.log.exists() else ""

    def family(self) -> list[psutil.Process]:
        """The server's process, then its children of any depth; those that live."""
        try:
            root = psutil.Process(self.process.pid)
            return [root, *(child for child in root.children(recursive=True) if lives(child))]
        except psutil.NoSuchProcess:
            return []

    def kill(self, process: psutil.Process | None = None) -> None:
        """End one process of it (the server's own) at once, as a system without memory would."""
        self.cost()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
            return
        self._ended += self._used(psutil.Process(self.process.pid))
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it and whatever it has started."""
        family = self.family() if self.process else []
        for process in {*family, *self._seen}:
            with contextlib.suppress(psutil.Error):
                process.kill()  # knows a process by its time of birth too: never a stranger
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def cost(self) -> Cost:
        """What it has used so far; the crowd is this very process."""
        root, *children = self.family() or [None]
        for child in children:
            self._seen[child] = self._used(child, self._seen.get(child, 0.0))
        own = self._used(root) if root is not None else 0.0
        crowd = time.process_time()
        return Cost(time.perf_counter(), self._ended + own, sum(self._seen.values()), crowd)

    @staticmethod
    def _used(process: psutil.Process, before: float = 0.0) -> float:
        try:
            times = process.cpu_times()
        except psutil.Error:
            return before
        return times.user + times.system

    def memory(self) -> tuple[float, float]:
        """MB of the server and of its children: what is shared counts in shares (PSS)."""
        sizes = []
        for process in self.family():
            try:
                info = process.memory_full_info()
                sizes.append(getattr(info, "pss", info.uss) / 1e6)
            except psutil.Error:
                sizes.append(0.0)
        return (sizes[0], sum(sizes[1:])) if sizes else (0.0, 0.0)


def lives(process: psutil.Process) -> bool:
    """Is it still at work? One that has ended may stay in the table until its parent looks."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def running(runs: Path, script: Path | None = None, root: Path = ROOT) -> Iterator[Server]:
    """A server that ends with the block, however the block ends."""
    server = Server(runs, script, root)
    try:
        yield server.start()
    finally:
        server.stop()
