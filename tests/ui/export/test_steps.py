"""What goes along of the steps: everything where it fits, else the first of each, and said."""

from __future__ import annotations

import pytest

from ui.export import steps


def sample(step: int, prompt: str, text: str, **more) -> dict:
    return {"step": step, "prompt": prompt, "text": text, "reward": 0.12345, "ended": True, **more}


def test_all_of_a_small_run_in_its_order():
    rows = [sample(0, "p", " a"), sample(0, "q", " b"), sample(1, "p", " c", ended=False)]
    found = steps.gather([{"step": 1, "reward_mean": 0.5}], rows)
    assert found.left_out == "" and found.table == {
        "prompts": ["p", "q"],
        "steps": [
            {
                "step": 0,
                "readings": [None] * 3,
                "rows": [[0, "a", 0.123, True], [1, "b", 0.123, True]],
            },
            {"step": 1, "readings": [0.5, None, None], "rows": [[0, "c", 0.123, False]]},
        ],
    }


def test_without_the_first_step_that_is_said():
    assert "before the first step were not kept" in steps.gather([], [sample(1, "p", "x")]).left_out


def test_rows_that_are_none_are_left_aside():
    bad = [None, 1, {}, {"step": True, "prompt": "p", "text": "x"}, {"step": -1}, sample(0, 1, 2)]
    assert steps.gather([], bad) == steps.Steps(None, "")
    assert steps.gather([], {"a": 1}).table is None
    kept = steps.clean_metrics([{"step": 2}, {"step": "x"}, 7, {"step": 1}, {"step": 2, "kl": 1}])
    assert kept == [{"step": 1}, {"step": 2, "kl": 1}]


@pytest.mark.parametrize("prompts", [1, 24, 300])
@pytest.mark.parametrize("count", [16, 201, 900])
def test_what_does_not_fit_is_thinned_evenly_and_said(prompts, count):
    rows = [
        sample(step, f"p{n % prompts}", f" {step}.{n} " + "\U0001f400" * 700)
        for step in range(count)
        for n in range(8)
    ]
    found = steps.gather([], rows)
    assert len(steps.data(found.table).encode()) <= steps.MOST_BYTES
    kept = [step["step"] for step in found.table["steps"]]
    assert kept[0] == 0 and kept[-1] == count - 1
    gaps = {b - a for a, b in zip(kept, kept[1:-1])}
    assert len(gaps) <= 1, "every n-th step"
    for step in found.table["steps"]:
        for place, text, _, _ in step["rows"]:
            assert text.startswith(f"{step['step']}.")
    shown = sum(len(step["rows"]) for step in found.table["steps"])
    assert (f"{shown:,} of the run's {len(rows):,} answers" in found.left_out) == (
        shown < len(rows)
    )
