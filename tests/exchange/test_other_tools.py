"""Files of other tools and data sets: read as they were meant, or refused in a sentence that is
true.
"""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, SeveralFit

PROMPT = "A newt is"
FIELDS = {"prompt": PROMPT, "response-1": "an amphibian", "response-2": "my landlord"}


def read(value: object, **told) -> ImportReport:
    return taking_in.read(json.dumps(value).encode(), "x.json", **told)


def choices(report: ImportReport) -> str:
    return " ".join(pair.choice for pair in report.pairs)


def refused(value: object, **told) -> str:
    with pytest.raises(ImportRefused) as caught:
        read(value, **told)
    return str(caught.value)


# --- Argilla --------------------------------------------------------------------------------------


def by_person(user: str, status: str = "submitted", **values) -> dict:
    values = {name: {"value": value} for name, value in values.items()}
    return {"user_id": user, "status": status, "values": values}


def test_argilla_1_keeps_the_answers_by_person():
    people = [
        by_person("ann", better="response-2", comment="nice"),
        by_person("bo", "draft", better="response-1"),
        by_person("cy", "discarded"),
    ]
    report = read([{"fields": FIELDS, "responses": people, "suggestions": []}])
    assert [(pair.choice, pair.annotator) for pair in report.pairs] == [
        ("b", "ann"),
        ("skip", "cy"),
    ]
    assert "draft" in report.left_out[0].why


def test_argilla_1_ranks_by_person():
    order = [{"value": "response-2", "rank": 1}, {"value": "response-1", "rank": 2}]
    report = read([{"fields": FIELDS, "responses": [by_person("ann", order=order)]}])
    assert (report.pairs[0].a, report.pairs[0].choice) == ("my landlord", "a")


NESTED = {
    "id": "1",
    "fields": FIELDS,
    "metadata": {},
    "suggestions": {"preference": {"value": "response-1", "agent": "x"}},
    "responses": {"preference": [{"value": "response-2", "user_id": "ann"}]},
    "vectors": {},
    "status": "completed",
    "_server_id": "x",
}
FLAT = {
    "id": "1",
    "_server_id": "x",
    **FIELDS,
    "preference.responses": ["response-2"],
    "preference.responses.users": ["ann"],
    "preference.responses.status": ["submitted"],
    "preference.suggestion": "response-1",
    "preference.suggestion.score": None,
}


@pytest.mark.parametrize(
    "value",
    [
        [NESTED],
        {"a1b2-c3": NESTED},
        {key: [cell] for key, cell in NESTED.items()},
        [FLAT, FLAT | {key: None for key in FLAT if ".responses" in key}],
        {key: [cell] for key, cell in FLAT.items()},
    ],
    ids=["to_list", "to_dict by id", "to_dict by name", "flat", "flat by name"],
)
def test_argilla_2_in_all_its_shapes(value):
    report = read(value)
    assert [(pair.choice, pair.annotator) for pair in report.pairs] == [("b", "ann")]


@pytest.mark.parametrize(
    "record",
    [
        {"fields": FIELDS, "responses": [], "suggestions": [{"question_name": "preference"}]},
        NESTED | {"responses": {}},
        {key: cell for key, cell in FLAT.items() if ".responses" not in key},
    ],
)
def test_suggestions_are_no_judgements(record):
    assert "nobody has answered: suggestions are no judgements" in refused([record])


def test_of_two_questions_a_person_says_which_counts():
    record = FIELDS | {"help.responses": ["response-2"], "harm.responses": ["response-1"]}
    with pytest.raises(SeveralFit, match="'help', 'harm'. Say which one counts: --question NAME"):
        read([record])
    report = read([record], question="harm")
    assert choices(report) == "a" and report.questions == ["help", "harm"]
    assert "no 'taste' among its questions" in refused([record], question="taste")
    assert "asks no questions" in refused(
        [{"prompt": "p", "chosen": "x", "rejected": "y"}], question="q"
    )


def nested(fields: dict, **answers) -> dict:
    return {
        "fields": fields,
        "suggestions": {},
        "responses": {
            name: [{"value": value, "user_id": "ann"} for value in values]
            for name, values in answers.items()
        },
    }


