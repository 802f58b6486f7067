"""The studio's parts of the PPO page, and branches on the Rounds page, without a browser; the long
computations are stand-ins (see stand_ins).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from page_helpers import EVIL, again, finish, open_page, press, said
from stand_ins import add_step, engine, fake_ppo, made, stand_in

from rlhf_core.common import ppo_presets
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings
from rlhf_core.evaluation import token_view
from rlhf_core.session import rounds
from rlhf_core.session.state import Session


@pytest.fixture
def queue(monkeypatch):
    return engine(monkeypatch)


def powerless(app) -> bool:
    """Whether nothing foreign could run or load, wherever markdown or HTML is read."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "title", "subheader")
    markdown = [str(element.value) for kind in kinds for element in getattr(app, kind)] + [
        option.content for pills in app.pills for option in pills.proto.options
    ]
    html = [element.proto.body for element in app.get("html")]
    return not any("<script>" in words for words in markdown + html) and not any(
        "![x]" in words for words in markdown
    )


def trace(step: int, update: bool = True) -> token_view.Trace:
    """Two answers of three and one token; the second token's piece is what no page may run."""
    one, shape = np.full((2, 3), 0.5, dtype=np.float32), (2, 2, 3, 2)
    pieces = {0: " a", 1: EVIL, 2: "⏹ end"}
    made_up = {
        "rewards": one,
        "advantages": one,
        "ratio": one * 3,
        "clipped": one > 0,
        "clip": 0.2,
        "beta": 0.25,
    }
    return token_view.Trace(
        ["An opossum is", "A cat is"],
        np.array([[0, 1, 2], [0, 0, 0]]),
        np.array([3, 1]),
        np.array([0.7, float(step)]),
        np.log(one),
        np.log(one / 2),
        one,
        np.zeros(shape, dtype=np.int32) + np.array([1, 0]),
        np.zeros(shape) + np.array([0.5, 0.25]),
        pieces,
        made_up if update else None,
    )


def exploded(session: Session) -> None:
    """Two more steps, in which the drift runs away."""
    for step in (3, 4):
        row = add_step(session, PPOSettings(beta=0.0))
        session.tuned.metrics = [
            *session.tuned.metrics[:-1],
            row | {"kl_to_reference": 20.0 * step},
        ]
    session.settings = {"ppo": vars(PPOSettings(beta=0.0, learning_rate=1e-3))}


def cut(session: Session, step: int) -> None:
    """Take back the steps after ``step``."""
    part = session.tuned
    part.metrics, part.samples = part.metrics[: step + 1], part.samples[: step + 1]


# --- knobs ----------------------------------------------------------------------------------------


def test_presets_set_the_knobs_and_are_marked(queue):
    session = made("fitted")
    app = press(open_page("ppo", session), "preset_reckless")
    assert (
        app.select_slider(key="ppo_beta").value == 0
        and app.select_slider(key="ppo_learning_rate").value
        == ppo_presets.PRESETS["reckless"][1]["learning_rate"]
    )
    words = said(app)
    assert "Here: nothing holds the model to its language" in words and "Breaks on purpose" in words
    app = press(app, "preset_workshop")
    assert app.select_slider(
        key="ppo_beta"
    ).value == PPOSettings.beta and "nothing holds the model" not in said(app)
    app.slider(key="ppo_clip").set_value(0.9).run()
    assert "Your own settings: no preset." in said(app)


