"""A choice that is a model's name means its text; one called like a side is asked about."""

from __future__ import annotations

import json

import pytest

from rlhf_core.exchange.import_report import ImportRefused
from rlhf_core.exchange.spreadsheets import import_preferences


def choices(*rows: tuple) -> list[str]:
    """Of rows of (model a, model b, winner)."""
    lines = [
        dict(prompt="p", a=f" x{i}", b=f" y{i}", model_a=one, model_b=other, winner=winner)
        for i, (one, other, winner) in enumerate(rows)
    ]
    return [p.choice for p in import_preferences(json.dumps(lines).encode(), "p.json").pairs]


@pytest.mark.parametrize(
    "rows",
    [
        [("Model B", "Model A", "Model A"), ("Model A", "Model B", "Model A")],
        [("Model 2", "Model 1", "Model 1")],
        [("B", "A", "A"), ("B", "A", "B")],
        [("2", "1", "1"), ("2", "1", "2")],
        [(2, 1, 1), (2, 1, 2)],
        [(1, 0, 1), (1, 0, 0)],
        [("left", "right", "right"), ("right", "left", "right")],
        [("model_b", "model_a", "model_a")],
        [("tie", "x", "tie"), ("tie", "x", "x")],
    ],
)
def test_a_name_that_can_mean_the_other_side_is_asked_about(rows):
    with pytest.raises(ImportRefused, match="who wrote text"):
        choices(*rows)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("gpt", "llama", "llama"), ("llama", "gpt", "llama")], "b a"),
        ([("Model A", "Model B", "Model B"), ("Model A", "Model B", "Model A")], "b a"),
        ([("1", "2", "1"), ("1", "2", "2")], "a b"),
        ([(7, 12, 12), (12, 7, 12), (7, 12, "tie")], "b a tie"),
        ([("gpt", "llama", "model_a"), ("llama", "gpt", "tie")], "a tie"),
    ],
)
def test_a_name_decides(rows, expected):
    assert choices(*rows) == expected.split()
