"""No small file hurts: pairs are counted, long cells and special files are refused, and Excel and
Parquet files that unfold to gigabytes break nothing here.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile

import openpyxl
import pyarrow
import pytest
from pyarrow import parquet

from rlhf_core.__main__ import main
from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging.long_rankings import MOST_PAIRS, MOST_WHOLE, pairs_of
from rlhf_core.judging.preferences import MAX_ROWS, Pair, Ranking, is_weight, read_preferences

HEADER = ["prompt", "a", "b", "choice"]


def workbook(*rows, sheets=("Sheet",)) -> bytes:
    book = openpyxl.Workbook()
    for number, name in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        sheet.title = name
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def columns(**values) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(values), out)
    return out.getvalue()


def refused(data: bytes, name: str) -> str:
    with pytest.raises(ImportRefused) as caught:
        taking_in.read(data, name)
    said = str(caught.value)
    assert said.startswith(name) and "\n" not in said and len(said) < 400
    return said


# --- rankings -------------------------------------------------------------------------------------


def long_ranking(count: int) -> Ranking:
    order = list(range(count))
    return Ranking("r", "p", [f" {n}." for n in order], order, [[n] for n in reversed(order)])


def test_a_long_ranking_is_trained_on_by_a_part_of_its_pairs_that_fixes_the_order():
    pairs, every = pairs_of(long_ranking(100))
    assert (len(pairs), every) == (MOST_PAIRS, 4950)
    assert sum(pair.weight for pair in pairs) == pytest.approx(1)
    assert all(is_weight(pair.weight) for pair in pairs), "run --preferences takes them"
    better = {(pair.a, pair.b) if pair.choice == "a" else (pair.b, pair.a) for pair in pairs}
    assert all((f" {n + 1}.", f" {n}.") in better for n in range(99)), "neighbours are all there"
    assert all(float(x) > float(y) for x, y in better)
    assert pairs == pairs_of(long_ranking(100))[0]
    pairs, every = pairs_of(long_ranking(MOST_WHOLE))
    assert len(pairs) == every == MOST_PAIRS


def tasks(count: int, items: int) -> bytes:
    names = [str(n) for n in range(items)]
    data = {"prompt": "p", "items": [{"id": n, "body": f"t{n}"} for n in names]}
    result = {"type": "ranker", "from_name": "rank", "value": {"ranker": {"rank": names[::-1]}}}
    return json.dumps(
        [
            {"id": n, "data": data, "annotations": [{"id": n, "result": [result]}]}
            for n in range(count)
        ]
    ).encode()


def test_pairs_count_before_they_are_made():
    report = taking_in.read(tasks(2, 100), "r.json")
    assert len(report.pairs) == 2 * MOST_PAIRS and len(report.rankings) == 2
    assert any("more than 32 outputs" in note for note in report.notes)
    many = MAX_ROWS // MOST_PAIRS + 1
    assert "more than 20,000 pairs" in refused(tasks(many, 100), "r.json")
    assert "4,498,500 pairs" in str(
        pytest.raises(ImportRefused, taking_in.read, tasks(1, 3000), "r.json").value
    )


def test_import_writes_nothing_that_run_would_refuse(tmp_path, monkeypatch, capsys):
    """32 long texts make 496 pairs, 15 MB: over 2 MB, and still what run reads."""
    monkeypatch.chdir(tmp_path)
    items = [{"id": str(n), "body": f"{n} " + "x" * 9_000} for n in range(32)]
    names = [item["id"] for item in items]
    result = {"type": "ranker", "from_name": "r", "value": {"ranker": {"rank": names}}}
    task = {"id": 1, "data": {"prompt": "p" * 9_000, "items": items}}
    task["annotations"] = [{"id": 1, "result": [result]}]
    (tmp_path / "r.json").write_text(json.dumps([task]))
    assert main(["import-label-studio", "r.json", "--out", "p.jsonl"]) == 0
    assert (tmp_path / "p.jsonl").stat().st_size > 10 * 2**20
    assert len(read_preferences("p.jsonl")) == 496
    again = [{**task, "id": n} for n in range(2, 5)]
    for row in again:
        row["annotations"] = [{"id": row["id"], "result": [result]}]
    (tmp_path / "r.json").write_text(json.dumps([task, *again]))
    assert main(["import-label-studio", "r.json", "--out", "q.jsonl"]) == 2
    assert "more than the 32 MB that run reads" in capsys.readouterr().err
    assert not (tmp_path / "q.jsonl").exists()


# --- long cells -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [99_999, 110_000, 131_071, 131_073, 1_900_000])
def test_a_long_cell_costs_one_sentence_and_changes_no_limit_of_the_process(length):
    before = csv.field_size_limit()
    table = "prompt,a,b,choice\np,x,y,b\np," + "x" * length + ",y,a\n"
    try:
        report = import_preferences(table.encode(), "p.csv")
    except ImportRefused as error:
        assert length >= 100_000 and "100,000 letters" in str(error)
    else:
        assert length < 100_000 and "99,999 characters" in report.left_out[0].why
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("columns", "rows", "why"),
    [(60_000, 1, "60,004 columns; at most 1,000"), (900, 19_000, "more than 1,500,000 cells")],
)
def test_a_wide_header_over_short_rows_is_refused(columns, rows, why):
    header = "prompt,a,b,choice," + ",".join(f"c{n}" for n in range(columns))
    assert why in refused((header + "\n" + "p,x,y,a\n" * rows).encode(), "wide.csv")
    wide = [{**{f"c{n}": 1 for n in range(2_000)}, "prompt": "p", "chosen": "x", "rejected": "y"}]
    assert "2,003 columns" in refused(json.dumps(wide).encode(), "wide.json")


# --- files that are none --------------------------------------------------------------------------


def test_devices_pipes_and_folders_are_refused_without_reading(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkdir("folder")
    for name, kind in (
        ("/dev/zero", "no ordinary file"),
        ("pipe", "no ordinary file"),
        ("folder", "a folder"),
    ):
        for command in (
            ["run", "--brief", "meme-bot", "--preferences", name, "--out", "out"],
            ["run", "--brief", "meme-bot", "--prompts", name, "--out", "out"],
            ["import", name, "--out", "p.jsonl"],
            ["import-label-studio", name, "--out", "p.jsonl"],
            ["export-label-studio", name, "--out", "p.json"],
        ):
            assert main(command) == 2
            said = capsys.readouterr().err.strip()
            assert f"{name} cannot be read: it is {kind}" in said and "\n" not in said
    assert sorted(os.listdir()) == ["folder", "pipe"]


# --- Excel and Parquet ----------------------------------------------------------------------------


def test_a_workbook_is_read_as_its_csv_would_be():
    data = workbook(HEADER, ["p", " x", " y", 1], [], ["q", 42, " z", 2], ["r", " x", None, 1])
    report = taking_in.read(data, "sheet.xlsx")
    assert report.pairs == [
        Pair("p", " x", " y", "a", annotator="unknown"),
        Pair("q", "42", " z", "b", annotator="unknown"),
    ]
    assert [(row.row, row.why) for row in report.left_out] == [(5, "b is empty")]


def test_parquet_holds_texts_and_conversations():
    said = [[{"role": "user", "content": "p"}, {"role": "assistant", "content": t}] for t in "xy"]
    data = columns(prompt=["p"], chosen=[said[0]], rejected=[said[1]], annotator=[None])
    (pair,) = taking_in.read(data, "train.parquet").pairs
    assert (pair.prompt, pair.a, pair.b, pair.annotator) == ("p", "x", "y", "unknown")


def test_binary_tables_that_are_none_are_refused_in_one_sentence():
    good = workbook(HEADER, ["p", " x", " y", "a"])
    assert "damaged" in refused(good[: len(good) // 2], "half.xlsx")
    assert "damaged" in refused(b"PAR1" + bytes(100) + b"PAR1", "zeros.parquet")
    assert "with 2 sheets ('one', 'two')" in refused(
        workbook(HEADER, ["p", "x", "y", "a"], sheets=("one", "two")), "two.xlsx"
    )
    assert "no table of judgements" in refused(workbook(["height", "age"], [1.7, 3]), "other.xlsx")
    assert "without a cell" in refused(workbook(), "empty.xlsx")
    assert "twice" in refused(workbook(["prompt", "a", "a"], ["p", 1, 2]), "twice.xlsx")


def repacked(data: bytes, more: bytes) -> bytes:
    """A workbook with ``more`` rows in its sheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", 8) as new:
        for name in old.namelist():
            part = old.read(name)
            if name.endswith("sheet1.xml"):
                part = part.replace(b"</sheetData>", more + b"</sheetData>")
            new.writestr(name, part)
    return out.getvalue()


def test_a_workbook_that_unfolds_is_refused():
    good = workbook(HEADER, ["p", " x", " y", "a"])
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    assert taking_in.read(repacked(good, far), "far.xlsx").used == 1
    row = b'<row r="%d"><c r="A%d" t="inlineStr"><is><t>' + b"x" * 3000 + b"</t></is></c></row>"
    bomb = repacked(good, b"".join(row % (n, n) for n in range(3, 12_000)))
    assert len(bomb) < 2**20 and "unfolds to more than 32 MB" in refused(bomb, "bomb.xlsx")


def test_a_parquet_file_that_unfolds_is_refused():
    bomb = columns(prompt=["x" * 100_000] * 5_000, chosen=["y"] * 5_000, rejected=["z"] * 5_000)
    assert len(bomb) < 2**20 and "more text than is read" in refused(bomb, "bomb.parquet")
    rows = columns(prompt=["x"] * (MAX_ROWS + 1))
    assert "20,001 rows; at most 20,000" in refused(rows, "rows.parquet")
