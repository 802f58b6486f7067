"""Reward model, PPO, Before / after and Rounds without a browser: empty, filled, running, broken,
and fed with what people should not type.

The long computations are stand-ins, and the queue only moves when a test moves it.
"""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest
from page_helpers import (
    EVIL,
    ROOT,
    again,
    alts,
    finish,
    keys,
    offered,
    open_page,
    opened,
    press,
    said,
)
from stand_ins import FACT, MEME, OTHER, add_set, engine, evaluation, fake_ppo, made, rank, stand_in
from streamlit.testing.v1 import AppTest

from rlhf_core.common import ppo_presets
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.knob import describe
from rlhf_core.common.settings import PPOSettings
from rlhf_core.session import judged, rounds
from rlhf_core.session.state import Session
from rlhf_core.work import jobs
from ui import charts, whiteboard


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    return engine(monkeypatch)


def progress(app) -> str:
    """What stands over the bars of the page."""
    return " ".join(element.proto.text for element in app.get("progress"))


def primary(app) -> list[str]:
    """The keys of the buttons that ask to be pressed, the sidebar's left out."""
    return [button.key for button in app.main.button if button.proto.type == "primary"]


# --- empty ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "page, needs, leads_to",
    [
        ("reward_model", "at least one judged pair", "pages/rank.py"),
        ("ppo", "a trained reward model", "pages/reward_model.py"),
        ("before_after", "a tuned model", "pages/ppo.py"),
        ("rounds", "at least one PPO step", "pages/ppo.py"),
    ],
)
def test_an_empty_page_says_what_is_missing_and_links_there(queue, page, needs, leads_to):
    app = open_page(page, made())
    assert needs in said(app)
    assert Path(leads_to).stem in [link.proto.page for link in app.get("page_link")]
    assert not keys(app) & {"fit", "ppo_play", "compare", "evaluate"}
    assert alts(app) == []


def test_rounds_cannot_go_on_before_a_step(queue):
    assert open_page("rounds", made()).button(key="next_round").disabled


# --- reward model ---------------------------------------------------------------------------------


def test_reward_model_trains_live(queue):
    session = made("ranked")
    app = press(open_page("reward_model", session), "fit")
    assert app.button(key="fit").disabled
    for _ in range(2):
        queue.advance()
    app = again(app)
    assert any("0.60 at iteration 1" in alt for alt in alts(app))
    scores = next(alt for alt in alts(app) if alt.startswith("Scores"))
    assert scores.index("a marsupial") < scores.index("character for memes")
    finish(queue)
    app = again(app)
    assert "Iteration 1 of 2, in slow motion" in said(app) and "to_ppo" not in keys(app)
    time.sleep(0.25)  # longer than one look of the slow motion
    app = again(app)
    assert [metric.value for metric in app.metric][:2] == ["75%", "90%"]
    assert "50% to 90%" in app.metric[0].delta
    assert "rough guess" in said(app)
    assert "to_ppo" in keys(app) and len(alts(app)) == 3


def test_reward_model_counts_pairs_and_promises_no_seconds(queue):
    """A list has no left: "12 left better" counted pairs that nobody saw side by side."""
    session = made("ranked")
    rank(session, [[[0, 1], [2]]], texts=(FACT, MEME, OTHER))
    app = open_page("reward_model", session)
    words = said(app)
    assert (
        "It learns from 6 pairs: 4 with a better answer, 2 tied." in words
        and "left better" not in words
    )
    assert "second or two" not in words and "writes a few hundred answers" in words
    assert primary(app) == ["fit"] and alts(app)[0].startswith("Scores of the outputs: not trained")
    assert primary(open_page("reward_model", made("fitted"))) == ["to_ppo"]


def test_reward_model_takes_its_features_from_the_slider(queue):
    session = made("ranked")
    app = open_page("reward_model", session)
    app.slider(key="features_widget").set_value(16).run()
    press(app, "fit")
    finish(queue)
    assert session.settings["reward_model"]["features"] == 16


