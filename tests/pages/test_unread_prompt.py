"""A prompt that the bundled model cannot read: measured in the job, said on the Prompt page, with
prompts that it knows.
"""

from __future__ import annotations

import json

import pytest
from page_helpers import (
    EVIL,
    finish,
    html_of,
    keys,
    open_page,
    press,
    raw,
    session_of,
    still_queue,
    unescaped,
    words_of,
)
from stand_ins import add_set, fake_generate, stand_in

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.judging.near_prompts import DEFAULTS, defaults, known_prompts
from rlhf_core.lm import language_model, model_list
from rlhf_core.loop import writing
from rlhf_core.session import asked, judged, registry
from rlhf_core.session.state import Session
from rlhf_core.work import jobs

NEAR = ["How do I bake bread?", "My dog always", "An opossum is"]
MEASURED = {
    "nats_a_byte": 9.2,
    "nats_a_token": 12.0,
    "perplexity": 162_754.8,
    "tokens": 14,
    "short": False,
    "whole": 0.2,
    "worst": EVIL,
    "empty": 0,
}
OURS = {"verdict": "not at all", "everyday": 2.3, "times": 4.0}


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    return still_queue(monkeypatch)


def shown(queue, texts=(" a", " b"), **reading):
    """The page behind a set of answers whose prompt was read so."""
    session = registry.create()
    add_set(session, list(texts), "Le chat", tokens=[[] for _ in texts])["reading"] = reading
    return open_page("prompt", session)


def offers(app) -> list[str]:
    return [unescaped(button.label) for button in app.button if button.key.startswith("near_")]


def test_french_is_measured_while_it_is_written_and_a_prompt_it_knows_is_one_press_away(queue):
    app = open_page("prompt")
    app.text_area(key="prompt_text").set_value("Pourquoi le ciel est-il bleu ?")
    press(app, "generate")
    assert not offers(app), "nothing is said before it is measured"
    finish(queue)
    app.run()
    known = defaults("Pourquoi le ciel est-il bleu ?")
    assert not app.exception and offers(app) == known
    assert "times as surprising as everyday English" in words_of(app) and "op-answer" in html_of(
        app
    )
    [row] = session_of(app).asked.candidate_sets
    assert json.loads(json.dumps(row["reading"]))["near"] == known
    press(app, "near_1")
    assert app.text_area(key="prompt_text").value == known[1]
    finish(queue)
    app.run()
    session = session_of(app)
    rows = session.asked.candidate_sets
    assert [row["prompt"] for row in rows] == [known[1]] and not offers(app)
    assert "Pourquoi le ciel est-il bleu ?" not in asked.training_prompts(session)


def test_a_prompt_that_it_cannot_read_stays_where_its_answers_were_ranked():
    session = Session()
    for prompt in ("Le chat", "Der Hund"):
        asked.add_prompt(session, prompt)
        row = add_set(session, [" a", " b"], prompt, tokens=[[], []])
        row["reading"] = {**MEASURED, **OURS, "near": NEAR}
        if prompt == "Le chat":
            judged.add_ranking(session, row["id"], groups=[[0], [1]])
    asked.add_prompt(session, "An opossum is")
    assert {"Le chat", "An opossum is"} == {*session.asked.user_prompts}
    assert [row["prompt"] for row in session.asked.candidate_sets] == ["Le chat"]


def test_the_box_says_what_was_measured_and_shows_foreign_text_as_text(queue):
    app = shown(queue, **MEASURED, **OURS, near=[*NEAR[:2], EVIL])
    said = unescaped(words_of(app))
    assert "**cannot read this**: it found your prompt 4 times as surprising" in said
    assert "9.2 nats of surprise a byte" in said and "162,755 a token" in said
    assert "Everyday English costs it 2.3." in said
    assert offers(app)[:2] == NEAR[:2] and "<script>" not in raw(app)
    assert "<" not in [button.label for button in app.button if button.key == "near_2"][0].replace(
        "\\<", ""
    )


def test_hardly_and_too_short_to_measure(queue):
    app = shown(queue, **MEASURED, **OURS | {"verdict": "hardly", "times": 2.14}, near=NEAR)
    assert "**hardly knows this**: it found your prompt 2.1 times" in words_of(app)
    app = shown(queue, **MEASURED | {"short": True}, **OURS | {"verdict": "hardly"}, near=NEAR)
    said = words_of(app)
    assert "not in its vocabulary" in said and "times as surprising" not in said
    assert "20% are in the model's vocabulary whole" in said


