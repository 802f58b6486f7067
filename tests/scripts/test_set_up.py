"""The script that sets everything up: what it says, and that it heals.

Run for real in a folder of its own, with a pip that does what the test wants, the real pip without
a network, and a small disk.
"""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import bootstrap  # noqa: E402
from setting_up import failed, installing, room, turn, words  # noqa: E402

POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and sessions are POSIX's")

# A pip that is asked by the variable FAKE_PIP; what it was asked to install goes to pip.log.
FAKE_PIP = """
import os, subprocess, sys, time
if sys.argv[1] == "install":
    with open("pip.log", "a") as log:
        print(*sys.argv[2:], file=log)
    how = os.environ.get("FAKE_PIP", "")
    if how == "slow":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
        with open("pids", "w") as out:
            print(os.getpid(), child.pid, file=out)
        time.sleep(120)
    if how == "takes 2 s":
        time.sleep(2)
    if os.path.exists(how):
        print(open(how).read())
        sys.exit(1)
elif sys.argv[1] == "config":
    print(os.environ.get("FAKE_PIP_CONFIG", ""))
"""

LOGS = {
    "offline": """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at \
0x7f08>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution')': \
/simple/six/
ERROR: Could not find a version that satisfies the requirement six==1.16.0 (from versions: none)
ERROR: No matching distribution found for six==1.16.0""",
    "offline, uv": """\
error: Failed to fetch: `https://index.example/simple/six/`
  Caused by: error sending request for url (https://index.example/simple/six/)
  Caused by: client error (Connect)
  Caused by: dns error: failed to lookup address information""",
    "disk full": """\
Installing collected packages: numpy
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device""",
    "certificate": """\
WARNING: Retrying (Retry(total=4)) after connection broken by 'SSLError(SSLCertVerificationError(1,\
 '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate'))': /six/
ERROR: Could not find a version that satisfies the requirement six (from versions: none)""",
    "locked": """\
ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the \
package versions, please update the hashes.""",
    "no such version": """\
ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: 2.2.2)
ERROR: No matching distribution found for torch==2.13.0""",
}


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("offline", "cannot be reached"),
        ("offline, uv", "cannot be reached"),
        ("disk full", "disk is full. Make room (2.0 GB)"),
        ("certificate", "does not trust"),
        ("locked", "not the one that was locked"),
        ("no such version", "no package for this Python"),
    ],
)
def test_what_pip_says_is_put_into_a_sentence(log: str, says: str) -> None:
    assert says in words.meaning(LOGS[log], "2.0 GB")
    assert words.last(LOGS[log]) and not any("WARNING" in line for line in words.last(LOGS[log]))


def test_what_it_does_not_know_it_does_not_explain() -> None:
    assert words.meaning("ERROR: the moon is in the wrong house") == ""


# --- is there anything to do ----------------------------------------------------------------------


def test_an_environment_is_fresh_while_it_is_newer_than_the_requirements(tmp_path: Path) -> None:
    venv = tmp_path / ".venv"
    venv.mkdir()

    def at(path: Path, seconds: int) -> None:
        path.touch()
        os.utime(path, (seconds, seconds))

    def fresh() -> tuple[bool, bool]:
        return tuple(bootstrap.is_fresh(dev, str(tmp_path), str(venv)) for dev in (False, True))

    at(tmp_path / "requirements.txt", 100)
    at(tmp_path / "requirements-dev.txt", 100)
    assert fresh() == (False, False)
    at(venv / ".installed-run", 200)
    assert fresh() == (True, False)
    at(venv / ".installed-dev", 300)
    assert fresh() == (True, True)
    at(tmp_path / "requirements-dev.txt", 400)
    assert fresh() == (True, False)
    at(tmp_path / "requirements.txt", 400)
    assert fresh() == (False, False)


# --- which PyTorch --------------------------------------------------------------------------------


