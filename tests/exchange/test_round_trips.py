"""Out and back again, every format: what comes back is what went out, or the export's own report
names what is missing.

22 judgements of five people: ties, both bad, skips, reasons, ideal answers, thumbs, other scripts,
line breaks, leading blanks, and texts that a spreadsheet would run.
"""

import csv
import io
import json
from collections import Counter
from dataclasses import fields, replace

import pytest

from rlhf_core.exchange import commands, taking_in
from rlhf_core.exchange.exports import FORMATS, export_pairs, export_thumbs, kept_in_the_bundle
from rlhf_core.exchange.label_studio import import_annotations
from rlhf_core.exchange.label_studio_tasks import export_tasks
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.judging.preferences import Pair, Ranking, pairs_from_rankings
from rlhf_core.store.formats import to_json, to_lines

PEOPLE = ("you", "Ada", "Ärztin 李", "bo@example.org", "=Kim+1")
PROMPTS = (
    "An opossum is",
    '  Leading blanks, "quotes" and, commas;',
    "Zeile 1\nZeile 2\r\nZeile 3\rZeile 4",
    "=1+1 is",
    "'tis said that",
    "قال إن",
)
TEXTS = (
    (" a marsupial.", " a meme 🦝."),
    ("=1+1", "+1 for that"),
    ("-1 for that", "@home now"),
    ("'=1+1", "''quoted''"),
    (' =HYPERLINK("http://example.org")', "\t=tab"),
    ("  two blanks\nand a new line\n", " a blank at the end \t"),
    ("[1, 2]", '{"role": "user"}'),
    (" é vs é", " \u2028 separators \u2029"),
    ("＝1", "nan"),
    (" one.", " two.", " three.", " four."),
    ("None", "left"),
)


def ranking(number: int) -> Ranking:
    texts = list(TEXTS[number % len(TEXTS)])
    shown = list(reversed(range(len(texts)))) if number % 2 else list(range(len(texts)))
    verdict = {3: "both_bad", 7: "skip", 14: "both_bad", 18: "skip"}.get(number)
    groups = [[index] for index in shown]
    if number % 5 == 1:
        groups = [shown]  # a tie
    if number == 9:
        groups = [[1], [0, 3], [2]]
    good = None
    if number in (12, 20):
        groups, good = ([[0], [1]], [0]) if number == 12 else ([[0, 1, 2, 3]], [0, 1, 2, 3])
        groups = groups if len(texts) > 2 or number == 12 else [[0, 1]]
        good = good if len(texts) > 2 or number == 12 else [0, 1]
    return Ranking(
        id=f"set-{number}",
        prompt=PROMPTS[number % len(PROMPTS)],
        candidates=texts,
        shown=shown,
        groups=[] if verdict else groups,
        verdict=verdict,
        seconds=(None, 0.0, 0.00001, 3.25, 61.5)[number % 5],
        annotator=PEOPLE[number % 5],
        brief="meme-bot" if number % 4 else "",
        brief_version=1 + number % 3,
        round=1 + number % 2,
        finished=[True] * len(texts) if number % 3 else None,
        reason="- funny = true" if number in (0, 8) else "",
        ideal=" mine\n and =better." if number in (2, 14) else "",
        asked="repeat" if number == 4 else "own",
        first={"groups": [[1], [0]], "verdict": None, "seconds": 2.0} if number == 5 else None,
        good=good,
    )


RANKINGS = [ranking(number) for number in range(22)]
PAIRS = pairs_from_rankings(RANKINGS)
ALL = tuple(field.name for field in fields(Pair))


def said(pairs, names=ALL) -> Counter:
    """How often each judgement is there; numbers to the ninth digit, as JSON and CSV have them."""
    return Counter(tuple(getattr(pair, name) for name in names) for pair in pairs)


def test_there_is_one_of_everything():
    assert len({r.annotator for r in RANKINGS}) == 5 and len(RANKINGS) == 22
    assert {pair.choice for pair in PAIRS} == {"a", "b", "tie", "both_bad", "skip"}
    assert any(r.ideal for r in RANKINGS) and any(r.good for r in RANKINGS)
    assert all(any(t.startswith(c) for pair in TEXTS for t in pair) for c in "=+-@'")


def test_our_own_rows_come_back_as_they_were():
    report = taking_in.read(to_lines([pair.to_dict() for pair in PAIRS]), "preferences.jsonl")
    assert report.pairs == PAIRS and not report.left_out and not report.repaired


def test_a_spreadsheet_comes_back_as_it_was():
    data, lost = export_pairs(PAIRS, "csv")
    report = taking_in.read(data, "preferences.csv")
    assert lost == [] and report.pairs == PAIRS
    assert not report.left_out and not report.repaired and not report.lost


