"""Label Studio's files in all the shapes that occur: real exports of a server
(tests/fixtures/label_studio), and what people have been seen to hand in.
"""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.label_studio import import_annotations, import_any
from rlhf_core.exchange.label_studio_tasks import export_tasks, labelling_config
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import CHOICES, Pair, Ranking, pairs_from_rankings

FIXTURES = Path(__file__).parent.parent / "fixtures" / "label_studio"
DATA = {"prompt": "A cat is", "answer1": " a pet.", "answer2": " a king."}
# As a real server exported it in April 2023 (shared/interop-notes.md).
REAL = json.loads(
    '{"id":1,"annotations":[{"id":2,"completed_by":2,"result":[{"value":{"selected":"left"},"id":"x1","from_name":"comparison","to_name":"comparison","type":"pairwise","origin":"manual"}],"was_cancelled":false,"ground_truth":false,"created_at":"2023-04-17T21:54:20.457543Z","lead_time":12.51}],"predictions":[],"data":{"prompt":"A'
    ' cat is","answer1":" a pet.","answer2":" a king."}}'
)


def read(value: object, **options) -> ImportReport:
    report = import_annotations(json.dumps(value, ensure_ascii=False).encode(), "x.json", **options)
    assert report.used + len(report.left_out) == report.read
    json.dumps(report.to_dict())
    return report


def selected(which: object) -> dict:
    return {
        "from_name": "comparison",
        "to_name": "comparison",
        "type": "pairwise",
        "value": {"selected": which},
    }


def verdict(*which: str, name: str = "verdict") -> dict:
    return {
        "from_name": name,
        "to_name": "prompt",
        "type": "choices",
        "value": {"choices": list(which)},
    }


def task(*annotations: dict, data: dict = DATA, **more) -> dict:
    return {
        "id": 7,
        "data": data,
        "annotations": [
            {"id": n, "completed_by": n, "was_cancelled": False, **a}
            for n, a in enumerate(annotations, 1)
        ],
        **more,
    }


def kept(report: ImportReport) -> list[tuple]:
    return [(pair.choice, pair.annotator, pair.seconds) for pair in report.pairs]


# --- one answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [REAL, [REAL], [{**REAL, "completions": REAL["annotations"], "annotations": None}]]
)
def test_a_real_export_as_a_list_as_one_task_and_with_the_old_name(shape):
    shape = json.loads(json.dumps(shape))
    for item in shape if isinstance(shape, list) else [shape]:
        if item.get("annotations", 1) is None:
            del item["annotations"]
    report = read(shape)
    assert (
        report.pairs
        == [Pair("A cat is", " a pet.", " a king.", "a", seconds=12.51, annotator="user 2")]
        and not report.repaired
        and not report.left_out
    )
    assert report.summary == "x.json (Label Studio JSON, Pairwise): 1 of 1 judgements used."


@pytest.mark.parametrize(
    ("result", "choice"),
    [
        ([selected("left")], "a"),
        ([selected("right")], "b"),
        ([verdict("Tie")], "tie"),
        ([verdict("Both bad")], "both_bad"),
        ([verdict("Skip")], "skip"),
        ([selected("left")] * 2, "a"),
    ],
)
def test_what_an_answer_means(result, choice):
    report = read([task({"result": result})])
    assert kept(report) == [(choice, "user 1", None)] and not report.repaired


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ([], "an empty answer is no tie"),
        ([selected("Left")], "selected is 'Left'"),
        ([selected("both")], "selected is 'both'"),
        ([selected(None)], "selected is 'None'"),
        ([selected(["left"])], "selected is"),
        ([{**selected("left"), "value": None}], "selected is"),
        ([selected("left"), selected("right")], "two different things"),
        ([selected("left"), verdict("Tie")], "also says tie"),
        ([verdict("Tie", "Skip")], "the verdict is"),
        ([verdict("left")], "the verdict is 'left'"),
        ([verdict()], "the verdict is"),
        (
            [verdict("good", name="quality")],
            "only answers are to the control 'quality' (choices: 'good')",
        ),
        ("left", "no object with a list of results"),
    ],
)
def test_what_an_answer_does_not_mean(result, why):
    report = read([task({"result": result})])
    assert (
        not report.pairs
        and [row.row for row in report.left_out] == [1]
        and why in report.left_out[0].why
    )
    with pytest.raises(ImportRefused, match="^Nothing in x.json can be used. Task 1: "):
        report.checked()


