"""Three or more answers a row: the best of them, an order, a rank or a rating each; what can mean
two things is refused.
"""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused

HEADER = "prompt,response_1,response_2,response_3"


def read(header: str, *rows: str, **more):
    text = "\n".join([header, *(f"p{n}, x, y, z,{row}" for n, row in enumerate(rows))])
    report = taking_in.read(text.encode(), "p.csv", **more)
    assert report.used + len(report.left_out) == report.read == len(rows)
    return report


def beats(report) -> list[str]:
    """Every pair as "better>worse", or "one=other"."""
    found = []
    for pair in report.pairs:
        a, b = pair.a.strip(), pair.b.strip()
        signs = {"a": f"{a}>{b}", "b": f"{b}>{a}", "tie": f"{a}={b}"}
        found.append(signs.get(pair.choice, pair.choice))
    return sorted(found)


@pytest.mark.parametrize(
    "best", ["2", "response_2", "Response 2", "B", " y", "second", "answer 2", "#2", "2.0"]
)
@pytest.mark.parametrize("name", ["best", "choice", "winner", "best_response"])
def test_the_best_beats_each_of_the_others(name, best):
    report = read(f"{HEADER},{name}", best)
    assert beats(report) == ["y>x", "y>z"] and sum(p.weight for p in report.pairs) == 1
    assert any("nothing is said about those" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "cell", "want"),
    [
        ("ranking", "2>1>3", "x>z y>x y>z"),
        ("ranking", "3 < 1 < 2", "x>z y>x y>z"),
        ("choice", "B > A = C", "x=z y>x y>z"),
        ("ranking", '"B,A,C"', "x>z y>x y>z"),
        ("ranking", '"2,1,3"', "x>z y>x y>z"),
        ("ranking", "2 1 3", "x>z y>x y>z"),
        ("ranking", '"[1, 0, 2]"', "x>z y>x y>z"),
        ("order", '"2,3,1"', "y>x y>z z>x"),
        ("ranks", '"2,3,1"', "x>y z>x z>y"),
        ("ranks", '"1,1,2"', "x=y x>z y>z"),
        ("ranking", "response_3 > response_2 > response_1", "y>x z>x z>y"),
        ("best", "tie", "x=y x=z y=z"),
        ("best", "none of them", "both_bad"),
        ("rank_1,rank_2,rank_3", "2,3,1", "x>y z>x z>y"),
        ("score_1,score_2,score_3", "2,3,3", "y=z y>x z>x"),
        ("response_1_rating,response_2_rating,response_3_rating", "1,5,3", "y>x y>z z>x"),
    ],
)
def test_orders_ranks_and_ratings(name, cell, want):
    assert beats(read(f"{HEADER},{name}", cell)) == want.split()


@pytest.mark.parametrize(
    ("header", "rows", "why"),
    [
        (f"{HEADER},ranking", ['"2,3,1"'], "'2,3,1' (row 2), which can mean that answer 2 is the"),
        (f"{HEADER},best,ranking", ["2,2>1>3"], "in several ways which is best: 'best' and"),
        (HEADER, [""], "no column that says which is best"),
        (f"{HEADER},best", ["2", "the other", "the other"], "only a part of 'best'"),
        ("prompt,response_3,response_1,response_2,best", ["B", "A"], "names none of the answers"),
        ("prompt,response_a,response_b,response_c,best", ["1", "2"], "names none of the answers"),
        ("prompt,response_a,response_b,response_c,best", ["0", "3"], "count the answers from 0"),
    ],
)
def test_what_can_mean_two_things_is_refused(header, rows, why):
    with pytest.raises(ImportRefused) as caught:
        read(header, *rows)
    said = str(caught.value)
    assert why in said and said.startswith("p.csv") and said.endswith(".") and len(said) < 400


def test_names_that_stand_in_another_order_are_still_names():
    report = read("prompt,response_3,response_1,response_2,best", "response_1", "3")
    assert beats(report) == ["x>y", "x>z", "y>x", "y>z"]
    report = read("prompt,response_a,response_b,response_c,best", "3", "1")
    assert beats(report) == ["x>y", "x>z", "z>x", "z>y"]


