"""What a report says of a row or a column is true of this file, and of use."""

from __future__ import annotations

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportReport


def read(header: str, *cells: str) -> ImportReport:
    """A table of ``prompt,a,b`` and what ``header`` and ``cells`` add."""
    rows = [f"p{number},x{number},y{number},{cell}" for number, cell in enumerate(cells)]
    return taking_in.read("\n".join([f"prompt,a,b,{header}", *rows]).encode(), "f.csv")


@pytest.mark.parametrize(
    ("header", "bad", "good", "why"),
    [
        ("score_a,score_b", "8/10,7/10", "2,1", "'score_a' is '8/10', no plain number"),
        ("score_a,score_b", "3,n/a", "2,1", "'score_b' is empty"),
        ("rank_a,rank_b", "1,", "2,1", "'rank_b' is empty"),
        ("A better,B better", "1,1", "0,1", "'A better' and 'B better' are set at once"),
        ("A better,B better,Tie", "1,0,1", "0,1,0", "'A better' and 'Tie' are set at once"),
        ("A better,B better,Tie", ",,", "0,1,0", "none of 'A better', 'B better', 'Tie' is set"),
    ],
)
def test_where_other_columns_say_the_choice_the_reason_names_them(header, bad, good, why):
    report = read(header, bad, good)
    assert report.used == 1 and report.left_out[0].why.startswith(why)
    assert "the choice" not in report.left_out[0].why


@pytest.mark.parametrize(
    ("header", "cell"),
    [("score_a,score_b,note", "2,1,hm"), ("A better,B better,Tie,note", "1,0,0,hm")],
)
def test_columns_that_were_read_are_not_called_lost(header, cell):
    assert read(header, cell).lost == ["A preference row has no place for: note."]


def test_a_list_that_was_read_is_not_called_lost():
    data = b'{"prompt": "p", "responses": ["x", "y"], "choice": "left", "note": "hm"}'
    assert taking_in.read(data, "f.jsonl").lost == ["A preference row has no place for: note."]
