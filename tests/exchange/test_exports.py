"""Judged pairs for other tools: what comes back is what went out, less what the report says was
lost.
"""

import json
from dataclasses import replace

import pytest

from rlhf_core.exchange.exports import FORMATS, export_pairs, export_thumbs, kept_in_the_bundle
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging.preferences import CHOICES, Pair, Ranking

PAIRS = [
    *(
        Pair(
            "Ein Käuzchen ist",
            ' „x“, "y"\nz',
            f" {choice} 🦝",
            choice,
            0.5,
            2.5,
            "Kim",
            "meme-bot",
            3,
        )
        for choice in CHOICES
    ),
    Pair(
        "Ein Käuzchen ist",
        ' „x“, "y"\nz',
        " a 🦝",
        "b",
        annotator="Ada",
        brief="meme-bot",
        brief_version=3,
    ),
]


def test_a_spreadsheet_holds_everything():
    data, lost = export_pairs(PAIRS, "csv")
    report = import_preferences(data, "p.csv")
    assert (
        report.pairs == PAIRS
        and lost == []
        and data.startswith(b"\xef\xbb\xbf")
        and not report.repaired
    )


def test_argilla_style_records_keep_everybodys_answers():
    data, lost = export_pairs(PAIRS, "argilla")
    report = import_preferences(data, "p.jsonl")
    assert len(data.splitlines()) == 5 and lost == [
        "Argilla has no place for: weights within a ranking, seconds."
    ]
    told = sorted(
        (p.prompt, p.a, p.b, p.choice, p.annotator, p.brief, p.brief_version) for p in PAIRS
    )
    assert (
        sorted(
            (p.prompt, p.a, p.b, p.choice, p.annotator, p.brief, p.brief_version)
            for p in report.pairs
        )
        == told
    )


@pytest.mark.parametrize("kind", ["trl", "trl-chat"])
def test_preference_rows_hold_what_was_preferred_and_say_what_they_lose(kind):
    data, lost = export_pairs(PAIRS, kind)
    back = import_preferences(data, "p.jsonl").pairs
    better = [
        (p.prompt, p.a, p.b) if p.choice == "a" else (p.prompt, p.b, p.a)
        for p in PAIRS
        if p.choice in "ab"
    ]
    assert [(p.prompt, p.a, p.b) for p in back] == better and {p.choice for p in back} == {"a"}
    assert (
        lost[0]
        == "A preference row has no place for: weights within a ranking, seconds, who judged, the"
        " brief and its version."
    )
    assert sum("are left out" in sentence for sentence in lost) == 3 and "on the left" in lost[-1]
    row = json.loads(data.splitlines()[0])
    assert set(row) == {"prompt", "chosen", "rejected"} and isinstance(
        row["prompt"], str if kind == "trl" else list
    )


def test_nothing_in_nothing_out_and_nothing_lost():
    assert {export_pairs([], kind)[1] == [] for kind in FORMATS} == {True}
    with pytest.raises(ValueError, match="kind must be one of"):
        export_pairs([], "xlsx")


def test_thumbs_are_rows_that_trls_kto_reads():
    given = Ranking("1", "A cat is", [" a pet.", " no."], [0, 1], groups=[[0], [1]], good=[0])
    data, lost = export_thumbs([], [given])
    assert [json.loads(line) for line in data.splitlines()] == [
        {"prompt": "A cat is", "completion": " a pet.", "label": True},
        {"prompt": "A cat is", "completion": " no.", "label": False},
    ]
    assert lost == [
        "Who judged, how long it took, and under which brief.",
        "The way back: a single answer is no comparison, so no import here reads it.",
    ]
    assert export_thumbs([], []) == (b"", [])


def test_what_a_row_of_kto_cannot_say_is_said_and_nothing_else():
    cat = Ranking("1", "A cat is", [" a.", " b.", " c."], [0, 1, 2], groups=[[2], [0], [1]])
    lost = export_thumbs([], [cat])[1]
    assert lost[2:] == [
        "Which rows nobody called good or bad: there are also the best and the last of 1 judgement"
        " put in order, and no row says so.",
        "What stands between: of a list in order only the best and the last are here.",
    ]
    bad = replace(cat, id="2", groups=[], verdict="both_bad", ideal=" mine.")
    tie = replace(cat, id="3", groups=[[0, 1, 2]])
    away = replace(cat, id="4", prompt="A fox is")
    light = Pair("A cat is", " x.", " y.", "b", weight=0.5)
    data, lost = export_thumbs(
        [light, replace(light, choice="tie")], [bad, tie, away], ["A fox is"]
    )
    assert len(data.splitlines()) == 2 + 4 and "A fox is" not in data.decode()
    assert lost[2:] == [
        "Weights: 2 answers that should weigh otherwise count as 1.",
        "Which rows nobody called good or bad: there are also both sides of 1 judgement that came"
        " as a pair, all answers of 1 judgement called bad together, the ideal answer of 1"
        " judgement, and no row says so.",
        "No answer is good or bad in 2 judgements: left out.",
        "2 answers to prompts that are kept for the verdict: left out.",
    ]


def test_what_only_the_bundle_keeps_is_named():
    plain = Ranking("1", "An opossum is", [" a.", " b."], [0, 1], groups=[[0], [1]])
    assert kept_in_the_bundle([plain]) == []
    (sentence,) = kept_in_the_bundle([replace(plain, good=[0])])
    assert "called good or bad" in sentence and "reasons" not in sentence
    (sentence,) = kept_in_the_bundle(
        [plain, replace(plain, id="2", reason="truer", asked="repeat")]
    )
    assert (
        "reasons" in sentence
        and "hidden checks" in sentence
        and "lists" not in sentence
        and "rankings.jsonl" in sentence
    )
