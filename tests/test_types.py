"""The types of ``rlhf_core`` stay as strict as they are: pyproject.toml, and every exception."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MYPY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
# An exception names its code, and behind it its reason.
EXCUSED = re.compile(r"# type: ignore\[[a-z-]+\]  # \w+")


def test_all_of_the_engine_is_checked_and_strict():
    assert MYPY["files"] == ["rlhf_core"] and MYPY["strict"] is True
    assert not {"exclude", "ignore_errors", "disable_error_code"} & MYPY.keys()


@pytest.mark.parametrize("package", ["algorithms", "rewards", "lm"])
def test_nothing_is_relaxed_for(package):
    module = f"rlhf_core.{package}.any"
    relaxed = [one for one in MYPY["overrides"] if any(fnmatch(module, m) for m in one["module"])]
    assert relaxed == []


def test_elsewhere_what_is_annotated_holds():
    about_ours = [o for o in MYPY["overrides"] if any("rlhf_core" in m for m in o["module"])]
    for one in about_ours:
        assert not {"check_untyped_defs", "ignore_errors", "follow_imports"} & one.keys()
        assert not {"disable_error_code", "ignore_missing_imports"} & one.keys()


def test_every_exception_names_its_code_and_its_reason():
    for file in sorted((ROOT / "rlhf_core").rglob("*.py")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if "type: ignore" in line:
                assert EXCUSED.search(line), f"{file.relative_to(ROOT)}:{number}"
