"""Label Studio: left is what a control names first, and one control counts."""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, SeveralFit

DATA = {"question": "A newt is", "response_1": "an amphibian", "response_2": "my landlord"}


def task(number: int, *results: dict, data: dict | None = None) -> dict:
    annotation = {"id": number * 10, "completed_by": 1, "result": list(results)}
    return {"id": number, "data": data or DATA, "annotations": [annotation]}


def pairwise(side: str, to: str, name: str = "pw") -> dict:
    return {"from_name": name, "to_name": to, "type": "pairwise", "value": {"selected": side}}


def choices(word: str, to: str, name: str = "winner") -> dict:
    return {"from_name": name, "to_name": to, "type": "choices", "value": {"choices": [word]}}


def read(*tasks: dict, **told) -> ImportReport:
    return taking_in.read(json.dumps(tasks).encode(), "x.json", **told)


def better(report: ImportReport) -> list[str]:
    return [{"a": p.a, "b": p.b}.get(p.choice, p.choice) for p in report.pairs]


@pytest.mark.parametrize(
    "to, left",
    [
        ("response_2,response_1", "my landlord"),
        ("response_1, response_2", "an amphibian"),
        ("text_b,text_a", "my landlord"),
        (["response_2", "response_1"], "my landlord"),
        ("pw", "an amphibian"),
    ],
)
def test_left_is_what_a_pairwise_names_first(to, left):
    report = read(task(1, pairwise("left", to)), task(2, pairwise("right", to)))
    right = ({"an amphibian", "my landlord"} - {left}).pop()
    assert better(report) == [left, right] and report.pairs[0].a == left
    assert "left text" in " ".join(report.notes)


def test_each_answer_has_its_own_order_and_told_fields_do_not_turn_it_round():
    both = (
        task(1, pairwise("left", "response_1,response_2")),
        task(2, pairwise("left", "response_2,response_1")),
    )
    assert better(read(*both)) == ["an amphibian", "my landlord"]
    told = ("question", "response_1", "response_2")
    assert better(read(*both, fields=told)) == ["an amphibian", "my landlord"]


def test_what_is_compared_need_not_have_a_usual_name():
    data = {"question": "A newt is", "gpt": "an amphibian", "llama": "my landlord"}
    assert better(read(task(1, pairwise("left", "llama,gpt"), data=data))) == ["my landlord"]


def test_names_that_are_no_fields_are_asked_about():
    with pytest.raises(ImportRefused, match="'foo' and 'bar', which are not two fields") as caught:
        read(task(1, pairwise("left", "foo,bar")))
    assert "--fields PROMPT,LEFT,RIGHT" in str(caught.value)
    told = ("question", "response_2", "response_1")
    assert better(read(task(1, pairwise("left", "foo,bar")), fields=told)) == ["my landlord"]


@pytest.mark.parametrize("words", [("left", "right"), ("response_2", "response_1")])
def test_choices_that_name_two_texts_have_their_order_too(words):
    to = "response_2,response_1"
    report = read(task(1, choices(words[0], to)), task(2, choices(words[1], to)))
    assert better(report) == ["my landlord", "an amphibian"]


def test_a_letter_beside_names_the_other_way_round_is_not_guessed():
    tasks = [task(1, choices("A", "response_2,response_1"))]
    tasks.append(task(2, choices("B", "response_2,response_1")))
    with pytest.raises(ImportRefused, match="nothing says which text 'A' means"):
        read(*tasks)
    told = ("question", "response_1", "response_2")
    assert better(read(*tasks, fields=told)) == ["an amphibian", "my landlord"]


def two_controls() -> list[dict]:
    return [
        task(1, pairwise("left", "help", "help"), pairwise("right", "harm", "harm")),
        task(2, pairwise("left", "help", "help"), pairwise("left", "harm", "harm")),
    ]


def test_of_two_controls_a_person_says_which_counts():
    with pytest.raises(SeveralFit, match="'help', 'harm'. Say which one counts: --question"):
        read(*two_controls())
    report = read(*two_controls(), question="harm")
    assert better(report) == ["my landlord", "an amphibian"] and report.question == "harm"
    assert report.questions == ["help", "harm"] and "'help'" in " ".join(report.lost)
    with pytest.raises(ImportRefused, match="no 'nope' among its controls"):
        read(*two_controls(), question="nope")


def test_of_two_choices_and_of_a_pairwise_beside_choices_too():
    two = [
        task(1, choices("A", "q", "help"), choices("B", "q", "harm")),
        task(2, choices("B", "q", "help"), choices("A", "q", "harm")),
    ]
    with pytest.raises(SeveralFit):
        read(*two)
    assert better(read(*two, question="harm")) == ["my landlord", "an amphibian"]
    beside = [
        task(1, pairwise("left", "pw"), choices("B", "q", "harm")),
        task(2, pairwise("left", "pw"), choices("A", "q", "harm")),
    ]
    assert better(read(*beside)) == ["an amphibian", "an amphibian"]
    assert better(read(*beside, question="harm")) == ["my landlord", "an amphibian"]


CONFIG = (
    '<View><Text name="one" value="$response_2"/><Text name="two" value="$response_1"/>'
    "<Pairwise name='pw' toName='one, two'/></View>"
)


def test_a_labelling_config_beside_the_tasks_says_which_is_left():
    one = task(1, pairwise("left", "pw"))
    envelope = {"label_config": CONFIG, "tasks": [one]}
    assert better(taking_in.read(json.dumps(envelope).encode(), "x.json")) == ["my landlord"]
    assert better(read(one | {"project": {"id": 1, "label_config": CONFIG}})) == ["my landlord"]
    assert better(read(one | {"project": {"label_config": ["odd"]}})) == ["an amphibian"]


def test_a_list_to_rank_may_have_any_name():
    items = [{"id": name, "body": f"text {name}"} for name in "abc"]
    rank = {"type": "ranker", "from_name": "r", "value": {"ranker": {"rank": ["b", "a", "c"]}}}
    report = read(task(1, rank, data={"prompt": "A newt is", "outputs": items}))
    assert report.rankings[0].groups == [[1], [0], [2]] and "'outputs'" in " ".join(report.notes)
    with pytest.raises(ImportRefused, match="no field that is a list of texts"):
        read(task(1, rank, data=DATA))


def test_json_min_writes_choices_as_a_plain_word():
    row = {"annotation_id": 1, "annotator": 1, **DATA}
    report = read(row | {"id": 1, "quality": "Left"}, row | {"id": 2, "quality": "Right"})
    assert better(report) == ["an amphibian", "my landlord"]
    report = read(row | {"id": 1, "mine": {"selected": "right", "type": "pairwise"}})
    assert better(report) == ["my landlord"]
