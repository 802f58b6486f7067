"""Import and export, Whose preferences?, Instructions matter, and Speed and accuracy without a
browser: empty, filled, and fed with what people should not give them.

What the worker would compute is a stand-in, and the queue only moves when a test moves it.
"""

from __future__ import annotations

import json

import pytest
from page_helpers import EVIL, html_of, offered, open_page, press, session_of, still_queue, words_of
from streamlit.testing.v1 import AppTest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.label_studio_tasks import labelling_config
from rlhf_core.judging.preferences import Pair
from rlhf_core.labs import instructions_matter, speed_accuracy
from rlhf_core.session import judged, people, registry, saving
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from ui import uploads
from ui.labs import answer_card

PAGES = ("import_export", "whose_preferences", "instructions_matter", "speed_accuracy")
MESSY = (
    "prompt;a;b;choice;annotator;seconds\nAn opossum is; a marsupial.; my ex.;left ;Ada;2,5 s\n"
    f"A cat is; a mammal.;{EVIL};RIGHT;Ada;3\nA bee is; busy.; lazy.;perhaps;Ben;1\n"
)


@pytest.fixture(autouse=True)
def queue(monkeypatch) -> jobs.JobQueue:
    return still_queue(monkeypatch)


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_session_has_something_to_do_on_every_page(page):
    app = open_page(page)
    assert app.title[0].value and (offered(app) or app.radio)


# --- import and export ----------------------------------------------------------------------------


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value(
        [(name, data, "application/octet-stream") for name, data in files]
    ).run()
    assert not app.exception, app.exception
    return app


def test_files_leave_the_servers_memory_when_they_have_been_read(monkeypatch):
    gone = []
    monkeypatch.setattr(uploads, "let_go", lambda files: gone.extend(f.name for f in files))
    upload(open_page("import_export"), ("class.csv", MESSY.encode()), ("bad.csv", b"?"))
    assert gone == ["class.csv", "bad.csv"]


def paste(app: AppTest, pasted: str) -> AppTest:
    app.text_area(key="import_paste").set_value(pasted)
    return press(app, "import_look")


def test_a_messy_spreadsheet_is_shown_before_it_is_taken_and_can_be_undone():
    app = upload(open_page("import_export"), ("class.csv", MESSY.encode()))
    session = session_of(app)
    assert session.judged.imported == [], "nothing is taken before somebody says so"
    assert {metric.label: metric.value for metric in app.metric} == {
        "Judgements read": "3",
        "Can be used": "2",
        "Repaired": "2",
        "Left out": "1",
    }
    left_out, repaired = (frame.value for frame in app.dataframe[:2])
    assert (
        "perhaps" in left_out["why"][0]
        and left_out["row"][0] == 4
        and list(repaired["row"]) == [2, 3]
    )
    assert "<script>" not in html_of(app) and "&lt;script&gt;" in html_of(app)
    press(app, "import_use_0")
    assert [(p.annotator, p.choice, p.seconds) for p in session.judged.imported] == [
        ("Ada", "a", 2.5),
        ("Ada", "b", 3.0),
    ]
    assert "2 comparisons of the file are in this session now" in words_of(
        app
    ) and "import_use_0" not in offered(app)
    upload(app, ("class.csv", MESSY.encode()))
    assert "in this session already" in words_of(app) and "import_use_0" not in offered(app), (
        "the same file again has nothing new"
    )
    press(app, "import_away_0")
    press(app, "import_undo")
    assert session.judged.imported == [] and "out again" in words_of(app)


def test_several_files_at_once_and_names_for_those_that_have_none():
    row = json.dumps({"prompt": "p", "chosen": "x", "rejected": "y"})
    app = upload(
        open_page("import_export"),
        ("ada.jsonl", row.encode()),
        ("broken.json", b"[{"),
        ("ben.jsonl", row.encode()),
    )
    assert "breaks off" in words_of(app) and "Nothing was changed" in words_of(app)
    app.text_input(key="import_whose_0").set_value("Ada").run()
    app.text_input(key="import_whose_2").set_value("Ben").run()
    press(app, "import_use_all")
    assert [pair.annotator for pair in session_of(app).judged.imported] == ["Ada", "Ben"]
    assert "2 comparisons of 2 files" in words_of(app)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04",
        b"[" * 50_000,
        b"\xff\xfe<\x00",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b'{"prompt": "half a',
    ],
)
def test_bad_files_cost_one_sentence_and_nothing_else(data):
    session = registry.create()
    taking_in.take_in(session, [Pair("p", "x", "y", "a")], "before.csv")
    app = upload(open_page("import_export", session), ("bad.bin", data))
    (error,) = app.error
    assert error.value.endswith("Nothing was changed.") and len(error.value) < 400
    assert len(session.judged.imported) == 1 and "import_undo" in offered(app)