def test_a_verdict_in_other_words_is_repaired_and_other_controls_are_named():
    report = read([task({"result": [verdict("both bad "), verdict("good", name="quality")]})])
    assert kept(report)[0][0] == "both_bad" and "was read as both bad" in report.repaired[0].why
    assert report.lost == ["The control 'quality' (choices): a judgement has no place for it."]


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (3, "user 3"),
        ("3", "user 3"),
        ({"id": 3, "email": "ada@x.org", "first_name": "Ada"}, "ada@x.org"),
        ({"id": 3, "first_name": "Ada", "last_name": "L."}, "Ada L."),
        ({"id": 3}, "user 3"),
        ({}, "unknown"),
        (None, "unknown"),
        (True, "unknown"),
        ("ada@x.org", "ada@x.org"),
        ("漢\ud800" + "x" * 99, "漢?" + "x" * 78),
    ],
)
def test_who_judged(who, name):
    data = json.dumps(
        [task({"result": [selected("left")], "completed_by": who})]
    ).encode()  # with its escapes, as Python writes a lone surrogate
    assert import_annotations(data, "x.json").pairs[0].annotator == name


def test_skipped_is_skipped_whatever_else_it_says_and_odd_times_are_dropped():
    report = read(
        [
            task(
                {"result": [selected("left")], "was_cancelled": True, "lead_time": 3.5},
                {"result": [selected("left")], "lead_time": "soon"},
            )
        ]
    )
    assert (
        kept(report) == [("skip", "user 1", 3.5), ("a", "user 2", None)]
        and "'soon' is no number" in report.repaired[0].why
    )


def test_the_last_of_several_answers_by_one_person_counts_and_copies_do_not():
    early, late = (
        {"result": [selected("left")], "completed_by": 1, "updated_at": "2024-01-01T00:00:00Z"},
        {"result": [selected("right")], "completed_by": 1, "updated_at": "2024-01-02T00:00:00Z"},
    )
    for order in ([early, late], [late, early]):
        report = read([task(*order)])
        assert (
            kept(report) == [("b", "user 1", None)]
            and report.left_out[0].why
            == "user 1 answered this task more than once; the last answer counts"
        )
    assert kept(read([task({**early, "completed_by": None}, {**late, "completed_by": None})])) == [
        ("a", "unknown", None),
        ("b", "unknown", None),
    ]  # two strangers
    report = read([task(early), task(early)])
    assert (
        report.used == 1
        and report.left_out[0].why == "the annotation 1 stands in the file twice"
        and report.left_out[0].row == 2
    )
    other = task(early, data={**DATA, "prompt": "A dog is"})
    assert read([task(early), other]).used == 2  # the same numbers from another project


def test_what_nobody_has_answered_predictions_and_drafts():
    blank = {
        "id": 1,
        "data": DATA,
        "annotations": [],
        "predictions": [{"result": [selected("left")]}],
        "drafts": [{}],
    }
    report = read([blank, task({"result": [selected("left")]})])
    assert (
        report.used == 1
        and report.unjudged == [{"prompt": "A cat is", "texts": [" a pet.", " a king."]}]
        and len(report.lost) == 2
    )
    for bare in ([DATA], [{"data": DATA}]):
        report = read(bare)
        assert len(report.unjudged) == 1 and report.read == 0
        with pytest.raises(ImportRefused, match="nobody has answered yet"):
            report.checked()


def test_unusual_field_names_have_to_be_told():
    data = {"question": "A cat is", "this": " a pet.", "that": " a king."}
    report = read([task({"result": [selected("right")]}, data=data)])
    assert "no field for a and b (it has question, this, that)" in report.left_out[0].why
    assert (
        read(
            [task({"result": [selected("right")]}, data=data)], fields=("question", "this", "that")
        )
        .pairs[0]
        .choice
        == "b"
    )
    assert (
        read(
            [
                task(
                    {"result": [selected("right")]},
                    data={"prompt": "p", "response1": " x", "response2": " y"},
                )
            ]
        ).used
        == 1
    )


def test_bare_lists_without_data_hold_answers_too():
    report = read([{**DATA, "id": 4, "annotations": REAL["annotations"]}])
    assert kept(report) == [("a", "user 2", 12.51)]


def test_jsonl_and_other_alphabets_and_markup():
    odd = {
        "prompt": "一只猫是",
        "answer1": " <script>alert(1)</script> 宠物。",
        "answer2": " ملك\u200f 👑",
    }
    data = "\n".join(
        json.dumps(task({"result": [selected("left")]}, data=odd, id=n), ensure_ascii=False)
        for n in range(3)
    ).encode("utf-8-sig")
    report = import_annotations(data, "x.jsonl")
    assert (
        report.used == 3
        and {(p.prompt, p.a, p.b) for p in report.pairs} == {tuple(odd.values())}
        and report.counted == "line"
    )


