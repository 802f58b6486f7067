"""Cells that hold a part only, a formula without its result, or printed bytes."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused

HEADER = ["prompt", "a", "b", "choice"]


def workbook(*rows) -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (HEADER, *rows):
        book.active.append(row)
    book.save(out)
    return out.getvalue()


def csv(*rows: str) -> bytes:
    return "\n".join([",".join(HEADER), *rows]).encode()


def viewed(*rows: tuple[dict, list]) -> bytes:
    found = [
        {"row_idx": n, "row": row, "truncated_cells": cut} for n, (row, cut) in enumerate(rows)
    ]
    return json.dumps({"features": [], "rows": found, "num_rows_total": 9}).encode()


def refused(data: bytes) -> str:
    with pytest.raises(ImportRefused) as caught:
        taking_in.read(data, "p.any")
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and len(said) < 400
    return said


# --- the dataset viewer ---------------------------------------------------------------------------


def test_a_cell_that_the_dataset_viewer_cut_off_is_not_used():
    row = {"prompt": "p", "chosen": "x", "rejected": "y", "meta": "z"}
    report = taking_in.read(viewed((row, ["chosen"]), (row, []), (row, ["meta"])), "p.json")
    assert report.used == 2 and [line.row for line in report.left_out] == [1]
    assert report.left_out[0].why.startswith("chosen is cut off: the dataset viewer sends only")
    assert "rejected is cut off" in refused(viewed((row, ["rejected"])))
    talk = {side: f"\n\nHuman: hi\n\nAssistant: {side}" for side in ("chosen", "rejected")}
    assert "is cut off" in refused(viewed((talk, ["rejected"])))
    asked = {"question": "q", "context": "c", "a": "x", "b": "y", "choice": "a"}
    told = {"fields": ("question+context", "a", "b")}
    with pytest.raises(ImportRefused, match="is cut off"):
        taking_in.read(viewed((asked, ["context"])), "p.json", **told)


def test_scored_lists_and_several_answers_that_are_cut_off_are_left_out():
    whole = {
        "prompt": "p",
        "completions": [{"response": r, "score": n} for n, r in enumerate("xy")],
    }
    cut = {"prompt": "p", "completions": '[{"response": "x"'}
    report = taking_in.read(viewed((cut, ["completions"]), (whole, [])), "p.json")
    assert report.used == 1 and "'completions' is cut off" in report.left_out[0].why
    row = {"prompt": "p", "answer_1": "x", "answer_2": "y", "answer_3": "z", "best": 1}
    report = taking_in.read(viewed((row, ["answer_2"]), (row, [])), "p.json")
    assert report.used == 1 and "'answer_2' is cut off" in report.left_out[0].why


# --- formulas -------------------------------------------------------------------------------------


def test_a_formula_without_its_result_is_no_empty_cell():
    report = taking_in.read(
        workbook(
            ["p", "x", "y", "a"],
            ["q", "x", "y", '=IF(1, "a", "b")'],
            ["r", '="x" & 1', "y", "b"],
            ["=A2", "=B2", "=C2", "=D2"],
        ),
        "p.xlsx",
    )
    assert report.used == 1 and [row.row for row in report.left_out] == [3, 4, 5]
    names = [row.why.split(" is a formula whose result")[0] for row in report.left_out]
    assert names == ["choice", "a", "prompt"]
    assert "Row 2: choice is a formula" in refused(workbook(["p", "x", "y", "=E2"]))


# --- printed bytes --------------------------------------------------------------------------------


def test_a_column_of_printed_bytes_is_read_as_its_text():
    data = csv("b'p',b'caf\\xc3\\xa9 \\'x\\'',b'y',b'a'")
    report = taking_in.read(data, "p.csv")
    assert (report.pairs[0].prompt, report.pairs[0].a) == ("p", "café 'x'")
    assert report.pairs[0].choice == "a"
    assert any("printed bytes" in note for note in report.notes)
    (pair,) = taking_in.read(csv("p,[b'x'],[b'caf\\xc3\\xa9'],a"), "p.csv").pairs
    assert (pair.a, pair.b) == ("x", "café")


def test_bytes_that_are_no_text_or_stand_alone_are_left_out():
    report = taking_in.read(csv("p,b'x\\xff',y,a", "q,b'x',y,b"), "p.csv")
    assert report.used == 1 and "no UTF-8 text" in report.left_out[0].why
    report = taking_in.read(csv("p,b'x',y,a", "q,x,y,b"), "p.csv")
    assert report.used == 1 and "a looks like printed bytes" in report.left_out[0].why
    assert "cannot be read" in refused(csv("p,[np.str_('x')],y,a"))


def test_our_own_rows_mean_themselves():
    row = {"prompt": "b'p'", "a": "b'x'", "b": "b'y'", "choice": "a", "weight": 1.0}
    row |= {"seconds": None, "annotator": "Kim", "brief": "", "brief_version": 1}
    (pair,) = taking_in.read(json.dumps(row).encode(), "p.jsonl").pairs
    assert pair.a == "b'x'"


# --- sentences ------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["choice", "prompt", "a"])
def test_a_pandas_table_by_columns_whatever_stands_first(first):
    cells = {"prompt": "p", "a": "x", "b": "y", "choice": "a"}
    names = sorted(cells, key=lambda name: name != first)
    for index in ("0 1", "1 0", "u1 u2"):
        keys = index.split()
        table = {name: {key: f"{cells[name]}" for key in keys} for name in names}
        table["b"] = dict(reversed(table["b"].items()))
        report = taking_in.read(json.dumps(table).encode(), "p.json")
        assert [(p.prompt, p.a, p.b, p.choice) for p in report.pairs] == [("p", "x", "y", "a")] * 2
    gap = {name: {"0": text, "1": text} for name, text in cells.items()}
    del gap["choice"]["1"]
    report = taking_in.read(json.dumps(gap).encode(), "p.json")
    assert report.used == 1 and "the choice is empty" in report.left_out[0].why


def test_files_without_rows_and_numbers_without_end():
    for data in (b"prompt,a,b,choice\n", b"[]"):
        assert refused(data) == "p.any has no row of judgements in it: nobody has judged yet."
    assert "its rows are empty" in refused(b"[{}]")
    long = b'{"prompt": "p", "chosen": "x", "rejected": "y", "n": 1' + b"0" * 5000 + b"}"
    assert "a number of thousands of digits" in refused(long)
