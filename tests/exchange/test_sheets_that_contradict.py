"""A sheet that says who won in two ways: read where both agree, else refused by name."""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.choice_column import ChoiceUnclear
from rlhf_core.exchange.import_report import ImportRefused


def read(header: str, *rows: str, **more):
    text = "\n".join([header, *(f"p{n}, x, y,{row}" for n, row in enumerate(rows))])
    return taking_in.read(text.encode(), "p.csv", **more)


def better(header: str, *rows: str, **more) -> str:
    """The text that won in each row; x stands in the first column of answers, y in the second."""
    pairs = read(header, *rows, **more).pairs
    return "".join((p.a if p.choice == "a" else p.b).strip() for p in pairs)


def refused(header: str, *rows: str, **more) -> str:
    with pytest.raises(ImportRefused) as caught:
        read(header, *rows, **more)
    said = str(caught.value)
    assert said.startswith("p.csv") and said.endswith(".") and "\n" not in said and len(said) < 400
    return said


# --- columns that stand the other way round -------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "choices"),
    [
        ("response_b,response_a", "left right"),
        ("response_b,response_a", "first second"),
        ("response_b,response_a", "1 2"),
        ("response_b,response_a", "links rechts"),
        ("b,a", "L R"),
        ("answer_2,answer_1", "A B"),
        ("answer2,answer1", "left right"),
        ("answer_2,answer_1", "first second"),
        ("right,left", "A B"),
        ("right,left", "1 2"),
        ("response_1,response_0", "left right"),
    ],
)
@pytest.mark.parametrize("name", ["choice", "winner"])
def test_a_place_in_a_sheet_whose_columns_are_turned_is_asked_about(columns, choices, name):
    said = refused(f"prompt,{columns},{name}", *choices.split())
    assert all(f"'{part}'" in said for part in columns.split(","))
    assert "so that it can mean either" in said and "--choice-map" in said
    one, other = choices.split()
    told = {one.casefold(): "a", other.casefold(): "b"}
    assert better(f"prompt,{columns},{name}", one, other, choice_map=told) == "yx"


@pytest.mark.parametrize(
    ("header", "rows", "want"),
    [
        ("prompt,response_b,response_a,choice", "A B", "yx"),
        ("prompt,response_b,response_a,choice", "response_a Response-B", "yx"),
        ("prompt,responseB,responseA,choice", "A B", "yx"),
        ("prompt,answer_2,answer_1,choice", "1 2", "yx"),
        ("prompt,answer_2,answer_1,choice", "answer_1 2", "yx"),
        ("prompt,response_1,response_0,choice", "0 1", "yx"),
        ("prompt,right,left,choice", "left right", "yx"),
        ("prompt,response_b,response_a,choice", "x y", "xy"),
        ("prompt,rejected,chosen,note", "-", "y"),
        ("prompt,response_b,response_a,winner_b,winner_a", "1,0 0,1", "xy"),
        ("prompt,response_a,response_b,winner_b,winner_a", "1,0 0,1", "yx"),
        ("prompt,response_b,response_a,score_b,score_a", "5,1 1,5", "xy"),
        ("prompt,response_b,response_a,rank_b,rank_a", "2,1 1,2", "yx"),
        ("prompt,response_b,response_a,model_b,model_a,winner", "m,n,n m,n,m", "yx"),
        ("prompt,response_b,response_a,model_b,model_a,winner", "m,n,model_a", "y"),
    ],
)
def test_a_choice_that_uses_the_columns_own_names_is_sure(header, rows, want):
    assert better(header, *rows.split()) == want


@pytest.mark.parametrize("ways", ["left_wins,right_wins", "score_1,score_2", "winner_1,winner_2"])
def test_noughts_and_ratings_in_other_names_than_the_columns_are_refused(ways):
    said = refused(f"prompt,response_b,response_a,{ways}", "1,0", "0,1")
    assert all(f"'{way}'" in said for way in ways.split(",")) and "'response_b' stands" in said


def test_fields_that_a_person_names_are_left_and_right_and_nothing_else():
    told = {"fields": ("prompt", "text2", "text1")}
    assert better("prompt,text1,text2,choice", "left", "right", **told) == "yx"
    assert "'text2' was said to be the left text" in refused(
        "prompt,text1,text2,choice", "1", "2", **told
    )
    told = {"fields": ("prompt", "Antwort A", "Antwort B")}
    said = refused("prompt,Antwort A,Antwort B,Wahl", "A", "B", **told)
    assert "no choice column" in said and "Wahl" in said
    told = {"fields": ("prompt", "bad", "good")}
    assert "name the better text first" in refused("prompt,good,bad,x", "1", **told)
    told = {"fields": ("prompt", "good", "bad")}
    assert better("prompt,good,bad,x", "1", **told) == "x"


def test_answers_that_count_from_0_are_called_by_their_names():
    header = "prompt,answer_0,answer_1,choice"
    assert better(header, "answer_1", "Answer 0") == "yx" and better(header, "1", "0") == "yx"
    for rows in (("Response 1", "tie"), ("Response 1", "Response 2"), ("A2 is better", "1 > 2")):
        assert "count from 0" in refused(header, *rows) or "no choice that is known" in refused(
            header, *rows
        )
    assert better(header, "A", "second") == "xy"