def test_pasted_text():
    app = press(open_page("import_export"), "import_look")
    assert "Nothing was pasted" in words_of(app)
    paste(
        app,
        json.dumps(
            [
                {
                    "id": 1,
                    "annotations": [
                        {
                            "id": 2,
                            "completed_by": 3,
                            "result": [
                                {
                                    "value": {"selected": "left"},
                                    "from_name": "comparison",
                                    "to_name": "comparison",
                                    "type": "pairwise",
                                }
                            ],
                            "was_cancelled": False,
                            "lead_time": 4.5,
                        }
                    ],
                    "data": {"prompt": "p", "answer1": "x", "answer2": "y"},
                }
            ]
        ),
    )
    assert "Label Studio JSON, Pairwise" in words_of(app).replace("\\", "")
    press(app, "import_use_0")
    (pair,) = session_of(app).judged.imported
    assert (pair.choice, pair.seconds, pair.annotator) == ("a", 4.5, "user 3")


def test_a_ranker_with_buckets_of_its_own_needs_their_order():
    task = {
        "id": 1,
        "annotations": [
            {
                "id": 1,
                "completed_by": 1,
                "result": [
                    {
                        "type": "ranker",
                        "from_name": "rank",
                        "value": {"ranker": {"poor": ["a"], "great": ["b"]}},
                    }
                ],
            }
        ],
        "data": {"prompt": "p", "items": [{"id": "a", "body": "x"}, {"id": "b", "body": "y"}]},
    }
    app = paste(open_page("import_export"), json.dumps([task]))
    assert "have no known order" in words_of(app)
    app.text_input(key="import_buckets").set_value("great, poor").run()
    press(paste(app, json.dumps([task])), "import_use_0")
    (pair,) = session_of(app).judged.imported
    assert {"a": pair.a, "b": pair.b}[pair.choice] == "y"


def test_taking_out():
    app = open_page("import_export")
    assert "Nothing was judged under this brief yet" in words_of(app)
    session = registry.create()
    taking_in.take_in(session, [Pair("p", "x", "y", "tie", seconds=1.0, annotator="Ada")], "f")
    app = open_page("import_export", session)
    assert "This file holds everything" in words_of(app)
    app.radio(key="export_kind").set_value("trl").run()
    assert "1 ties are left out" in words_of(app).replace(
        "\\", ""
    ) and "would be empty" in words_of(app)
    app.radio(key="export_kind").set_value("kto").run()
    assert "No answer counts as good or bad, so" in words_of(app)
    assert "in 1 judgement: left out" in words_of(app).replace("\\", "")
    config = labelling_config("pairwise", session.asked.brief)
    assert any(code.value.strip() == config.strip() for code in app.code)
    for which in ("again", "waiting", "ranker"):
        app.radio(key="ls_what").set_value(which).run()
        assert not app.exception
    assert "No whole list was ranked" in words_of(app)


# --- whose preferences? ---------------------------------------------------------------------------


def crowd() -> Session:
    """Ada and Ben agree on eight pairs, Cleo does not; a prompt and a name that are no markdown."""
    session = registry.create()
    rows = [("Ada", "a"), ("Ben", "a"), (f"Cleo {EVIL}"[:30], "b")]
    taking_in.take_in(
        session,
        [
            Pair(f"prompt {n} {EVIL}", f" x{n}", f" y{n}", choice, annotator=who)
            for who, choice in rows
            for n in range(8)
        ],
        "f",
    )
    return session


def test_somebody_sits_down_and_judges_what_others_judged():
    session = crowd()
    app = open_page("whose_preferences", session)
    assert "From two people on" not in words_of(app) and "8 pairs that others judged" in words_of(
        app
    )
    app.text_input(key="who_name").set_value("Dora")
    press(app, "who_sit")
    assert judged.sitting(session) == "Dora"
    press(press(app, "lab_a"), "lab_skip")
    assert [(r.annotator, r.verdict) for r in session.judged.rankings] == [
        ("Dora", None),
        ("Dora", "skip"),
    ] and session.judged.rankings[0].seconds is not None
    assert "6 pairs that others judged" in words_of(app)
    press(press(app, "whose_undo"), "whose_undo")
    assert session.judged.rankings == [] and "whose_undo" not in offered(app)
    app.switch_page("pages/rank.py").run()
    assert not app.exception and judged.sitting(session) == "Dora"


