"""A choice column is read as a whole, said, or refused with its values; never the opposite of what
was meant.
"""

from __future__ import annotations

import csv
import io
import json

import pytest

from rlhf_core.exchange.choice_column import Cell, ChoiceUnclear, guesses, read_column
from rlhf_core.exchange.choice_map import parse_map
from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences

WHERE = "p.csv: the column 'choice'"


def read(*values, **more) -> list[str | None]:
    cells = [Cell(value, " x", " y") for value in values]
    reading = read_column("choice", cells, WHERE, **more)
    return [reading.of(cell)[0] for cell in cells]


def unclear(*values, **more) -> ChoiceUnclear:
    with pytest.raises(ChoiceUnclear) as caught:
        read(*values, **more)
    said = str(caught.value)
    assert said.startswith(WHERE) and "--choice-map" in said and len(said) < 400
    assert "\n" not in said
    return caught.value


def table(header: str, *rows: tuple) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header.split(), *rows])
    return text.getvalue().encode()


def choices(header: str, *rows: tuple, **more) -> list[str]:
    return [pair.choice for pair in import_preferences(table(header, *rows), "p.csv", **more).pairs]


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        ((1, 2), "a b"),
        (("1", "2", "2.0", " 1 "), "a b b a"),
        ((1, "2", "tie", ""), "a b tie None"),
        ((1, 2, 1.5, "1,5"), "a b tie tie"),
        (("left", 2, "2"), "a b b"),
    ],
)
def test_one_and_two_are_sides_where_no_other_number_stands(values, read_as):
    assert [str(choice) for choice in read(*values)] == read_as.split()


@pytest.mark.parametrize(
    ("values", "guess"),
    [
        ((0, 1, 1), "0=a 1=b"),
        ((0, 1, 2), "0=a 1=tie 2=b"),
        ((-1, 0, 1), "-1=a 0=tie 1=b"),
        ((1, 2, 3), "1=a 2=b 3=tie"),
        ((1, 2, 4, 5), "1=a 2=a 4=b 5=b"),
        ((1, 3, 4, 7), "1=a 3=a 4=tie 7=b"),
        ((1, 1), "1="),
        ((2, 2), "2="),
        ((0, 0), "0="),
        ((1, 0, 2, 1.93), "<1= 1= >1="),
        ((0.1, 0.9), "<0.5= >0.5="),
        ((1, 2, "1,2"), "<1.5= >1.5="),
        (tuple(range(30)), "<14.5= >14.5="),
        ((True, False), "False= True="),
    ],
)
def test_other_numbers_are_refused_with_a_guess_for_the_person(values, guess):
    found = sorted(f"{value.key}={value.guess}" for value in unclear(*values).values)
    assert found == sorted(guess.split())


def test_the_persons_word_counts():
    told = parse_map("0=a, 1=tie ,2=b")
    assert read(0, "1", 2.0, choice_map=told) == ["a", "tie", "b"]
    assert read(0.1, 0.5, 0.9, choice_map=parse_map("<0.5=b,0.5=tie,>0.5=a")) == ["b", "tie", "a"]
    assert read("gut", "schlecht", choice_map=parse_map("gut=a,schlecht=b")) == ["a", "b"]
    assert read("x=y", "b", choice_map=parse_map("x=y=a")) == ["a", "b"]
    assert read(1, 2, choice_map=parse_map("1=b,2=a")) == ["b", "a"]
    assert read("a", "?", choice_map=parse_map("?=none")) == ["a", None]
    with pytest.raises(ImportRefused, match="has no 'x': it holds '1', '2'"):
        read(1, 2, choice_map={"x": "a"})
    for text in ("", "1", "1=c", "yes, left=a", "=a"):
        with pytest.raises(ImportRefused, match="must look like"):
            parse_map(text)


def test_no_guess_is_made_for_what_has_no_middle():
    assert guesses({0.1, 0.9}) == {} and guesses(set(map(float, range(30)))) == {}


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        ("a", "?"),
        ("tie", "A!!B"),
        ("right", "wrong"),
        ("tie", "good"),
        ("first", "third"),
        ("?", "!"),
    ],
)
def test_a_column_of_which_a_part_can_be_read_would_mislead(values):
    unclear(*values)


def test_a_few_bad_cells_among_both_sides_are_left_out():
    assert read("a", "b", "dunno", "", None, float("nan"), "N/A") == ["a", "b"] + [None] * 5


@pytest.mark.parametrize("words", [("a", "None", "nan"), ("tie", ""), ("both_bad",), ("", None)])
def test_empty_cells_are_no_unread_ones(words):
    read(*words)


def test_a_choice_may_repeat_a_text_or_name_a_column_or_who_wrote_it():
    cells = [Cell("A fact. ", " A fact.", " A joke."), Cell("same", "same", "same")]
    reading = read_column("choice", cells, WHERE)
    assert [reading.of(cell)[0] for cell in cells] == ["a", "tie"]
    rows = [("p", " x", " y", "text_right"), ("p", " x", " z", "text_left")]
    told = {"fields": ("prompt", "text_left", "text_right")}
    assert choices("prompt text_left text_right choice", *rows, **told) == ["b", "a"]
    rows = [("p", " x", " y", "gpt-4", "vicuna", "vicuna"), ("p", " x", " z", "m", "gpt-4", "m")]
    assert choices("prompt response_a response_b model_a model_b winner", *rows) == ["b", "a"]
    rows = [("1+1=", "2", "3", "2"), ("1+2=", "2", "3", "1")]  # the text 2, or the second?
    with pytest.raises(ChoiceUnclear, match="can mean more than one thing"):
        choices("prompt a b choice", *rows)


