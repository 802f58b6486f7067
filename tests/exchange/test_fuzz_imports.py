"""A few hundred damaged files (of those of benchmarks/fuzz_imports.py): read, or refused in one
sentence; never a traceback.
"""

import json

import pytest

from benchmarks.fuzz_imports import damaged, outcome


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_read_or_refused_in_a_sentence(seed):
    wrong = [
        (what, said)
        for what, data in damaged(60, 100 + seed, share=0.0)
        if (said := outcome(data)) not in ("read", "refused")
    ]
    assert not wrong, wrong[0]


def test_a_number_of_hundreds_of_digits_is_no_time():
    task = {"id": 1, "data": {"prompt": "p", "answer1": "x", "answer2": "y"}}
    result = {"type": "pairwise", "from_name": "c", "value": {"selected": "left"}}
    task["annotations"] = [{"id": 1, "result": [result], "lead_time": 10**400}]
    assert outcome(json.dumps([task]).encode()) == "read"