def test_a_bad_name_is_refused_in_words():
    app = open_page("whose_preferences", crowd())
    app.text_input(key="who_name").set_value("majority")
    press(app, "who_sit")
    assert (
        "already means something else" in words_of(app) and judged.sitting(session_of(app)) == "you"
    )


def test_agreement_the_map_and_the_models(monkeypatch):
    session = crowd()
    app = open_page("whose_preferences", session)
    words = words_of(app)
    assert (
        "disagree too much" in words.replace("\\", "")
        and {m.label: m.value for m in app.metric}["Pairs judged by two or more"] == "8"
    )
    assert "<script>" not in html_of(app)
    # People and pairs in one unit: "10 votes" once stood beside "9 pairs".
    assert "**Ada** 8 pairs (8 with others)" in words
    press(app, "whose_fit")
    assert session.jobs["whose"], "the work waits for the worker"
    share = {"right": 6, "of": 8, "share": 0.75, "low": 0.41, "high": 0.93}
    session.labs = {
        **session.labs,
        "whose_preferences": {
            "kind": "whose",
            "models": ["the majority", "Ada", EVIL],
            "people": ["Ada", EVIL],
            "table": {m: {p: share for p in ("Ada", EVIL)} for m in ("the majority", "Ada", EVIL)},
            "gaps": [
                {
                    "who": EVIL,
                    "own": 0.75,
                    "majority": 0.5,
                    "difference": 0.25,
                    "low": -0.1,
                    "high": 0.5,
                    "of": 8,
                    "words": f"Too few to tell whether {EVIL}",
                }
            ],
            "left_out": [{"who": "Eve", "why": "2 clear votes"}],
            "notes": ["a note"],
            "votes": 3,
        },
    }
    jobs.queue().stop(session.jobs["whose"])
    app = open_page("whose_preferences", session)
    words = words_of(app).replace("\\", "")
    assert (
        "+25 points (95% interval −10 to +50)" in words
        and "Left out: Eve (2 clear votes)" in words
        and "by now there are 24" in words
    )
    assert "![x]" not in words_of(app), "a name is never a picture"
    assert "There is no majority" not in words
    record = session.labs["whose_preferences"]
    without = {"who": "the majority", "why": "of 9 pairs that two or more judged, 1 got"}
    models = [name for name in record["models"] if name != "the majority"]
    record = {**record, "models": models, "left_out": [without], "gaps": []}
    session.labs = {**session.labs, "whose_preferences": record}
    app = open_page("whose_preferences", session)
    words = words_of(app).replace("\\", "")
    assert "There is no majority here:** of 9 pairs" in words and "Left out" not in words
    assert "the majority does not speak" not in words


def test_what_an_older_bundle_kept_of_the_comparison_is_found_again():
    run = {"brief": registry.create().asked.brief.to_dict(), "files": {}}
    record = {"kind": "whose", "people": ["Ada"], "votes": 3}
    parts = saving.from_before(run, {"annotation": {"whose": record}})
    assert parts["labs"] == {"whose_preferences": record}


# --- instructions matter --------------------------------------------------------------------------


def begun() -> Session:
    session = registry.create()
    pairs = [
        {"prompt": f"p{n} {EVIL}", "texts": [f" right {n}", f" wrong {n}"], "reference": 0}
        for n in range(12)
    ]
    instructions_matter.begin(session, session.asked.brief, pairs, seed=1)
    return session


def test_the_lab_of_briefs_from_the_first_pair_to_the_verdict():
    session = begun()
    app = open_page("instructions_matter", session)
    first, second = session.labs["instructions_matter"]["order"]
    assert (
        "Biology homework helper" in html_of(app).split("op-answer")[0].split("op-lab-brief")[1]
    ) == (first == "precise")
    press(press(app, "lab_a"), "instructions_undo")
    assert session.labs["instructions_matter"]["answers"] == {"vague": [], "precise": []}
    for _ in range(12):
        press(app, "lab_a")
    assert "Halfway" in words_of(app) and "lab_a" not in offered(app), (
        "the new brief is read before anything is judged by it"
    )
    press(app, "instructions_second")
    for _ in range(5):
        press(app, "lab_tie")
    app = open_page("instructions_matter", session)  # a reload: the same place, one click away
    assert len(
        session.labs["instructions_matter"]["answers"][second]
    ) == 5 and "lab_tie" in offered(app)
    for _ in range(7):
        press(app, "lab_b")
    words = words_of(app)
    assert (
        "What the wording did" in words
        and f"you had the {first} brief first" in words.replace("\\", "")
        and "instructions_train" in offered(app)
    )
    press(app, "instructions_more")
    assert instructions_matter.lab_of(session) is None and "instructions_begin" in offered(app)


