"""Numbers that can be read in two ways are asked about: thousands, counting from 0, strengths."""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange.choice_column import ChoiceUnclear
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences
from tests.exchange.test_choice_column import choices, table

TWO, THREE = ("p", " x", " y"), ("p", " x", " y", " z")
RATED, BEST = "prompt a b score_a score_b", "prompt response_1 response_2 response_3 best"
STRONG = "prompt response_1 response_2 preference_strength"


def texts(*scores: object, name: str = "score") -> bytes:
    listed = [{"text": f" x{i}", name: score} for i, score in enumerate(scores)]
    return json.dumps({"prompt": "p", "completions": listed}).encode()


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (RATED, [(*TWO, "1,000", "999")]),
        (RATED, [(*TWO, "999", "12,500"), (*TWO, "7", "8")]),
        (RATED, [(*TWO, "1.000", "999")]),
        ("prompt a b rank_a rank_b", [(*TWO, "1,000", "999")]),
        (
            "prompt response_1 response_2 response_3 score_1 score_2 score_3",
            [(*THREE, "1,200", "900", "1,100")],
        ),
        (BEST, [(*THREE, "0"), (*THREE, "1"), (*THREE, "2")]),
        (BEST, [(*THREE, "0"), (*THREE, "3"), (*THREE, "2")]),
        (BEST.replace("best", "preferred_index"), [(*THREE, "1"), (*THREE, "2")]),
        (STRONG, [(*TWO, "3"), (*TWO, "1")]),
        (STRONG, [(*TWO, "2"), (*TWO, "1")]),
        (STRONG.replace("preference_strength", "overall_preference"), [(*TWO, "2"), (*TWO, "1")]),
        (
            "prompt response_0 response_1 preferred",
            [(*TWO, "0"), (*TWO, "1"), (*TWO, "2"), (*TWO, "1")],
        ),
        (
            "prompt output_1 output_2 generator_1 preference",
            [(*TWO, "m", "1"), (*TWO, "m", "2"), (*TWO, "m", "3")],
        ),
    ],
)
def test_what_can_be_read_in_two_ways_is_asked_about(header, rows):
    with pytest.raises(ImportRefused):
        import_preferences(table(header, *rows), "p.csv")


@pytest.mark.parametrize(
    ("header", "rows", "expected"),
    [
        (RATED, [(*TWO, "1,000", "0,999"), (*TWO, "2,5", "3")], "a b"),
        (RATED, [(*TWO, "1.000", "0.999"), (*TWO, "2.125", "3")], "a b"),
        (RATED, [(*TWO, "1000", "999")], "a"),
        (STRONG, [(*TWO, "-3"), (*TWO, "1"), (*TWO, "0")], "a b tie"),
        ("prompt response_0 response_1 preferred", [(*TWO, "0"), (*TWO, "1")], "a b"),
        (
            "prompt output_1 output_2 generator_1 preference",
            [(*TWO, "m", "1"), (*TWO, "m", "2"), (*TWO, "m", "0")],
            "a b",
        ),
    ],
)
def test_what_can_be_read_in_one_way_only_is_read(header, rows, expected):
    assert choices(header, *rows) == expected.split()


def test_a_letter_that_names_one_text_and_repeats_the_other_is_left_out():
    rows = [("p", "a", "b", "b"), ("p", "b", "a", "a"), ("p", " x", " y", "a")]
    report = import_preferences(table("prompt a b choice", *rows), "p.csv")
    assert report.used == 2 and "repeats the other" in report.left_out[0].why


def test_an_answer_that_is_the_best_and_the_worst_is_left_out():
    rows = [(*THREE, "response_1", "response_1"), (*THREE, "response_1", "response_2")]
    report = import_preferences(table(f"{BEST} worst", *rows), "p.csv")
    assert report.used == 1 and "name the same answer" in report.left_out[0].why


def test_of_a_bare_strength_nothing_is_guessed():
    with pytest.raises(ChoiceUnclear) as caught:
        import_preferences(table(STRONG, (*TWO, "3"), (*TWO, "1")), "p.csv")
    assert [value.guess for value in caught.value.values] == ["", ""]


def test_what_was_asked_can_be_said():
    rows = [(*TWO, "0"), (*TWO, "1"), (*TWO, "2")]
    header = "prompt response_0 response_1 preferred"
    assert choices(header, *rows, choice_map={"2": "tie"}) == ["a", "b", "tie"]
    rows = [(*THREE, "0"), (*THREE, "2")]
    found = import_preferences(table(BEST, *rows), "p.csv", choice_map={"0": "none"})
    assert {pair.choice for pair in found.pairs} == {"a", "b"} and found.used == 1


@pytest.mark.parametrize("name", ["score", "rank"])
def test_thousands_in_a_list_of_scores_are_asked_about(name):
    with pytest.raises(ImportRefused, match="1,200"):
        import_preferences(texts("1,200", "900", name=name), "p.json")


def test_a_list_too_long_to_be_ranked_is_left_out_before_any_work():
    report = import_preferences(texts(*range(30_000)), "p.json")
    assert "30,000 texts" in report.left_out[0].why and not report.pairs


def test_a_field_named_twice_is_found_among_very_many():
    fields = ",".join(f'"k{i}": 1' for i in [*range(50_000), 49_999])
    with pytest.raises(ImportRefused, match="k49999"):
        import_preferences(f"{{{fields}}}".encode(), "p.json")


@pytest.mark.parametrize("kept", ['["pear"]', '["a", "b"]', '[["x"]', "{'a': 1}"])
def test_in_json_an_answer_that_is_a_list_is_itself(kept):
    row = {"prompt": "A list", "a": kept, "b": "Sure! [pear]", "choice": "a"}
    assert import_preferences(json.dumps(row).encode(), "p.jsonl").pairs[0].a == kept


def test_in_json_cells_that_are_all_printed_lists_are_unpacked():
    row = {"prompt": '["Hi"]', "a": '["x"]', "b": '["y"]', "choice": "a"}
    assert import_preferences(json.dumps(row).encode(), "p.jsonl").pairs[0].a == "x"
