"""The commands that bring judgements in and out: the report is data on stdout, the words are on
stderr, exit 0 or 2, and a refused file leaves nothing behind.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf_core.__main__ import main
from rlhf_core.exchange.label_studio import import_annotations
from rlhf_core.judging.preferences import CHOICES, Pair, Ranking, read_preferences
from rlhf_core.store.formats import to_lines

ROOT = Path(__file__).resolve().parent.parent.parent
ANSWER = {
    "from_name": "comparison",
    "to_name": "comparison",
    "type": "pairwise",
    "value": {"selected": "left"},
}
TASK = {
    "id": 1,
    "data": {"prompt": "Ein Käuzchen ist", "answer1": " „x“.", "answer2": " y."},
    "annotations": [{"id": 1, "completed_by": 3, "result": [ANSWER], "lead_time": 2.5}],
}
EMPTY = {**TASK, "id": 2, "annotations": [{"id": 2, "completed_by": 3, "result": []}]}


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*arguments) -> tuple[int, dict | None, list[str]]:
        capfd.readouterr()
        try:
            status = main(list(map(str, arguments)))
        except SystemExit as ended:  # argparse
            status = ended.code
        out, err = capfd.readouterr()
        return status, json.loads(out) if out else None, err.splitlines()

    return command


def refused(result, *words):
    status, report, said = result
    assert (
        (status, report) == (2, None)
        and len(said) == 1
        and said[0].startswith("error: ")
        and all(word in said[0] for word in words)
    ), result


def test_a_partial_import_is_used_and_says_what_was_left_out(tmp_path):
    (tmp_path / "export.json").write_text(json.dumps([TASK, EMPTY]))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "rlhf_core",
            "import-label-studio",
            str(tmp_path / "export.json"),
            "--out",
            str(tmp_path / "prefs.jsonl"),
        ],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert (report["read"], report["used"], report["pairs"]) == (2, 1, 1) and report["left_out"][0][
        "row"
    ] == 2
    assert (
        "1 of 2 judgements used, 1 left out" in done.stderr
        and "Left out, task 2: nothing was chosen" in done.stderr
    )
    assert read_preferences(tmp_path / "prefs.jsonl") == [
        Pair("Ein Käuzchen ist", " „x“.", " y.", "a", seconds=2.5, annotator="user 3")
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.json", "prefs.jsonl"]


def test_judgements_go_out_and_come_back(call, tmp_path):
    pairs = [
        Pair("p", " x", f" {choice}", choice, 0.5, 2.5, "Kim", "meme-bot", 3) for choice in CHOICES
    ]
    Path("prefs.jsonl").write_bytes(to_lines([pair.to_dict() for pair in pairs]))
    status, report, said = call(
        "export-label-studio",
        "prefs.jsonl",
        "--out",
        "tasks.json",
        "--config",
        "config.xml",
        "--brief",
        "meme-bot",
    )
    assert (
        status == 0
        and (report["tasks"], report["annotations"]) == (5, 5)
        and "Import" in said[0]
        and "Meme bot" in Path("config.xml").read_text()
    )
    status, report, _ = call("import-label-studio", "tasks.json", "--out", "back.jsonl")
    assert status == 0 and report["used"] == 5 and read_preferences("back.jsonl") == pairs
    status, report, _ = call(
        "export-label-studio", "prefs.jsonl", "--out", "blank.json", "--tasks-only"
    )
    assert (
        status == 0
        and report["annotations"] == 0
        and len(import_annotations(Path("blank.json").read_bytes(), "b").unjudged) == 5
    )


def test_rankings_go_out_and_come_back(call):
    made = Ranking(
        "r1",
        "p",
        [" one.", " two.", " three."],
        [0, 1, 2],
        [[1, 0], [2]],
        seconds=4.0,
        annotator="Kim",
    )
    Path("rankings.jsonl").write_text(json.dumps(made.to_dict()) + "\n")
    status, report, _ = call(
        "export-label-studio", "rankings.jsonl", "--out", "tasks.json", "--config", "config.xml"
    )
    assert (
        status == 0
        and report["format"] == "Label Studio JSON, Ranker"
        and "<Ranker" in Path("config.xml").read_text()
    )
    status, report, _ = call(
        "import-label-studio", "tasks.json", "--out", "p.jsonl", "--rankings", "r.jsonl"
    )
    assert status == 0 and (report["used"], report["pairs"], report["rankings"]) == (1, 3, 1)
    assert (
        Ranking.from_dict(json.loads(Path("r.jsonl").read_text())).groups == made.groups
        and len(read_preferences("p.jsonl")) == 3
    )


def test_spreadsheets_and_unusual_names(call):
    Path("sheet.csv").write_bytes(
        "Prompt;Response A;Response B;Winner\nCafé; x; y;left \nq; x; y;right\np; x; y;?\n".encode(
            "cp1252"
        )
    )
    status, report, said = call("import", "sheet.csv", "--out", "p.jsonl")
    assert (
        status == 0
        and (report["used"], len(report["repaired"]), len(report["left_out"])) == (2, 2, 1)
        and any("separated by semicolons" in line for line in said)
    )
    Path("odd.json").write_text(
        json.dumps([{**TASK, "data": {"q": "p", "one": " x", "two": " y"}}])
    )
    refused(
        call("import-label-studio", "odd.json", "--out", "o.jsonl"),
        "no field for prompt and a and b",
    )
    assert (
        call("import-label-studio", "odd.json", "--out", "o.jsonl", "--fields", "q, one,two")[0]
        == 0
    )
    refused(
        call("import-label-studio", "odd.json", "--out", "o.jsonl", "--fields", "q"),
        "--fields needs three names",
    )


def test_of_several_questions_one_is_named(call):
    answers = {"help.responses": ["a2"], "harm.responses": ["a1"]}
    Path("two.json").write_text(
        json.dumps([{"prompt": "p", "a1": "x", "a2": "y", **answers, "_server_id": "s"}])
    )
    fields = ("--fields", "prompt,a1,a2")
    refused(
        call("import", "two.json", "--out", "p.jsonl", *fields),
        "'help', 'harm'. Say which one counts: --question NAME.",
    )
    status, report, said = call(
        "import", "two.json", "--out", "p.jsonl", *fields, "--question", "harm"
    )
    assert (status, report["question"], report["used"]) == (0, "harm", 1)
    assert json.loads(Path("p.jsonl").read_text())["choice"] == "a"
    two = [ANSWER, {**ANSWER, "from_name": "harm", "value": {"selected": "right"}}]
    Path("ls.json").write_text(
        json.dumps([{**TASK, "annotations": [{"id": 1, "completed_by": 3, "result": two}]}])
    )
    refused(call("import-label-studio", "ls.json", "--out", "p.jsonl"), "--question NAME")
    told = ("--question", "harm")
    assert call("import-label-studio", "ls.json", "--out", "p.jsonl", *told)[0] == 0
    assert json.loads(Path("p.jsonl").read_text())["choice"] == "b"


def test_bad_input_is_refused_in_one_line_and_nothing_is_written(call, tmp_path):
    Path("export.json").write_text(json.dumps([TASK]))
    Path("empty.json").write_text(json.dumps([EMPTY]))
    Path("half.json").write_text(json.dumps([TASK])[:-30])
    Path("big.json").write_bytes(b" " * (2 * 1024 * 1024 + 1))
    Path("trl.jsonl").write_text('{"prompt": "p", "chosen": " x", "rejected": " y"}\n')
    Path("kept.jsonl").write_text("mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    for name, word in (
        ("nowhere.json", "nowhere.json cannot be read: No such file"),
        ("empty.json", "Nothing in empty.json can be used. Task 1"),
        ("half.json", "breaks off"),
        ("big.json", "larger than 2 MB"),
        ("trl.jsonl", "no Label Studio export"),
        (".", "cannot be read"),
    ):
        refused(call("import-label-studio", name, "--out", "kept.jsonl"), word)
    refused(
        call("import", "export.json", "--out", "kept.jsonl"), "Label Studio", "import-label-studio"
    )
    refused(
        call("import-label-studio", "export.json", "--out", "export.json"), "is the file to be read"
    )
    refused(
        call("import-label-studio", "export.json", "--out", "no/such/folder"),
        "its folder does not exist",
    )
    refused(call("import-label-studio", "export.json", "--out", "."), "it is a folder")
    refused(
        call("import-label-studio", "export.json", "--out", "x", "--rankings", "x"), "same name"
    )
    refused(call("import-label-studio", "export.json"), "--out")
    refused(call("export-label-studio", "trl.txt", "--out", "x"), "trl.txt cannot be read")
    refused(call("export-label-studio", "half.json", "--out", "x"), "half.json line 1")
    refused(
        call("export-label-studio", "trl.jsonl", "--out", "x", "--brief", "pirates"),
        "no brief called 'pirates'",
    )
    assert (
        sorted(path.name for path in tmp_path.iterdir()) == before
        and Path("kept.jsonl").read_text() == "mine"
    )


def test_long_reports_are_cut_short_on_the_terminal_only(call):
    Path("sheet.csv").write_text(
        "prompt,a,b,choice\n" + "p, x, y,?\n" * 50 + "p, x, y,a\nq, x, y,b\n"
    )
    status, report, said = call("import", "sheet.csv", "--out", "p.jsonl")
    assert (
        status == 0
        and len(report["left_out"]) == 50
        and sum(line.startswith("Left out, row") for line in said) == 20
        and "30 more" in "".join(said)
    )
