"""Which Python sets up, and what is said where PyTorch has no build."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from setting_up import pythons  # noqa: E402

PARTS = sorted((ROOT / "scripts" / "setting_up").glob("*.py"))


@pytest.mark.parametrize("found", [(3, 6, 15), (3, 10, 13), (3, 15, 0)])
def test_a_python_that_does_not_suit_gets_one_line(found: tuple[int, ...]) -> None:
    line = pythons.unsuited_line(found, "/usr/bin/python3")
    assert "\n" not in line and "3.11" in line and "3.14" in line
    assert pythons.dotted(found) in line and not pythons.supported(found)


def test_the_script_can_be_read_by_an_old_python() -> None:
    assert len(PARTS) >= 7
    for file in (ROOT / "scripts" / "bootstrap.py", *PARTS):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_of_several_pythons_one_that_suits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"old": (3, 10), "broken": None, "good": (3, 12), "new": (3, 15)}
    monkeypatch.setattr(pythons, "version_of", versions.get)
    assert pythons.another_python(["new", None, "broken", "old", "good"]) == "good"
    assert pythons.another_python(["new", "old"]) is None


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        (("Linux", "x86_64", "2.36", "glibc"), ""),
        (("Linux", "aarch64", "2.28", "glibc"), ""),
        (("Darwin", "arm64", "14.0", ""), ""),
        (("Darwin", "arm64", "26.1", ""), ""),
        (("Darwin", "arm64", "10.16", ""), ""),
        (("Windows", "amd64", "", ""), ""),
        (("Darwin", "arm64", "13.6.1", ""), "macOS 14 or newer; this is 13.6.1"),
        (("Darwin", "x86_64", "14.4", ""), "Intel"),
        (("Darwin", "x86_64", "14.4", "translated"), "this Mac has an Apple processor"),
        (("Windows", "arm64", "", ""), "Windows on ARM"),
        (("Windows", "win32", "", ""), "32-bit"),
        (("Linux", "x86_64", "1.2.4", "musl"), "musl"),
        (("Linux", "x86_64", "2.27", "glibc"), "this system has 2.27"),
        (("Linux", "armv7l", "2.36", "glibc"), "armv7l"),
    ],
)
def test_where_pytorch_has_no_build_is_said_before_anything_is_downloaded(machine, says) -> None:
    line = pythons.no_build_line(*machine)
    assert (says in line and "\n" not in line) if says else line == ""