def test_a_smaller_batch_takes_the_minibatch_with_it(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.slider(key="ppo_batch_size").set_value(32).run()
    press(app, "ppo_play")
    finish(queue)
    assert (session.settings["ppo"]["batch_size"], session.settings["ppo"]["minibatch_size"]) == (
        32,
        32,
    )


def test_knobs_move_while_it_runs_and_the_page_says_from_when_they_count(queue):
    session = made("fitted")
    app = press(open_page("ppo", session), "ppo_play")
    for _ in range(4):
        queue.advance()
    app = again(app)
    assert app.slider(key="ppo_steps").disabled and not app.select_slider(key="ppo_beta").disabled
    app.select_slider(key="ppo_beta").set_value(1.0).run()
    assert session.settings["ppo_next"]["beta"] == 1.0
    words = said(app)
    assert "From the next step on:** β: price of drift 1." in words and "β = 0.25" in words, (
        "the formula is about the step that was made"
    )
    app.slider(key="ppo_minibatch_size").set_value(128).run()
    assert "here all 64 of the batch" in said(app), "no refusal: a minibatch is at most the batch"


def test_the_stage_at_work_is_lit(queue, monkeypatch):
    def slow(session, settings=None):
        yield Progress("judging each token", 0, 1)
        yield Progress("updating the model", 1, 2)

    stand_in(monkeypatch, ppo=slow)
    app = press(open_page("ppo", made("fitted")), "ppo_play")
    boards = []
    for _ in range(2):
        queue.advance()
        app = again(app)
        (board,) = [
            element.proto.body
            for element in app.get("html")
            if "op-stages" in element.proto.body and "<ol" in element.proto.body
        ]
        boards.append(board)
    assert all("Advantages" not in board for board in boards), "step 0 only writes and scores"
    finish(queue)
    app = press(open_page("ppo", made("tuned")), "ppo_play")
    for lit in ("4</b> Advantages", "5</b> Clipped update"):
        queue.advance()
        (board,) = [
            element.proto.body
            for element in again(app).get("html")
            if "op-stages" in element.proto.body and "<ol" in element.proto.body
        ]
        here = board[board.index("op-here") :]
        assert here.index(lit) < here.index("</li>") and "✓" not in board


# --- going back, and the doctor -------------------------------------------------------------------


def test_going_back_to_a_step(queue, monkeypatch):
    asked = []

    def fake(session, step):
        asked.append(step)
        cut(session, step)
        yield {"kind": "restarted", "step": step, "exact": True}

    stand_in(monkeypatch, back=fake)
    session = made("tuned")
    app = open_page("ppo", session)
    assert (
        "Go back to step 1" in said(app) or app.button(key="ppo_back").label == "Go back to step 1"
    )
    app = press(app, "ppo_back")
    finish(queue)
    app = again(app)
    assert (
        asked == [1]
        and session.tuned.steps_done == 1
        and "Step 1 of 1" in app.get("progress")[0].proto.text
        and "exactly the numbers that it had" in said(app)
    )


def test_the_doctor_says_what_is_wrong_and_its_button_goes_back_with_safe_settings(
    queue, monkeypatch
):
    asked = []

    def fake(session, step, settings):
        asked.append((step, settings))
        cut(session, step)
        yield {"kind": "restarted", "step": step, "exact": None}
        yield add_step(session, settings)

    stand_in(monkeypatch, retry=fake)
    session = made("tuned")
    exploded(session)
    app = open_page("ppo", session)
    words = said(app)
    assert (
        "KL explosion" in words
        and "80.0 nats" in words
        and "The knob behind it" in words
        and "too small" in words
    )
    app = press(app, "retry_kl_explosion")
    finish(queue)
    ((step, settings),) = asked
    assert (
        step == 2
        and settings.beta == PPOSettings.beta
        and settings.learning_rate <= PPOSettings.learning_rate
    )
    assert "KL explosion" not in said(again(app)) and session.tuned.steps_done == 3


def test_a_healthy_run_gets_one_quiet_line(queue):
    session = made("tuned")
    assert "saw none of the classic failures" in said(open_page("ppo", session))


def test_a_run_that_broke_is_read_by_the_doctor(queue):
    session = made("tuned")
    session.tuned.broke = {"step": 3, "sentence": f"Training broke in step 3. {EVIL}"}
    app = open_page("ppo", session)
    assert "The numbers broke" in said(app) and powerless(app)


# --- token by token, formula ----------------------------------------------------------------------


def test_the_token_view_opens_a_token_and_runs_nothing_it_shows(queue):
    session = made("tuned")
    session.tuned.traces = {1: trace(1), 2: trace(2, update=False)}
    app = open_page("ppo", session)
    assert app.select_slider(key="token_step").value == 2, "it opens at the newest step"
    session.tuned.traces = session.tuned.traces | {3: trace(3, update=False)}
    app = again(app)
    assert app.select_slider(key="token_step").value == 3, "and follows it"
    app = app.select_slider(key="token_step").set_value(1).run()
    session.tuned.traces = session.tuned.traces | {4: trace(4, update=False)}
    app = again(app)
    assert app.select_slider(key="token_step").value == 1, "until somebody turns back"
    pills = app.pills(key="token_1_0")
    assert len(pills.options) == 3
    assert powerless(app)
    words = said(app)
    assert (
        "50% now, 25% in the original" in words
        and "2.0 times as likely" in words
        and "beyond 1 ± 0.20: clipped" in words
    )
    table = app.dataframe[0].value
    assert list(table["advantage"]) == [0.5] * 3 and list(table["clipped"]) == [True] * 3
    app.select_slider(key="token_step").set_value(2).run()
    assert "come with the next step" in said(app) and app.dataframe[0].value["ratio"].isna().all()
    app.selectbox(key="token_answer").set_value(1).run()
    assert len(app.dataframe[0].value) == 1


def test_without_traces_the_token_view_says_why(queue):
    assert "There are none yet: run a step" in said(open_page("ppo", made("tuned")))


def test_the_formula_has_the_steps_numbers_in_it(queue):
    session = made("tuned")
    session.tuned.metrics = [
        *session.tuned.metrics[:-1],
        session.tuned.metrics[-1]
        | {
            "reward_mean": 1.0,
            "kl_to_reference": 2.0,
            "beta": 0.25,
            "policy_loss": -0.5,
            "value_loss": 0.3,
        },
    ]
    app = open_page("ppo", session)
    formulas = [element.value for element in app.latex]
    assert any("1.00 - 0.25 \\times 2.00 = 0.50" in one for one in formulas) and any(
        "0.50 - 0.10 \\times 0.30 = 0.47" in one for one in formulas
    )
    assert "counts up to 1 SD, loses 1 SD where it never ends" in said(app)
    session.settings = {"ppo": vars(PPOSettings(conservative=1.5))}
    session.tuned.metrics = [
        *session.tuned.metrics[:-1],
        session.tuned.metrics[-1] | {"doubt_mean": 0.4},
    ]
    app = open_page("ppo", session)
    assert any(
        "1.00 - 1.50 \\times 0.40 - 0.25 \\times 2.00 = (-0.10)" in element.value
        for element in app.latex
    ), "the conservative reward is in the formula"
    session.tuned.metrics = [
        *session.tuned.metrics[:-1],
        session.tuned.metrics[-1]
        | {"reward_mean": None, "policy_loss": float("nan"), "value_loss": None},
    ]
    app = open_page("ppo", session)
    assert not app.exception and any("no number" in element.value for element in app.latex)


# --- guess first ----------------------------------------------------------------------------------


def test_a_guess_is_kept_and_scored_after_the_run(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.slider(key="ppo_steps").set_value(2).run()
    app.slider(key="guess_kl").set_value(5.0).run()
    app = press(app, "guess_keep")
    assert "Kept: KL 5.00" in said(app) and session.history.predictions[0]["to"] == 2
    press(app, "ppo_play")
    finish(queue)
    words = said(again(app))
    assert (
        "| KL to the original (nats a response) | 5.00 | 0.40 | off |" in words
        and "| Mean reward (SD) | 0.50 | 0.20 | close |" in words
    )
    assert "not measured yet: see Before / after" in words


def test_nobody_has_to_guess(queue):
    session = made("fitted")
    app = press(open_page("ppo", session), "ppo_play")
    finish(queue)
    assert session.history.predictions == [] and "Your guess |" not in said(again(app))


# --- branches -------------------------------------------------------------------------------------


def test_going_back_keeps_a_branch_that_can_be_returned_to_and_deleted(queue):
    session = made("tuned")
    app = press(open_page("rounds", session), "next_round")
    list(fake_ppo(session, PPOSettings(steps=1)))
    app = again(app)
    app.text_input(key="branch_name_1").set_value(f"My {EVIL}").run()
    app = press(app, "roll_back_1")
    words = said(app)
    assert (
        "kept as the branch" in words
        and "Branches" in words
        and powerless(app)
        and session.history.branches[0]["name"].startswith("My <script>")
    )
    assert session.tuned.steps_done == 0
    app = press(app, "return_0")
    assert (
        session.tuned.steps_done == 1
        and session.history.current_round == 2
        and "Back on the branch" in said(app)
    )
    app = press(app, "roll_back_0")
    app = press(app, "forget_0")
    assert session.history.branches == [] and "is deleted" in said(app)


def test_rounds_say_whether_it_still_improves(queue):
    session = made("tuned")
    row = rounds.summary(session)
    session.history.rounds = [
        row | {"win_rate": 0.6, "win_interval": [0.5, 0.7], "pairs": 200},
        row | {"round": 2, "win_rate": 0.62, "win_interval": [0.5, 0.7], "pairs": 200},
    ]
    session.history.current_round, session.tuned.metrics = 3, []
    words = said(open_page("rounds", session))
    assert "Does it still improve?" in words and "no detectable change" in words
    assert "no longer kept, so one cannot go back to it" in words, (
        "these rounds have no weights anywhere"
    )


@pytest.mark.parametrize("seconds", [None, float("nan")])
def test_old_or_odd_records_do_not_break_the_page(queue, seconds):
    session = made("tuned")
    session.tuned.metrics = [
        {name: value for name, value in row.items() if name in ("step", "reward_mean", "beta")}
        | {"seconds": seconds}
        for row in session.tuned.metrics
    ]
    assert not open_page("ppo", session).exception
    assert dataclasses.asdict(PPOSettings())["beta"] == PPOSettings.beta


def test_the_whole_step_is_shown_as_code(queue):
    app = open_page("ppo", made("tuned"))
    (shown,) = [code.value for code in app.code if "def ppo_step(" in code.value]
    assert "# 1. Write" in shown and "policy.descend(" in shown
    lines = len(shown.splitlines())
    assert any(box.label == f"The whole step in {lines} lines of code" for box in app.expander)
    (told,) = [text.value for text in app.caption if "One step of PPO" in text.value]
    assert "What this page runs adds" in told and "doubt" in told and "KL target" in told
