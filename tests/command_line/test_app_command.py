"""What ``app`` and ``opossum`` start, and where sessions then lie; a port that cannot be had is
said, and one that can is named.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT, App, free_port
from rlhf_core import __main__ as command_line
from rlhf_core.command_line import app, ports
from rlhf_core.common import places
from rlhf_core.common.source import VERSION

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")


def opossum(*arguments: str) -> subprocess.CompletedProcess:
    code = "import sys; from rlhf_core.__main__ import opossum; sys.exit(opossum())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_port_that_is_taken_is_said_and_a_free_one_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = opossum("--port", str(port))
    assert done.returncode == 2 and f"Port {port} is taken" in done.stderr
    free = int(done.stderr.split(" is free")[0].split()[-1])
    assert free > port and ports.why_not("127.0.0.1", free) == ""


def hear_ctrl_c() -> None:
    """Whoever runs the tests in the background has Ctrl-C ignored, and a child would inherit it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@POSIX
def test_ctrl_c_ends_it_with_a_plain_line(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "rlhf_core", "app", "--no-browser", "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, "OPOSSUM_RUNS": str(tmp_path)},
            preexec_fn=hear_ctrl_c,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        App(f"http://127.0.0.1:{port}", tmp_path, log, process).wait_until_healthy()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        process.kill()
    said = log.read_text()
    assert said.endswith("Opossum has stopped.\n")
    assert "Aborted" not in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("broken", "status", "says"),
    [
        ("raise KeyboardInterrupt", 130, "Opossum has stopped.\n"),  # while it is still starting
        ("def main(*a, **k): raise click.Abort", 130, "Opossum has stopped.\n"),
        ("def main(*a, **k): raise click.UsageError('no such file')", 2, "Error: no such file\n"),
        ("def main(*a, **k): sys.exit(3)", 3, ""),
    ],
)
def test_what_streamlit_ends_with_is_passed_on(tmp_path: Path, broken, status, says) -> None:
    (tmp_path / "streamlit" / "web").mkdir(parents=True)
    for package in ("streamlit", "streamlit/web"):
        (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / "streamlit" / "web" / "cli.py").write_text(f"import click, sys\n{broken}\n")
    done = subprocess.run(
        [sys.executable, ROOT / "ui" / "quietly.py", "run", "serve.py"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr, done.stdout) == (status, says, "")


@pytest.mark.parametrize("port", ["web", "-1", "0", "70000"])
def test_a_port_that_is_none_is_said(port: str) -> None:
    done = opossum("app", "--port", port)
    assert done.returncode == 2 and done.stderr.startswith("error: argument --port")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ([], ["app"]),
        (["--port", "8600"], ["app", "--port", "8600"]),
        (["app", "--no-browser"], ["app", "--no-browser"]),
        (["run", "--brief", "meme-bot"], ["run", "--brief", "meme-bot"]),
        (["--version"], ["--version"]),
        (["-h"], ["-h"]),
    ],
)
def test_opossum_without_a_command_is_the_app(monkeypatch, typed, means) -> None:
    monkeypatch.setattr(sys, "argv", ["opossum", *typed])
    monkeypatch.setattr(command_line, "main", lambda arguments, prog: (arguments, prog))
    assert command_line.opossum() == (means, "opossum")


def test_the_version_is_said_in_one_line() -> None:
    done = opossum("--version")
    assert done.returncode == 0 and done.stdout.startswith(f"opossum {VERSION} (engine ")
    assert done.stdout.count("\n") == 1


def test_at_home_only_this_machine_is_answered() -> None:
    home = app.command("127.0.0.1", None, browser=True)
    room = app.command("0.0.0.0", 8501, browser=False)
    assert home.count("--server.allowedHosts") == 3 and "--server.port" not in home
    assert "--server.allowedHosts" not in room and room[-4:] == [
        *("--server.port", "8501"),
        *("--server.headless", "true"),
    ]
    assert str(ROOT / "serve.py") in home


def test_sessions_lie_where_opossum_runs_says_else_here_else_in_the_users_data(
    monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "told"))
    monkeypatch.setattr(places, "INSTALLED", True)
    assert app.runs_folder() == tmp_path / "told"
    monkeypatch.delenv("OPOSSUM_RUNS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    installed = app.runs_folder()
    assert installed.is_absolute() and installed.parts[-2:] == ("opossum", "runs")
    if sys.platform == "linux":
        assert installed == tmp_path / ".local" / "share" / "opossum" / "runs"
    monkeypatch.setattr(places, "INSTALLED", False)
    assert app.runs_folder() == Path("runs")


def test_a_folder_that_takes_nothing_is_said_before_the_first_click(tmp_path: Path) -> None:
    there = tmp_path / "a home" / "runs"
    assert app.kept(there) == f"What you do is kept in {there}."
    assert not there.parent.exists()  # asking makes nothing
    file = tmp_path / "file"
    file.write_text("")
    assert app.kept(file / "runs").startswith(
        f"What you do is not kept: nothing can be written in {file / 'runs'}. Set OPOSSUM_RUNS"
    )


def test_without_a_browser_none_is_promised(monkeypatch, capfd, tmp_path: Path) -> None:
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    monkeypatch.setattr(app.os, "execve", lambda *started: None)
    for options, promised in (([], True), (["--no-browser"], False)):
        app.app(command_line.parser().parse_args(["app", *options]))
        said = capfd.readouterr().err
        assert ("Your browser opens" in said) is promised and "the address below" in said


@pytest.mark.parametrize(
    ("typed", "says"),
    [("genrate", "did you mean generate?"), ("make coffee", "'make coffee' is no command (see")],
)
def test_a_command_that_is_none_gets_one_short_line(typed: str, says: str) -> None:
    done = opossum(typed)
    assert done.returncode == 2 and says in done.stderr
    assert done.stderr.count("\n") == 1 and len(done.stderr) < 120


@pytest.mark.slow  # names that no server knows: half a minute here
def test_an_address_that_is_none_is_said_without_the_systems_words() -> None:
    for host, port in (("nobody.invalid", []), ("nobody.invalid", ["--port", "8600"]), ("::9", [])):
        done = opossum("app", "--no-browser", "--host", host, *port)
        assert done.returncode == 2 and done.stderr.startswith("error: ") and host in done.stderr
        assert done.stderr.count("\n") == 1 and "Errno" not in done.stderr
