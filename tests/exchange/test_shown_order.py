"""A column that says which answer was shown on which side is never overlooked beside a choice."""

from __future__ import annotations

import csv
import io
import json

import pytest

from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.exchange.taking_in import read


def table(column: str, one: str, other: str, choice: str = "left") -> bytes:
    text = io.StringIO()
    rows = [("prompt", "response_a", "response_b", column, "choice")]
    rows += [("p", " x", " y", one, choice), ("q", " v", " w", other, choice)]
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("choice", ["left", "a", "response_a", "1st"])
@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("position_swapped", "yes", "no"),
        ("isSwapped", "1", ""),
        ("not_swapped", "0", "1"),
        ("reversed", "1", "1"),
        ("order_flipped", "True", "False"),
        ("switched", "x", ""),
        ("order", "BA", "AB"),
        ("order", "2", "1"),
        ("presentation_order", "BA", "AB"),
        ("display_order", "b,a", "a,b"),
        ("display_order", "response_b, response_a", "response_a, response_b"),
        ("order_shown", "['b', 'a']", "['a', 'b']"),
        ("condition", "swapped", "original"),
        ("version", "BA", "AB"),
        ("left_model", "b", "a"),
        ("left_is", "2", "1"),
        ("shown_left", "response_b", "response_a"),
        ("right_is", "a", "b"),
        ("first_shown", "b", "a"),
        ("a_position", "right", "left"),
        ("side_of_a", "right", "left"),
        ("response_b_position", "first", "second"),
        ("left_response", " y", " v"),
    ],
)
def test_a_side_beside_a_column_that_turns_it_round_is_asked_about(column, one, other, choice):
    with pytest.raises(ImportRefused) as caught:
        import_preferences(table(column, one, other, choice), "p.csv")
    assert repr(column) in str(caught.value) and "'choice'" in str(caught.value)


@pytest.mark.parametrize(
    ("column", "one", "other"),
    [
        ("position_swapped", "no", "no"),
        ("swapped", "0", ""),
        ("order", "AB", "AB"),
        ("display_order", "a,b", "a,b"),
        ("left_is", "a", "a"),
        ("a_position", "left", "left"),
        ("left_response", " x", " v"),
        ("order", "1", "2"),
        ("question_order", "7", "3"),
        ("position", "3", "1"),
        ("degree", "BA", "MA"),
        ("left_score", "1", "2"),
        ("first_name", "Ada", "Ben"),
        ("notes", "order reversed?", "none, really; it was fine"),
        ("condition", "control", "treatment"),
        ("source", "a", "b"),
    ],
)
def test_a_column_that_turns_nothing_round_is_no_hindrance(column, one, other):
    pairs = import_preferences(table(column, one, other), "p.csv").pairs
    assert [pair.choice for pair in pairs] == ["a", "a"]


def test_columns_of_noughts_and_ones_that_name_sides_are_sides_too():
    text = "prompt,a,b,left_wins,right_wins,swapped\np, x, y,1,0,yes\nq, v, w,0,1,no\n"
    with pytest.raises(ImportRefused, match="'swapped'"):
        import_preferences(text.encode(), "p.csv")
    pairs = import_preferences(text.replace("yes", "no").encode(), "p.csv").pairs
    assert [pair.choice for pair in pairs] == ["a", "b"]


def test_where_the_better_one_stood_is_the_choice_again():
    text = "prompt,a,b,choice,chosen_position\np, x, y,left,left\nq, v, w,right,right\n"
    assert len(import_preferences(text.encode(), "p.csv").pairs) == 2
    text = text.replace("right,right", "left,right")
    with pytest.raises(ImportRefused, match="'chosen_position'"):
        import_preferences(text.encode(), "p.csv")


def test_a_choice_that_repeats_a_text_is_no_side():
    text = "prompt,a,b,swapped,choice\np, x, y,yes, y\nq, v, w,no, v\n"
    pairs = import_preferences(text.encode(), "p.csv").pairs
    assert [pair.choice for pair in pairs] == ["b", "a"]


def test_a_task_of_label_studio_that_was_swapped_is_asked_about():
    result = {"type": "choices", "from_name": "q", "to_name": "prompt"}
    task = {
        "data": {"prompt": "p", "response_a": " x", "response_b": " y", "swapped": True},
        "annotations": [{"result": [{**result, "value": {"choices": ["left"]}}]}],
    }
    with pytest.raises(ImportRefused, match="'swapped'"):
        read(json.dumps([task]).encode(), "p.json")
    task["data"]["swapped"] = False
    assert [pair.choice for pair in read(json.dumps([task]).encode(), "p.json").pairs] == ["a"]