# --- JSON-MIN and CSV -----------------------------------------------------------------------------

MIN = {
    **DATA,
    "id": 1,
    "comparison": [{"selected": "left"}],
    "annotator": 2,
    "annotation_id": 5,
    "created_at": "2024",
    "updated_at": "2024",
    "lead_time": 2.5,
}


def test_json_min_and_csv_as_label_studios_converter_writes_them():
    tie = {
        **{k: v for k, v in MIN.items() if k != "comparison"},
        "verdict": "Tie",
        "annotation_id": 6,
        "annotator": 3,
    }
    empty = {k: v for k, v in MIN.items() if k != "comparison"} | {
        "annotation_id": 7,
        "annotator": 4,
    }
    nobody = {
        **DATA,
        "id": 9,
        "annotator": None,
        "annotation_id": None,
        "created_at": None,
        "updated_at": None,
        "lead_time": None,
    }
    report = read([MIN, tie, empty, nobody])
    assert (
        kept(report) == [("a", "user 2", 2.5), ("tie", "user 3", 2.5)]
        and "nothing was chosen" in report.left_out[0].why
        and len(report.unjudged) == 1
    )
    assert report.format == "Label Studio JSON-MIN, Pairwise" and any(
        "leaves skipped tasks out" in sentence for sentence in report.lost
    )
    table = (
        'annotation_id,annotator,answer1,answer2,comparison,created_at,id,lead_time,prompt,updated_at,verdict\n5,"2","'
        ' a pet."," a king.","[{""selected"": ""left""}]","2024",1,2.5,"A cat'
        ' is","2024",\n6,"ada@x.org"," a pet."," a king.",,"2024",1,,"A cat is","2024","Tie"\n'
    )
    report = import_annotations(table.encode(), "x.csv")
    assert (
        kept(report) == [("a", "user 2", 2.5), ("tie", "ada@x.org", None)]
        and report.format == "Label Studio CSV, Pairwise"
        and report.counted == "row"
    )
    tabs = (
        "\t".join(
            ["annotation_id", "annotator", "answer1", "answer2", "comparison", "id", "prompt"]
        )
        + '\n5\t2\t x\t y\t"[{""selected"": ""right""}]"\t1\tp\n'
    )
    assert kept(import_annotations(tabs.encode(), "x.tsv")) == [("b", "user 2", None)]
    plain = import_annotations(
        b"annotation_id,annotator,prompt,answer1,answer2,comparison\n1,2,p, x, y,left\n2,2,q, x,"
        b" y,middle\n",
        "x.csv",
    )
    assert (
        kept(plain) == [("a", "user 2", None)] and "selected is 'middle'" in plain.left_out[0].why
    )


# --- exports of a real server, kept by tests/exchange/test_label_studio_server.py -----------------

ADA, KIM, IMPORTER = "user 4", "user 5", "user 1"


def fixture(name: str) -> ImportReport:
    report = import_annotations((FIXTURES / name).read_bytes(), name)
    assert (
        report.used + len(report.left_out) == report.read
        and not report.repaired
        or name.startswith("ranker")
    )
    return report


def test_a_real_servers_json_export_holds_everything_that_was_done():
    report = fixture("pairwise.json")
    assert {(p.prompt, p.choice, p.annotator, p.seconds) for p in report.pairs} == {
        ("An opossum is", "a", ADA, 3.5),
        ("An opossum is", "b", KIM, 2.25),
        ("Ein Käuzchen ist", "tie", ADA, 4.0),
        ("一只猫是", "both_bad", KIM, 1.5),
        ("A cat is", "skip", ADA, 9.75),
        ("A dog is", "skip", KIM, 2.0),
        ("A bee is", "b", ADA, 6.0),
        ("A wolf is", "a", "Bo", 1.25),
        ("A wolf is", "b", "Cy", 2.5),
        ("A fox is", "tie", "Bo", None),
        ("A fox is", "both_bad", "Bo", 4.0),
        ("A fox is", "skip", "Cy", 0.5),
    }
    assert len(report.left_out) == 2 and len(report.unjudged) == 1 and report.lost == []
    assert {
        (p.a, p.b, p.brief, p.brief_version) for p in report.pairs if p.prompt == "A cat is"
    } == {(" <b>bold</b> & proud.", ' "quoted", with\nlines.', "meme-bot", 3)}