# --- the systems of known data sets ---------------------------------------------------------------

TEXTS = ("p", " x", " y")


@pytest.mark.parametrize(
    ("header", "cells", "read_as"),
    [
        ("history human_ref_A human_ref_B labels", [(1,), (0,)], "a b"),
        ("prompt response_0 response_1 better_response_id", [(1,), (0,)], "b a"),
        ("prompt response_0 response_1 choice", [("response_1",), ("response_0",)], "b a"),
        ("prompt response1 response2 overall_preference", [(-3,), (0,), (1,)], "a tie b"),
        ("prompt a b preferred_index", [(1,), (0,)], "b a"),
        (
            "prompt response_a response_b winner_model_a winner_model_b winner_tie",
            [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
            "a b tie",
        ),
        ("prompt a b a_wins b_wins", [("TRUE", "FALSE"), ("False", "True")], "a b"),
        ("prompt a b is_a_better is_b_better tie", [(1, 0, 0), (0, 0, 1), (0, 1, 0)], "a tie b"),
        ("prompt answer_0 answer_1 score_0 score_1", [(-0.5, 0.5), (0, 0), (1, 0)], "b tie a"),
        ("prompt response_a response_b rating_a rating_b", [(2, 5), (4, 1), ("", 3)], "b a"),
        (
            "prompt a b choice",
            [("leftvote",), ("bothbad_vote",), ("[[C]]",), ("2 - B",)],
            "a both_bad tie b",
        ),
        ("Input.prompt Input.response_a Input.response_b Answer.choice", [("A",), ("B",)], "a b"),
    ],
)
def test_known_tables(header, cells, read_as):
    rows = [(f"p{n}", " x", " y", *cell) for n, cell in enumerate(cells)]
    assert choices(header, *rows) == read_as.split()


@pytest.mark.parametrize(
    ("header", "cells", "why"),
    [
        ("prompt a b winner_a winner_b chosen_a chosen_b", (1, 0, 0, 1), "in several ways"),
        ("prompt a b score_a score_b reward_a reward_b", (1, 0, 0, 1), "in several ways"),
        ("prompt a b winner winner_a winner_b", ("a", 0, 1), "both in 'winner' and in columns"),
        ("prompt response_a response_b response_c best ranking", ("z", "a", "a>b>c"), "best"),
        ("question context a b choice", ("z", "a"), "could be prompt"),
    ],
)
def test_two_that_fit_are_refused_by_name(header, cells, why):
    with pytest.raises(ImportRefused, match=why):
        choices(header, (*TEXTS, *cells)[: len(header.split())])


def test_chosen_that_names_a_side_is_no_text():
    rows = [("p", " x", " y", "response_b"), ("q", " x", " y", "response_a")]
    assert choices("prompt response_a response_b chosen", *rows) == ["b", "a"]
    rows = [("p", " x", " y", "B", "A"), ("p", " x", " y", " a third text that is long", "A")]
    with pytest.raises(ImportRefused, match="names a side in 1 rows and holds a text in 1"):
        choices("prompt response_a response_b chosen rejected", *rows)
    rows = [("p", " x", " y", "m", "n", "n", "m"), ("q", " x", " y", "m", "n", "m", "n")]
    header = "prompt response_a response_b model_a model_b chosen rejected"
    assert choices(header, *rows) == ["b", "a"]
    rows = [("p", " x", " y", "A", "B"), ("q", " x", " y", "B", "A"), ("r", " x", " y", "A", "A")]
    report = import_preferences(table("prompt answer_a answer_b chosen rejected", *rows), "p.csv")
    assert [pair.choice for pair in report.pairs] == ["a", "b"]
    assert report.left_out[0].why == "chosen and rejected name the same side"
    report = import_preferences(table("prompt chosen rejected", ("p", "A", "B")), "p.csv")
    assert "no column has their texts" in report.left_out[0].why


def test_messages_name_the_files_own_fields():
    rows = [("p", "", " y"), ("", " x", " y")]
    report = import_preferences(table("prompt chosen rejected", *rows), "p.csv")
    assert [row.why for row in report.left_out] == ["chosen is empty", "prompt is empty"]
    data = json.dumps([{"question": "q", "Response A": None, "Response B": "y", "choice": "a"}])
    report = import_preferences(data.encode(), "p.json")
    assert report.left_out[0].why == "'Response A' is empty"


def test_such_rows_do_not_say_who_judged_only_where_they_do_not():
    named = import_preferences(
        table("prompt chosen rejected annotator", ("p", " x", " y", "Kim")), "p.csv"
    )
    assert "who judged" not in str(named.lost) and "how long it took" in str(named.lost)
    timed = import_preferences(table("prompt chosen rejected seconds", ("p", "x", "y", 3)), "p")
    assert "who judged" in str(timed.lost) and "how long" not in str(timed.lost)
