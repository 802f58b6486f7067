"""Rank has a pair at once where somebody had the same before, and has one written where nobody."""

from __future__ import annotations

import pytest
from page_helpers import finish, html_of, open_page, press, session_of, still_queue

from rlhf_core.judging import briefs
from rlhf_core.loop import writing
from rlhf_core.session import asked, pools, registry
from rlhf_core.session.state import Session

BIOLOGY = briefs.PRESETS["biology-homework"]


@pytest.fixture
def queue(monkeypatch, tmp_path):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path))
    return still_queue(monkeypatch)


def somebody_before() -> Session:
    session = registry.create(BIOLOGY)
    while count := pools.wanted(session, 2):
        list(writing.generate_pool(session, count))
    return session


def test_the_first_pair_is_on_the_first_draw(queue):
    before = somebody_before()
    app = open_page("rank")
    session = session_of(app)
    assert session.id != before.id
    assert session.asked.candidate_sets == before.asked.candidate_sets
    assert app.session_state["card"]["set"] in {row["id"] for row in before.asked.candidate_sets}
    assert "pool" not in session.jobs, "nothing has to be written"
    press(app, "pick_a")
    assert len(session.judged.rankings) == 1 and "pool" not in session.jobs


def test_where_nobody_was_before_the_worker_writes(queue):
    app = open_page("rank")
    session = session_of(app)
    assert session.jobs["pool"] and not session.asked.candidate_sets
    assert "pick_a" not in {button.key for button in app.button}
    finish(queue)
    app.run()
    assert "pick_a" in {button.key for button in app.button} and "op-card-prompt" in html_of(app)


def test_a_prompt_of_ones_own_is_written_for_its_learner_alone(queue):
    somebody_before()
    session = registry.create(BIOLOGY)
    asked.add_prompt(session, "My own opossum is")
    open_page("rank", session)
    assert session.jobs["pool"] and not session.asked.candidate_sets
