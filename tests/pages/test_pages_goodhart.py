"""The Goodhart lab and the algorithms side by side without a browser: empty, running, stopped,
done, reloaded, and with settings that cannot work. The engine is a stand-in.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from page_helpers import EVIL, again, finish, keys, open_page, press, said, still_queue
from stand_ins import made, stand_in

from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import AlgorithmsSettings, GoodhartSettings
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from ui import state
from ui.charts import goodhart as charts_goodhart

PARTS = {"register": 0.9, "sentence": 0.8, "new": 0.7, "words": 0.99}
FREE = [(0, 0), (1, 0.9), (9, 0.5), (36, -0.3)]
PENALTY = [(0, 0), (0.5, 0.636), (1, 0.9), (1.2, 0.881)]  # on the same curve, and no farther


def point(number: int, kl: float, gold: float, proxy: float) -> dict:
    texts = [[row, f" answer {row} at {number} {EVIL}", proxy, gold] for row in range(4)]
    golds = [gold + 0.1 * math.sin(row * (number + 1)) for row in range(40)]
    return {
        "step": 2 * number,
        "kl": kl,
        "gold": gold,
        "proxy": proxy,
        "fluency": -kl / 10,
        "gold_a": golds,
        "gold_b": golds,
        "parts": PARTS,
        "texts": texts,
        "seconds": 3.0 * number,
    }


def points(rows: list[tuple[float, float]]) -> list[dict]:
    return [point(number, kl, gold, 0.5 * math.sqrt(kl)) for number, (kl, gold) in enumerate(rows)]


def found(brief: str = "Biology homework helper") -> dict:
    luck = [0.1 * math.sin(row) for row in range(40)]
    best = [
        {"n": n, "kl": kl, "proxy": kl, "gold": kl / 2, "fluency": 0.0}
        | {"gains": [kl / 2 + one for one in luck], "golds": [kl / 2 + one for one in luck]}
        for n, kl in ((1, 0.0), (4, 0.636), (16, 1.835))
    ]
    return {
        "brief": brief,
        "prompts": ["A badger is", "A fox is", "A dog is", EVIL],
        "accuracy": 0.7,
        "pairs": 8,
        "gold_unit": 0.12,
        "gold_top": 0.95,
        "best_of_n": best,
        "best_of_n_seconds": 1.0,
        "frontier": [{**row, "beta": 1.0} for row in best],
        "rater": "scripted rater (rule)",
        "points": {},
        "status": "running",
        "best_texts": points(FREE)[0]["texts"],
    }


def keep(session: Session, name: str, **values) -> None:
    """Put values to what a lab has found."""
    session.labs = {**session.labs, name: {**session.labs.get(name, {}), **values}}


def fake_goodhart(session: Session, settings: GoodhartSettings) -> Iterator:
    session.begin("goodhart", vars(settings))
    keep(session, "goodhart", **found(), settings=vars(settings))
    yield {"kind": "pool"}
    how = "stopped"
    try:
        for run, rows in (("free", FREE), ("penalty", PENALTY)):
            for number in range(len(rows)):
                yield Progress("measuring", number, 4)
                so_far = session.labs["goodhart"]["points"]
                keep(session, "goodhart", points={**so_far, run: points(rows)[: number + 1]})
                yield {"kind": "point", "run": run, "step": 2 * number}
        how = "done"
    finally:
        keep(session, "goodhart", status=how)


def fake_algorithms(
    session: Session, settings: AlgorithmsSettings, own: bool, runs: list[str]
) -> Iterator:
    session.begin("algorithms", {**vars(settings), "runs": runs, "own": own})
    rows = {name: points(FREE if name in ("dpo", "kto") else PENALTY) for name in runs}
    keep(session, "algorithms", **found(), settings=vars(settings), own=own, runs=runs)
    yield {"kind": "pool"}
    keep(session, "algorithms", points=rows)
    yield {"kind": "point", "run": "dpo"}


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, goodhart=fake_goodhart, algorithms=fake_algorithms)
    return still


def test_the_lab_says_what_it_will_do_and_then_what_happened(queue):
    session = made()
    app = open_page("goodhart", session)
    assert (
        "When a measure becomes a target" in said(app)
        and "No run yet" not in said(app)
        and not app.get("plotly_chart")
    )
    press(app, "goodhart_play")
    assert app.button(key="goodhart_play").disabled and "goodhart_stop" in keys(app)
    while len(session.labs.get("goodhart", {}).get("points", {}).get("penalty", [])) < 3:
        queue.advance()
    again(app)
    assert "so far, at step 4, gold has not fallen. This run is still going on." in said(
        app
    ) and "only stopped earlier" not in said(app)
    finish(queue)
    again(app)
    assert (
        "caught in the act" in said(app)
        and "fell from its peak at step 2 to step 6 by 1.20" in said(app)
        and "while the proxy rose by 2.50" in said(app)
    )
    assert (
        "KL penalty:" in said(app)
        and "at most half of the fall" in said(app)
        and "only stopped earlier" in said(app)
    )
    assert (
        len(app.get("plotly_chart")) == 1
        and app.button(key="goodhart_play").label == "Run it again"
    )
    html = " ".join(element.proto.body for element in app.get("html"))
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "No penalty, at its best, step 2" in html and "No penalty, at the end, step 6" in html
    # A reload, when the job is long forgotten, finds it again.
    session.jobs.clear()
    assert "caught in the act" in said(open_page("goodhart", session))


def test_of_few_prompts_it_catches_nothing():
    session, rows = made(), {"free": points(FREE), "penalty": points(PENALTY)}
    for row in (row for run in rows.values() for row in run):
        row["gold_a"], row["gold_b"] = row["gold_a"][:2], row["gold_b"][:2]
    keep(session, "goodhart", **found() | {"points": rows, "status": "done"})
    keep(session, "goodhart", settings=vars(GoodhartSettings()))
    words = said(open_page("goodhart", session))
    assert "no detectable fall of gold" in words and "caught in the act" not in words
    assert "too few prompts to say how sure that is" in words and "no number" not in words


def test_a_stop_keeps_what_was_measured(queue):
    session = made()
    app = press(open_page("goodhart", session), "goodhart_play")
    while len(session.labs.get("goodhart", {}).get("points", {}).get("free", [])) < 2:
        queue.advance()
    press(again(app), "goodhart_stop")
    finish(queue)
    again(app)
    # The best is the end: nothing to lay beside it but the start.
    assert "The original model" in " ".join(element.proto.body for element in app.get("html"))
    assert (
        "All finished steps are kept" in said(app)
        and "did not fall" in said(app)
        and len(session.labs["goodhart"]["points"]["free"]) == 2
    )


def test_a_moved_knob_is_what_the_next_run_runs_with(queue):
    session = made()
    app = open_page("goodhart", session)
    app.slider(key="goodhart_steps").set_value(8).run()
    press(app, "goodhart_play")
    finish(queue)
    assert session.labs["goodhart"]["settings"]["steps"] == 8
    # From a file: impossible values give way to the defaults.
    session.settings = {"goodhart_next": {"beta": 99.0, "steps": "many"}}
    assert (
        open_page("goodhart", session).slider(key="goodhart_steps").value == GoodhartSettings.steps
    )


def test_the_algorithms_stand_side_by_side(queue):
    session = made()
    app = open_page("algorithms", session)
    # There are no comparisons of the learner's to use.
    assert "algorithms_own" not in {toggle.key for toggle in app.toggle}
    press(app, "algorithms_play")
    finish(queue)
    again(app)
    assert "Best of 16" in said(app) and "&lt;script&gt;" in " ".join(
        element.proto.body for element in app.get("html")
    )
    assert (
        "Best of 16" in said(app)
        and "≤ 1.8" in said(app)
        and "DPO, step 6" in said(app)
        and "| 9 s |" in said(app)
    )
    assert session.labs["algorithms"]["own"] is False and len(app.get("plotly_chart")) == 1
    assert "not count" in said(app) and "in the thread that trains" in said(app)
    # What came out, from this run's intervals, and that gold can go no higher.
    assert "PPO, RLOO and GRPO are higher than DPO and KTO" in said(
        app
    ) and "paid for at every prompt" in said(app)
    assert "Gold ends at +0.95" in said(app) and "and best of 16 stand" not in said(app)
    assert "best of 16, PPO, RLOO and GRPO stand there" in said(app)
    assert session.labs["algorithms"]["runs"] == list(AlgorithmsSettings.TRAINED)
    assert "the best of each ranking counts as good" in said(app)


def test_the_learner_chooses_what_trains(queue):
    session = made()
    app = open_page("algorithms", session)
    app.get("button_group")[0].set_value(["dpo", "ppo"]).run()
    press(app, "algorithms_play")
    finish(queue)
    again(app)
    assert session.labs["algorithms"]["runs"] == ["ppo", "dpo"] and "KTO, step" not in said(app)
    app.get("button_group")[0].set_value([]).run()
    press(app, "algorithms_play")
    assert "Choose at least one" in said(app)
    # Where nothing was chosen here yet, those of the last run.
    fresh = open_page("algorithms", session)
    assert fresh.get("button_group")[0].value == ["ppo", "dpo"]


def test_a_reload_shows_what_trains_and_what_was_chosen_before_it_does(queue):
    session = made("ranked")
    app = open_page("algorithms", session)
    app.get("button_group")[0].set_value(["rloo"]).run()
    assert open_page("algorithms", session).get("button_group")[0].value == ["rloo"]
    app.toggle(key="algorithms_own").set_value(True).run()
    press(app, "algorithms_play")
    for _ in range(2):  # in line, then at its first record, before there is a result
        loaded = open_page("algorithms", session)
        assert loaded.get("button_group")[0].value == ["rloo"]
        assert loaded.toggle(key="algorithms_own").value is True
        session.labs = {}
        queue.advance()


def test_a_running_lab_says_which_step_of_which_run_and_no_number_of_records(queue):
    session = made()
    app = press(open_page("goodhart", session), "goodhart_play")
    queue.advance()
    (bar,) = again(app).get("progress")
    assert " of " not in bar.proto.text and "left" not in bar.proto.text  # "0 of 46 · 1 s left"
    while len(session.labs.get("goodhart", {}).get("points", {}).get("free", [])) < 2:
        queue.advance()
    queue.advance()
    (bar,) = again(app).get("progress")
    assert "No penalty, step 2 of 28 (1 of 3)" in bar.proto.text and " of 46" not in bar.proto.text


def test_the_learners_comparisons_are_used_where_asked_for(queue):
    session = made("ranked")
    app = open_page("algorithms", session)
    app.toggle(key="algorithms_own").set_value(True).run()
    press(app, "algorithms_play")
    finish(queue)
    assert session.labs["algorithms"]["own"] is True


@pytest.mark.parametrize("page", ["goodhart", "algorithms"])
def test_a_brief_without_a_rule_is_told_what_is_used_instead(queue, page):
    session = made()
    session.asked.brief = session.asked.brief.edited(wanted=None)
    assert "has no rule" in said(open_page(page, session))


def test_charts_state_their_numbers_in_words():
    result = {**found(), "points": {"free": points(FREE), "penalty": points(PENALTY)}}
    chart = charts_goodhart.over_optimisation(result)
    assert (
        "No penalty: highest +0.90 at KL 1.00, last −0.30 at KL 36.00 (reference s.d.)" in chart.alt
    )
    free = next(trace for trace in chart.figure.data if trace.name == "No penalty")
    assert list(free.x) == [0, 1, 3, 6]  # the square root
    beside = charts_goodhart.algorithms({**found(), "points": {"ppo": points(PENALTY)}})
    assert "Best-of-n, at the upper bound of its KL: highest +0.92 at KL 1.83" in beside.alt
    assert [trace.name for trace in beside.figure.data] == ["Best-of-n (KL at most)", "PPO"]
    for empty in (charts_goodhart.over_optimisation(None), charts_goodhart.algorithms({})):
        assert "empty" in empty.alt
