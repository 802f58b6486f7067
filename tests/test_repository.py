"""The files around the code keep their word: pins, first lines of the README, and the script that
sets everything up.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent


INSTALLED_AS = {"yaml": "PyYAML", "PIL": "pillow"}  # imported by another name


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


def test_the_readme_lists_every_setting_that_the_code_reads() -> None:
    """One table, and nothing in it that nobody reads."""
    read = set()
    for place in ("app.py", "serve.py", "pages", "ui", "rlhf_core"):
        files = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
        for file in files:
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    if re.fullmatch(r"OPOSSUM_[A-Z_]+|DATABASE_URL", node.value):
                        read.add(node.value)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("### Settings") : readme.index("## On a Hugging Face Space")]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    listed = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert len(read) >= 8 and sorted(listed) == sorted(read)


def test_the_image_takes_torch_from_its_own_index_alone_and_holds_no_bytecode() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.sub(r"\\\n", " ", dockerfile).splitlines()
    (torch,) = [line for line in steps if "torch==" in line]
    first = torch.split("&&")[0]
    assert "--no-deps --index-url" in first and "extra-index-url" not in first
    installs = re.findall(r"pip install[^&;]*", "\n".join(steps))
    assert len(installs) == 3 and all("--no-compile" in one for one in installs)
    assert re.search(r"^RUN python -B", dockerfile, re.MULTILINE)


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