@pytest.mark.parametrize("name", ["pairwise.min.json", "pairwise.csv"])
def test_a_real_servers_smaller_exports_lack_what_is_said(name):
    report = fixture(name)
    assert {(p.prompt, p.choice, p.annotator, p.seconds) for p in report.pairs} == {
        ("An opossum is", "a", ADA, 3.5),
        ("An opossum is", "b", KIM, 2.25),
        ("Ein Käuzchen ist", "tie", ADA, 4.0),
        ("一只猫是", "both_bad", KIM, 1.5),
        ("A dog is", "skip", KIM, 2.0),
        ("A bee is", "b", ADA, 6.0),
        ("A wolf is", "b", IMPORTER, 2.5),
        ("A fox is", "tie", IMPORTER, None),
        ("A fox is", "both_bad", IMPORTER, 4.0),
    }
    assert any("leaves skipped tasks out" in sentence for sentence in report.lost) and {
        row.why.split(" answered")[0] for row in report.left_out
    } >= {IMPORTER, ADA}


def test_what_the_buttons_and_keys_of_label_studios_own_page_leave_behind():
    """A click on the left text; the key t; a click on Both bad; the Skip button; the fifth task was
    not opened.
    """
    report = fixture("pairwise-by-hand.json")
    assert (
        kept(report)
        == [
            ("a", IMPORTER, 4.565),
            ("tie", IMPORTER, 2.42),
            ("both_bad", IMPORTER, 4.676),
            ("skip", IMPORTER, 4.233),
        ]
        and len(report.unjudged) == 1
    )


@pytest.mark.parametrize("name", ["ranker.json", "ranker.min.json", "ranker.csv"])
def test_a_real_servers_rankings(name):
    report = fixture(name)
    told = {
        (
            r.prompt,
            r.annotator,
            r.seconds,
            r.verdict,
            tuple(tuple(sorted(r.candidates[i] for i in group)) for group in r.groups),
        )
        for r in report.rankings
    }
    bo = "Bo" if name == "ranker.json" else IMPORTER
    assert told == {
        (
            "An opossum is",
            ADA,
            8.0,
            None,
            ((" a mood.",), (" a marsupial.", " ein Tier – „schön“.")),
        ),
        ("An opossum is", KIM, 3.0, None, ((" ein Tier – „schön“.",), (" a marsupial.",))),
        ("A cat is", KIM, 2.0, "both_bad", ()),
        ("A dog is", bo, 7.5, None, ((" one.", " two."), (" three.",))),
    }
    assert [row.why for row in report.repaired] == [
        "1 of 3 outputs were not placed; the ranking is of the others"
    ]
    assert [r.groups for r in fixture("plain-ranker.json").rankings] == [[[2], [0], [1]]]


def test_what_dragging_on_label_studios_own_page_leaves_behind():
    """The second output into the 1st bucket, the first into the 2nd, the third left; in a plain
    list: Submit at once, then the last moved to the top.
    """
    report = fixture("ranker-by-hand.json")
    assert [(r.candidates, r.groups, r.seconds) for r in report.rankings] == [
        ([" a marsupial.", " a mood."], [[1], [0]], 11.342)
    ]
    report = fixture("plain-ranker-by-hand.json")
    assert [r.groups for r in report.rankings] == [[[0], [1], [2]], [[2], [0], [1]]]
    for name, left_out in (
        ("ranker-untouched-by-hand.json", 1),
        ("plain-ranker-untouched-by-hand.json", 0),
    ):
        untouched = fixture(
            name
        )  # Both bad, and Submit, without a touch of the Ranker: it is handed in all the same
        assert untouched.rankings[0].verdict == "both_bad" and (
            len(untouched.left_out),
            len(untouched.notes),
        ) == (left_out, 1 - left_out)
    assert len(report.notes) == 1 and report.notes[0].startswith(
        "Look at task 1: its ranking is the order in which the page lists the outputs"
    )


# --- ranker ---------------------------------------------------------------------------------------

ITEMS = {
    "prompt": "p",
    "items": [
        {"id": "a", "title": "A", "body": " one."},
        {"id": "b", "title": "B", "body": " two."},
        {"id": "c", "title": "C", "body": " three."},
    ],
}


