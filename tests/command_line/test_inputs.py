"""``run --preferences``: our own rows as they are, another tool's file as ``import`` reads it, and
what there is to know about them before anybody trains.
"""

from __future__ import annotations

import argparse
import hashlib
import json

import pytest

from rlhf_core.command_line.inputs import is_ours, read_pairs
from rlhf_core.common.errors import InputError
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.store.formats import to_lines

BRIEF = briefs.PRESETS["meme-bot"]
SHEET = (
    "Prompt;Response A;Response B;Winner\nAn opossum is; x; y;left \nA cat is; x; z;B\n;;;\n"
    "A dog is; x; y;\n"
)


def read(path, brief=BRIEF, model="bundled", comparisons=None) -> list[Pair]:
    args = argparse.Namespace(preferences=str(path), comparisons=comparisons, model=model)
    return read_pairs(args, brief)[0]


def about(path, comparisons=None) -> dict:
    """What the paper trail keeps of the file."""
    args = argparse.Namespace(preferences=str(path), comparisons=comparisons, model="bundled")
    return read_pairs(args, BRIEF)[1]


@pytest.fixture
def write(tmp_path):
    def one(name: str, data: bytes | str):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return one


def test_our_own_rows_are_read_as_they_are_without_a_word(write, capsys):
    prompt = BRIEF.training_prompts[0]
    pairs = [Pair(prompt, "['x']", "nan", "a", seconds=2.5, annotator="Kim")]
    assert read(write("p.jsonl", to_lines([pair.to_dict() for pair in pairs]))) == pairs
    trl = {"prompt": prompt, "chosen": " x", "rejected": " y"}
    assert read(write("trl.jsonl", json.dumps(trl)))[0].a == " x"
    assert capsys.readouterr().err == ""


def test_a_spreadsheet_is_imported_and_said(write, capsys):
    pairs = read(write("sheet.csv", SHEET))
    assert [(pair.prompt, pair.choice) for pair in pairs] == [
        ("An opossum is", "a"),
        ("A cat is", "b"),
    ]
    said = capsys.readouterr().err
    assert "read as import reads it" in said and "2 of 3 judgements used" in said
    assert "Left out, row 5: the choice is empty" in said


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("prompt,a,b,choice\nAn opossum is, x, y,0\nA cat is, x, y,1\n", "import --choice-map=0=a"),
        ("question,context,a,b,choice\nq,c, x, y,a\n", "could be prompt"),
        (b"\x89PNG\r\n\x1a\n", "import cannot read it either"),
        ("Dear Sir or Madam", "no table of judgements"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_way_to_say_it(write, data, word):
    with pytest.raises(InputError) as caught:
        read(write("p.csv", data))
    assert word in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "ours"),
    [
        ({"prompt": "p", "a": "x", "b": "y", "choice": "a"}, True),
        ({"prompt": "p", "chosen": "x", "rejected": "y"}, True),
        ({"prompt": "p", "a": "x", "b": "y", "choice": 1}, False),
        ({"prompt": "p", "chosen": [], "rejected": []}, False),
        ({"prompt": "p", "chosen": "x", "rejected": "y", "score": 1}, False),
        ({"id": 1, "data": {}, "annotations": []}, False),
        ([], False),
    ],
)
def test_what_is_ours(first, ours):
    assert is_ours(json.dumps(first).encode() + b"\nmore") is ours
    assert is_ours(b"\xef\xbb\xbf \n" + json.dumps(first).encode()) is ours


def test_prompts_that_are_not_the_briefs_or_that_the_model_cannot_write_about_are_said(
    write, capsys
):
    rows = [
        {"prompt": prompt, "a": " x", "b": " y", "choice": choice}
        for prompt, choice in (("Quarkonium suppression", "a"), ("Diagonalise operators", "b"))
    ]
    path = write("p.jsonl", "\n".join(map(json.dumps, rows)))
    read(path)
    said = capsys.readouterr().err
    assert "None of the 2 prompts belongs to the brief" in said
    assert "2 of 2 prompts are about things that the bundled model cannot write about" in said
    read(path, model="gpt2")
    assert "bundled model" not in capsys.readouterr().err
    rows.append({**rows[0], "prompt": BRIEF.training_prompts[0]})
    read(write("q.jsonl", "\n".join(map(json.dumps, rows))))
    assert "None of the" not in capsys.readouterr().err


def test_the_paper_trail_keeps_what_the_file_was_and_why_rows_of_it_are_missing(write):
    sheet = write("sheet.csv", SHEET)
    row = about(sheet)
    assert row["file"] == "sheet.csv" and row["pairs"] == 2 and row["read"] == 3
    assert row["sha256"] == hashlib.sha256(SHEET.encode()).hexdigest()
    assert row["bytes"] == len(SHEET) and "preference rows" in row["format"]
    assert sum(row["left_out"].values()) == 1 and sum(row["repaired"].values()) >= 1
    own = [
        Pair(prompt, " x", " y", "a")
        for prompt in (BRIEF.evaluation_prompts[0], *BRIEF.training_prompts[:3])
    ]
    data = to_lines([pair.to_dict() for pair in own])
    row = about(write("own.jsonl", data), comparisons=2)
    assert row["pairs"] == 2 and row["sha256"] == hashlib.sha256(data).hexdigest()
    assert row["left_out"] == {
        "about prompts that the brief keeps for the verdict": 1,
        "behind the first that --comparisons asked for": 1,
    }
