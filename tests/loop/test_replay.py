"""What a replay says before it lists differences: that another engine, or another model, made the
run. (That a run of today replays is tested with the runs: ``test_tuning``, ``test_cli``.)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_models import one_thread  # noqa: F401

from rlhf_core.__main__ import main
from rlhf_core.common import source
from rlhf_core.common.events import Progress
from rlhf_core.common.source import engine_version
from rlhf_core.lm import language_model
from rlhf_core.loop.replay import made_otherwise, replay
from rlhf_core.session import saving
from rlhf_core.session.state import Session

OLDER = Path(__file__).parent.parent / "fixtures" / "before" / "command-line"
HERE = "a" * 64


@pytest.fixture
def older(tmp_path) -> Path:
    """A bundle of before a run said which engine made it."""
    return shutil.copytree(OLDER, tmp_path / "run")


def records(work: Iterator) -> Iterator[dict]:
    return (item for item in work if not isinstance(item, Progress))


def test_an_older_run_says_so_before_its_first_difference(older):
    saved = saving.load(older)
    saved.model_hash = ""  # whatever the bundled model is by now
    work = records(replay(saved))
    note, first = next(work), next(work)
    assert note == {
        "kind": "note",
        "sentence": "This run was made by an older version of Opossum: where numbers differ, that"
        " may be why.",
    }
    assert first["where"] == "rankings.jsonl"


def test_another_bundled_model_is_named_and_the_exit_stays_1(older, capfd):
    run = json.loads((older / "run.json").read_text(encoding="utf-8"))
    run["model"]["sha256"], run["made_by"] = HERE, [engine_version()]
    (older / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert main(["replay", str(older)]) == 1
    out, err = capfd.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row.get("name") for row in rows] == ["model sha256", None]
    assert rows[0]["now"] == language_model.load().fingerprint()
    said = [line for line in err.splitlines() if "made" in line or "differ" in line]
    assert said[-2:] == [
        "This run was made with another bundled model, so its numbers cannot be the same here.",
        "1 value differs.",
    ]


@pytest.mark.parametrize(
    ("made_by", "model", "sha256", "words"),
    [
        ([engine_version()], "bundled", HERE, ""),
        ([], "bundled", "", ""),  # never saved
        (["0" * 12], "bundled", HERE, "by another version of Opossum: where"),
        (["", engine_version()], "bundled", HERE, "by an older version of Opossum: where"),
        ([""], "bundled", "b" * 64, "by an older version of Opossum, with another bundled model"),
        ([engine_version()], "gpt2", "b" * 64, "with other weights of the model gpt2, so"),
    ],
)
def test_one_sentence_for_code_and_model(made_by, model, sha256, words):
    saved = Session(model_name=model)
    saved.made_by, saved.model_hash = made_by, sha256
    sentence = made_otherwise(saved, HERE)
    assert (
        words in sentence and bool(sentence) == bool(words) and sentence.count(".") == bool(words)
    )


def test_who_made_a_run_stays_on_record(older, tmp_path):
    session = saving.load(older)
    assert session.made_by == [""]
    saving.save(session)
    assert saving.load(older).made_by == ["", engine_version()]
    saving.save(Session(), tmp_path / "new")
    assert saving.load(tmp_path / "new").made_by == [engine_version()]
    assert saving.from_dict(saving.to_dict(session)).made_by == session.made_by


def test_an_engine_is_its_source_and_its_word_lists_whatever_ends_their_lines(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(source, "ENGINE", tmp_path)
    version = source.engine_version.__wrapped__
    (tmp_path / "ppo.py").write_bytes(b"a = 1\n")
    (tmp_path / "words.txt").write_bytes(b"cat\n")
    first = version()
    (tmp_path / "ppo.pyc").write_bytes(b"anything")
    (tmp_path / "ppo.py").write_bytes(b"a = 1\r\n")
    assert version() == first and len(first) == 12
    (tmp_path / "words.txt").write_bytes(b"dog\n")
    assert version() != first
