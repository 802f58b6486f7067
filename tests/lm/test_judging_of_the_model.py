"""What two judges made of the bundled model's answers: counted by hand."""

import json

import pytest

from scripts import judge_everyday


@pytest.mark.parametrize(
    ("a", "b", "right"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.0),  # as often alike as by chance
        ([1, 1, 1, 0], [1, 1, 0, 0], 0.5),  # po 0.75, pe 0.5
        ([1, 0], [0, 1], -1.0),
        ([1, 1], [1, 1], None),  # chance alone would agree
    ],
)
def test_kappa(a, b, right):
    assert judge_everyday.kappa(a, b) == (right if right is None else pytest.approx(right))


@pytest.fixture()
def judged(tmp_path, monkeypatch):
    prompts = [("question", "Why?"), ("question", "Who?"), ("chat", "hi")]
    monkeypatch.setattr(judge_everyday, "everyday_prompts", lambda: prompts)
    texts = {("new", 1): ["a", "b"], ("new", 2): ["", ""], ("new", 3): ["", "c"]}
    key = [
        {"number": n, "set": 1 + (n == 2), "model": "new", "weights": "abc", "answers": answers}
        for (_, n), answers in texts.items()
    ]
    (tmp_path / "key.json").write_text(json.dumps(key))
    return tmp_path


def test_marks_are_counted_by_model_and_kind(judged):
    first, second = judged / "a.txt", judged / "b.txt"
    first.write_text("1 1 1 AB\n2 2 0\n3 1 1 B\n\nnotes: fine\n2 1 1 other model\n")
    second.write_text("1 1 1 AB\n2 2 0 -\n3 1 0 B\n")
    found = judge_everyday.count(first, second, judged, "two people")["new"]
    assert found["passed"] == [0.667, 0.333] and found["passed_both"] == 0.333
    assert found["agreement"] == 0.667 and found["kappa"] == pytest.approx(0.4)
    assert found["by_kind"] == {"question": [0.5, 0.5], "chat": [1.0, 0.0]}
    assert (found["without_any_answer"], found["empty_answers"]) == (1, 3)
    assert found["failed_by_both"] == ["Who?"] and found["weights"] == "abc"


def test_a_mark_that_is_missing_or_none_is_named(judged):
    first, second = judged / "a.txt", judged / "b.txt"
    first.write_text("1 1 1\n2 2 0\n3 1 1\n")
    second.write_text("1 1 1\n3 1 1\n")
    with pytest.raises(SystemExit, match="1 prompts of new lack a mark: 2"):
        judge_everyday.count(first, second, judged, "two people")
    second.write_text("1 1 7\n2 2 0\n3 1 1\n")
    with pytest.raises(SystemExit, match="a mark is 0 or 1: '1 1 7'"):
        judge_everyday.count(first, second, judged, "two people")