def test_a_ranking_may_be_of_any_number_of_answers():
    texts = {f"response-{n}": f"text {n}" for n in range(1, 5)}
    order = [
        {"value": f"response-{n}", "rank": place} for n, place in ((3, 1), (1, 2), (2, 3), (4, 3))
    ]
    (ranking,) = read([nested({"prompt": PROMPT, **texts}, order=[order])]).rankings
    assert ranking.candidates == ["text 3", "text 1", "text 2", "text 4"]
    assert ranking.groups == [[0], [1], [2, 3]]
    order[0]["rank"] = None
    said = refused([nested({"prompt": PROMPT, **texts}, order=[order])])
    assert "the rank of 'response-3' is 'None'" in said


def test_marks_on_some_of_the_answers_are_no_order():
    marks = [["response-1", "response-2"], ["response-1"]]
    assert "'good' (labels)" in refused([nested(FIELDS, good=marks)])
    spans = [[{"label": "x", "start": 0, "end": 3}]]
    assert "'spans' (labels)" in refused([nested(FIELDS, spans=spans)])


def test_what_is_printed_or_called_otherwise():
    draft = nested(FIELDS, better=["response-2"])
    for status in ("ResponseStatus.draft", "DRAFT"):
        draft["responses"]["better"][0]["status"] = status
        assert "draft" in refused([draft])
    bare = {"user_id": "ann", "values": {"better": "response-2"}, "status": "submitted"}
    assert choices(read([{"fields": FIELDS, "responses": [bare]}])) == "b"
    table = "id,prompt,response-1,response-2,better.responses,better.responses.users,"
    table += "better.responses.status\n1,A newt is,x,y,['response-2'],['u'],['submitted']\n"
    assert choices(taking_in.read(table.encode(), "x.csv")) == "b"
    odd = nested({"x": PROMPT, "y": "one", "z": "two"}, better=["z"])
    assert "no field that is the prompt" in refused([odd])
    assert choices(read([odd], fields=("x", "y", "z"))) == "b"
    assert "has no field 'w'" in refused([odd], fields=("x", "y", "w"))


# --- scores and ranks -----------------------------------------------------------------------------


def scored(*items: dict, **more) -> list[dict]:
    texts = [{"text": f"text {number}", **item} for number, item in enumerate(items)]
    return [{"prompt": PROMPT, "completions": texts, **more}]


def test_a_score_and_a_rank_in_one_list():
    said = refused(scored({"score": 3}, {"rank": 1}))
    assert "'score' and 'rank' stand in some of its texts only" in said
    assert "'score' and 'rank' say different" in refused(
        scored({"score": 3, "rank": 2}, {"score": 1, "rank": 1})
    )
    assert "'score' and 'rating' say different" in refused(
        scored({"score": 3, "rating": 1}, {"score": 1, "rating": 5})
    )
    assert "stand in some" in refused(
        scored({"score": 3, "rank": None}, {"score": None, "rank": 1})
    )
    both = scored({"score": 3, "rank": 1}, {"score": 1, "rank": 3}, {"score": 1, "rank": 2})
    assert read(both).rankings[0].groups == [[0], [2], [1]], "the finer of the two"


def test_lists_side_by_side():
    texts = {"prompt": PROMPT, "responses": ["x", "y"]}
    assert choices(read([texts | {"ratings": [1, 3]}])) == "b"
    assert choices(read([texts | {"ranks": [1, 3]}])) == "a"
    assert "say different things" in refused([texts | {"ranks": [1, 2], "scores": [1, 2]}])


def test_what_stands_beside_scores_must_agree():
    texts = {"prompt": PROMPT, "generations": ["x", "y"], "ratings": [1, 3]}
    assert "chosen is not the text with the best score" in refused([texts | {"chosen": "x"}])
    assert "both in 'choice' and by scores" in refused([texts | {"choice": 0}])
    row = {"prompt": PROMPT, "chosen": "x", "rejected": "y"}
    assert "rejected is better" in refused([row | {"score_chosen": 3, "score_rejected": 7}])
    assert "rejected is better" in refused([row | {"chosen_rank": 2, "rejected_rank": 1}])
    assert choices(read([row | {"chosen_rating": None, "rejected_rating": None}])) == "a"


