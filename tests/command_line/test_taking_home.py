"""The commands that take a run home: what they write is whole, or it is not there; and each refusal
is one sentence.
"""

from __future__ import annotations

import json
import os
import threading
import zipfile

import fake_hub
import pytest
import torch

from rlhf_core.__main__ import main
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import workbench
from rlhf_core.session import saving
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, plain_files


@pytest.fixture
def run(tmp_path):
    session = Session(PRESETS["meme-bot"], directory=tmp_path / "my-run", id="a-run")
    session.judged.imported = [Pair("A cat is", " x", " y", "a", annotator="Kim")]
    session.tuned.weights = workbench.put(session, {"w": torch.ones(64)})
    session.tuned.metrics = [{"step": 0}, {"step": 1}]
    saving.save(session, status="done")
    return tmp_path / "my-run"


def said(capsys) -> tuple[list[dict], str]:
    out, err = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], err.strip()


def left(tmp_path) -> set[str]:
    return {path.name for path in tmp_path.iterdir()} - {"my-run"}


def test_a_zip_holds_the_run_and_nothing_beside_it(run, tmp_path, capsys):
    (run / "notes.txt").write_text("mine")
    assert main(["export-zip", str(run), "--out", str(tmp_path / "r.zip")]) == 0
    (row,), _ = said(capsys)
    with zipfile.ZipFile(tmp_path / "r.zip") as found:
        names = [name.partition("/")[2] for name in found.namelist()]
        assert names == row["files"] and "notes.txt" not in names
        assert found.namelist()[0] == "my-run/run.json"
        for name in bundle.whole_files(run):
            assert found.read(f"my-run/{name}") == bundle.whole_files(run)[name]


def test_a_damaged_run_gives_no_zip(run, tmp_path, capsys):
    (run / "metrics.csv").write_text("x")
    assert main(["export-zip", str(run), "--out", str(tmp_path / "r.zip")]) == 2
    assert "metrics.csv does not match its checksum" in said(capsys)[1] and not left(tmp_path)


def test_a_data_set_has_the_licence_that_was_typed(run, tmp_path, capsys):
    more = ["--license", "cc-by-4.0", "--author", "Ada", "--pay", "volunteers"]
    assert main(["export-dataset", str(run), "--out", str(tmp_path / "set"), *more]) == 0
    card = (tmp_path / "set" / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-4.0" in card and "volunteers, without pay" in card and "Kim" not in card
    assert "No licence" not in said(capsys)[1]
    assert (
        main(["export-dataset", str(run), "--out", str(tmp_path / "s2"), "--license", "WTF!"]) == 0
    )
    card = (tmp_path / "s2" / "README.md").read_text(encoding="utf-8")
    assert "license: other\nlicense_name: wtf" in card
    assert main(["export-dataset", str(run), "--out", str(tmp_path / "s3")]) == 0
    assert "No licence was chosen" in said(capsys)[1]


@pytest.mark.parametrize("command", ["export-zip", "export-dataset", "export-model"])
def test_what_cannot_be_written_is_said_and_nothing_is_left(run, tmp_path, capsys, command):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for out in (tmp_path / "no" / "x", run, tmp_path / "full"):
        before = left(tmp_path)
        assert main([command, str(run), "--out", str(out)]) == 2, out
        rows, err = said(capsys)
        assert not rows and err.startswith("error: ") and "\n" not in err, err
        assert left(tmp_path) == before
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    assert {path.name for path in (tmp_path / "full").iterdir()} == {"mine.txt"}
    assert main([command, str(tmp_path / "full"), "--out", str(tmp_path / "x")]) == 2
    assert "run.json is missing" in said(capsys)[1]


@pytest.mark.parametrize("command", ["export-zip", "export-dataset"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    run, tmp_path, capsys, command, monkeypatch
):
    real = os.fsync

    def full(number: int) -> None:
        real(number)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plain_files.os, "fsync", full)
    assert main([command, str(run), "--out", str(tmp_path / "out")]) == 2
    assert "The disk is full" in said(capsys)[1] and not left(tmp_path)


@pytest.mark.parametrize("command", ["export-zip", "export-dataset"])
def test_a_disk_that_may_only_be_read_is_one_sentence(run, tmp_path, capsys, command, monkeypatch):
    real = os.open

    def refuse(place, flags, *more, **others):
        if flags & os.O_CREAT:
            raise OSError(30, "Read-only file system")
        return real(place, flags, *more, **others)

    monkeypatch.setattr(plain_files.os, "open", refuse)
    assert main([command, str(run), "--out", str(tmp_path / "out")]) == 2
    assert "Read-only file system" in said(capsys)[1] and not left(tmp_path)


def test_two_exports_at_once_leave_one_whole_file_or_a_sentence(run, tmp_path):
    """Of a file the last one counts; a folder that another one has filled is refused."""
    codes: list[int] = []

    def export(command: str, name: str) -> None:
        codes.append(main([command, str(run), "--out", str(tmp_path / name)]))

    for command, name in (("export-zip", "r.zip"), ("export-dataset", "set")):
        threads = [threading.Thread(target=export, args=(command, name)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(codes[:6]) == {0} and 0 in codes[6:] and {*codes[6:]} <= {0, 2}
    assert left(tmp_path) == {"r.zip", "set"}
    with zipfile.ZipFile(tmp_path / "r.zip") as found:
        assert found.testzip() is None
    lines = (tmp_path / "set" / "SHA256SUMS").read_text().splitlines()
    assert all((tmp_path / "set" / line.split("  ")[1]).is_file() for line in lines)


# --- to the hub -----------------------------------------------------------------------------------


def test_a_push_is_what_an_export_writes(run, tmp_path, capsys, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", fake_hub.WRITE)
    card = ["--license", "cc-by-4.0", "--author", "Ada"]
    assert main(["push-dataset", str(run), "--to", "votes", *card]) == 0
    (row,), err = said(capsys)
    assert row["url"] == f"{hub.url}/datasets/ada/votes" and "private" in err
    assert fake_hub.WRITE not in err + json.dumps(row)
    assert main(["export-dataset", str(run), "--out", str(tmp_path / "set"), *card]) == 0
    found = hub.repositories["dataset", "ada/votes"]
    assert found.private
    assert found.files == {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}


def test_a_push_that_cannot_be_is_one_sentence(run, tmp_path, capsys, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    assert main(["push-dataset", str(run), "--to", "votes"]) == 2
    assert "set HF_TOKEN" in said(capsys)[1] and hub.asked == []
    assert main(["push-dataset", str(run), "--to", "a b"]) == 2
    assert "is no name for a repository" in said(capsys)[1] and hub.asked == []
    monkeypatch.setattr("huggingface_hub.get_token", lambda: fake_hub.OTHERS)
    assert main(["push-dataset", str(run), "--to", "ada/votes"]) == 1
    rows, err = said(capsys)
    assert "may not write for ada" in err and not rows and hub.repositories == {}


def test_ctrl_c_says_what_lies_there(run, capsys, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", fake_hub.WRITE)

    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.HfApi.create_commit", pressed)
    assert main(["push-dataset", str(run), "--to", "votes"]) == 130
    assert "Stopped. Whether it came in is not known: see http" in said(capsys)[1]
