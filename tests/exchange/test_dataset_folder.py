"""The data set of a session: ``datasets`` loads it, its checksums hold, nobody is named in it, and
its pairs come back in.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from huggingface_hub import DatasetCard

from rlhf_core.common.errors import InputError
from rlhf_core.exchange import dataset_folder, taking_in
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.session import judged
from rlhf_core.session.state import Session


@pytest.fixture
def session() -> Session:
    """Thumbs, lists, ties, skips, changed answers, reasons; an import by three people."""
    made = Session(PRESETS["meme-bot"])
    made.judged.imported = [
        Pair(f"A {s} is", " Ω 👩‍🚀 a mood.", " a\u2028mammal.", choice, annotator=who, seconds=s)
        for who, choice, s in (("you", "a", None), ("ada@example.org", "tie", 2.5), ("you", "b", 3))
    ]
    made.judged.imports = [{"file": "a.csv", "pairs": 2}, {"file": "b.csv", "pairs": 1}]
    made.asked.candidate_sets = [
        {"id": f"set-{n}", "prompt": f"A cat {n} is", "finished": [True] * 3}
        | {"texts": [" x", f" {n}", ' "y"\n']}
        for n in range(6)
    ]
    judged.add_ranking(made, "set-0", verdict="skip")
    judged.add_ranking(made, "set-1", groups=[[2], [0], [1]], reason="funnier", seconds=4.0)
    judged.add_ranking(made, "set-2", groups=[[2, 1], [0]], ideal="better", annotator="Bo")
    judged.add_ranking(made, "set-3", groups=[[0, 1], [2]], good=[0, 1])
    judged.add_ranking(made, "set-4", verdict="both_bad")
    judged.change_ranking(made, "set-1", groups=[[0], [1], [2]], seconds=1.0)
    return made


def written(session: Session, folder):
    dataset_folder.fill(session, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_datasets_loads_every_table_of_the_folder(session, tmp_path):
    datasets = pytest.importorskip("datasets", reason="pip install -r requirements-dev.txt")
    (tmp_path / "set").mkdir()
    files = written(session, tmp_path / "set")
    head = DatasetCard(files["README.md"].decode()).data
    rows = {
        config["config_name"]: datasets.load_dataset(
            str(tmp_path / "set"), config["config_name"], cache_dir=str(tmp_path / "cache")
        )["train"].to_list()
        for config in head.configs
    }
    assert [*rows] == ["default", "trl", "chat", "rankings", "briefs"]
    own = [json.loads(line) for line in files["preferences.jsonl"].decode().split("\n") if line]
    assert rows["default"] == own and len(own) == 16
    assert {row["choice"] for row in own} == {"a", "b", "tie", "both_bad", "skip"}
    assert rows["trl"][0] == {
        "prompt": "A None is",
        "chosen": " Ω 👩‍🚀 a mood.",
        "rejected": " a\u2028mammal.",
    }
    assert rows["chat"][0]["chosen"] == [{"role": "assistant", "content": " Ω 👩‍🚀 a mood."}]
    assert [row["id"] for row in rows["rankings"]] == [f"set-{n}" for n in range(5)]
    assert rows["rankings"][1]["first"]["groups"] == [[2], [0], [1]]
    assert rows["rankings"][3]["good"] == [0, 1] and rows["rankings"][2]["good"] is None
    assert rows["briefs"][0]["prefer"] == PRESETS["meme-bot"].prefer


def test_nobody_is_named_and_who_is_alike_stays_alike(session):
    files = dataset_folder.files(session)
    every = b"".join(files.values()).decode()
    assert "example.org" not in every and '"Bo"' not in every
    rows = [json.loads(line) for line in files["preferences.jsonl"].decode().split("\n") if line]
    assert [row["annotator"] for row in rows[:3]] == ["judge-1", "judge-2", "judge-3"]
    assert {row["annotator"] for row in rows[3:]} == {"author", "judge-4"}
    assert dataset_folder.files(session) == files, "the same session, the same bytes"


def test_the_checksums_hold_and_git_leaves_line_ends_alone(session, tmp_path):
    files = written(session, tmp_path)
    lines = files["SHA256SUMS"].decode().splitlines()
    assert len(lines) == len(files) - 2
    for line in lines:
        sha256, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == sha256, name
    git = ["git", "-c", "core.autocrlf=true", "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    copy = tmp_path.parent / "copy"
    subprocess.run([*git, "clone", "-q", str(tmp_path), str(copy)], check=True, capture_output=True)
    for name, data in files.items():
        assert (copy / name).read_bytes() == data, name


def test_its_pairs_come_back_in(session, tmp_path):
    files = dataset_folder.files(session)
    report = taking_in.read(files["preferences.jsonl"], "preferences.jsonl")
    assert report.used == report.read == 16 and not report.repaired
    assert [pair.choice for pair in report.pairs[:3]] == ["a", "tie", "b"]
    trl = taking_in.read(files["preferences-trl.jsonl"], "preferences-trl.jsonl")
    assert trl.used == trl.read == sum(pair.choice in "ab" for pair in report.pairs)


def test_an_empty_session_has_no_data_set():
    with pytest.raises(InputError, match="Nothing was judged yet"):
        dataset_folder.files(Session())


def test_it_is_made_without_torch():
    code = (
        "import sys; from rlhf_core.exchange import dataset_folder; from rlhf_core.session import"
        " opening, taking; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
