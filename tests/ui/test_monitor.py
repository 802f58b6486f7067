"""What the window on a job says: how long something takes, how far it is, and what is left
when it has ended.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from ui import monitor
from ui.labs import runs
from ui.ppo import cockpit

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


def test_how_a_job_came_to_its_records_is_said_where_there_is_something_to_say():
    def page():
        from ui import monitor

        for note in ("", "It was **updated** meanwhile."):
            monitor.how_it_came({"note": note})

    app = AppTest.from_function(page, default_timeout=60).run()
    (told,) = app.caption
    assert told.value.replace("\\", "") == "It was **updated** meanwhile."
    assert told.value != "It was **updated** meanwhile.", "it is text, not Markdown"


@pytest.mark.parametrize("begun", [False, True])
def test_one_that_gave_way_to_others_is_said_to_go_on_and_not_to_start(begun):
    view = {"status": "queued", "long": True, "label": "PPO", "position": 2, "eta_seconds": 50.0}

    def page(view):
        from ui import monitor

        monitor.state_line(view)

    view |= {"begun": begun}
    app = AppTest.from_function(page, args=(view,), default_timeout=60).run()
    told = app.info[0].value
    assert ("goes on by itself. Goes on in about 50 s." in told) == begun
    assert ("1 run is ahead of yours. Starts in about 50 s." in told) != begun
    said = cockpit.doing(SimpleNamespace(last_step=3), view)
    assert ("goes on in about 50 s" in said) == begun


@pytest.mark.parametrize(
    "seconds, said, counting_down",
    [
        (0.03, "0.1 s", "1 s"),
        (0.4, "0.4 s", "1 s"),  # a step of 0.4 s was once "about 1 s a step"
        (1.26, "1.3 s", "1 s"),
        (8.2, "8 s", "8 s"),
        (89, "89 s", "89 s"),
        (200, "3 min", "3 min"),
    ],
)
def test_a_duration_in_words(seconds, said, counting_down):
    assert monitor.duration(seconds) == said
    assert monitor.duration(seconds, whole=True) == counting_down


def test_where_an_experiment_is():
    names, order = {"ppo": "PPO", "dpo": "DPO"}, ["ppo", "dpo"]
    records = [{"kind": "pool"}]
    assert runs.where(records, order, names, 16) == ""
    records.append({"kind": "point", "run": "ppo", "step": 4})
    assert runs.where(records, order, names, 16) == "PPO, step 4 of 16 (1 of 2)"
    records.append({"kind": "point", "run": "ppo", "step": 16})
    assert runs.where(records, order, names, 16) == "DPO, step 0 of 16 (2 of 2)"
    records.append({"kind": "point", "run": "dpo", "step": 16})
    assert runs.where(records, order, names, 16) == "DPO, step 16 of 16 (2 of 2)"
    assert runs.where(records, ["dpo"], names, 16) == "DPO, step 16 of 16"


@pytest.mark.parametrize(
    ("last_step", "said"),
    [
        (0, "stopped. No step was finished; what was measured is kept."),
        (3, "stopped. All finished steps are kept."),
        (None, "the model before any update; press Play"),
    ],
)
def test_the_cockpit_says_what_a_stop_has_left(last_step, said):
    run = SimpleNamespace(last_step=last_step)
    assert cockpit.doing(run, {"status": "stopped", "label": "PPO"}) == said
