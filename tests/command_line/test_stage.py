"""The loop in stages: after each other they are ``run``, number for number; and DVC itself, where
it is installed, runs them, skips what has not changed, and repeats what has.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlhf_core.__main__ import main
from rlhf_core.exchange.pipeline_project import STAGES

ROOT = Path(__file__).resolve().parent.parent.parent
DVC = os.environ.get("OPOSSUM_DVC") or shutil.which("dvc", path=Path(sys.executable).parent)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # imports torch seven times
SMALL = ["--comparisons", "12", "--steps", "1", "--seed", "3"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("stages")
    assert main(["run", "--brief", "meme-bot", *SMALL, "--out", str(place / "run")]) == 0
    assert main(["export-dvc", str(place / "run"), "--out", str(place / "pipe")]) == 0
    return place


def numbers(folder: Path) -> tuple[list[dict], dict]:
    with (folder / "metrics.csv").open() as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return rows, json.loads((folder / "evaluation.json").read_text())


def test_stages_after_each_other_are_the_run(run, tmp_path, capsys):
    before: list[str] = []
    for name in STAGES:
        more = ["--metrics", str(tmp_path / "m.json")] if name == "evaluate" else []
        given = ["--params", str(run / "pipe" / "params.yaml"), "--out", str(tmp_path / name)]
        assert main(["stage", name, *before, *given, *more]) == 0
        before = ["--from", str(tmp_path / name)]
    assert numbers(tmp_path / "evaluate") == numbers(run / "run")
    told, said = json.loads((tmp_path / "m.json").read_text()), numbers(run / "run")[1]
    assert told["verdict"] == said["verdict"] and told["win_rate"] == said["win_rate"]
    capsys.readouterr()
    assert main(["replay", str(tmp_path / "evaluate")]) == 0
    again = ["stage", "rank", "--from", str(tmp_path / "generate")]
    again += ["--params", str(run / "pipe" / "params.yaml"), "--out", str(tmp_path / "rank")]
    assert main(again) == 2 and "holds something" in capsys.readouterr().err


@pytest.mark.skipif(
    not DVC, reason="DVC is not installed here: requirements-dvc.txt, or OPOSSUM_DVC=/path/to/dvc."
)
def test_dvc_itself_runs_it_and_repeats_only_what_follows_from_a_change(run):
    pipe = run / "pipe"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))

    def dvc(*words: str) -> str:
        done = subprocess.run(
            [DVC, *words], cwd=pipe, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    first = dvc("repro")
    assert [name for name in STAGES if f"Running stage '{name}'" in first] == list(STAGES)
    assert numbers(pipe / "work" / "evaluate") == numbers(run / "run")
    assert "Running stage" not in dvc("repro") and "are up to date" in dvc("status")
    said = json.loads((pipe / "metrics.json").read_text())
    shown = json.loads(dvc("metrics", "show", "--json"))[""]["data"]
    assert shown == {"metrics.json": {"data": said}}
    params = yaml.safe_load((pipe / "params.yaml").read_text())
    params["evaluate"]["pairs"] = 40
    (pipe / "params.yaml").write_text(yaml.safe_dump(params))
    again = dvc("repro")
    assert "Running stage 'evaluate'" in again and "Running stage 'ppo'" not in again
    assert len(numbers(pipe / "work" / "evaluate")[1]["pairs"]) == 40
