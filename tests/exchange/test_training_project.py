"""A run as a project for real hardware: what is in it, what is refused; and (slow) that it runs, on
two processes, and comes out as here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.exchange import training_project
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.session.state import Session

BRIEF = briefs.PRESETS["meme-bot"]


def judged(count: int = 6, **fields) -> Session:
    session = Session(BRIEF, seed=3)
    prompts = BRIEF.training_prompts
    session.judged.imported = [
        Pair(prompts[i], f" x{i}.", " y.", "ab"[i % 2], annotator="Kim", **fields)
        for i in range(count)
    ]
    return session


def rows(folder: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def test_what_is_in_it(tmp_path: Path) -> None:
    session = judged()
    session.judged.imported += [
        Pair(BRIEF.training_prompts[0], " p", " q", "tie"),
        Pair(BRIEF.evaluation_prompts[0], " kept", " out", "a"),
    ]
    settings = {"beta": 0.07, "epochs": 3, "batch_size": 32, "minibatch_size": 16}
    session.tuned.log = [{"step": 0, "settings": settings, "fit": 1, "prompts": []}]
    session.tuned.metrics = [{"step": 0}, {"step": 9}]
    one = {"prompt": "A cat is", "before": " a", "after": " b", "ended_before": True}
    one |= {"ended_after": False, "reward_before": 0.5, "reward_after": 1.5}
    session.tuned.evaluation = {"pairs": [one, one, one | {"after": " a"}]}
    told = training_project.write(session, tmp_path / "project")
    assert told["preferences"] == 6 and told["check_pairs"] == 2
    folder = tmp_path / "project"
    trained = rows(folder, "preferences/train.jsonl")
    assert trained[0] == {"prompt": BRIEF.training_prompts[0], "chosen": " x0.", "rejected": " y."}
    assert trained[1]["chosen"] == " y.", "b was preferred"
    held = {row["prompt"] for row in rows(folder, "prompts/test.jsonl")}
    assert held == set(BRIEF.evaluation_prompts)
    assert not held & {row["prompt"] for row in [*trained, *rows(folder, "prompts/train.jsonl")]}
    first, second = rows(folder, "check/pairs.jsonl")
    assert (first["a"], first["opossum_a"], first["ended_a"]) == (" b", 1.5, False)
    assert (second["a"], second["opossum_a"]) == (" a", 0.5), "left and right take turns"
    kept = json.loads((folder / "settings.json").read_text("utf-8"))
    assert (
        kept["policy"] | {"beta": 0.07, "epochs": 3, "steps": 9, "batch_size": 32}
        == (kept["policy"])
    )
    words = (folder / "README.md").read_text("utf-8")
    assert "6 clear judgements" in words and "| beta | 0.07 |" in words and "1 ties" in words
    assert "judged by judge-1" in words and "$" not in words
    assert (folder / "model" / "model.safetensors").stat().st_size > 1e6
    assert "trl==1.12.0" in (folder / "requirements.txt").read_text("utf-8").split()


def test_a_model_that_is_not_ours_is_named(tmp_path: Path) -> None:
    session = judged()
    session.model_name = "gpt2"
    training_project.write(session, tmp_path / "p")
    assert not (tmp_path / "p" / "model").exists()
    assert json.loads((tmp_path / "p" / "settings.json").read_text("utf-8"))["model"] == "gpt2"


@pytest.mark.parametrize("choice", ["tie", "skip", "both_bad"])
def test_nothing_to_learn_from_is_said(tmp_path: Path, choice: str) -> None:
    session = Session(BRIEF)
    session.judged.imported = [Pair("A", " x", " y", choice)]
    with pytest.raises(InputError, match="no clear judgement"):
        training_project.write(session, tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_what_stands_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        training_project.write(judged(), tmp_path)
    with pytest.raises(BundleError, match="cannot be written"):
        training_project.write(judged(), tmp_path / "mine.txt" / "p")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BundleError, match="The disk is full"):
        training_project.write(judged(), tmp_path / "p")
    assert list(tmp_path.iterdir()) == []


def test_accelerate_reads_its_files() -> None:
    from accelerate.commands.config.config_args import ClusterConfig

    files = sorted((training_project.TEMPLATES / "accelerate").glob("*.yaml"))
    assert len(files) == 4
    for path in files:
        config = ClusterConfig.from_yaml_file(str(path))
        told = yaml.safe_load(path.read_text("utf-8"))
        assert config.num_processes == told["num_processes"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_it_runs_on_two_processes_and_comes_out_as_here(tmp_path: Path) -> None:
    def run(*command: str, cwd: Path) -> None:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    here, python = Path(__file__).resolve().parent.parent.parent, sys.executable
    asked = "--brief meme-bot --comparisons 60 --steps 15 --seed 0".split()
    run(python, "-m", "rlhf_core", "run", *asked, "--out", str(tmp_path / "run"), cwd=here)
    project = tmp_path / "project"
    export = ("export-training", str(tmp_path / "run"), "--out", str(project))
    run(python, "-m", "rlhf_core", *export, cwd=here)
    launch = (python, "-m", "accelerate.commands.launch")
    launch += ("--config_file", "accelerate/cpu_2_processes.yaml")
    run(*launch, "train_reward.py", cwd=project)
    check = json.loads((project / "reward" / "check.json").read_text())
    assert check["pairs"] >= 150 and check["same_verdict_as_opossum"] >= 0.85, check
    run(*launch, "train_policy.py", "--algorithm", "rloo", cwd=project)
    run(python, "before_after.py", cwd=project)
    means = json.loads((project / "before_after.json").read_text())
    assert means["after"] > means["before"] + 0.3, means
