"""What a report says of a row or a column is true of this file, and of use."""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.label_studio import import_annotations


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
    report = read(header, bad, good, ",".join(reversed(good.split(",")[:2])) + good[3:])
    assert report.used == 2 and report.left_out[0].why.startswith(why)
    assert "the choice" not in report.left_out[0].why


def test_columns_of_which_two_are_set_are_refused_where_one_side_is_left():
    with pytest.raises(ImportRefused, match="row 2: 'A better' and 'B better' are set at once"):
        read("A better,B better", "1,1", "0,1")


@pytest.mark.parametrize(
    ("header", "cell"),
    [("score_a,score_b,note", "2,1,hm"), ("A better,B better,Tie,note", "1,0,0,hm")],
)
def test_columns_that_were_read_are_not_called_lost(header, cell):
    assert read(header, cell).lost == ["A preference row has no place for: note."]


def test_a_list_that_was_read_is_not_called_lost():
    data = b'{"prompt": "p", "responses": ["x", "y"], "choice": "left", "note": "hm"}'
    assert taking_in.read(data, "f.jsonl").lost == ["A preference row has no place for: note."]


def refused(header: str, *cells: str) -> str:
    text = "\n".join([header, *cells]).encode()
    with pytest.raises(ImportRefused) as caught:
        taking_in.read(text, "f.csv")
    return str(caught.value)


@pytest.mark.parametrize(
    ("header", "lacks", "rename"),
    [
        ("prompt,a,b,Q1", "the choice", "names the better answer: call it choice"),
        ("question of the day,a,b,choice", "the prompt", "Rename the right one to prompt"),
        (
            "prompt,a,other text,Q1",
            "the right answer or the choice",
            "Rename the right ones to b and choice",
        ),
        (
            "text,response_a,response_b,Q1",
            "the prompt or the choice",
            "right ones to prompt and choice",
        ),
        ("prompt,chosen,Q1", "the worse text", "chosen, rejected: rename what holds them"),
    ],
)
def test_a_table_that_lacks_something_hears_what_it_lacks_and_sees_all_its_columns(
    header, lacks, rename
):
    said = refused(header, ",".join("1234"[: header.count(",") + 1]))
    assert f"fields are {header.replace(',', ', ')}, and none is known as {lacks}." in said
    assert said.endswith(f" {rename}.")


def test_the_column_at_fault_stands_in_the_sentence_and_no_name_is_cut():
    many = [f"Meta data of the survey {number}" for number in range(11)]
    said = refused(",".join([*many, "prompt", "response_a", "response_b", "Q1"]), "1")
    assert "other fields are Meta data of the survey 0, " in said and ", Q1, and" in said
    listed = refused(",".join(["prompt", *(f"{name} and more of it" for name in many)]), "1")
    listed = listed.split("fields are ")[1].split(".")[0]
    assert listed.endswith(" and 4 more") and "…" not in listed


@pytest.mark.parametrize(
    "name",
    ["dispreferred", "unpreferred", "non-preferred", "not_preferred", "Not chosen", "unchosen"]
    + ["Which answer would you NOT choose?", "Which do you prefer less?", "less preferred"]
    + ["Which one don't you like?", "disfavoured", "is not better", "more toxic"],
)
def test_a_column_that_asks_for_the_worse_in_any_words_is_not_to_be_renamed(name):
    said = refused(f'prompt,a,b,"{name}"', "p,x,y,a", "p,z,w,b")
    assert "which text is worse" in said and "turn its values round" in said


def test_qualtrics_own_lines_and_binary_files_are_called_what_they_are():
    line = '"{""ImportId"":""QID1""}"'
    text = f"prompt,a,b,choice\n{line},{line},{line},{line}\np,x,y,a\np,z,w,b\n"
    report = taking_in.read(text.encode(), "f.csv")
    assert report.used == 2 and "Qualtrics' header lines" in report.left_out[0].why
    with pytest.raises(ImportRefused, match="is not a text file.* CSV, .xlsx"):
        taking_in.read(b"\x80\x05\x95\xfd\x05\x00\x00\x8c\x06pandas\x94\x81", "p.pkl")


@pytest.mark.parametrize(
    ("chosen", "rejected", "why"),
    [
        ('["apple"]', "apple", ""),
        ("apple", "apple", "both texts are the same, so"),
        ('[{"name":"f"}]', "f()", "chosen looks like a conversation, but \"{'name': 'f'}\" in it"),
        (
            "hi",
            '{"role": "user", "content": "hi"}',
            "rejected looks like a conversation, and chosen",
        ),
        ("[[Opossum]]", "Opossum", ""),
        ("['a', 'b", "['a' ... 'b']", ""),
    ],
)
def test_a_text_that_looks_like_a_list_is_called_no_more_than_that(chosen, rejected, why):
    row = {"prompt": "p", "chosen": chosen, "rejected": rejected}
    fine = {"prompt": "p", "chosen": "x", "rejected": "y"}
    report = taking_in.read("\n".join(map(json.dumps, (fine, row))).encode(), "f.jsonl")
    assert report.used == (1 if why else 2)
    assert not why or report.left_out[0].why.startswith(why)


TASK = {"id": 1, "prompt": "p", "answer1": "x", "answer2": "y"}


@pytest.mark.parametrize(
    ("beside", "why"),
    [
        ({"cmp": ["left", "right"], "annotator": [1, 2]}, "it names an annotator, and has no"),
        (
            {"annotation_id": 5, "annotator": 1, "r1": 5, "r2": 2},
            "beside the texts it holds r1, r2",
        ),
        ({"annotation_id": 5, "annotator": 1}, "nothing was chosen; an empty answer"),
    ],
)
def test_somebody_who_answered_something_else_is_not_called_nobody(beside, why):
    report = import_annotations(json.dumps([TASK | beside]).encode(), "f.json")
    assert not report.unjudged and report.left_out[0].why.startswith(why)