def test_argillas_records_come_back_less_what_the_report_names():
    data, lost = export_pairs(PAIRS, "argilla")
    report = taking_in.read(data, "preferences-argilla.jsonl")
    (named,) = lost
    assert "weights within a ranking, seconds" in named
    kept = tuple(name for name in ALL if name not in ("weight", "seconds"))
    assert said(report.pairs, kept) == said(PAIRS, kept)


@pytest.mark.parametrize("kind", ["trl", "trl-chat"])
def test_preference_rows_come_back_less_what_the_report_names(kind):
    data, lost = export_pairs(PAIRS, kind)
    report = taking_in.read(data, "preferences.jsonl")
    better = [(p.prompt, p.a, p.b) if p.choice == "a" else (p.prompt, p.b, p.a) for p in PAIRS]
    told = [row for row, pair in zip(better, PAIRS, strict=True) if pair.choice in "ab"]
    assert [(p.prompt, p.a, p.b) for p in report.pairs] == told
    assert not report.left_out and not report.repaired
    words = " ".join(lost)
    for choice, name in (("tie", "ties"), ("both_bad", "both are bad"), ("skip", "skipped")):
        count = sum(pair.choice == choice for pair in PAIRS)
        assert count and any(f"{count} " in one and name in one for one in lost)
    assert "weights, seconds, who judged" in words.replace(" within a ranking", "")
    assert "on the left" in words


def test_thumbs_have_no_way_back_and_say_so():
    data, lost = export_thumbs([], RANKINGS)
    assert data and any("no import here reads it" in sentence for sentence in lost)
    with pytest.raises(ValueError, match="preferences-kto"):
        taking_in.read(data, "preferences-kto.jsonl")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_no_import_takes_is_named(kind):
    odd = [Pair("A cat is", "", " b.", "b"), Pair("A cat is", " a.", " a.", "tie")]
    odd.append(Pair("A cat is", " a.", " a.", "both_bad"))
    _, lost = export_pairs([*PAIRS, *odd], kind)
    assert any("1 comparison with an empty text and 2 comparisons of a text" in s for s in lost)


# --- rankings -------------------------------------------------------------------------------------


def test_rankings_of_a_bundle_come_back_as_they_were():
    data = to_lines([ranking.to_dict() for ranking in RANKINGS])
    report = taking_in.read(data, "rankings.jsonl")
    assert report.rankings == RANKINGS and report.pairs == PAIRS and report.read == 22
    assert not report.left_out and not report.repaired
    (sentence,) = report.lost
    assert "2 reasons, 2 ideal answers (4 training pairs)" in sentence and "--rankings" in sentence
    assert "1 answer before a change" in sentence and "1 hidden check" in sentence


def test_the_command_line_takes_rankings_and_writes_them_as_they_were(tmp_path, capsys):
    source, out, kept = (tmp_path / name for name in ("r.jsonl", "p.jsonl", "again.jsonl"))
    source.write_bytes(to_lines([ranking.to_dict() for ranking in RANKINGS]))
    args = type("Args", (), {"command": "import", "file": str(source), "out": str(out)})()
    args.rankings, args.choice_map = str(kept), None
    heard = []
    assert commands.run_command(args, heard.append, heard.append) == 0
    assert kept.read_bytes() == source.read_bytes()
    assert len(out.read_bytes().splitlines()) == len(PAIRS)


def spoilt(**changes) -> dict:
    return {**RANKINGS[0].to_dict(), **changes}


@pytest.mark.parametrize(
    "row",
    [
        spoilt(candidates="ab"),
        spoilt(candidates=[" a.", 5]),
        spoilt(candidates=[" a.", ""]),
        spoilt(candidates=[" a.", " a."]),
        spoilt(candidates=[f" {n}" for n in range(3000)], shown=list(range(3000)), groups=[]),
        spoilt(shown=[0.0, 1.0]),
        spoilt(shown=[True, False]),
        spoilt(shown=None),
        spoilt(groups=5),
        spoilt(groups=[[0], ["b"]]),
        spoilt(groups=[[0], [2]]),
        spoilt(groups=[]),
        spoilt(verdict="great", groups=[]),
        spoilt(verdict=[]),
        spoilt(prompt=None),
        spoilt(prompt=" "),
        spoilt(seconds=-1, finished=[1, 0]),
        spoilt(finished=[True]),
        spoilt(round="one"),
        spoilt(brief_version=0),
        spoilt(reason=["x"]),
        spoilt(ideal=5),
        spoilt(ideal="\x00"),
        spoilt(first=[1]),
        spoilt(first={"groups": [[0]]}),
        spoilt(first={"boo": 1}),
        spoilt(first={"groups": "x", "verdict": None}),
        spoilt(good=[5]),
        spoilt(good=[1]),
        spoilt(secret=1),
        ["prompt"],
        None,
    ],
    ids=lambda row: json.dumps(row)[-60:-20],
)
def test_what_no_ranking_can_be_is_left_out_with_a_reason(row):
    good = json.dumps(RANKINGS[1].to_dict())
    data = f"{good}\n{json.dumps(row)}\n".encode()
    report = taking_in.read(data, "rankings.jsonl")
    assert report.rankings == RANKINGS[1:2] and len(report.left_out) == 1
    assert report.left_out[0].row == 2 and report.left_out[0].why


