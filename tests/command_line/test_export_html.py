"""``export-html``: what it prints, where the file goes, and what it says of a run that is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf_core.command_line import handing_over
from rlhf_core.common.errors import InputError

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = ROOT / "tests" / "fixtures" / "before" / "command-line"


def export(*arguments, folder=ROOT) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rlhf_core", "export-html", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=None, check=False
    )


def test_a_run_becomes_one_file(tmp_path):
    out = tmp_path / "a run.html"
    done = export(RUN, "--out", out)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"kind": "html", "file": str(out), "bytes": out.stat().st_size}
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["a run.html"], "nothing half-written"
    assert "Meme bot" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("bundle", "out", "status", "said"),
    [
        ("nowhere", "x.html", 2, "There is no folder nowhere."),
        ("-x", "x.html", 2, "error:"),
        (RUN, "", 1, "cannot be written"),
        (RUN, "no/folder/x.html", 1, "cannot be written"),
        (ROOT, "x.html", 2, "run.json is missing"),
    ],
)
def test_what_does_not_work_is_one_line(tmp_path, bundle, out, status, said):
    done = export(bundle, "--out", tmp_path / out)
    assert done.returncode == status and said in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_said():
    with pytest.raises(InputError, match="no folder ui/nothing beside rlhf_core"):
        handing_over.hand_over("ui.nothing", [])