def test_empty_answers_to_a_prompt_that_it_reads(queue):
    reads = OURS | {"verdict": "reads", "times": 1.0}
    app = shown(queue, ("", " a cat."), **MEASURED | {"empty": 3}, **reads, near=NEAR)
    session_of(app).asked.candidate_sets[-1]["drawn"] = 4
    app.run()
    said = words_of(app)
    assert "3 of its 4 answers came out **empty**" in said and "surprising as" not in said
    assert offers(app) == NEAR


def test_nothing_is_said_of_a_prompt_that_it_reads_and_no_verdict_of_another_model(queue):
    app = shown(queue, **MEASURED, **OURS | {"verdict": "reads"})
    assert not offers(app) and "nats of surprise" in words_of(app)
    app = shown(queue, **MEASURED)
    said = words_of(app)
    assert not offers(app) and "nats of surprise" in said and "Everyday English" not in said


def test_a_set_written_before_there_was_a_measure_is_shown_as_ever(queue):
    session = registry.create()
    add_set(session, [" a", " b"], tokens=[[], []])
    app = open_page("prompt", session)
    assert "to_rank" in keys(app) and "nats" not in words_of(app)


def test_where_smollm2_is_installed_it_is_named(queue, monkeypatch, tmp_path):
    for file in (None, tmp_path):
        monkeypatch.setattr(model_list, "packaged_file", lambda name, file=file: file)
        app = shown(queue, **MEASURED, **OURS, near=NEAR)
        links = [unescaped(link.proto.label) for link in app.get("page_link")]
        assert any("SmolLM2" in label for label in links) == (file is not None)


def test_the_guess_beforehand_gives_way_to_the_measure_and_is_none_of_another_models(
    queue, monkeypatch
):
    stand_in(monkeypatch, generate=fake_generate)
    app = open_page("prompt")
    app.text_area(key="prompt_text").set_value("Что такое кот")
    press(app, "generate")
    assert "only ever read English" in words_of(app)
    finish(queue)
    session_of(app).asked.candidate_sets[-1]["reading"] = MEASURED | OURS | {"near": NEAR}
    app.run()
    assert "only ever read English" not in words_of(app) and offers(app) == NEAR
    session = session_of(app)
    session.model_name, session.asked.candidate_sets[-1]["reading"] = "distilgpt2", MEASURED
    app.run()
    assert "only ever read English" not in words_of(app)


def test_the_job_measures_and_names_no_evaluation_prompt():
    session, lm = Session(), language_model.load()
    list(writing.generate(session, "Hvorfor er himlen blå?", SamplingSettings(max_new_tokens=8)))
    found = session.asked.candidate_sets[-1]["reading"]
    assert found["times"] == pytest.approx(found["nats_a_byte"] / found["everyday"])
    assert found["verdict"] != "reads" and len(found["near"]) == 3
    assert {*found["near"]} <= {*known_prompts()}
    left = writing.reading_of(lm, "asdf ghjk", [""] * 2, DEFAULTS[0])
    assert not {*DEFAULTS[0]} & {*left["near"]} and left["empty"] == 2
    loud = writing.reading_of(lm, "A FROG IS IN THE POND", [" green."] * 2)
    assert loud["verdict"] != "reads" and loud["small"]
    assert loud["near"][0] == "A frog is in the pond"
    reads = writing.reading_of(lm, "A frog is", ["", " . ", " green."])
    assert reads["verdict"] == "reads" and reads["empty"] == 2 and len(reads["near"]) == 3
    assert "near" not in writing.reading_of(lm, "A frog is", ["", " green."])


def test_a_refused_prompt_shows_nothing_measured_of_the_former_one(queue):
    app = shown(queue, **MEASURED, **OURS, near=NEAR)
    assert offers(app) == NEAR
    app.text_area(key="prompt_text").set_value("x" * 10_000)
    press(app, "generate")
    assert not offers(app) and "as surprising" not in words_of(app)
    assert any("to your former prompt" in one.value for one in app.subheader)


def test_a_reading_that_lacks_a_part_says_nothing(queue):
    app = shown(queue, near=NEAR)
    assert not app.exception and not offers(app)
