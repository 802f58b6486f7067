"""A few hundred damaged files (of those of benchmarks/fuzz_imports.py): read, or refused in one
sentence; never a traceback.
"""

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
