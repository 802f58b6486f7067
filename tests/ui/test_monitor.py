"""What the window on a job says when it has ended."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

NOTHING = "Stopped before anything was finished. Nothing changed."
LOOKED = "Stopped before the first step was finished. What was measured is kept."
KEPT = "Stopped. All finished steps are kept."


def line(status: str, records: list[dict], error: str | None = None) -> str:
    def page(status, records, error):
        from ui import monitor

        view = {"status": status, "label": "PPO", "error": error, "records": len(records)}
        monitor.state_line(view, records)

    app = AppTest.from_function(page, args=(status, records, error), default_timeout=60).run()
    assert not app.exception, app.exception
    (told,) = [*app.info, *app.warning, *app.error]
    return told.value


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], NOTHING),
        ([{"step": 0, "reward_mean": 0.0}], LOOKED),
        ([{"kind": "start"}, {"kind": "point", "run": "noise", "step": 0}], LOOKED),
        ([{"kind": "pool"}], LOOKED),
        ([{"step": 0}, {"step": 1}], KEPT),
        ([{"step": 11}], KEPT),
        ([{"kind": "point", "step": 0}, {"kind": "point", "step": 4}], KEPT),
        ([{"kind": "restarted", "step": 3}], "Stopped before a new step was finished."),
        ([{"kind": "restarted", "step": 3}, {"step": 4}], KEPT),
    ],
)
def test_a_stop_says_what_it_has_left(records, said):
    assert line("stopped", records) == said


def test_nothing_is_said_to_be_kept_where_nothing_was_finished():
    assert "kept" not in line("failed", [], "No reward model.")
    assert "kept" not in line("expired", [])
    assert line("failed", [{"step": 1}], "It broke.").endswith("What was finished before is kept.")
    assert "What was finished is kept. Start it again" in line("expired", [{"step": 1}])