def test_trees_of_ranked_replies():
    def ranked(*texts: str) -> list[dict]:
        return [
            {"text": text, "role": "assistant", "rank": len(texts) - 1 - number, "replies": []}
            for number, text in enumerate(texts)
        ]

    root = {"text": PROMPT, "role": "prompter", "replies": [*ranked("x", "y"), {"text": "w"}]}
    further = {"text": "so", "role": "prompter", "replies": ranked("p", "q")}
    root["replies"][0]["replies"] = [further]
    report = read([{"message_tree_id": "t", "prompt": root}])
    assert choices(report) == "b b" and report.pairs[0].prompt == PROMPT
    assert report.pairs[1].prompt.splitlines() == [f"user: {PROMPT}", "assistant: x", "user: so"]


def test_a_tree_without_ranks_is_counted():
    good = {"text": PROMPT, "replies": [{"text": "x", "rank": 0}, {"text": "y", "rank": 1}]}
    odd = [{"text": PROMPT, "replies": [{"text": "x", "replies": -1}]}, {"replies": []}]
    report = read([{"prompt": root} for root in (good, *odd)])
    assert (choices(report), len(report.left_out)) == ("a", 2)


# --- data sets ------------------------------------------------------------------------------------


def test_a_question_that_is_an_object():
    webgpt = {
        "question": {"dataset": "eli5", "id": "1", "full_text": "Why is the sky blue?"},
        "answer_0": "Scattering.",
        "score_0": 0.5,
        "answer_1": "Paint.",
        "score_1": -0.5,
    }
    report = read([webgpt, webgpt | {"score_0": -0.5, "score_1": 0.5}])
    assert report.pairs[0].prompt == "Why is the sky blue?" and choices(report) == "a b"
    summary = {"info": {"id": "x", "post": "Long."}, "summaries": [{"text": "x"}, {"text": "y"}]}
    report = read([summary | {"choice": 1}, summary | {"choice": 0}])
    assert report.pairs[0].prompt == "Long." and choices(report) == "b a"


def test_helpsteers_strengths():
    row = {"prompt": PROMPT, "response_1": "x", "response_2": "y"}
    report = read([row | {"preference_strength": n} for n in (-2, 3, 0)])
    assert choices(report) == "a b tie"


def test_a_reason_that_asks_ends_as_it_asks():
    said = refused([{"prompt": PROMPT, "chosen": ["x"], "rejected": ["y", "z"]}])
    assert said.endswith("which of them counts? Change that in the file.")


HUMAN = "\n\nHuman: hi\n\nAssistant:"


@pytest.mark.parametrize("prompt", [HUMAN, "hi"])
def test_a_prompt_that_the_transcripts_repeat_is_not_read_twice(prompt):
    row = {"prompt": prompt, "chosen": f"{HUMAN} x", "rejected": f"{HUMAN} y"}
    (pair,) = read([row]).pairs
    assert (pair.prompt, pair.a, pair.b) == (HUMAN, " x", " y")


@pytest.mark.parametrize("opening", ["Human: hi\nAssistant: ", "Human: who?\nUser: "])
def test_dialogues_that_somebody_asked_for_are_answers(opening):
    row = {"prompt": "Write a dialogue", "chosen": f"{opening}x", "rejected": f"{opening}y"}
    (pair,) = read([row]).pairs
    assert (pair.prompt, pair.a) == ("Write a dialogue", f"{opening}x")


def test_texts_without_a_prompt_that_do_not_begin_alike():
    assert "the prompt is empty: chosen and rejected do not begin alike" in refused(
        [{"chosen": "x", "rejected": "y"}]
    )


def test_no_list_is_left_out_in_silence():
    one = {"prompt": PROMPT, "chosen": "x", "rejected": "y"}
    assert len(read({"train": [one], "test": [one]}).pairs) == 2
    report = read({"data": [one], "examples": [one]})
    assert len(report.pairs) == 1 and "'examples' beside it was not read" in report.notes[0]
    row = {"prompt": PROMPT, "a": "x", "b": "y"}
    assert "its fields are prompt, a, b, annotations" in refused(
        [row | {"annotations": [{"annotator": "ann", "choice": "a"}]}]
    )


def test_a_choice_in_a_box_of_its_own():
    row = {"prompt": PROMPT, "a": "x", "b": "y"}
    assert choices(read([row | {"choice": ["a"]}, row | {"choice": {"value": "b"}}])) == "a b"
