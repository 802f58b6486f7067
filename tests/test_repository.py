"""The files around the code keep their word: pins, first lines of the README, and the script that
sets everything up.
"""

from __future__ import annotations

import ast
import http.server
import importlib.util
import os
import re
import subprocess
import sys
import threading
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)


INSTALLED_AS = {"PIL": "pillow"}  # imported by another name


def pins(name: str) -> dict[str, str]:
    lines = [
        line.split("#")[0].strip()
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    return dict(line.split("==") for line in lines if line and not line.startswith("-r"))


def imported(*places: str) -> set[str]:
    """Names of the packages that the Python files of ``places`` import, ours and the standard
    library's left out.
    """
    names = set()
    for place in places:
        for file in (
            sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
        ):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names.add(node.module.split(".")[0])
    ours = {"rlhf_core", "ui"}
    return {INSTALLED_AS.get(n, n) for n in names - set(sys.stdlib_module_names) - ours}


def test_what_the_app_imports_is_pinned_and_installed_as_pinned() -> None:
    pinned = pins("requirements.txt")
    extra = pins("requirements-ray.txt")  # imported where it is asked for
    assert set(extra) == {"ray"}
    assert imported("app.py", "pages", "ui", "rlhf_core") <= {*pinned, *extra}
    assert {name: version(name).split("+")[0] for name in pinned} == pinned


def test_what_a_server_needs_on_top_is_pinned() -> None:
    server = pins("requirements-server.txt")
    assert set(server) == {"psycopg[binary]", "s3fs"}
    assert server["s3fs"] == pins("requirements.txt")["fsspec"]  # s3fs takes no other


def test_the_readme_makes_a_docker_space() -> None:
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert (front["sdk"], front["app_port"], front["license"]) == ("docker", 8501, "apache-2.0")
    assert len(front["short_description"]) <= 60  # the hub's limit


@pytest.mark.parametrize("version_found", [(3, 6, 15), (3, 10, 13)])
def test_a_python_that_is_too_old_gets_one_line(version_found: tuple[int, ...]) -> None:
    line = bootstrap.too_old_line(version_found, "/usr/bin/python3")
    assert (
        "\n" not in line and "3.11 or newer" in line and ".".join(map(str, version_found)) in line
    )


def test_bootstrap_can_be_read_by_an_old_python() -> None:
    ast.parse(
        (ROOT / "scripts" / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6)
    )


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
    ("card", "answers", "installed", "calls"),
    [
        (False, True, False, 1),
        (False, False, False, 0),
        (True, True, False, 0),
        (False, True, True, 0),
    ],
)
def test_the_cpu_build_is_taken_where_it_helps(
    monkeypatch: pytest.MonkeyPatch, card: bool, answers: bool, installed: bool, calls: int
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "has_nvidia_card", lambda: card)
    monkeypatch.setattr(bootstrap, "answers_quickly", lambda url: answers)
    monkeypatch.setattr(bootstrap, "has_torch", lambda pin: installed)
    monkeypatch.setattr(bootstrap, "pip", lambda what, *arguments: ran.append(arguments))
    bootstrap.install_torch(bootstrap.torch_pin())
    assert (
        ran
        == [
            (
                f"torch=={pins('requirements.txt')['torch']}",
                "--extra-index-url",
                bootstrap.CPU_INDEX,
            )
        ]
        * calls
    )


def test_help_names_every_target() -> None:
    phony = (
        re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        .group(1)
        .split()
    )
    said = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(f"make {target} " in said for target in phony if not target.startswith("venv"))


def test_a_linked_environment_is_ignored_too(tmp_path: Path) -> None:
    """A second working tree often links to the first one's environment; git knows a link from a
    folder.
    """
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text(encoding="utf-8"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    ignored = ["git", "-C", tmp_path, "check-ignore", "-q"]
    assert subprocess.run([*ignored, ".venv"]).returncode == 0
    assert subprocess.run([*ignored, "app.py"]).returncode == 1
