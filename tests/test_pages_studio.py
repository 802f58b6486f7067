"""Import and export, Whose preferences?, Instructions matter, and Speed and accuracy without a browser: empty, filled, and fed with what people should not give them.

No test here needs torch: what the worker would compute is a stand-in, and the queue only moves when a test moves it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rlhf_core import jobs, sessions, taking_in
from rlhf_core.label_studio import labelling_config
from rlhf_core.preferences import Pair
from rlhf_core.session import Session

ROOT = Path(__file__).resolve().parent.parent
EVIL = "<script>alert(1)</script> ![x](http://example.org/x.png) $a$ :cat:"
MESSY = (
    "prompt;a;b;choice;annotator;seconds\nAn opossum is; a marsupial.; my ex.;left ;Ada;2,5 s\n"
    f"A cat is; a mammal.;{EVIL};RIGHT;Ada;3\nA bee is; busy.; lazy.;perhaps;Ben;1\n"
)


@pytest.fixture(autouse=True)
def queue(monkeypatch) -> jobs.JobQueue:
    still = jobs.JobQueue(threaded=False)
    monkeypatch.setattr(jobs, "queue", lambda: still)
    return still


def finish(queue: jobs.JobQueue) -> None:
    while queue.advance():
        pass


def open_app(page: str, session: Session | None = None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    if session is not None:
        app.query_params["run"] = session.id
    app.run().switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def session_of(app: AppTest) -> Session:
    return sessions.get(app.session_state["run_id"])


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if not button.disabled}


def html_of(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html") if "<style>" not in element.proto.body)


def words_of(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.error, app.warning, app.success, app.title, app.header, app.subheader)
    return " ".join(element.value for kind in kinds for element in kind)


# --- import and export ---------------------------------------------------------------------------------------------


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, data, "application/octet-stream") for name, data in files]).run()
    assert not app.exception, app.exception
    return app


def paste(app: AppTest, pasted: str) -> AppTest:
    app.text_area(key="import_paste").set_value(pasted)
    return press(app, "import_look")


def test_a_messy_spreadsheet_is_shown_before_it_is_taken_and_can_be_undone():
    app = upload(open_app("import_export"), ("class.csv", MESSY.encode()))
    session = session_of(app)
    assert session.imported == [], "nothing is taken before somebody says so"
    assert {metric.label: metric.value for metric in app.metric} == {"Judgements read": "3", "Can be used": "2", "Repaired": "2", "Left out": "1"}
    left_out, repaired = (frame.value for frame in app.dataframe[:2])
    assert "perhaps" in left_out["why"][0] and left_out["row"][0] == 4 and list(repaired["row"]) == [2, 3]
    assert "<script>" not in html_of(app) and "&lt;script&gt;" in html_of(app)
    press(app, "import_use_0")
    assert [(p.annotator, p.choice, p.seconds) for p in session.imported] == [("Ada", "a", 2.5), ("Ada", "b", 3.0)]
    assert "2 comparisons of the file are in this session now" in words_of(app) and "import_use_0" not in keys(app)
    upload(app, ("class.csv", MESSY.encode()))
    assert "in this session already" in words_of(app) and "import_use_0" not in keys(app), "the same file again has nothing new"
    press(app, "import_away_0")
    press(app, "import_undo")
    assert session.imported == [] and "out again" in words_of(app)


def test_several_files_at_once_and_names_for_those_that_have_none():
    row = json.dumps({"prompt": "p", "chosen": "x", "rejected": "y"})
    app = upload(open_app("import_export"), ("ada.jsonl", row.encode()), ("broken.json", b"[{"), ("ben.jsonl", row.encode()))
    assert "breaks off" in words_of(app) and "Nothing was changed" in words_of(app)
    app.text_input(key="import_whose_0").set_value("Ada").run()
    app.text_input(key="import_whose_2").set_value("Ben").run()
    press(app, "import_use_all")
    assert [pair.annotator for pair in session_of(app).imported] == ["Ada", "Ben"]
    assert "2 comparisons of 2 files" in words_of(app)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"[" * 50_000, b"\xff\xfe<\x00", b"\x89PNG\r\n\x1a\n\x00\x00", b'{"prompt": "half a'])
def test_bad_files_cost_one_sentence_and_nothing_else(data):
    session = sessions.create()
    taking_in.take_in(session, [Pair("p", "x", "y", "a")], "before.csv")
    app = upload(open_app("import_export", session), ("bad.bin", data))
    (error,) = app.error
    assert error.value.endswith("Nothing was changed.") and len(error.value) < 400
    assert len(session.imported) == 1 and "import_undo" in keys(app)


def test_pasted_text():
    app = press(open_app("import_export"), "import_look")
    assert "Nothing was pasted" in words_of(app)
    paste(app, json.dumps([{"id": 1, "annotations": [{"id": 2, "completed_by": 3, "result": [{"value": {"selected": "left"}, "from_name": "comparison",
          "to_name": "comparison", "type": "pairwise"}], "was_cancelled": False, "lead_time": 4.5}], "data": {"prompt": "p", "answer1": "x", "answer2": "y"}}]))  # fmt: skip
    assert "Label Studio JSON, Pairwise" in words_of(app).replace("\\", "")
    press(app, "import_use_0")
    (pair,) = session_of(app).imported
    assert (pair.choice, pair.seconds, pair.annotator) == ("a", 4.5, "user 3")


def test_a_ranker_with_buckets_of_its_own_needs_their_order():
    task = {"id": 1, "annotations": [{"id": 1, "completed_by": 1, "result": [{"type": "ranker", "from_name": "rank", "value": {"ranker": {"poor": ["a"], "great": ["b"]}}}]}],
            "data": {"prompt": "p", "items": [{"id": "a", "body": "x"}, {"id": "b", "body": "y"}]}}  # fmt: skip
    app = paste(open_app("import_export"), json.dumps([task]))
    assert "have no known order" in words_of(app)
    app.text_input(key="import_buckets").set_value("great, poor").run()
    press(paste(app, json.dumps([task])), "import_use_0")
    (pair,) = session_of(app).imported
    assert {"a": pair.a, "b": pair.b}[pair.choice] == "y"


def test_taking_out():
    app = open_app("import_export")
    assert "Nothing was judged under this brief yet" in words_of(app)
    session = sessions.create()
    taking_in.take_in(session, [Pair("p", "x", "y", "tie", seconds=1.0, annotator="Ada")], "f")
    app = open_app("import_export", session)
    assert "This file holds everything" in words_of(app)
    app.radio(key="export_kind").set_value("trl").run()
    assert "1 ties are left out" in words_of(app).replace("\\", "") and "would be empty" in words_of(app)
    config = labelling_config("pairwise", session.brief)
    assert any(code.value.strip() == config.strip() for code in app.code)
    for which in ("again", "waiting", "ranker"):
        app.radio(key="ls_what").set_value(which).run()
        assert not app.exception
    assert "No whole list was ranked" in words_of(app)