def test_rows_that_say_nothing_are_left_out_by_name():
    rows = ["1", "2", "the other", "", "3"]
    report = read(f"{HEADER},best", *rows)
    assert [(row.row, row.why) for row in report.left_out] == [
        (4, "best is 'the other', which names none of the answers"),
        (5, "best is empty"),
    ]
    report = read(f"{HEADER},ranking", "1>2", "3>2>1")
    assert "does not place every answer once" in report.left_out[0].why
    sheet = (
        f"{HEADER},best,annotator,AssignmentStatus\np,x,y,,1,Kim,Approved\np,x,y,z,2,Jo,Rejected"
    )
    report = taking_in.read(sheet.encode(), "p.csv")
    assert beats(report) == ["x>y"] and report.pairs[0].annotator == "Kim"
    assert "rejected" in report.left_out[0].why


def test_a_third_column_with_nothing_in_it_is_no_answer():
    report = taking_in.read(f"{HEADER},choice\np, x, y,,2\np, x, z,,1\n".encode(), "p.csv")
    assert beats(report) == ["x>z", "y>x"]


def test_what_nobody_has_answered_is_said_so():
    with pytest.raises(ImportRefused, match="Row 2: best is empty"):
        read(f"{HEADER},best", "", "")


def test_a_choice_map_speaks_of_ties_and_no_answers_only():
    report = read(f"{HEADER},best", "1", "2", "alle", choice_map={"alle": "tie"})
    assert beats(report) == ["x=y", "x=z", "x>y", "x>z", "y=z", "y>x", "y>z"]
    with pytest.raises(ImportRefused, match="'best' has no 'all'"):
        read(f"{HEADER},best", "1", "2", choice_map={"all": "tie"})
    with pytest.raises(ImportRefused, match="of which a choice map cannot speak"):
        read(f"{HEADER},best", "1", "2", choice_map={"1": "a"})


def test_lists_in_json_are_orders_too():
    row = {"prompt": "p", "answer_a": "x", "answer_b": "y", "answer_c": "z"}
    rows = [{**row, "ranking": ["B", "A", "C"]}, {**row, "ranking": ["C", "B", "A"]}]
    report = taking_in.read(json.dumps(rows).encode(), "p.json")
    assert beats(report) == ["x>z", "y>x", "y>x", "y>z", "z>x", "z>y"]
    assert len(report.rankings) == 2


def test_a_gap_and_two_digits_in_the_names_are_read_by_name():
    sheet = "prompt,answer_1,answer_2,answer_4,best\np,x,y,z,4\nq,x,y,z,1\n"
    assert beats(taking_in.read(sheet.encode(), "p.csv")) == ["x>y", "x>z", "z>x", "z>y"]
    names = [f"response_{n}" for n in range(1, 13)]
    rows = [f"p,{','.join(f't{n}' for n in range(1, 13))},{best}" for best in ("12", "response_2")]
    text = "\n".join([",".join(["prompt", *names, "best"]), *rows])
    found = beats(taking_in.read(text.encode(), "p.csv"))
    assert len(found) == 22 and "t12>t1" in found and "t2>t12" in found


def test_letters_alone_are_answers_where_a_third_stands_beside_a_and_b():
    report = taking_in.read(b"prompt,A,B,C,choice\np,x,y,z,A\nq,x,y,z,C\n", "p.csv")
    assert beats(report) == ["x>y", "x>z", "z>x", "z>y"]
    report = taking_in.read(b"prompt,a,b,c,choice\np,x,y,,a\nq,x,y,,b\n", "p.csv")
    assert beats(report) == ["x>y", "y>x"]


def test_chosen_may_name_the_best_or_stand_beside_rejected():
    assert beats(read(f"{HEADER},chosen", "response_2", "3")) == ["y>x", "y>z", "z>x", "z>y"]
    assert beats(read(f"{HEADER},chosen,rejected", " z, x")) == ["z>x"]
