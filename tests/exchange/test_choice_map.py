"""A choice map says one thing of each value, in a way that a person can write, or is refused."""

from __future__ import annotations

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.choice_column import ChoiceUnclear
from rlhf_core.exchange.choice_map import parse_map, told, written
from rlhf_core.exchange.import_report import ImportRefused


def read(choices: list[str], explained: str = "") -> list[str]:
    rows = [f'p,x,y,"{choice.replace(chr(34), chr(34) * 2)}"' for choice in choices]
    text = "\n".join(["prompt,a,b,choice", *rows])
    asked = parse_map(explained) if explained else None
    return [pair.choice for pair in taking_in.read(text.encode(), "p.csv", choice_map=asked).pairs]


def refused(choices: list[str], explained: str = "") -> str:
    with pytest.raises(ImportRefused) as caught:
        read(choices, explained)
    said = str(caught.value)
    assert said.endswith(".") and "\n" not in said and len(said) < 400
    return said


@pytest.mark.parametrize(
    ("explained", "want"),
    [
        ('"yes, left"=a,no=b', {"yes, left": "a", "no": "b"}),
        ('"say ""a"", please"=b', {'say "a", please': "b"}),
        ('"1,5"=tie, <1=a ,>2 = b', {"1,5": "tie", "<1": "a", ">2": "b"}),
        ("1=a,1=a", {"1": "a"}),
        ("x=y=a,", {"x=y": "a"}),
    ],
)
def test_how_a_map_is_written(explained, want):
    assert parse_map(explained) == want
    assert parse_map(",".join(f"{written(key)}={choice}" for key, choice in want.items())) == want


def test_values_with_a_comma_can_be_told_as_the_message_proposes():
    values = ["yes, left", 'no, the "right"']
    with pytest.raises(ChoiceUnclear) as caught:
        read(values)
    assert '"yes, left"=?,"no, the ""right"""=?' in str(caught.value)
    assert read(values, '"yes, left"=a,"no, the ""right"""=b') == ["a", "b"]
    assert "in quotation marks" in refused(values, "yes, left=a")


@pytest.mark.parametrize(
    ("explained", "want"),
    [
        ("<=2=a,>2=b", "a a b b"),
        ("≤2=a,≥3=b", "a a b b"),
        ("<3=a,>=3=b", "a a b b"),
        ("<2=a,2=tie,>2=b", "a tie b b"),
        (">2=b,<=2=a,1=a", "a a b b"),
    ],
)
def test_limits(explained, want):
    assert read(["1", "2", "3", "5"], explained) == want.split()


@pytest.mark.parametrize(
    ("explained", "why"),
    [
        ("<4=b,<3=a", "two things of '1': <4=b and <3=a"),
        ("<=3=a,>=3=b", "two things of '3': <=3=a and >=3=b"),
        ("1=a,1=b", "two things of '1': 1=a and 1=b"),
        ("1=a,1.0=b,2=b", "two things of '1': 1=a and 1.0=b"),
        ("<=3=a,9=b", "has no '9': it holds '1', '2', '3', '5'"),
        ("<9=a,>9=b", "has no '>9'"),
        ("1-2=a", "has no '1-2'"),
        ("1=left", "must look like 1=a"),
    ],
)
def test_what_contradicts_or_fits_nothing_is_refused_by_name(explained, why):
    assert why in refused(["1", "2", "3", "5"], explained)


def test_one_word_turned_round_asks_for_the_other():
    assert "'left' was said to be the other side" in refused(["left", "right"], "left=b")
    assert read(["left", "right"], "left=b,right=a") == ["b", "a"]
    assert "the number 2 and no other" in refused(["1", "2"], "1=b")


def test_a_lone_number_and_fractions_are_asked_about_without_a_guess():
    for values in (["1", "1"], ["2"], ["0"], ["0.5", "0.5"], ["0.5", "0.7"], ["0", "0.5", "1"]):
        with pytest.raises(ChoiceUnclear) as caught:
            read(values)
        assert {value.guess for value in caught.value.values} == {""}
    with pytest.raises(ChoiceUnclear) as caught:
        read(["101", "104"])
    assert {value.guess for value in caught.value.values} == {""}, "both on one side of a scale"


def test_values_as_a_map_finds_them():
    assert told(" Yes  Left ", {"yes left": "a"}) == "a" and told("1,5", {"1.5": "tie"}) == "tie"
    assert told([1], {"1": "a"}) is None and told("x", {}) is None