def test_all_ties_teach_nothing_and_say_so(queue):
    session = made()
    rank(session, [[[0, 1]], [[0, 1]]])
    app = open_page("reward_model", session)
    assert "every pair is a tie" in said(app) and "fit" not in keys(app)


def test_both_bad_and_skips_teach_nothing_and_say_so(queue):
    session = made()
    rank(session, [[], []], verdict="both_bad")
    app = open_page("reward_model", session)
    assert "neither teaches a score" in said(app) and "fit" not in keys(app)


def test_one_comparison_is_allowed_and_doubted(queue):
    session = made()
    rank(session, [[[0], [1]]])
    app = open_page("reward_model", session)
    assert "far too little to trust" in said(app) and not app.button(key="fit").disabled


def test_contradictions_are_named_and_shown_as_text(queue):
    session = made()
    rank(session, [[[0], [1]], [[1], [0]]], prompts=(EVIL, EVIL))
    app = open_page("reward_model", session)
    assert "contradict each other, about one prompt" in said(app)
    assert "every preference is taken back by its opposite" in said(app) and "fit" not in keys(app)
    rank(session, [[[0], [1]]], prompts=("A yak is",))
    app = again(app)
    assert "contradict each other, about one prompt" in said(app)
    # Every special character is escaped.
    assert all("<script>" not in element.value for element in app.markdown)
    assert not app.button(key="fit").disabled


def test_a_failed_fit_says_why(queue, monkeypatch):
    def broken(session, settings):
        yield Progress("reading", 0, 1)
        raise InputError("The model could not read these answers.")

    stand_in(monkeypatch, fit=broken)
    app = press(open_page("reward_model", made("ranked")), "fit")
    finish(queue)
    app = again(app)
    assert "could not read these answers" in said(app) and not app.button(key="fit").disabled


# --- PPO ------------------------------------------------------------------------------------------


def test_every_ppo_setting_has_a_knob_with_its_help(queue):
    app = open_page("ppo", made("fitted"))
    drawn = {
        widget.key: widget
        for kind in ("slider", "select_slider", "number_input")
        for widget in getattr(app, kind)
    }
    for row in describe(PPOSettings):
        assert drawn[f"ppo_{row['name']}"].value == row["default"], row["name"]
        assert drawn[f"ppo_{row['name']}"].proto.help == row["help"]


