"""Thirty small files of the kinds that people really have: each is read as it was meant, or refused
in one right sentence; never the opposite of what somebody said.

The files lie in tests/fixtures/cases, each beside NAME.right.txt, which says what is right.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.choice_column import ChoiceUnclear
from rlhf_core.exchange.import_report import ImportRefused

CASES = Path(__file__).parent.parent / "fixtures" / "cases"
NEWT = ("A newt is", " an amphibian with a tail.", " my landlord.")
PLAIN = ("A newt is", "an amphibian", "my landlord")
HH = (
    "\n\nHuman: Name a newt\n\nAssistant: Here is a list.\n\nBob, Ed, Al,\n\nHuman: Your favorite?"
    "\n\nAssistant:",
    " I haven't even thought about it.",
    " I love them all.",
)

# name -> (choices, who judged or None, the texts of the first pair, words that the report says)
READ = {
    "alpaca-eval-annotations.json": ("a b tie b", None, NEWT, "AlpacaEval"),
    "argilla1-ranking-sequence-struct.jsonl": ("a", "u-1", (NEWT[0], NEWT[2], NEWT[1]), ""),
    "argilla1-two-ratings.jsonl": ("b b a", "u-1 u-1 u-1", NEWT, "were compared"),
    "argilla2-text-question-first.json": ("b", "u-1", NEWT, "'preference' was read as"),
    "choice-none-either.csv": ("tie a", None, NEWT, "the choice is empty"),
    "choice-words.csv": ("a a a tie tie skip b", None, NEWT, "'I prefer B' was read as b"),
    "chosen-is-a-letter.csv": ("b a", None, NEWT, "names the side that was chosen"),
    "datasets-to_csv-of-messages.csv": ("a", None, PLAIN, ""),
    "gradio-pairwise-labeler.csv": ("a b tie skip", None, NEWT, "'Left is better' was read as a"),
    "hh-two-turns-1858.jsonl": ("a", None, HH, 'the last "Assistant:"'),
    "llamafactory-sharegpt.json": ("a", None, PLAIN, ""),
    "ls-choices-winner-lmsys.json": ("b a tie", "user\xa01 user\xa01 user\xa01", PLAIN, "'winner'"),
    "ls-dialogue-prompt.json": ("a b", None, NEWT, ""),
    "ls-evalme-pairwise-key.json": ("a", None, NEWT, ""),
    "ls-review-rejected.json": ("b", None, NEWT, "rejected this annotation"),
    "ls-several-annotators.json": (
        "a b skip",
        "ann@example.org bo@example.org user\xa05",
        NEWT,
        "Drafts",
    ),
    "mturk-renamed.csv": ("a", "W1", NEWT, "AssignmentStatus"),
    "nan.json": ("a a", "unknown unknown", ("A newt is", " an amphibian.", NEWT[2]), ""),
    "pandas-to-json-default.json": ("a a", None, NEWT, "to_json writes them"),
    "rankings-with-ideal-and-reasons.jsonl": (None, None, None, "2 reasons"),
    "ultrafeedback-raw.jsonl": ("a", None, NEWT, "ranked by 'overall_score'"),
}
REFUSED = {
    "choice-012.csv": "holds the numbers 0, 1, 2, which can mean more than one thing",
    "duplicate-keys.jsonl": "has the field 'chosen' twice",
    "hh-rlhf-diverging.jsonl": "part before the last answer",
    "index-0-1-inverted.csv": "holds the numbers 0, 1, which can mean more than one thing",
    "instruction-and-input.csv": "join them: --fields instruction+input",
    "ls-context-and-question.json": "could be prompt: 'context', 'question'",
    "one-long-line.txt": "no table of judgements",
    "ranker-bomb.json": "4,498,500 pairs; at most 100 outputs",
    "trailing-comma.json": "a comma too many",
}


def of(name: str, **more):
    return taking_in.read((CASES / name).read_bytes(), name, **more)


def test_every_case_is_in_one_of_the_tables():
    names = {path.name for path in CASES.iterdir() if not path.name.endswith(".right.txt")}
    assert names == {*READ, *REFUSED} and len(names) == 30
    assert all((CASES / f"{name}.right.txt").is_file() for name in names)


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name):
    choices, who, texts, words = READ[name]
    report = of(name)
    if choices:
        assert [pair.choice for pair in report.pairs] == choices.split()
        first = report.pairs[0]
        assert (first.prompt, first.a, first.b) == texts
    if who:
        assert [pair.annotator.replace(" ", "\xa0") for pair in report.pairs] == who.split(" ")
    assert words in str(report.to_dict()), report.to_dict()
    assert report.used + len(report.left_out) == report.read


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    with pytest.raises(ImportRefused) as caught:
        of(name)
    said = str(caught.value)
    assert REFUSED[name] in said and name in said and "\n" not in said and len(said) < 400


def test_a_persons_word_makes_the_unclear_columns_clear():
    pairs = of("index-0-1-inverted.csv", choice_map={"0": "a", "1": "b"}).pairs
    better = [pair.a if pair.choice == "a" else pair.b for pair in pairs]
    assert len(pairs) == 40 and all("small animal" in text for text in better)
    told = {"0": "a", "1": "tie", "2": "b"}
    assert [p.choice for p in of("choice-012.csv", choice_map=told).pairs] == ["a", "tie", "b"]
    with pytest.raises(ChoiceUnclear) as caught:
        of("choice-012.csv")
    assert {value.key: value.guess for value in caught.value.values} == told
    both = of("instruction-and-input.csv", fields=("instruction+input", "response_a", "response_b"))
    assert both.pairs[0].prompt == "Name the animal.\n\nIt has a tail and lives in a pond."
    told = of("ls-context-and-question.json", fields=("question", "answer1", "answer2"))
    assert [pair.prompt for pair in told.pairs][0] == "What is a newt?"


def test_details_that_the_cases_ask_for():
    assert [pair.seconds for pair in of("mturk-renamed.csv").pairs] == [12]
    assert [pair.seconds for pair in of("ls-choices-winner-lmsys.json").pairs] == [4.4] * 3
    assert {pair.brief for pair in of("nan.json").pairs} == {""}
    made = of("rankings-with-ideal-and-reasons.jsonl")
    assert made.left_out == [] and any(ranking.ideal for ranking in made.rankings)
