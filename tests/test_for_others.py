"""What people of the field look for beside the code is valid: the forms, the workflow, the
citation, the composition of containers. Their schemas come with check-jsonschema; nothing is
fetched.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCHEMAS = {
    ".github/workflows/ci.yml": "github-workflows",
    ".github/ISSUE_TEMPLATE/mistake.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/idea.yml": "github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "github-issue-config",
    "CITATION.cff": "citation-file-format",
    "compose.yaml": "compose-spec",
}


def checked(schema: str, path: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    return subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_what_its_readers_expect(name: str) -> None:
    done = checked(SCHEMAS[name], ROOT / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_can_fail(tmp_path: Path) -> None:
    words = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (tmp_path / "CITATION.cff").write_text(words.replace("title:", "titel:"), encoding="utf-8")
    assert checked("citation-file-format", tmp_path / "CITATION.cff").returncode == 1


def test_every_yaml_file_for_others_is_checked() -> None:
    found = {str(p.relative_to(ROOT)) for p in (ROOT / ".github").rglob("*.yml")}
    assert found == {name for name in SCHEMAS if name.startswith(".github")}
