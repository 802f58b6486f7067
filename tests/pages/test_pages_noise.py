"""What would noise have done? without a browser: empty, running, done, stopped, reloaded, and a
verdict that says what the numbers say, also where noise was lucky. The engine is a stand-in.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from page_helpers import EVIL, again, finish, keys, open_page, press, said, still_queue
from stand_ins import made, stand_in

from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import NoiseSettings
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from ui import state
from ui.charts import noise as charts_noise

PROMPTS = ["A badger is", "A fox is", "A dog is", EVIL, "x", "y"]


def rows(reward: float, gold: float, prompts: int = 6) -> list[dict]:
    """A climb of two steps that ends there, give or take 0.1."""
    made_up = []
    for step in (0, 2):
        share = step / 2
        wave = [share * 0.1 * (-1) ** row for row in range(prompts)]
        golds = [share * gold + one for one in wave]
        made_up.append(
            {
                "step": step,
                "kl": step / 4,
                "proxy": share * reward,
                "gold": share * gold,
                "proxies": [share * reward + one for one in wave],
                "gold_a": golds,
                "gold_b": golds,
                "texts": [[row, f" text {row} at {step} {EVIL}", 0.5, 0.1] for row in range(3)],
            }
        )
    return made_up


def found(votes: list[dict], noise: list[dict], turned: list[dict]) -> dict:
    fit = {"pairs": 30, "ties": 5, "accuracy": 0.8, "accuracy_interval": [0.6, 0.9]}
    return {
        "brief": "Biology",
        "settings": vars(NoiseSettings(steps=2)),
        "prompts": PROMPTS,
        "fits": {
            "votes": {**fit, "p": 0.0025, "support": 0.9},
            "noise": {**fit, "p": 0.42, "support": 0.05},
            "turned": {**fit, "p": 0.42, "support": 0.05},
        },
        "agree": [13, 25],
        "points": {"votes": votes, "noise": noise, "turned": turned},
        "status": "done",
    }


def fake(session: Session, settings: NoiseSettings) -> Iterator:
    session.begin("noise", vars(settings))
    whole = found(rows(0.8, 0.6), rows(0.7, 0.4), rows(0.6, -0.5))
    points, how = {}, "stopped"
    yield {"kind": "start"}
    try:
        for run, climb in whole["points"].items():
            for number in range(len(climb)):
                yield Progress("measuring", number, 2)
                points = {**points, run: climb[: number + 1]}
                now = {**whole, "points": points, "status": "running"}
                session.labs = {**session.labs, "noise": now}
                yield {"kind": "point", "run": run}
        how = "done"
    finally:
        session.labs = {**session.labs, "noise": {**session.labs["noise"], "status": how}}


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, noise=fake)
    return still


def test_the_lab_asks_for_a_guess_runs_and_says_what_happened(queue):
    session = made()
    app = open_page("noise", session)
    assert "every winner drawn by a coin" in said(app) and not app.get("plotly_chart")
    app.get("button_group")[0].set_value("all").run()
    press(app, "noise_play")
    assert app.button(key="noise_play").disabled and "noise_stop" in keys(app)
    while len(session.labs.get("noise", {}).get("points", {}).get("turned", [])) < 1:
        queue.advance()
    again(app)
    assert len(app.get("plotly_chart")) == 2 and "All three climbed" not in said(app)
    finish(queue)
    words = said(again(app)).replace("**", "")
    assert "You guessed “All three”. It was “All three”." in words
    assert (
        "All three climbed their own reward. Gold rose on the coin flips and fell on the coins"
        " turned over: a rising reward alone says nothing of quality. The votes' gold rose; it"
        " ended above the coins' mean." in words
    )
    assert "Votes, step 2: its own reward rose: +0.80 (95% interval +0.7" in words
    assert "Coin flips, step 2: its own reward rose: +0.70" in words
    assert "gold fell: −0.50 (95% interval −0.5" in words
    assert "Votes less the coins' mean: gold is higher: +0.65" in words
    assert "named the rater's winner in 13 of 25 clear votes" in words
    # What the app does otherwise stands there, with this run's own numbers.
    assert "blown up to the same size" in words
    assert "those from coins to 0.05, the one from votes to 0.90" in words
    assert "| | Votes | Coin flips | Turned over |" in words
    assert "| Own reward | +0.80 | +0.70 | +0.60 |" in words
    assert "| Gold | +0.60 | +0.40 | −0.50 |" in words and "| p | 0.0025 | 0.42 | 0.42 |" in words
    html = " ".join(element.proto.body for element in app.get("html"))
    assert "<script>" not in html and html.count('class="op-answer"') == 3
    app.selectbox(key="noise_prompt").set_value(1).run()  # one prompt at a time
    assert not app.exception and app.selectbox(key="noise_prompt").value == 1
    # A reload, when the job is long forgotten, finds it again; nobody has guessed there.
    session.jobs.clear()
    words = said(open_page("noise", session))
    assert "All three climbed their own reward." in words and "You guessed" not in words


@pytest.mark.parametrize(
    ("votes", "noise", "turned", "words"),
    [
        # the other way round is the same lesson
        (
            (0.8, 0.6),
            (0.7, -0.4),
            (0.7, 0.4),
            "fell on the coin flips and rose on the coins turned over: a rising reward",
        ),
        # no lesson of a rising reward where one did not rise
        ((0.8, 0.6), (0.0, 0.4), (0.7, -0.4), "fell on the coins turned over. The votes' gold"),
        ((0.8, 0.6), (0.7, 0.3), (0.7, 0.3), "Gold rose on the coin flips, and on the coins turn"),
        ((0.8, 0.3), (0.7, -0.3), (0.7, -0.3), "fell on the coin flips, and on the coins turned"),
        ((0.8, 0.3), (0.7, 0.0), (0.7, 0.0), "Gold shows no detectable change on the coin flips,"),
        ((0.8, 0.3), (0.7, 0.4), (0.7, 0.0), "Gold rose on the coin flips and shows no detectabl"),
        ((0.8, 0.3), (0.7, 0.0), (0.7, -0.4), "change on the coin flips and fell on the coins tu"),
        ((0.8, 0.3), (0.7, 0.3), (0.7, 0.3), "rose; it cannot be told apart from the coins' mean."),
        ((0.8, -0.5), (0.7, 0.3), (0.7, 0.0), "votes' gold fell; it ended below the coins' mean."),
        ((0.8, 0.0), (0.7, -0.5), (0.7, -0.4), "votes' gold shows no detectable change; it ended"),
        ((0.8, 0.6), (0.0, 0.0), (0.0, 0.0), "Only the run on votes detectably climbed its own"),
        ((0.8, 0.6), (0.7, 0.0), (0.0, 0.0), "Only the runs on votes and coin flips detectably"),
        ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0), "None detectably climbed its own reward"),
    ],
)
def test_the_verdict_follows_the_numbers(votes, noise, turned, words):
    session = made()
    session.labs["noise"] = found(rows(*votes), rows(*noise), rows(*turned))
    assert words in said(open_page("noise", session))


def test_of_few_prompts_nothing_is_claimed():
    session = made()
    session.labs["noise"] = found(rows(0.8, 0.6, 3), rows(0.7, 0.0, 3), rows(0.7, 0.0, 3))
    words = said(open_page("noise", session))
    assert "Too few prompts to tell." in words and "on the coin flips" not in words
    assert "gold +0.60 (too few prompts to say how sure that is)" in words


@pytest.mark.parametrize("guess", ["none", "show"])
def test_the_saved_result_waits_for_the_guess(monkeypatch, guess):
    still_queue(monkeypatch, saved_results=True)
    app = open_page("noise", made())
    assert not app.get("plotly_chart") and ":material/gavel:" not in said(app)
    app.get("button_group")[0].set_value(guess).run()
    words = said(app)
    assert len(app.get("plotly_chart")) == 2 and "Guess first" not in words
    assert ("You guessed “None”. It was" in words) == (guess == "none")
    assert not [one for one in app.get("button_group") if one.key == "noise_guess"]


def test_a_stop_keeps_what_was_measured(queue):
    session = made()
    app = press(open_page("noise", session), "noise_play")
    while not session.labs.get("noise", {}).get("points"):
        queue.advance()
    press(again(app), "noise_stop")
    finish(queue)
    again(app)
    assert session.labs["noise"]["status"] == "stopped"
    assert "All finished steps are kept" in said(app) and "| 80% (60% to 90%) |" in said(app)


def test_the_charts_state_their_numbers_in_words():
    result = found(rows(0.8, 0.6), rows(0.7, 0.0), rows(0.6, -0.5))
    reward, gold = charts_noise.reward(result), charts_noise.gold(result)
    assert "Coin flips: 0.00 at step 0, +0.70 at step 2, give or take" in reward.alt
    assert "Turned over: 0.00 at step 0, −0.50 at step 2, give or take" in gold.alt
    votes, noise, turned = gold.figure.data
    for of_a_line in ("dash", "color"):
        assert len({line.line[of_a_line] for line in gold.figure.data}) == 3
    assert list(turned.y) == pytest.approx([0, -0.5])
    assert list(votes.y) == pytest.approx([0, 0.6]) and list(noise.y) == [0, 0]
    # The normal interval of 6 changes, 0.1 either side: 1.96 * sqrt(0.06 / 5 / 6).
    assert votes.error_y.array[0] is None
    assert votes.error_y.array[1] == pytest.approx(0.08765, abs=1e-4)
    assert gold.figure.layout.yaxis.title.text == "Gold (SD of the original's)"
    assert gold.figure.layout.xaxis.title.text == "PPO step"
    for chart in (charts_noise.reward(None), charts_noise.gold({})):
        assert "empty" in chart.alt