def test_the_index_is_only_used_when_it_answers_quickly() -> None:
    release = threading.Event()

    class Index(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/slow":
                release.wait(10)
            self.send_response(404 if self.path == "/missing" else 200)
            self.end_headers()

        def log_message(self, *args) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        assert bootstrap.answers_quickly(f"{url}/torch/", 5)
        assert not bootstrap.answers_quickly(f"{url}/missing", 5)
        assert not bootstrap.answers_quickly(f"{url}/slow", 0.3)
    finally:
        release.set()
        server.shutdown()
        server.server_close()
    assert not bootstrap.answers_quickly(url, 5)


@pytest.mark.parametrize(
    ("system", "card", "answers", "build"),
    [
        ("linux", False, True, room.CPU),
        ("linux", False, False, room.STANDARD),
        ("linux", True, True, room.STANDARD),
        ("darwin", False, True, room.SMALL),
    ],
)
def test_the_cpu_build_is_taken_where_it_helps(monkeypatch, system, card, answers, build) -> None:
    monkeypatch.setattr(bootstrap.sys, "platform", system)
    monkeypatch.setattr(bootstrap, "has_nvidia_card", lambda: card)
    monkeypatch.setattr(bootstrap, "answers_quickly", lambda url: answers)
    assert bootstrap.which_torch()[0] == build


@pytest.mark.parametrize(
    ("config", "tool"), [("", "uv"), ("global.index-url='https://mirror.example/simple'", "pip")]
)
def test_uv_installs_where_it_is_there_and_pip_has_no_settings_of_its_own(
    tmp_path, monkeypatch, config, tool
) -> None:
    folder = clone(tmp_path)
    fake = tmp_path / "programs" / "uv"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "$@" >> uv.log\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_PIP_CONFIG", config)
    done = set_up(folder)
    assert done.returncode == 0, done.stdout
    logs = {name for name in ("uv", "pip") if (folder / f"{name}.log").exists()}
    assert logs == {tool}
    assert f"--require-hashes -r {bootstrap.lock()}" in (folder / f"{tool}.log").read_text()


# --- it heals -------------------------------------------------------------------------------------


def clone(where: Path, *, pip: bool = True) -> Path:
    """The script in a folder of its own, with an environment whose pip is the one above, or that
    was interrupted before it had any.
    """
    folder = where / "opossum"
    shutil.copytree(ROOT / "scripts" / "setting_up", folder / "scripts" / "setting_up")
    shutil.copy(ROOT / "scripts" / "bootstrap.py", folder / "scripts")
    for file in [*ROOT.glob("requirements*.txt"), *ROOT.glob("requirements-*.lock")]:
        shutil.copy(file, folder)
    venv = folder / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    if pip:
        site = next(iter(venv.glob("[Ll]ib/**/site-packages")))
        (site / "pip").mkdir()
        (site / "pip" / "__main__.py").write_text(FAKE_PIP)
        torch = bootstrap.torch_pin().replace("==", "-")
        (site / f"{torch}+cpu.dist-info").mkdir()
    return folder


def command(folder: Path) -> list:
    return [sys.executable, folder / "scripts" / "bootstrap.py"]


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command(folder),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )


def _hear_ctrl_c() -> None:
    """Whoever runs the tests in the background has Ctrl-C ignored, and a child would inherit it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def begin(folder: Path, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        preexec_fn=_hear_ctrl_c if os.name == "posix" else None,
        args=command(folder),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def alive(pid: int) -> bool:
    """Not a zombie either, which a container without an init keeps."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return status != "Z"
    except OSError:
        return False


