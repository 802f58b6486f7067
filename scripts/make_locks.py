"""Pin everything that requirements.txt brings along, with hashes, one file a platform:
``python scripts/make_locks.py`` (``make lock``).

uv resolves for Python 3.11 to 3.14 at once. On Linux PyTorch itself stays out, and so do CUDA's
packages, which its standard build brings: the build for processors has an index and hashes of its
own, so scripts/bootstrap.py and the Dockerfile install it first, by its exact pin.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ">=3.11,<3.15"
PLATFORMS = {
    "linux": "sys_platform == 'linux'",
    "macos": "sys_platform == 'darwin' and platform_machine == 'arm64'",
    "windows": "sys_platform == 'win32' and platform_machine == 'AMD64'",
}
TORCHS = r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)=="
HEAD = """\
# Everything that requirements.txt brings along on {name}, Python 3.11 to 3.14, with hashes.
# Made by `make lock` (scripts/make_locks.py), never by hand. Install with --no-deps{more}.
"""
ASIDE = ",\n# after torch, which is not in it: its build for processors has an index of its own"


def entries(lock: str) -> list[str]:
    """The packages of a lock file, each with the lines of its hashes."""
    found = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)
    return [entry for entry in found if re.match(r"[\w.-]+==", entry)]


def tidied(entry: str) -> str:
    """Without uv's notes on who wants the package."""
    return "".join(line + "\n" for line in entry.splitlines() if not line.lstrip().startswith("#"))


def project(requirements: str, where: str) -> str:
    lines = [line.split("#")[0].strip() for line in requirements.splitlines()]
    wanted = [line for line in lines if line]
    return (
        f'[project]\nname = "locked"\nversion = "0"\nrequires-python = "{PYTHONS}"\n'
        f'dependencies = {wanted!r}\n[tool.uv]\nenvironments = ["{where}"]\n'
    )


def resolved(requirements: str, where: str) -> str:
    """What uv makes of ``requirements`` on the platform that the marker ``where`` names."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pyproject.toml").write_text(project(requirements, where))
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--universal"]
        command += ["--python-version", "3.11", "--generate-hashes", "--no-header", "--quiet"]
        done = subprocess.run(
            [*command, "--no-annotate"], cwd=folder, stdout=subprocess.PIPE, text=True
        )
    if done.returncode:
        sys.exit("uv could not resolve the requirements.")
    return done.stdout


def main() -> None:
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for name, where in PLATFORMS.items():
        found = [tidied(entry) for entry in entries(resolved(requirements, where))]
        aside = name == "linux"
        if aside:
            found = [entry for entry in found if not re.match(TORCHS, entry)]
        head = HEAD.format(name=name, more=ASIDE if aside else "")
        file = ROOT / f"requirements-{name}.lock"
        file.write_text(head + "".join(found), encoding="utf-8")
        print(f"{file.name}: {len(found)} packages")


if __name__ == "__main__":
    main()
