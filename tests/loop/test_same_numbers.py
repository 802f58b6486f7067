"""Two records of a run, number by number."""

from __future__ import annotations

import pytest
import torch

from rlhf_core.loop.same_numbers import ABSOLUTE, RELATIVE, WEIGHTS, Numbers


def compared(saved, now, where="metrics.csv") -> tuple[list[dict], Numbers]:
    found = Numbers()
    return list(found.compare(where, saved, now)), found


@pytest.mark.parametrize(
    ("saved", "now", "result"),
    [
        (1.0, 1.0, "equal"),
        (1, 1.0, "equal"),
        (1.0, 1.0 + RELATIVE / 2, "within"),
        (0.0, ABSOLUTE / 2, "within"),
        (1.0, 1.0 + RELATIVE * 2, "different"),
        (10**9, 2, "different"),
        (True, 1, "different"),
        (True, True, "equal"),
        (None, 0.0, "different"),
        ("a", "b", "different"),
        ([1], [1, 2], "different"),
        (float("inf"), 1.0, "different"),
        ({"a": 1}, {}, "different"),
    ],
)
def test_equal_within_or_different(saved, now, result):
    _, found = compared([{"step": 1, "x": saved}], [{"step": 1, "x": now}])
    counts = {"equal": 0, "within": 0, "different": 0}
    for row in found.rows():
        for name in counts:
            counts[name] += row[name] if row["name"].startswith("x") else 0
    assert counts[result] == 1 and found.different == counts["different"], found.rows()


def test_columns_are_told_once_with_their_largest_gap():
    saved = [{"step": n, "reward": 1.0} for n in range(4)]
    now = [{"step": n, "reward": 1.0 + n * 4e-6} for n in range(4)]
    told, found = compared(saved, now)
    rows = {row["name"]: row for row in found.rows()}
    assert rows["reward"] == {
        "where": "metrics.csv",
        "name": "reward",
        "equal": 1,
        "within": 2,
        "different": 1,
        "largest_gap": pytest.approx(1.2e-5, rel=1e-3),
    }
    assert rows["step"]["equal"] == 4 and found.compared == 9
    assert [row["name"] for row in told] == ["step 3.reward"]


def test_every_number_is_told_where_it_is_wanted():
    found = Numbers(every=True)
    told = list(found.compare("metrics.csv", {"a": 1.0, "seconds": 3}, {"a": 1.0, "seconds": 9}))
    assert told == [
        {
            "kind": "compared",
            "where": "metrics.csv",
            "name": "a",
            "saved": 1.0,
            "now": 1.0,
            "result": "equal",
        }
    ]


def test_weights_are_compared_by_their_largest_difference():
    found = Numbers()
    one = {"a": torch.ones(3), "b": torch.ones(3), "c": torch.ones(3), "d": torch.ones(2)}
    now = {"a": torch.ones(3), "b": torch.ones(3) + WEIGHTS / 2, "c": torch.ones(3) * 2}
    told = list(found.compare_weights("policy.safetensors", one, now))
    assert [row["name"] for row in told] == ["c: largest difference", "d"]
    assert (found.compared, found.different) == (4, 2)