@pytest.mark.parametrize("known", [True, False])
def test_the_two_reward_models_are_told_with_their_intervals(known):
    session = begun()
    for which in ("vague", "precise"):
        session.labs["instructions_matter"]["answers"][which] = [
            {"pair": n, "text": 0, "left": 0, "seconds": 1.0} for n in range(12)
        ]
    one = {"accuracy": 0.8, "low": 0.4, "high": 0.95}
    session.labs["instructions_matter"]["models"] = {
        "kind": "models",
        "vague": {**one, "accuracy": 0.6} if known else None,
        "precise": one,
        "difference": 0.2 if known else None,
        "low": -0.1 if known else None,
        "high": 0.4 if known else None,
        "tests": 200,
        "prompts": 12,
        "words": "Too few to tell.",
    }
    words = words_of(open_page("instructions_matter", session)).replace("\\", "")
    assert (
        "200 pairs of outputs to 12 other prompts" in words
        and ("+20 points, 95% interval −10 to +40" in words) == known
    )


def test_pairs_are_written_by_the_worker_and_a_refusal_is_told(queue, monkeypatch):
    app = press(open_page("instructions_matter"), "instructions_begin")
    assert queue.view(session_of(app).jobs["instructions_pairs"])[
        "status"
    ] == "queued" and "instructions_begin" not in offered(app)
    press(app, "instructions_pairs_stop")
    assert "instructions_begin" in offered(app)


# --- speed and accuracy ---------------------------------------------------------------------------


def test_both_blocks_and_the_board(monkeypatch):
    monkeypatch.setattr(answer_card, "elapsed", lambda: 1.0)
    app = press(open_page("speed_accuracy"), "speed_begin")
    session = session_of(app)
    for n in range(12):
        assert f"question {n + 1} of 12" in words_of(app)
        press(app, "lab_a")
    assert "The relaxed block is done" in words_of(app) and "Right" not in words_of(app), (
        "how many were right is told at the end"
    )
    press(app, "speed_clock")
    assert "op-clock" in html_of(app) and "lab_tie" not in offered(app)
    for _ in range(12):
        press(app, "lab_b")
    words = words_of(app).replace("\\", "")
    assert (
        "What hurry did" in words
        and "no race yet" in words
        and speed_accuracy.runs_of(session)[0]["stage"] == "done"
    )
    assert {m.label: m.value for m in app.metric}["Right, against the clock"] == "6 of 12", (
        "sides are even, so always B is right half the time"
    )


def test_the_time_runs_out_by_itself(monkeypatch):
    monkeypatch.setattr(answer_card, "elapsed", lambda: 1.0)
    app = press(open_page("speed_accuracy"), "speed_begin")
    for _ in range(12):
        press(app, "lab_a")
    press(press(app, "speed_clock"), "lab_a")
    monkeypatch.setattr(answer_card, "elapsed", lambda: 100.0)
    app.run()
    assert not app.exception and "What hurry did" in words_of(app)
    assert (
        speed_accuracy.block_of(speed_accuracy.runs_of(session_of(app))[0], "clock")["count"] == 1
    )


def test_stopping_half_way_keeps_the_answers_and_a_reload_finds_the_block(monkeypatch):
    app = press(press(open_page("speed_accuracy"), "speed_begin"), "lab_a")
    app = open_page("speed_accuracy", session_of(app))
    assert "question 2 of 12" in words_of(app)
    press(app, "speed_stop")
    assert "Only one block has answers" in words_of(app) and "speed_begin" in offered(app)


def test_a_name_on_the_board_is_text(monkeypatch):
    session = registry.create()
    name = "![x](http://e.org/x.png) <b>"
    people.sit_down(session, name)
    speed_accuracy.begin(session, name, 0)
    for number in range(12):
        speed_accuracy.answer(session, "a", 2.0, number)
    speed_accuracy.start_clock(session)
    speed_accuracy.answer(session, "a", 2.0, 12)
    speed_accuracy.stop(session)
    app = open_page("speed_accuracy", session)
    assert "![x]" not in words_of(app) and "x.png" in words_of(app).replace("\\", "")