def test_json_has_an_order_too():
    rows = [{"prompt": "p", "b": "x", "a": "y", "choice": word} for word in ("left", "right")]
    with pytest.raises(ChoiceUnclear, match="'b' stands before 'a'"):
        taking_in.read(json.dumps(rows).encode(), "p.json")


# --- two columns that say it ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ("choice,winner", "a,b b,b"),
        ("choice,label", "a,2 b,1"),
        ("preferred,label", "A,B B,A"),
        ("winner,vote", "left,B right,A"),
        ("choice,choice.1", "a,b b,a"),
        ("choice,winner", "a,tie b,b"),
        ("choice,verdict", "tie,A>B b,B"),
    ],
)
def test_two_columns_that_contradict_are_refused_by_name(columns, rows):
    said = refused(f"prompt,a,b,{columns}", *rows.split())
    assert all(f"'{name}'" in said for name in columns.split(","))
    assert "contradict each other" in said and "(row 2: " in said


def test_two_columns_that_agree_are_said_to():
    report = read("prompt,a,b,choice,winner", "a,left", "b,right", "b,")
    assert "'winner' says the same as 'choice' in all 2 rows." in report.notes
    report = read("prompt,a,b,choice,label", "a,animals", "b,food")
    assert "'label' says nothing that was read; 'choice' counts." in report.notes
    report = read("prompt,a,b,choice,score_a,score_b", "a,1,5", "b,1,5")
    assert "'choice' counts; 'score_a' and 'score_b' agree with it in 1 of 2 rows." in report.notes
    told = {"choice_map": {"1": "b", "2": "a"}}
    assert better("prompt,a,b,choice,winner", "1,1", "2,2", **told) == "yx"


@pytest.mark.parametrize("word", ["b", "rejected", "right", "tie"])
def test_a_choice_beside_chosen_and_rejected_may_not_say_otherwise(word):
    said = refused("prompt,chosen,rejected,winner", word, "a")
    assert "'winner' says otherwise in 1 row (row 2: " in said
    assert better("prompt,chosen,rejected,winner", "chosen", "a") == "xx"
    assert "says otherwise" in refused("prompt,a,b,choice,chosen,rejected", "a, y, x")
    report = read("prompt,a,b,choice,chosen,rejected", "b, y, x")
    assert "'choice' says the same as 'chosen'." in report.notes


def test_scores_beside_chosen_and_rejected_are_compared():
    report = read("prompt,chosen,rejected,score_chosen,score_rejected", "1,5", "5,1", "5,5")
    assert any("In 1 row 'score_rejected' is higher" in note for note in report.notes)
    report = read("prompt,chosen,rejected,chosen_rating,rejected_rating", "5,1")
    assert not report.notes


def test_ratings_in_words_are_none_and_a_header_may_stand_below_empty_lines():
    assert "no judgements that can be recognised" in refused(
        "prompt,a,b,score_a,score_b", "high,low"
    )
    report = taking_in.read(b"\n,,,\nprompt,a,b,choice\np,x,y,a\n", "p.csv")
    assert report.used == 1


def test_a_column_that_asks_for_the_worse_is_no_choice():
    for name in ("worse", "which_is_worse", "loser"):
        assert "turn its values round" in refused(f"prompt,a,b,{name}", "a", "b")


# --- sums, marks, crowds --------------------------------------------------------------------------


def test_a_sum_below_the_table_is_no_choice():
    for cells in ("1", "2", "3"):
        text = f"prompt,a,b,choice\np,x,y,1\nq,x,y,2\nTotal,,,{cells}\n"
        report = taking_in.read(text.encode(), "p.csv")
        assert [pair.choice for pair in report.pairs] == ["a", "b"]
        assert [row.why for row in report.left_out] == ["a is empty"]
    assert "holds 2 beside words" in str(read("prompt,a,b,choice", "left", "2").notes)


def test_a_schools_mark_is_no_side():
    assert "'A+' (1×), 'B-' (1×)" in refused("prompt,a,b,choice", "A+", "B-")
    assert better("prompt,a,b,choice", "1 (A much better)", "5 (B much better)") == "xy"


def test_work_that_a_crowd_sheet_rejected_is_left_out():
    report = read(
        "prompt,response_a,response_b,preference,Participant id,Status",
        *("A,P1,APPROVED", "B,P2,REJECTED", "B,P3,TIMED-OUT", "B,P4,AWAITING REVIEW"),
    )
    assert [pair.annotator for pair in report.pairs] == ["P1", "P4"]
    assert [row.why for row in report.left_out] == [
        "Status says that this work was rejected",
        "Status says that this work was timed-out",
    ]
    header = "prompt,Input.a,Input.b,Answer.choice,AssignmentStatus,Approve,Reject"
    report = read(header, "A,Submitted,x,", "B,Submitted,,too fast")
    assert [row.why for row in report.left_out] == ["Reject says that this work was rejected"]


def test_mturks_answers_in_one_cell_are_columns():
    on = '"[{""choice"":{""a"":true,""b"":false}}]"'
    off = on.replace("true", "no").replace("false", "true").replace("no", "false")
    assert better("Input.prompt,Input.a,Input.b,Answer.taskAnswers", on, off) == "xy"
