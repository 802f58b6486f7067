"""The databases that a test of the store runs on: SQLite, and a real PostgreSQL where one is
installed (Debian's ``postgresql``), on a socket of its own, with its own data.

``from databases import url  # noqa: F401`` gives a test the fixture ``url``: it runs once on each,
every time on a database that is empty. ``make test-postgres`` runs those on PostgreSQL.
"""

from __future__ import annotations

import atexit
import functools
import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("sqlite", "postgresql")


@pytest.fixture(params=KINDS)
def url(request, tmp_path) -> str:
    return empty(request.param, tmp_path)


def empty(kind: str, folder: Path) -> str:
    return f"sqlite:///{folder}/runs/opossum.db" if kind == "sqlite" else postgres().new_database()


def python(code: str, *arguments: str, **options) -> subprocess.Popen:
    """A process of its own that runs ``code``; ``sys.argv[1:]`` are the arguments."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@functools.cache
def postgres() -> PostgreSQL:
    """One server for all tests of this process. Skips the test where there is none to start."""
    pytest.importorskip(
        "psycopg", reason="PostgreSQL's driver is missing: pip install -r requirements-server.txt"
    )
    if binaries() is None or shutil.which("setpriv") is None:
        pytest.skip("there is no PostgreSQL here to test on: apt-get install postgresql")
    server = PostgreSQL()
    atexit.register(server.remove)
    server.start()
    return server


def binaries() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "pg_isready").exists()), None)


class PostgreSQL:
    """A server that listens on a socket in its own folder, and ends with the tests."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="opossum-pg-"))
        self.data = self.folder / "data"
        self.user = "postgres" if os.geteuid() == 0 else getpass.getuser()  # refuses to be root
        shutil.chown(self.folder, self.user)
        self.databases = 0
        self.process: subprocess.Popen | None = None
        self._run("initdb", "-D", self.data, "-U", "opossum", "-A", "trust", "-E", "UTF8", "-N")

    def _command(self, name: str, *arguments) -> list[str]:
        become = ["--reuid", self.user, "--regid", self.user, "--clear-groups"]
        become = become if os.geteuid() == 0 else []
        return ["setpriv", *become, "--pdeathsig", "INT", binaries() / name, *arguments]

    def _run(self, name: str, *arguments) -> str:
        done = subprocess.run(
            self._command(name, *arguments), cwd=self.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        settings = {"listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                self._command("postgres", "-D", self.data, *options),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            asked = subprocess.run(
                self._command("pg_isready", "-h", self.folder, "-U", "opossum"), capture_output=True
            )
            if asked.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a fast shutdown. SIGQUIT: at once, as after a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, command: str, database: str = "postgres") -> str:
        place = ["-h", self.folder, "-U", "opossum", "-d", database]
        return self._run("psql", "-qAtX", "-v", "ON_ERROR_STOP=1", *place, "-c", command).strip()

    def new_database(self) -> str:
        self.databases += 1
        name = f"test_{self.databases}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://opossum@/{name}?host={self.folder}"
