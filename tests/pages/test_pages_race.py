"""A job that ends while its page is being drawn: between the line that calls it alive and the
monitor that waits for it.
"""

from __future__ import annotations

import pytest
from page_helpers import finish, offered, open_page, press, said, still_queue
from stand_ins import made, rank, stand_in

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.work import jobs
from ui import monitor, state
from ui.labs import tools


def refused(session, *args):
    yield Progress("loading", 0, 1)
    raise InputError("The weights are cut off. Copy them once more.")


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    names = ("model", "fit", "goodhart", "context_flip", "lab_report", "lab_scores")
    stand_in(monkeypatch, **dict.fromkeys(names, refused))
    return still


@pytest.mark.parametrize(
    "page, button",
    [
        ("models", "use_model"),
        ("reward_model", "fit"),
        ("goodhart", "goodhart_play"),
        ("context_flip", "flip"),
    ],
)
def test_a_job_that_ends_while_its_page_is_drawn_leaves_no_button_disabled(
    queue, monkeypatch, page, button
):
    app = open_page(page, made("ranked"))
    if page == "models":
        app.radio(key="model_pick").set_value("distilgpt2").run()
    press(app, button)
    assert button not in offered(app), "it works, and the page waits"
    real = monitor.monitor

    def late(*args, **more):
        finish(queue)
        real(*args, **more)

    monkeypatch.setattr(monitor, "monitor", late)
    app.run()
    assert not app.exception
    assert button in offered(app)
    assert "The weights are cut off" in said(app)


def test_what_ends_while_the_page_is_drawn_is_made_anew_where_the_votes_have_changed(
    queue, monkeypatch
):
    """The page called the report alive (in its sidebar); it ended before the lab asked for it, and
    was made from other votes than there are by now.
    """
    session = made("ranked")
    monkeypatch.setattr(tools, "settle", lambda name: None)
    app = open_page("trust_it", session)
    first = session.jobs["lab_report"]
    rank(session, [[[0], [1]]], prompts=("A hen is",))
    real = tools.fresh

    def late(*args, **more):
        finish(queue)
        return real(*args, **more)

    monkeypatch.setattr(tools, "fresh", late)
    app.run()
    assert not app.exception and session.jobs["lab_report"] != first


def test_what_a_callback_stops_is_not_alive_on_the_page(queue):
    """The answer of one run is kept for the page of that run alone."""
    app = press(open_page("goodhart", made()), "goodhart_play")
    queue.advance()
    app.run()
    press(app, "goodhart_stop")
    finish(queue)
    app.run()
    assert "goodhart_play" in offered(app)