# --- Label Studio ---------------------------------------------------------------------------------


def test_pairs_come_back_from_label_studio_as_they_were():
    tasks, lost = export_tasks(PAIRS)
    report = import_annotations(to_json(tasks), "tasks.json")
    assert said(report.pairs) == said(PAIRS) and not report.left_out
    assert len(lost) == 1 and "leave out skipped tasks and who judged" in lost[0]


def test_rankings_come_back_from_label_studio_less_what_the_report_names():
    tasks, lost = export_tasks(RANKINGS)
    report = import_annotations(to_json(tasks), "tasks.json")
    assert not report.left_out and said(report.pairs) == said(PAIRS)
    known = {(r.prompt, r.annotator, frozenset(r.candidates), r.seconds): r for r in RANKINGS}
    for back in report.rankings:
        was = known.pop((back.prompt, back.annotator, frozenset(back.candidates), back.seconds))
        assert (back.reason, back.ideal, back.verdict) == (was.reason, was.ideal, was.verdict)
        assert (back.good is None) == (was.good is None)
        assert [{back.candidates[i] for i in group} for group in back.groups] == [
            {was.candidates[i] for i in group} for group in was.groups
        ]
    assert not known
    words = " ".join(lost)
    assert "2 reasons and 2 ideal answers (4 training pairs): noted beside" in words
    assert "1 answer before a change" in words and "1 hidden check" in words
    assert "The round" in words and "JSON-MIN and CSV" in words


def test_tasks_to_be_judged_name_what_stays_behind():
    _, lost = export_tasks(RANKINGS, judged=False)
    assert any(
        "2 reasons and 2 ideal answers (4 training pairs): tasks to be judged" in sentence
        for sentence in lost
    )


def test_a_list_of_more_places_than_buckets_and_an_empty_answer_do_not_come_back_as_others():
    texts = [f" {number}." for number in range(12)]
    long = Ranking("1", "A list is", texts, list(range(12)), [[n] for n in range(12)])
    report = import_annotations(to_json(export_tasks([long])[0]), "tasks.json")
    assert [back.groups for back in report.rankings] == [long.groups]
    empty = replace(RANKINGS[0], candidates=[" a marsupial.", ""])
    tasks, lost = export_tasks([RANKINGS[1], empty])
    report = import_annotations(to_json(tasks), "tasks.json")
    assert len(report.left_out) == 1 and "1 comparison with an empty text" in " ".join(lost)


# --- formulas -------------------------------------------------------------------------------------

SIGNS = "=+-@\t\r＝＋－＠"


def test_no_cell_of_our_spreadsheet_is_a_formula():
    pairs = [
        Pair(f"{sign}p", f" {sign}a", f"\n{sign}b", "a", annotator=f"{sign}Ada", brief=f"{sign}x")
        for sign in SIGNS
    ]
    data, _ = export_pairs(pairs, "csv")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(SIGNS) + 1
    for row in rows:
        for cell in row:
            assert not cell.lstrip(" \n\r\t").startswith(tuple("=+-@＝＋－＠")), cell
            assert not cell.startswith(("\t", "\r")), cell


def test_what_really_began_with_an_apostrophe_keeps_it():
    texts = ("'=1", "''=1", "'tis", "'", "'-", "' +", "=")
    pairs = [Pair("p", text, " b.", "a", annotator="Ada") for text in texts]
    data, _ = export_pairs(pairs, "csv")
    assert [pair.a for pair in import_preferences(data, "p.csv").pairs] == list(texts)
    foreign = b"prompt,a,b,choice\np,'=1,' +x,a\n"
    (pair,) = import_preferences(foreign, "p.csv").pairs
    assert (pair.a, pair.b) == ("'=1", "' +x")


def test_a_spreadsheet_that_somebody_edited_gives_what_it_says():
    """The program took the apostrophe away, or a person typed another text over it."""
    data, _ = export_pairs([Pair("p", "=1", " b.", "a"), Pair("p", "=2", " c.", "b")], "csv")
    edited = data.replace(b"'=1", b"=1").replace(b"'=2", b"'twas")
    assert [pair.a for pair in import_preferences(edited, "p.csv").pairs] == ["=1", "'twas"]


def test_what_a_pair_cannot_hold_is_named_on_the_page():
    (sentence,) = kept_in_the_bundle(RANKINGS)
    assert "reasons" in sentence and "ideal" in sentence and "hidden checks" in sentence
