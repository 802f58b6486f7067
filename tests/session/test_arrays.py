"""Arrays as JSON: the same bits come back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rlhf_core.session import arrays

ARRAYS = [
    np.array([[1.5, float("nan")], [float("-inf"), -0.0]]),
    np.arange(24, dtype=np.int32).reshape(2, 3, 4),
    np.arange(24, dtype=np.float32).reshape(4, 6).T,  # not in the order of its memory
    np.linspace(0, 1, 7).astype(np.float16),
    np.zeros((0, 5)),
    np.array([True, False]),
    np.array(3.0),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_array_comes_back_bit_by_bit(array):
    written = json.loads(json.dumps(arrays.plain({"a": [array, None]})))
    found = arrays.live(written)["a"][0]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


def test_what_is_no_array_stays_as_it_is():
    value = {"text": "a", "n": 1, "none": None, "list": [1.5, {"deep": True}]}
    assert arrays.live(arrays.plain(value)) == value
    assert arrays.plain({1: (np.float32(0.5), np.int64(2))}) == {"1": [0.5, 2]}
    assert arrays.live({"array": 1, "other": 2}) == {"array": 1, "other": 2}
