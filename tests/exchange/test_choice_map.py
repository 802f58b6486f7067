"""A choice map says one thing of each value, in a way that a person can write, or is refused."""

from __future__ import annotations

import json
import random
import re
import shlex

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


PIECES = (
    "A",
    "B",
    "left",
    "answer1",
    "wrong",
    "don't",
    "'x'",
    '"',
    ",",
    "=",
    ";",
    "#",
    "$(ls)",
    "-1",
)
PIECES += ("better", "ünique", ">", "<4", "[", "]", "\\", "70%", "1", "`")
LISTS = (["left", "right"], ["answer1", "answer2"], ["it's", 'a "b"'], [])


def _table(values: list) -> bytes:
    rows = [{"prompt": "p", "a": f"x{n}", "b": f"y{n}", "choice": v} for n, v in enumerate(values)]
    return "\n".join(map(json.dumps, rows)).encode()


def _tasks(values: list) -> bytes:
    def task(number: int, value: object) -> dict:
        said = value if isinstance(value, list) else [value]
        result = {"type": "choices", "from_name": "choice", "value": {"choices": said}}
        data = {"prompt": "p", "answer1": f"x{number}", "answer2": f"y{number}"}
        return {"id": number, "data": data, "annotations": [{"id": number, "result": [result]}]}

    return json.dumps([task(number, value) for number, value in enumerate(values)]).encode()


@pytest.mark.parametrize("made", [_table, _tasks])
@pytest.mark.parametrize("seed", range(15))
def test_every_choice_map_that_is_proposed_is_taken_and_leads_on(made, seed):
    draw = random.Random(seed)
    values = ["left"]
    values += [
        " ".join(draw.choices(PIECES, k=draw.randint(1, 9))) for _ in range(draw.randint(1, 9))
    ]
    values.append(draw.choice(LISTS))
    command = "import" if made is _table else "import-label-studio"
    proposed: str | None = ""
    for _ in range(len(values)):
        asked = parse_map(proposed) if proposed else None
        try:
            report = taking_in.read(made(values), "f.json", choice_map=asked)
        except ChoiceUnclear as error:
            found = re.search(r"each means: (\S+) --choice-map=(.*) \(a, b, tie", str(error))
            assert found[1] == command
            (before, proposed), seen = (proposed, shlex.split(found[2])[0]), asked or {}
            proposed = re.sub(
                r"=\?(?=,|$)", lambda _: f"={draw.choice(['a', 'b', 'none'])}", proposed
            )
            assert set(seen) < set(parse_map(proposed)), (before, proposed)
        else:
            assert report.used
            return
    pytest.fail(f"still refused: {proposed}")


def test_a_value_that_was_said_to_be_none_is_known_and_what_is_left_is_proposed():
    long = "A better than B in tone, B overall"
    said = refused([long, "B overall", "not A"], "B overall=b")
    assert f'"{long}"=?' in said
    said = refused([long, "B overall", "Not better: A"], "Not better: A=none")
    assert "'Not better: A' (" not in said and f"{long!r} (1×)" in said
    assert read([long, "B overall"], f'"{long}"=none') == ["b"]


@pytest.mark.parametrize("limit", [">50", "≤ 4"])
def test_a_limit_where_nothing_is_a_number_says_so(limit):
    said = refused(["70%", "1e3"], f"{limit}=a")
    assert "it holds '70%', '1e3'" in said and "name each value" in said
    assert "name each" not in refused(["70", "left"], "nothing=a")
