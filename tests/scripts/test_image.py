"""The image, built from the Dockerfile without a daemon and started as a container's first process.

Debian's buildah builds it in a chroot, on a Debian bookworm root made by mmdebstrap; its packages
come from a folder that pip fills beforehand, so that nothing but that needs a network. Prints what
it measures; `make test-slow ARGS="-k image -s"` shows it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TOOLS = ("buildah", "mmdebstrap", "unshare", "chroot")
BASE = "localhost/opossum-base"
INCLUDE = "python3,python3-pip,python-is-python3,ca-certificates"
LARGEST = 2_000  # MB
IN_TIME = 5.0  # seconds from SIGTERM to the end; a container is killed after ten


def run(*command, **more) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )
    assert done.returncode == 0, f"{command[:3]}: {done.stdout[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def tools() -> None:
    """buildah and mmdebstrap, installed where apt may do so."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("an image is built without a daemon on Linux, by an administrator, only")
    if not all(map(shutil.which, TOOLS)):
        if not shutil.which("apt-get"):
            pytest.skip("there is no buildah here, and no apt to install it with")
        apt = ["apt-get", "install", "-y", "--no-install-recommends", "buildah", "mmdebstrap"]
        for command in (["apt-get", "update"], apt):
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("apt could not install buildah and mmdebstrap")


@pytest.fixture(scope="module")
def wheels(tools, tmp_path_factory) -> Path:
    """Everything that the image installs, with the CPU torch; kept in build/ for next time."""
    folder = ROOT / "build" / "image-wheels"
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "-d", folder, "--only-binary", ":all:"]
    pip += ["--python-version", "3.11"]
    torch = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    cpu = ["--extra-index-url", "https://download.pytorch.org/whl/cpu"]
    if not list(folder.glob("torch-*+cpu-*.whl")):
        subprocess.run([*pip, "--no-deps", torch.group(), *cpu], capture_output=True)
    if not list(folder.glob("torch-*+cpu-*.whl")):
        for wheel in folder.glob("torch-*.whl"):
            wheel.unlink()
        pytest.skip("PyTorch's CPU build cannot be had from here")
    run(*pip, "--no-deps", "--require-hashes", "-r", ROOT / "requirements-linux.lock")
    return folder


@pytest.fixture(scope="module")
def image(wheels, tmp_path_factory):
    """(the root of a container of it, what the image says of itself)."""
    place = tmp_path_factory.mktemp("image")
    storage = ["--root", place / "storage", "--runroot", place / "run"]
    pip_conf = place / "pip.conf"
    pip_conf.write_text("[global]\nno-index = true\nfind-links = /wheels\n")

    def buildah(*arguments) -> str:
        return run("buildah", *storage, *arguments).strip()

    run("mmdebstrap", "--variant=apt", f"--include={INCLUDE}", "bookworm", place / "base.tar")
    base = buildah("from", "scratch")
    buildah("add", base, place / "base.tar", "/")
    # Debian's Python keeps pip out; the image that the Dockerfile names does not.
    buildah("run", "--isolation", "chroot", base, "sh", "-c", "rm -f /usr/lib/python3*/EXTERNALLY*")
    buildah("commit", "--rm", base, BASE)
    (place / "base.tar").unlink()
    volumes = ["-v", f"{wheels}:/wheels:ro", "-v", f"{pip_conf}:/etc/pip.conf:ro"]
    build = ["--isolation", "chroot", "--layers=false", "--build-arg", f"BASE={BASE}"]
    buildah("bud", "--format", "docker", *build, *volumes, "-t", "opossum", ROOT)
    container = buildah("from", "--pull-never", "localhost/opossum")
    root = Path(buildah("mount", container).splitlines()[-1])
    yield root, json.loads(buildah("inspect", "--type", "image", "localhost/opossum"))
    buildah("umount", container)
    buildah("rm", container)


def in_container(root: Path, config: dict, command: list[str], **environment: str) -> list:
    """``command`` as the image's user, with its environment and nothing of ours."""
    given = [*config["Env"], *(f"{name}={value}" for name, value in environment.items())]
    start = f'cd {config["WorkingDir"]} && exec "$@"'
    chroot = ["chroot", "--userspec=1000:1000", root, "/usr/bin/env", "-i", *given]
    return [*chroot, "/bin/sh", "-c", start, "sh", *command]


def test_the_image_is_small_starts_is_healthy_and_ends_in_time(image, artefacts) -> None:
    root, about = image
    config = about["Docker"]["config"]
    home = root / "home" / "user"
    size = int(run("du", "-sxm", root).split()[0])
    assert size < LARGEST, f"{size} MB"
    assert not list(home.rglob("__pycache__")), "what is compiled is left to the first start"
    assert not (home / "app" / "tests").exists() and not (home / "app" / ".git").exists()
    assert list(home.glob(".local/lib/python3*/site-packages/torch-*+cpu.dist-info"))

    more = {"STREAMLIT_SERVER_PORT": str(free_port()), "STREAMLIT_SERVER_BASE_URL_PATH": "class"}
    log = (artefacts / "image.log").open("w")
    first = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc"]
    began = time.monotonic()
    outer = subprocess.Popen(
        [*first, *map(str, in_container(root, config, config["Cmd"], **more))],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        test = config["Healthcheck"]["Test"]
        assert test[0] == "CMD"
        check = [*map(str, in_container(root, config, test[1:], **more))]
        while subprocess.run(check, capture_output=True).returncode:
            assert outer.poll() is None and time.monotonic() - began < 300
            time.sleep(0.2)
        healthy = time.monotonic() - began
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        (pid,) = map(int, children)
        assert "NSpid:" in Path(f"/proc/{pid}/status").read_text()
        inside = re.search(r"NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
        assert inside.group(1) == "1", "the server is the container's first process"
        began = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        outer.wait(60)
        ended = time.monotonic() - began
    finally:
        if outer.poll() is None:
            outer.kill()
            outer.wait()
    print(f"image {size} MB, healthy after {healthy:.1f} s, over {ended:.1f} s after SIGTERM")
    assert ended < IN_TIME