def ranked(value: object, data: dict = ITEMS, **options) -> ImportReport:
    return read(
        [
            task(
                {
                    "result": [
                        {
                            "from_name": "rank",
                            "to_name": "answers",
                            "type": "ranker",
                            "value": {"ranker": value},
                        }
                    ],
                    "lead_time": 4.0,
                },
                data=data,
            )
        ],
        **options,
    )


@pytest.mark.parametrize(
    ("value", "groups"),
    [
        ({"rank": ["b", "a", "c"]}, [[1], [0], [2]]),
        ({"place_1": ["b"], "place_2": ["c", "a"], "_": []}, [[1], [2, 0]]),
        ({"place_2": ["a"], "place_1": ["b", "c"]}, [[1, 2], [0]]),
    ],
)
def test_rankings_in_one_list_and_in_places(value, groups):
    report = ranked(value)
    (made,) = report.rankings
    assert (made.groups, made.seconds, made.annotator, made.candidates) == (
        groups,
        4.0,
        "user 1",
        [" one.", " two.", " three."],
    )
    assert (
        report.pairs == pairs_from_rankings([made])
        and len(report.pairs) == 3
        and report.used == 1
        and report.format == "Label Studio JSON, Ranker"
    )


def test_buckets_of_somebody_else_need_their_order():
    value = {"good": ["a"], "bad": ["b", "c"]}
    assert "the buckets 'good', 'bad' have no known order" in ranked(value).left_out[0].why
    assert ranked(value, buckets=("good", "bad")).rankings[0].groups == [[0], [1, 2]]
    assert ranked(value, buckets=("bad", "good")).rankings[0].groups == [[1, 2], [0]]


def test_items_that_were_not_placed_are_reported_and_impossible_rankings_left_out():
    report = ranked({"place_1": ["a"], "place_2": ["b"], "_": ["c"]})
    assert (
        report.rankings[0].candidates == [" one.", " two."]
        and report.repaired[0].why == "1 of 3 outputs were not placed; the ranking is of the others"
    )
    for value in (
        {"rank": ["a", "a", "b"]},
        {"rank": ["a", "x"]},
        {"rank": "a"},
        "a",
        {"place_1": ["a"]},
        {},
        {"rank": []},
    ):
        assert not ranked(value).rankings, value
    assert not ranked({"rank": ["a", "b"]}, data={"items": ITEMS["items"]}).rankings  # no prompt
    assert not ranked(
        {"rank": ["a", "b"]},
        data={"prompt": "p", "items": [{"id": "a", "body": " x"}, {"id": "a", "body": " y"}]},
    ).rankings
    assert not ranked({"rank": ["a", "b"]}, data={"prompt": "p", "items": "a,b"}).rankings
    assert "the ranking is" not in json.dumps(
        ranked({"rank": ["a", "b", "c"]}).to_dict()["repaired"]
    )


def test_a_ranker_that_nobody_touched_is_no_ranking_beside_a_verdict():
    def answer(value, *more):
        return [
            task(
                {
                    "result": [
                        {
                            "from_name": "rank",
                            "to_name": "answers",
                            "type": "ranker",
                            "value": {"ranker": value},
                        },
                        *more,
                    ]
                },
                data=ITEMS,
            )
        ]

    untouched = {"_": ["a", "b", "c"], "place_1": [], "place_2": []}
    assert "nothing was chosen" in read(answer(untouched)).left_out[0].why
    for value in (untouched, {"rank": ["a", "b", "c"]}):
        assert read(answer(value, verdict("Both bad"))).rankings[0].verdict == "both_bad"
    assert (
        "also says both_bad"
        in read(answer({"rank": ["b", "a", "c"]}, verdict("Both bad"))).left_out[0].why
    )


@pytest.mark.parametrize(
    ("which", "expected"), [("Both bad", "both_bad"), ("Skip", "skip"), ("Tie", None)]
)
def test_verdicts_on_a_whole_list(which, expected):
    (made,) = read([task({"result": [verdict(which)]}, data=ITEMS)]).rankings
    assert made.verdict == expected and made.groups == ([[0, 1, 2]] if expected is None else [])


# --- out, and there and back ----------------------------------------------------------------------

PAIRS = [
    *(
        Pair("A cat is", " a pet.", " a king.", choice, 0.5, 2.5, who, "meme-bot", 3)
        for who in ("Kim", "Ada")
        for choice in CHOICES
    ),
    Pair("漢字", " <b>x</b>", " y\n z", "tie", annotator="Kim"),
    Pair("A cat is", " a pet.", " a king.", "a", 1.0, None, "Kim", "meme-bot", 3),
]


