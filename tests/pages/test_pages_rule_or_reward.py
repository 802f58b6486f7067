"""Rule or reward model? without a browser: empty, running, done, stopped, reloaded, and what it
says of what happened. The engine is a stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_helpers import EVIL, again, finish, keys, open_page, press, said, still_queue
from stand_ins import made, stand_in

from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import RuleOrRewardSettings
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from ui import state
from ui.charts import rule_or_reward as charts_rule

NOTHING = [0.0, -0.1, 0.1]


def point(step: int, share: float, **changes) -> dict:
    return {
        "step": step,
        "seconds": float(step),
        "kl": step / 2,
        "satisfied": share,
        "interval": [max(0.0, share - 0.1), min(1.0, share + 0.1)],
        "parts": {"stop": 1.0, "short": 1.0, "animal": share},
        "learned": step / 10,
        "distinct_2": 0.5,
        "repeats": 0.25,
        "commonest": ["a cat.", 0.1],
        "animal": ["cat", 0.4] if share else None,
        "word": 0.3 if step else 0.1,
        "changes": {
            name: changes.get(name, NOTHING)
            for name in ("satisfied", "repeats", "learned", "beside")
        },
        "texts": [[row, f" answer {row} at {step} {EVIL}", 2, 0.5] for row in range(6)],
    }


RULE = [point(0, 0.0), point(4, 0.9, satisfied=[0.9, 0.8, 0.95], repeats=[0.5, 0.4, 0.6])]
LEARNED = [point(0, 0.0), point(4, 0.1, beside=[1.5, 1.2, 1.8], learned=[2.0, 1.7, 2.2])]


def fake(session: Session, settings: RuleOrRewardSettings, whole: bool) -> Iterator:
    session.begin("rule_or_reward", vars(settings))
    found = {
        "brief": "Biology",
        "settings": vars(settings),
        "all_or_nothing": whole,
        "prompts": ["A badger is", "A fox is", "A dog is", EVIL, "x", "y"],
        "pairs": 60,
        "accuracy": 0.73,
        "accuracy_interval": [0.5, 0.9],
        "explained": 0.27,
        "word": {"word": "my", "more": [0.45, 0.2, 0.7]},
        "points": {},
        "status": "running",
    }
    yield {"kind": "start"}
    how = "stopped"
    try:
        for run, rows in (("rule", RULE), ("learned", LEARNED)):
            for number in range(len(rows)):
                yield Progress("measuring", number, 4)
                found["points"] = {**found["points"], run: rows[: number + 1]}
                session.labs = {**session.labs, "rule_or_reward": dict(found)}
                yield {"kind": "point", "run": run}
        how = "done"
    finally:
        session.labs = {**session.labs, "rule_or_reward": {**found, "status": how}}


def whole() -> dict:
    """A run that is over; its points are for a test to say."""
    return {
        "brief": "Biology",
        "settings": vars(RuleOrRewardSettings()),
        "all_or_nothing": False,
        "prompts": ["A badger is", "A fox is", "A dog is", "x", "y", "z"],
        "pairs": 60,
        "accuracy": 0.73,
        "explained": 0.27,
        "word": None,
        "status": "done",
    }


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, rule_or_reward=fake)
    return still


def test_the_lab_says_what_it_will_do_and_then_what_happened(queue):
    session = made()
    app = open_page("rule_or_reward", session)
    assert "end in a full stop" in said(app) and not app.get("plotly_chart")
    app.toggle(key="rule_or_reward_whole").set_value(True).run()
    press(app, "rule_or_reward_play")
    assert app.button(key="rule_or_reward_play").disabled and "rule_or_reward_stop" in keys(app)
    while len(session.labs.get("rule_or_reward", {}).get("points", {})) < 2:
        queue.advance()
    again(app)
    assert "Where did each climb lead" not in said(app) and len(app.get("plotly_chart")) == 1
    finish(queue)
    words = said(again(app))
    assert "Climbs the rule, step 4: gamed by saying the same" in words
    assert "step 4: its reward rose by more than the rule's three parts, added up" in words
    assert words.count("gamed") == 1, "a climb of the imitation alone shows no gaming"
    assert "all or nothing" in words and "counts as beyond them" in words
    assert "fulfil the whole rule: 0.0% → 90.0%, +90.0 points (95%" in words
    assert "interval +80.0 to +95.0)" in words
    assert "40% of the answers name the same animal" in words
    assert "beyond what the three parts, added up, explain: +1.50 s.d." in words
    assert "“my” higher by 0.45" in words
    assert "10.0% of the answers had it before, 30.0% have it now" in words
    assert "no detectable change: 0.0 points (95% interval −10.0 to +10.0)" in words
    html = " ".join(element.proto.body for element in app.get("html"))
    assert "<script>" not in html and "2 of 3 parts" in html
    session.jobs.clear()
    app = open_page("rule_or_reward", session)  # a reload says what ran, and how
    assert "Where did each climb lead" in said(app)
    assert app.toggle(key="rule_or_reward_whole").value is True


def test_a_change_is_the_difference_of_the_two_shares_that_stand_beside_it():
    """Of the saved run: 1.25% and 5.625%, +4.375 points, were once 1%, 6% and +4."""
    session = made()
    end = point(4, 0.05625, satisfied=[0.04375, 0.0, 0.10625])
    session.labs["rule_or_reward"] = {**whole(), "points": {"learned": [point(0, 0.0125), end]}}
    words = said(open_page("rule_or_reward", session))
    assert "1.2% → 5.6%, no detectable change: +4.4 points" in words
    assert "| Before | 1.2% |" in words and "| Reward model, step 4 | 5.6% |" in words


@pytest.mark.parametrize(
    ("prompts", "beside", "said_of_it"),
    [
        (3, [1.5, None, None], "too few prompts to tell"),
        (6, [None, None, None], "show too little of the rule to tell"),
    ],
)
def test_where_nothing_can_be_told_it_gives_no_verdict(prompts, beside, said_of_it):
    session = made()
    names = ["A badger is", "A fox is", "A dog is", "x", "y", "z"][:prompts]
    few = {"repeats": [1.0, None, None], "beside": beside, "learned": [2.0, None, None]}
    end = {run: [point(0, 0.0), point(4, 0.9, **few)] for run in ("rule", "learned")}
    for rows in end.values():
        for row in rows:
            row["texts"] = row["texts"][:prompts]
    session.labs["rule_or_reward"] = {**whole(), "prompts": names, "points": end}
    words = said(open_page("rule_or_reward", session))
    assert words.count(said_of_it) == 2 and "gamed" not in words
    assert "+2.00 s.d. (too little to say how sure that is)" in words


def test_a_stop_keeps_what_was_measured(queue):
    session = made()
    app = press(open_page("rule_or_reward", session), "rule_or_reward_play")
    while not session.labs.get("rule_or_reward", {}).get("points", {}).get("rule"):
        queue.advance()
    press(again(app), "rule_or_reward_stop")
    finish(queue)
    again(app)
    assert session.labs["rule_or_reward"]["status"] == "stopped"
    assert "All finished steps are kept" in said(app) and "| Before |" in said(app)


def test_the_chart_states_its_numbers_in_words():
    chart = charts_rule.satisfied({"points": {"rule": RULE}, "settings": {"steps": 24}})
    assert "Climbs the rule: 0% at step 0, 90% at step 4 (95% interval 80% to 100%)." in chart.alt
    (line,) = chart.figure.data
    assert list(line.y) == [0, 90] and chart.figure.layout.xaxis.title.text == "Training step"
    assert list(line.error_y.array) == pytest.approx([10, 10])
    assert "empty" in charts_rule.satisfied(None).alt