def wait_for(what, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_it_installs_once_and_then_says_nothing(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    first = set_up(folder)
    assert first.returncode == 0 and "ready" in first.stdout
    again = set_up(folder)
    assert (again.returncode, again.stdout) == (0, "")
    assert (folder / "pip.log").read_text().count(f"-r {bootstrap.lock()}") == 1
    os.utime(folder / bootstrap.lock())
    assert "up to date" in set_up(folder).stdout, "what is locked has changed"


def test_an_environment_that_was_interrupted_is_made_anew_and_offline_is_said(tmp_path) -> None:
    """With the real pip, and an index that nobody can reach."""
    folder = clone(tmp_path, pip=False)
    assert not installing.has_pip(str(folder / ".venv"))
    refused = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}
    done = set_up(folder, **refused, PIP_FIND_LINKS="", PIP_RETRIES="1", PIP_NO_CACHE_DIR="1")
    assert installing.has_pip(str(folder / ".venv"))
    assert done.returncode == 1 and "The package index cannot be reached from here" in done.stdout
    assert not list(folder.glob(".venv/.installed-*"))


@pytest.mark.parametrize("log", ["disk full", "offline"])
def test_what_went_wrong_is_said_with_the_last_words(tmp_path: Path, log: str) -> None:
    folder = clone(tmp_path)
    (tmp_path / "log").write_text(LOGS[log])
    done = set_up(folder, FAKE_PIP=str(tmp_path / "log"))
    assert done.returncode == 1 and "apt install" not in done.stdout
    assert words.meaning(LOGS[log], "1.6 GB").split("(")[0] in done.stdout
    assert LOGS[log].splitlines()[-1] in done.stdout
    assert set_up(folder).returncode == 0  # and the same command goes on


def test_two_at_once_take_turns(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    first = begin(folder, FAKE_PIP="takes 2 s")
    wait_for((folder / "pip.log").exists)
    second = set_up(folder)
    assert first.wait(60) == 0 and second.returncode == 0
    said = turn.BUSY.format(first.pid)
    assert second.stdout.strip() == said and said not in first.stdout.read()
    assert len((folder / "pip.log").read_text().splitlines()) == 1, "the second had nothing to do"


@POSIX
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_pip_and_what_it_started(tmp_path: Path, number: int, status: int) -> None:
    folder = clone(tmp_path)
    setting_up = begin(folder, FAKE_PIP="slow")
    wait_for(lambda: (folder / "pids").exists() and (folder / "pids").read_text().strip())
    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert all(map(alive, pids))
    setting_up.send_signal(number)
    assert setting_up.wait(30) == status
    wait_for(lambda: not any(map(alive, pids)), 10)
    assert "Run the same command again" in setting_up.stdout.read()
    assert set_up(folder).returncode == 0


# --- room -----------------------------------------------------------------------------------------


def test_too_little_room_is_said_before_anything_is_downloaded(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(room, "free_at", lambda path: 700)
    with pytest.raises(failed.Failed, match=r"needs 2\.\d GB in .*, and 700 MB are free"):
        room.check(str(tmp_path / ".venv"), room.CPU, dev=False, temporary=str(tmp_path))
    monkeypatch.setattr(room, "free_at", lambda path: 100_000)
    room.check(str(tmp_path / ".venv"), room.STANDARD, dev=True)


def test_what_is_there_already_needs_no_room(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "half").write_bytes(b"")
    os.truncate(tmp_path / ".venv" / "half", 1_600_000_000)
    monkeypatch.setattr(room, "free_at", lambda path: 700)
    room.check(str(tmp_path / ".venv"), room.CPU, dev=False, temporary=str(tmp_path))


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 8 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only an administrator may make a small disk to fill")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_that_runs_full_while_the_environment_is_made_is_called_full(small_disk) -> None:
    with pytest.raises(failed.Failed, match="^The disk is full") as told:
        installing.make_venv(str(small_disk / ".venv"))
    assert "apt" not in str(told.value) and not (small_disk / ".venv").exists()


def test_a_small_disk_is_refused_with_both_figures(small_disk) -> None:
    with pytest.raises(failed.Failed, match=r"GB in .*, and 8 MB are free"):
        room.check(str(small_disk / ".venv"), room.CPU, dev=False)
