"""Questions that ask which text is worse, a spreadsheet's errors, and a stranger's cells in a
command that a sentence proposes.
"""

from __future__ import annotations

import json
import shlex

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.choices import asks_for_the_worse
from rlhf_core.exchange.import_report import ImportRefused

TEXTS = {"prompt": "A newt is", "response_1": " an amphibian.", "response_2": " my landlord."}


def task(control: str) -> list[dict]:
    result = {
        "from_name": control,
        "to_name": control,
        "type": "pairwise",
        "value": {"selected": "left"},
    }
    data = {"prompt": "A newt is", "a": " an amphibian.", "b": " my landlord."}
    return [{"id": 1, "data": data, "annotations": [{"id": 1, "result": [result]}]}]


@pytest.mark.parametrize("name", ["which_is_worse", "worst", "loser", "rank_worst_to_best"])
def test_an_answer_to_which_is_worse_is_never_taken_for_the_better(name):
    rows = [
        {"fields": TEXTS, "responses": {name: [{"value": "response_1", "user_id": "u"}]}}
        for _ in range(2)
    ]
    with pytest.raises(ImportRefused, match="wrong way round"):
        taking_in.read(json.dumps(rows).encode(), "x.json")
    with pytest.raises(ImportRefused):
        taking_in.read(json.dumps(task(name)).encode(), "x.json")


def test_a_better_question_is_read_as_before():
    pairs = taking_in.read(json.dumps(task("better")).encode(), "x.json").pairs
    assert [pair.choice for pair in pairs] == ["a"]
    for name in ("preference", "closer_to_the_brief", "harmless", "closest", "helpful"):
        assert not asks_for_the_worse(name), name


@pytest.mark.parametrize("cell", ["#REF!", "#N/A", "#NAME?", "#DIV/0!", "N/A", " nan"])
def test_a_spreadsheets_error_is_no_answer(cell):
    sheet = f"prompt,a,b,choice\nA newt is,{cell}, my landlord.,a\nA frog is, green., red.,b\n"
    report = taking_in.read(sheet.encode(), "x.csv")
    assert [pair.a for pair in report.pairs] == [" green."]
    assert cell.strip() in str(report.left_out)


def test_a_strangers_cell_stays_text_in_the_command_that_is_proposed():
    rows = "".join(f"A newt is, x {n}, y {n},{c}\n" for n, c in enumerate(["$(id)", "`id`", "-1"]))
    with pytest.raises(ImportRefused) as refused:
        taking_in.read(("prompt,a,b,choice\n" + rows * 2).encode(), "x.csv")
    words = shlex.split(str(refused.value).split("means: ")[1].split(" (a, b, tie")[0])
    assert words[:1] == ["import"] and len(words) == 2 and words[1].startswith("--choice-map=")
    assert "$(id)=?" in words[1] and "`id`=?" in words[1]