def test_pairs_survive_the_round_trip_with_ties_skips_people_times_weights_and_briefs():
    tasks, _ = export_tasks(PAIRS)
    report = read(tasks)
    assert (
        sorted(report.pairs, key=repr) == sorted(PAIRS, key=repr)
        and not report.repaired
        and not report.left_out
    )
    assert len(tasks) == 7 and [len(t["annotations"]) for t in tasks] == [2] * 5 + [
        1,
        1,
    ]  # one person's second judgement is a task of its own


def test_rankings_survive_the_round_trip_with_ties_and_the_order_on_screen():
    made = [
        Ranking(
            "r1",
            "p",
            [" one.", " two.", " three."],
            [2, 0, 1],
            [[1, 0], [2]],
            seconds=4.0,
            annotator="Kim",
            brief="meme-bot",
            brief_version=2,
        ),
        Ranking("r2", "p", [" one.", " two."], [0, 1], [], "both_bad", annotator="Ada"),
    ]
    tasks, lost = export_tasks(made)
    back = read(tasks).rankings
    assert [pairs_from_rankings([ranking]) for ranking in back] == [
        pairs_from_rankings([ranking]) for ranking in made
    ]
    assert [item["body"] for item in tasks[0]["data"]["items"]] == [
        " three.",
        " one.",
        " two.",
    ] and any("order in which outputs were written" in s for s in lost)


def test_tasks_to_be_done_hold_no_judgement_and_kinds_are_not_mixed():
    tasks, lost = export_tasks(PAIRS[:1], judged=False)
    assert tasks == [{"data": {**DATA, "brief": "meme-bot", "brief_version": 3}}] and lost == []
    tasks, _ = export_tasks([{"prompt": "p", "texts": [" x", " y"]}])
    assert tasks == [
        {
            "data": {
                "prompt": "p",
                "items": [
                    {"id": "a", "title": "Output 1", "body": " x"},
                    {"id": "b", "title": "Output 2", "body": " y"},
                ],
            }
        }
    ]
    with pytest.raises(ValueError, match="one after the other"):
        export_tasks([PAIRS[0], {"prompt": "p", "texts": [" x", " y"]}])


def test_the_labelling_config_is_xml_that_names_what_the_tasks_hold():
    brief = PRESETS["meme-bot"].edited(prefer='The <funny> "one" & more')
    view = ElementTree.fromstring(labelling_config("pairwise", brief))
    assert view.find("Pairwise").attrib == {"name": "comparison", "toName": "answer1,answer2"}
    values = {text.get("value").removeprefix("$") for text in view.iter("Text")}
    assert values == set(DATA) and [choice.get("value") for choice in view.iter("Choice")] == [
        "Tie",
        "Both bad",
        "Skip",
    ]
    assert any('The <funny> "one" & more' in header.get("value") for header in view.iter("Header"))
    assert [
        b.get("name")
        for b in ElementTree.fromstring(labelling_config("ranker", places=3)).iter("Bucket")
    ] == ["place_1", "place_2", "place_3"]
    assert not list(ElementTree.fromstring(labelling_config("ranker", places=0)).iter("Bucket"))
    with pytest.raises(ValueError, match="pairwise or ranker"):
        labelling_config("rating")


# --- the wrong file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        [{"prompt": "p", "chosen": " x", "rejected": " y"}],
        [{"prompt": "p", "a": " x", "b": " y", "choice": "a"}],
        [1, 2],
        {"images": []},
        [[]],
        [],
    ],
)
def test_another_tools_file_is_refused(value):
    with pytest.raises(ImportRefused, match="^x.json is no Label Studio export"):
        read(value)


def test_half_a_file_is_refused_in_one_sentence():
    data = json.dumps([REAL] * 3).encode()
    with pytest.raises(ImportRefused, match="breaks off"):
        import_annotations(data[: len(data) // 2], "x.json")


def test_odd_entries_are_left_out_one_by_one():
    report = read(
        [REAL, 5, {"id": 1, "data": DATA, "annotations": ["x", None, {"result": [None, 5]}]}]
    )
    assert report.used == 1 and [row.row for row in report.left_out] == [2, 3, 3, 3]


def test_one_door_for_every_file():
    assert import_any(json.dumps([REAL]).encode(), "x").format.startswith("Label Studio")
    assert import_any(
        b'{"prompt": "p", "chosen": " x", "rejected": " y"}\n', "x"
    ).format.startswith("preference rows")
    assert import_any(b"prompt,answer1,answer2,choice\np, x, y,left\n", "x").used == 1