def test_ppo_plays_shows_its_charts_and_ends(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.slider(key="ppo_steps").set_value(2).run()
    app = press(app, "ppo_play")
    assert {"ppo_pause", "ppo_stop"} <= offered(app) and not {"ppo_play", "ppo_one_step"} & offered(
        app
    )
    session.settings = {**session.settings, "ppo": {"beta": 0.125}}  # of the run before
    session.choose("ppo", {"beta": 0.5})
    session.tuned.metrics = session.tuned.metrics or [{"step": 0}]
    assert "β = 0.50 (this run)" in said(again(app)), "before its first record, too"
    session.tuned.metrics = []
    for _ in range(4):
        queue.advance()
    app = again(app)
    assert [metric.value for metric in app.metric] == ["+0.10 SD", "0.20"]
    assert "**Step 1 of 2**" in progress(app)
    assert len(alts(app)) == 2, "a chart that nobody sees is not drawn"
    app = opened(app, "ppo_charts")
    starts = (
        "Mean reward",
        "KL to reference",
        "Reward against drift",
        "Entropy",
        "Clip fraction",
        "Approx. KL this update",
        "Value loss",
    )
    assert [
        next((start for start in starts if alt.startswith(start)), alt) for alt in alts(app)
    ] == list(starts)
    assert app.slider(key="ppo_steps").disabled
    finish(queue)
    app = opened(app, "ppo_wrote")
    assert session.tuned.steps_done == 2 and "to_before_after" in keys(app)
    assert "sample two" in said(app) and "<script>" not in said(app)


def test_ppo_pauses_steps_resumes_and_stops(queue):
    session = made("fitted")
    app = press(open_page("ppo", session), "ppo_one_step")
    finish(queue)
    app = again(app)
    assert (
        session.tuned.steps_done == 1
        and len(session.tuned.metrics) == 2
        and app.button(key="ppo_play").label == "Play on"
    ), "step 0 looks, step 1 learns"
    for _ in range(2):
        app = press(again(app), "ppo_one_step")
        finish(queue)
    app = again(app)
    assert session.tuned.steps_done == 3 and "Step 3 of 15** · :material/pause" in progress(app)
    app = press(app, "ppo_stop")
    finish(queue)
    app = again(app)
    assert (
        session.tuned.steps_done == 3
        and "ppo_stop" not in keys(app)
        and not app.button(key="ppo_play").disabled
    )


def test_one_button_asks_to_be_pressed_whatever_goes_on(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    assert primary(app) == ["ppo_play"]
    app = press(app, "ppo_one_step")
    assert primary(app) == [], "it works: there is nothing to press"
    finish(queue)
    app = again(app)
    assert primary(app) == ["ppo_play"] and app.button(key="ppo_play").label == "Play on"
    app = press(app, "ppo_stop")
    finish(queue)
    assert primary(again(app)) == ["to_before_after"]


def test_the_cockpit_stands_before_play(queue):
    app = open_page("ppo", made("fitted"))
    assert "**Step 0 of 15**" in progress(app)
    assert [alt.split(":")[0] for alt in alts(app)][:2] == ["Reward", "KL to reference"]
    assert all("no step has run yet" in alt for alt in alts(app))
    app.slider(key="ppo_steps").set_value(7).run()
    assert "**Step 0 of 7**" in progress(app)


def test_steps_are_counted_one_way(queue):
    """Records were counted above the charts (4 of 12) and steps below (3)."""
    session = made("fitted")
    app = open_page("ppo", session)
    app.slider(key="ppo_steps").set_value(3).run()
    app = press(app, "ppo_play")
    seen = []
    for _ in range(3):
        queue.advance()
        queue.advance()
        seen.append(progress(again(app)).split("**")[1])
    assert seen == ["Step 0 of 3", "Step 1 of 3", "Step 2 of 3"]
    finish(queue)
    app = again(app)
    assert "**Step 3 of 3** · done" in progress(app)
    app = press(app, "ppo_play")
    queue.advance()
    assert "**Step 3 of 6**" in progress(again(app)), "playing on adds as many"


def test_what_it_writes_now_stands_beside_what_the_original_wrote(queue):
    session = made("fitted")
    own = "My cat is"
    session.asked.user_prompts = [own]
    add_set(session, [" asleep on the keyboard.", " second"], prompt=own)
    app = open_page("ppo", session)
    (before,) = [body for body in bodies(app) if "op-beside" in body]
    assert "The original" in before and "asleep on the keyboard" in before
    assert "second" not in before and "from step 1 on" in before
    session = made("tuned")
    for step, word in enumerate(("zero", "one", "two")):
        rows = [
            {"step": step, "prompt": prompt, "text": f" {prompt} {word}", "reward": 0.5}
            for prompt in ("Only at one", "A yak is", own)[step == 2 :]
        ]
        session.tuned.samples = [*session.tuned.samples, *rows]
    session.tuned.samples.sort(key=lambda row: row["step"])
    session.asked.user_prompts = ["Only at one", own]
    (now,) = [body for body in bodies(open_page("ppo", session)) if "op-beside" in body]
    assert now.index(f"{own} zero") < now.index(f"{own} two"), "the learner's own prompt first"
    assert "The original · score +0.50" in now and "Step 2 · score +0.50" in now
    assert "Only at one one" in now and "Step 1 · score" in now, "an earlier answer says of when"
    metrics = session.tuned.metrics
    session.tuned.metrics = [{**row, "reward_model": 1 + (row["step"] > 0)} for row in metrics]
    (now,) = [body for body in bodies(open_page("ppo", session)) if "op-beside" in body]
    assert "The original<" in now and "Step 2 · score +0.50" in now, "two scores do not compare"
    session.tuned.metrics = metrics
    session.tuned.samples = [*session.tuned.samples, {**rows[0], "step": 3, "text": " later"}]
    (now,) = [body for body in bodies(open_page("ppo", session)) if "op-beside" in body]
    assert "Only at one zero" in now, "the original's answer stays the one it was"
    session.history.start = "0" * 64
    (later,) = [body for body in bodies(open_page("ppo", session)) if "op-beside" in body]
    assert "The original" not in later and "Round 1 began with" in later


def bodies(app) -> list[str]:
    return [
        element.proto.body for element in app.get("html") if "<style>" not in element.proto.body
    ]


def test_samples_of_every_step_can_be_opened(queue):
    app = open_page("ppo", made("tuned"))
    assert "Step 2: 1 of its 1 answers." not in said(app), "not before it is opened"
    app = opened(app, "ppo_wrote")
    assert "Step 2: 1 of its 1 answers." in said(app)
    app.toggle(key="ppo_follow").set_value(False)
    app = opened(app, "ppo_wrote")
    app.select_slider(key="ppo_sample_step").set_value(0)
    app = opened(app, "ppo_wrote")
    *_, shown = [body for body in bodies(app) if "op-answer" in body]
    assert "sample zero" in shown and "first update" in said(app)


def test_a_run_that_diverges_is_explained_and_keeps_what_was_good(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.select_slider(key="ppo_learning_rate").set_value(0.03).run()
    app = press(app, "ppo_play")
    finish(queue)
    app = again(app)
    assert "no longer a finite number" in said(app) and "step 1 is kept" in said(app)
    assert (
        session.tuned.steps_done == 1
        and "**Step 1 of 1**" in progress(app)
        and not app.button(key="ppo_play").disabled
    )


def test_ppo_survives_numbers_that_are_not_finite(queue):
    session = made("tuned")
    session.tuned.metrics = [
        *session.tuned.metrics,
        session.tuned.metrics[-1]
        | {
            "step": 3,
            "reward_mean": float("nan"),
            "kl_to_reference": float("inf"),
            "entropy": None,
        },
    ]
    app = open_page("ppo", session)
    assert app.metric[0].value == "no number" and "1 step has no number" in alts(app)[0]


def test_a_second_learner_waits_in_line_and_is_told(queue):
    press(open_page("ppo", made("fitted")), "ppo_play")
    queue.advance()
    app = press(open_page("ppo", made("fitted")), "ppo_play")
    assert "next in line" in progress(app)


def test_impossible_settings_are_refused_in_words(queue, monkeypatch):
    session = made("fitted")
    app = open_page("ppo", session)
    monkeypatch.setattr(ppo_presets, "fitting", lambda values: values | {"temperature": 9.0})
    app = press(app, "ppo_play")
    assert "temperature is 9" in said(app) and "ppo" not in session.jobs
    monkeypatch.undo()
    app.slider(key="ppo_minibatch_size").set_value(128).run()
    press(app, "ppo_play")
    assert "ppo" in session.jobs, "a minibatch is at most the batch"


def test_settings_survive_a_visit_elsewhere(queue):
    app = open_page("ppo", made("fitted"))
    app.select_slider(key="ppo_beta").set_value(0.5).run()
    app.switch_page("pages/rounds.py").run()
    app.switch_page("pages/ppo.py").run()
    assert app.select_slider(key="ppo_beta").value == 0.5 and "β = 0.50" in said(app)


def test_sliders_and_formula_start_from_what_the_session_last_ran_with(queue):
    session = made("tuned")
    session.settings = {"ppo": vars(PPOSettings(steps=7, beta=0.5, clip=0.1))}
    app = open_page("ppo", session)
    assert app.slider(key="ppo_steps").value == 7 and app.select_slider(key="ppo_beta").value == 0.5
    words = said(app)
    assert (
        "β = 0.50 (the last run)" in words
        and any(r"\varepsilon &= 0.10" in element.value for element in app.latex)
        and "Next run" not in words
    )
    app.select_slider(key="ppo_beta").set_value(1.0).run()
    words = said(app)
    assert "β = 0.50" in words and "Next run:** β: price of drift 1 (last run: 0.5)." in words, (
        "the formula is about what was run"
    )


def test_play_keeps_what_the_sliders_say_also_over_a_reload(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.slider(key="ppo_steps").set_value(3).run()
    app.select_slider(key="ppo_beta").set_value(0.5).run()
    press(app, "ppo_play")
    for moment in ("in line", "under way", "done"):
        again = open_page("ppo", session)  # a new tab, which remembers nothing
        assert (again.slider(key="ppo_steps").value, again.select_slider(key="ppo_beta").value) == (
            3,
            0.5,
        ), moment
        assert "β = 0.50" in said(again) and "Next run" not in said(again), moment
        if moment == "in line":
            for _ in range(3):
                queue.advance()
        else:
            finish(queue)
    assert session.settings["ppo"]["beta"] == 0.5 and "ppo_next" not in session.settings


def test_a_run_that_began_elsewhere_moves_the_sliders(queue):
    session = made("fitted")
    app = open_page("ppo", session)
    app.select_slider(key="ppo_beta").set_value(0.5).run()
    list(fake_ppo(session, PPOSettings(steps=2)))
    assert (
        again(app).select_slider(key="ppo_beta").value == PPOSettings.beta
        and app.slider(key="ppo_steps").value == 2
    )


@pytest.mark.parametrize(
    "broken", [{"steps": 10**9, "beta": "x", "seed": None}, {"beta": float("nan"), "epochs": True}]
)
def test_settings_that_cannot_be_are_drawn_as_the_defaults(queue, broken):
    session = made("fitted")
    session.settings = {"ppo": broken}
    app = open_page("ppo", session)
    assert (
        app.slider(key="ppo_steps").value == PPOSettings.steps
        and app.select_slider(key="ppo_beta").value == PPOSettings.beta
    )


@pytest.mark.parametrize("round, since", [(1, "since step 0"), (2, "since this round began")])
def test_board_and_page_say_the_same_about_the_reward(queue, round, since):
    session = made("tuned")
    session.history.current_round = round
    session.tuned.metrics = [
        row | {"reward_mean": mean}
        for row, mean in zip(session.tuned.metrics, (0.25, 0.5, 1.23), strict=True)
    ]
    app = open_page("ppo", session)
    assert (app.metric[0].label, app.metric[0].value) == (f"Reward {since}", "+0.98 SD")
    assert whiteboard.numbers(session)["ppo"] == (f"step 2: reward +0.98 SD {since}", "+1.0 SD")
    assert "+1.0 SD" in said(app), "the small board in the sidebar"


def test_a_round_that_cannot_be_started_again_says_why(queue):
    session = made("tuned")
    session.history.rounds, session.history.start = [rounds.summary(session)], "0" * 64
    app = press(open_page("ppo", session), "ppo_restart")
    assert "no longer kept" in said(app) and len(session.tuned.metrics) == 3


def test_the_value_loss_is_explained_for_a_short_run(queue):
    words = said(opened(open_page("ppo", made("tuned")), "ppo_charts"))
    assert "In a run of 15 steps it may stay up" in words and "no failure" in words


def test_ppo_names_its_prompts_and_never_the_evaluation_ones(queue):
    session = made("fitted")
    session.asked.user_prompts = ["My cat is", EVIL]
    words = said(open_page("ppo", session))
    assert (
        "My cat is" in words
        and session.asked.brief.training_prompts[0] in words
        and "Never on the 40 kept for the verdict" in words
    )
    assert session.asked.brief.evaluation_prompts[0] not in words


def test_a_double_start_starts_once(queue):
    session = made("fitted")
    app = press(open_page("ppo", session), "ppo_play")
    first = session.jobs["ppo"]
    other = open_page("ppo", session)  # a second tab
    assert other.button(key="ppo_play").disabled
    press(app, "ppo_stop")
    assert session.jobs["ppo"] == first


def test_the_round_can_be_started_again(queue):
    session = made("tuned")
    press(open_page("ppo", session), "ppo_restart")
    assert session.tuned.metrics == [] and session.learned.head


# --- before and after -----------------------------------------------------------------------------


def filled(queue: jobs.JobQueue, session: Session) -> AppTest:
    """Before / after, once what it began by itself is done."""
    app = open_page("before_after", session)
    finish(queue)
    return again(app)


def test_any_prompt_on_both_models_with_one_seed(queue):
    app = filled(queue, made("tuned"))
    app.text_input(key="compare_prompt").set_value(EVIL).run()
    app.number_input(key="compare_seed").set_value(7).run()
    app = press(app, "compare")
    finish(queue)
    app = again(app)
    words = said(app)
    assert (
        "seed 7" in words
        and "character for memes" in words
        and "breaks off" in words
        and "<script>" not in words
    )


@pytest.mark.parametrize(
    "prompt, sentence",
    [
        ("  ", "The prompt is empty"),
        ("x" * 10_000, "10,000 characters"),
        ("a\x00b", "control characters"),
    ],
)
def test_bad_prompts_are_refused_in_one_sentence(queue, prompt, sentence):
    session = made("tuned")
    app = filled(queue, session)
    first = session.jobs["compare"]  # of the page's own accord, on arrival
    app.text_input(key="compare_prompt").set_value(prompt).run()
    app = press(app, "compare")
    assert sentence in said(app) and session.jobs["compare"] == first


def test_win_rate_with_interval_judge_rule_and_language(queue):
    app = filled(queue, made("tuned"))
    words = said(app)
    assert "prefers the tuned model in 83% of 3 pairs" in words
    assert any("83%" in alt and "60% to 95%" in alt and "reward model" in alt for alt in alts(app))
    assert "PPO trained on that very score" in words
    assert (
        "| Counted as “fact” by a rule | 50% | 90% |" in words
        and "| Ends in a full sentence | 95% | 96% |" in words
    )
    assert "0.60 | 0.50" in words and "8.0 | 9.0" in words


def test_no_detectable_change_is_a_verdict(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=False)
    assert "No detectable change" in said(open_page("before_after", session))


def test_blind_votes_are_counted_by_model_whatever_the_side(queue):
    session = made("tuned")
    found = evaluation(changed=True)
    named = [{**found["pairs"][0], "prompt": f"Named {n} is"} for n in range(2)]  # stand above
    session.tuned.evaluation = {**found, "pairs": [*named, *found["pairs"]]}
    app = open_page("before_after", session)
    for _ in range(3):
        answers = [
            element.proto.body
            for element in app.get("html")
            if "Answer A" in element.proto.body or "Answer B" in element.proto.body
        ]
        key = "vote_a" if "a marsupial" in answers[0] else "vote_b"  # the fact, wherever it is
        app = press(app, key)
    assert [row["choice"] for row in session.judged.votes] == ["after"] * 3
    assert {row["prompt"] for row in session.judged.votes} == {"A badger is", "A fox is", EVIL}
    assert not keys(app) & {"vote_a", "vote_b"} and [metric.value for metric in app.metric] == [
        "3",
        "0",
        "0",
    ]


def test_every_card_says_which_model_wrote_it(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=True)
    app = filled(queue, session)
    cards = [
        element.proto.body
        for element in app.get("html")
        if element.proto.body.startswith('<div class="op-answers')
    ]
    assert len(cards) == 1 + 2, "the learner's prompt, and the first of the others"
    for card in cards:
        before, after = card.split("</div><div")
        assert "Before</span>" in before and "After</span>" in after
    assert "**Before" not in said(app), "a heading of a column stands in the wrong place on a phone"


def test_blind_votes_come_with_an_interval_and_doubt(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=True)
    first = session.tuned.evaluation["pairs"][0]
    session.tuned.evaluation["pairs"] = [
        first | {"prompt": f"Animal {number} is"} for number in range(9)
    ]
    for number in range(3):
        judged.add_vote(session, f"Animal {number} is", "after")
    words = said(open_page("before_after", session))
    assert "**100%** of 3 votes (95% interval 14% to 100%)" in words and "too few to tell" in words
    for number in range(3, 8):
        judged.add_vote(session, f"Animal {number} is", "after")
    judged.add_vote(session, "Animal 8 is", "tie")
    words = said(open_page("before_after", session))
    assert (
        "**94%** of 9 votes" in words
        and "a tie counting half" in words
        and "wholly above one half" in words
        and "too few" not in words
    )


def test_blind_vote_offers_no_identical_pairs(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=False)
    session.tuned.evaluation["pairs"] = [
        pair | {"after": pair["before"]} for pair in session.tuned.evaluation["pairs"]
    ]
    app = open_page("before_after", session)
    assert "nothing to vote on" in said(app) and "vote_a" not in keys(app)


# --- rounds ---------------------------------------------------------------------------------------


def test_next_round_starts_from_the_tuned_model_and_rolls_back(queue):
    session = made("tuned")
    weights = session.tuned.weights
    app = open_page("rounds", session)
    words = said(app)
    assert "rewards of two rounds come from two judges" in words
    assert "can be compared" not in words and "round 2's first PPO step" in words
    assert (
        "| Pairs | 3 |" in words and "+0.20 (+0.20 in this round)" in words and alts(app) == []
    ), "a chart of one point shows nothing"
    app = press(app, "next_round")
    assert session.history.current_round == 2 and session.history.start == weights
    words = said(app)
    assert "You are in round 2" in words and app.button(key="next_round").disabled
    assert "round 2's first PPO step" in words and alts(app) == [], "no chart before that step"
    app = press(app, "roll_back_1")
    assert session.history.current_round == 2 and "Back at the end of round 1" in said(app)
    app = press(app, "roll_back_0")
    assert (
        session.history.current_round == 1
        and session.history.start == ""
        and len(session.judged.rankings) == 3
    )


def test_rounds_are_charted_from_the_second_on(queue):
    session = made("tuned")
    session.history.rounds, session.history.current_round = [rounds.summary(session)], 2
    app = open_page("rounds", session)
    assert any("Round 2: win rate" in alt for alt in alts(app)) and "| Pairs |" not in said(app)


def test_after_going_back_an_accuracy_stands_beside_the_comparisons_it_comes_from(queue):
    """30 comparisons once stood beside the accuracy of a reward model that knew 10 of them."""
    session = made("tuned")
    few = {"pairs_used": 2, "heldout_accuracy": 1.0, "heldout_pairs": 4}
    session.learned.summary |= few | {"heldout_interval": [0.4, 1.0]}
    words = said(open_page("rounds", session))
    assert "| Pairs | 3 |" in words and "reward model, which learned from 2 |" in words
    assert "| 100% of 4 (40% to 100%) |" in words
    press(open_page("rounds", session), "next_round")
    app = open_page("rounds", session)
    metrics = {metric.label: metric for metric in app.metric}
    assert metrics["Pairs learned from"].value == "2 of 3"
    assert metrics["Held-out accuracy"].value == "100% of 4"
    assert "40% to 100%" in metrics["Held-out accuracy"].delta


def test_a_round_says_why_its_first_reward_is_another(queue):
    session = made("tuned")
    first = {**rounds.summary(session), "reward": 1.03, "reward_gain": 1.03}
    session.history.rounds, session.history.current_round = [first], 2
    words = said(open_page("rounds", session))
    assert "reward model, once trained anew, is another judge" in words and "fresh sample" in words
    graded = {"name": "graded rule", "win_rate": 0.6, "interval": [0.5, 0.7], "pairs": 200}
    own = {"win_rate": 0.71, "win_interval": [0.6, 0.8], "judges": [graded]}
    began = {"round": 2, "reward_start": 0.98, "reward_gain": 0.05}
    session.history.rounds, session.history.current_round = [first, {**first, **began, **own}], 3
    metrics = open_page("rounds", session).metric
    (second, _) = [m for m in metrics if m.label == "Reward by its own reward model"]
    assert "from +0.98" in second.delta and "is another judge" in second.help
    rates = [(m.label, m.value) for m in metrics if m.label.startswith("Win rate by")]
    assert rates == [
        ("Win rate by the graded rule", "60%"),
        ("Win rate by its own reward model", "71%"),
    ], "who judges, the independent one first"


def test_a_round_that_was_not_measured_warns_before_the_next_starts(queue):
    session = made("tuned")
    assert session.tuned.evaluation is None
    words = said(open_page("rounds", session))
    assert "This round is not measured." in words
    session.tuned.evaluation = {"win_rate": 0.5}
    assert "This round is not measured." not in said(open_page("rounds", session))


def test_rounds_refusal_is_shown(queue):
    session = made("tuned")
    session.history.current_round = 8
    app = press(open_page("rounds", session), "next_round")
    assert "keeps at most 8 rounds" in said(app)


def test_rounds_wait_for_a_running_job(queue):
    session = made("tuned")
    state_before = session.history.current_round
    press(open_page("ppo", session), "ppo_play")
    app = open_page("rounds", session)
    assert (
        app.button(key="next_round").disabled
        and "right now" in said(app)
        and session.history.current_round == state_before
    )
    assert "ppo_stop" in keys(app)  # the page waits for its end, and does not stay disabled
    finish(queue)
    assert not again(app).button(key="next_round").disabled


# --- the house's walls ----------------------------------------------------------------------------


def test_pages_hold_no_numbers_and_no_html_of_others():
    for path in [*ROOT.glob("pages/**/*.py"), *ROOT.glob("ui/**/*.py")]:
        source = path.read_text(encoding="utf-8")
        for word in ("unsafe_allow_html", "numpy"):
            assert word not in source, path


def test_no_page_writes_what_the_engine_keeps():
    """Commands and jobs do; a page may set only what is its own (``st.session_state``)."""
    engine = set(Session.__slots__) - {"__weakref__"}
    for path in [ROOT / "app.py", *ROOT.glob("pages/**/*.py"), *ROOT.glob("ui/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(
                node.ctx, ast.Store | ast.Del
            ):
                names = ast.unparse(node).replace("[", ".[").split(".")
                owned = names[0] in ("session", "current", "found", "state") and len(names) > 1
                if path.name != "state.py" or names[1:2] != ["jobs"]:  # the bridge keeps the ids
                    assert not (owned and names[1] in engine), f"{path}: {ast.unparse(node)}"


def test_every_chart_of_a_page_has_an_alternative(queue):
    session = made("tuned")
    session.tuned.evaluation = evaluation(changed=True)
    session.history.rounds = [rounds.summary(session)]
    session.history.current_round = 2
    for page in ("reward_model", "ppo", "before_after", "rounds"):
        found = alts(open_page(page, session))
        assert found and all(len(alt) > 20 for alt in found), page
    assert charts.CONFIG["modeBarButtons"] == [["toImage"]], (
        "its picture, and nothing to lose it by"
    )
