"""What each value of a choice column means, asked on the page before anything is taken in; and what
a refused file leaves behind: nothing.
"""

from __future__ import annotations

import json

import pytest
from page_helpers import (
    EVIL,
    offered,
    open_page,
    press,
    session_of,
    still_queue,
    unescaped,
    words_of,
)
from streamlit.testing.v1 import AppTest

from rlhf_core.work import jobs

INDEX = "prompt,a,b,choice\nAn opossum is, short.,a marsupial.,1\nA cat is, a pet., no.,0\n"
SIDES = INDEX.replace(",0\n", ",2\n")


@pytest.fixture(autouse=True)
def queue(monkeypatch) -> jobs.JobQueue:
    return still_queue(monkeypatch)


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value(
        [(name, data, "application/octet-stream") for name, data in files]
    ).run()
    assert not app.exception, app.exception
    return app


def asked(app: AppTest) -> dict[str, str | None]:
    boxes = [box for box in app.selectbox if "_means_" in str(box.key)]
    return {box.label: box.value for box in boxes}


def press_ending(app: AppTest, ending: str) -> AppTest:
    return press(app, next(key for key in offered(app) if key.endswith(ending)))


def test_an_index_is_asked_about_and_read_as_the_person_says():
    app = upload(open_page("import_export"), ("index.csv", INDEX.encode()))
    assert "Say below what each value means" in words_of(app)
    assert "import_use_0" not in offered(app), "nothing can be taken before it is confirmed"
    assert asked(app) == {"“0”, once": "a", "“1”, once": "b"}
    press_ending(app, "_read")
    press(app, "import_use_0")
    pairs = session_of(app).judged.imported
    assert [(pair.prompt, pair.choice) for pair in pairs] == [
        ("An opossum is", "b"),
        ("A cat is", "a"),
    ]


def test_the_guess_can_be_turned_round_and_an_open_value_is_no_answer():
    app = upload(
        open_page("import_export"), ("likert.csv", INDEX.replace(",0\n", ",0.7\n").encode())
    )
    assert list(asked(app).values()).count(None) == 2
    press_ending(app, "_read")
    assert "no meaning yet" in words_of(app) and "import_use_0" not in offered(app)
    for box, meaning in zip([b for b in app.selectbox if "_means_" in b.key], ("b", "a")):
        box.set_value(meaning)
    app.run()
    press_ending(app, "_read")
    press(app, "import_use_0")
    assert [pair.choice for pair in session_of(app).judged.imported] == ["a", "b"]


def test_a_column_that_was_read_shows_how_and_can_be_read_again():
    app = upload(open_page("import_export"), ("sides.csv", SIDES.encode()))
    assert asked(app) == {"“1”, once": "a", "“2”, once": "b"} and "import_use_0" in offered(app)
    box = next(box for box in app.selectbox if box.label.startswith("“2”"))
    box.set_value("tie").run()
    press_ending(app, "_read")
    press(app, "import_use_0")
    assert [pair.choice for pair in session_of(app).judged.imported] == ["a", "tie"]


def test_values_are_untrusted_text_and_a_label_is_short_and_seen():
    values = (EVIL, "left", "\u202eright", "\u200b", "z" * 3000)
    table = "prompt,a,b,choice\n" + "".join(f'A cat is, x, y,"{one}"\n' for one in values)
    app = upload(open_page("import_export"), ("evil.csv", table.encode()))
    assert all("<script>" not in label for label in asked(app)) and len(asked(app)) == 5
    assert all(len(label) < 300 for label in asked(app))
    assert "[U+202E]right" in unescaped(" ".join(asked(app)))
    assert "[U+200B]" in unescaped(" ".join(asked(app)))


def test_an_answer_that_leads_nowhere_can_be_given_anew():
    app = upload(open_page("import_export"), ("index.csv", INDEX.encode()))
    for box in [box for box in app.selectbox if "_means_" in box.key]:
        box.set_value("none")
    press_ending(app.run(), "_read")
    assert "as was said" in words_of(app) and set(asked(app).values()) == {"none"}
    for box in [box for box in app.selectbox if "_means_" in box.key]:
        box.set_value("a")
    press_ending(app.run(), "_read")
    assert "Every judgement says now" in words_of(app) and "import_use_0" in offered(app)


def test_taking_one_file_leaves_the_other_ones_question():
    app = upload(
        open_page("import_export"),
        ("sides.csv", SIDES.encode()),
        ("index.csv", INDEX.encode()),
        ("bad.csv", b"x"),
    )
    press(app, "import_use_0")
    assert asked(app) == {"“0”, once": "a", "“1”, once": "b"}
    assert "import_use_0" not in offered(app) and "bad" not in words_of(app)
    press_ending(app, "_read")
    press(app, "import_use_0")
    assert len(session_of(app).judged.imported) == 4


@pytest.mark.parametrize(
    "spoil",
    [
        lambda app: upload(app, ("bad.bin", b"[{")),
        lambda app: upload(app, ("big.csv", b"prompt,a,b,choice\n" * 150_000)),
        lambda app: upload(app, *[(f"{n}.csv", b"x") for n in range(13)]),
        lambda app: press(app, "import_look"),
        lambda app: upload(
            app.text_input(key="import_fields").set_value("only one").run(), ("ok.csv", b"x")
        ),
    ],
)
def test_a_refused_file_leaves_no_report_of_an_earlier_one(spoil):
    app = upload(open_page("import_export"), ("sides.csv", SIDES.encode()))
    assert "import_use_0" in offered(app)
    spoil(app)
    assert "import_use_0" not in offered(app) and "sides" not in words_of(app)


RECORD = {"prompt": "A cat is", "response-1": "a pet", "response-2": "a king"}
ANSWERS = {"help": "response-2", EVIL: "response-1", "worst": "response-1"}
QUESTIONS = [{**RECORD, **{f"{name}.responses": [value] for name, value in ANSWERS.items()}}]


def test_a_person_picks_the_question_that_counts_and_may_pick_again():
    app = upload(open_page("import_export"), ("two.json", json.dumps(QUESTIONS).encode()))
    assert "Say below which one counts" in words_of(app) and "import_use_0" not in offered(app)
    box = next(box for box in app.selectbox if "_question_" in box.key)
    assert box.value is None and len(box.options) == 3
    box.set_value("worst").run()
    assert "seems to ask which answer is worse" in words_of(app)
    box = next(box for box in app.selectbox if "_question_" in box.key)
    box.set_value("help").run()
    assert "import_use_0" in offered(app)
    box = next(box for box in app.selectbox if "_question_" in box.key)
    assert box.value == "help"
    box.set_value(EVIL).run()
    press(app, "import_use_0")
    assert [pair.choice for pair in session_of(app).judged.imported] == ["a"]
