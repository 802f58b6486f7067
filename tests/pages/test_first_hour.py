"""The first hour's thread through Home, Prompt, Rank and Before / after: few words, one primary
button, one next step that does the next thing, and a comparison that is there on arrival.
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from drawn_words import drawn_texts, drawn_words
from page_helpers import again, alts, finish, html_of, keys, open_page, press, said, still_queue
from stand_ins import (
    FACT,
    MEME,
    add_set,
    engine,
    evaluation,
    fake_compare,
    fake_fit,
    fake_generate,
    fake_pool,
    made,
    rank,
    stand_in,
    weights,
)
from streamlit.testing.v1 import AppTest

from rlhf_core.common.events import Progress
from rlhf_core.common.settings import RewardModelSettings
from rlhf_core.evaluation import conclusion
from rlhf_core.evaluation import verdict as engine_verdict
from rlhf_core.judging import briefs
from rlhf_core.loop import whole
from rlhf_core.session import asked, judged
from rlhf_core.session.next_step import ENOUGH, next_step
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.work import jobs
from ui import whiteboard
from ui.home import example

HOME, STEPS_PAGE = 300, 350  # words that a page may draw
LONG = " a small furry animal with a long tail that sleeps all day."


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = engine(monkeypatch)
    stand_in(monkeypatch, generate=fake_generate, pool=fake_pool, compare=fake_compare)
    return still


def ranked(count: int = ENOUGH) -> Session:
    """Clear choices, each about texts of its own."""
    session = made()
    for number in range(count):
        rank(session, [[[0], [1]]], texts=(f"{FACT} {number}", f"{MEME} {number}"))
    return session


def measured(session: Session | None = None) -> Session:
    """A tuned model that was measured: answers as long as real ones are."""
    session = session or made("tuned")
    rewards = {"reward_before": 0.1, "reward_after": 0.8}
    rewards |= {"ended_before": True, "ended_after": True}
    pairs = [
        {"prompt": f"Animal {n} is", "before": f"{LONG} {n}", "after": f"{LONG} Ask {n}", **rewards}
        for n in range(20)
    ]
    found = engine_verdict.verdict(pairs, wanted="fact", scripted=False)
    session.tuned.evaluation = {**evaluation(changed=True), "pairs": pairs, **found}
    return session


def primaries(app: AppTest) -> list[str]:
    """The primary buttons that can be seen: a dialog's are not drawn here."""
    return [button.key for button in app.button if button.proto.type == "primary"]


def arrived(queue: jobs.JobQueue, session: Session) -> AppTest:
    """Before / after, filled."""
    app = open_page("before_after", session)
    finish(queue)
    return again(app)


# --- words ----------------------------------------------------------------------------------------


def test_home_stays_under_its_words_before_and_after_a_run(queue):
    assert drawn_words(open_page()) <= HOME
    app = open_page()
    if app.get("slider"):
        app.slider(key="example_step").set_value(app.slider(key="example_step").max).run()
        assert drawn_words(app) <= HOME, "at the example's last step too"
    assert drawn_words(open_page(session=measured())) <= HOME


def test_no_page_of_the_thread_is_wordy_in_use(queue):
    session = made("ranked")
    session.asked.user_prompts = ["An opossum is"]
    add_set(session, [f"{LONG} {n}" for n in range(4)], tokens=[[]] * 4)
    assert drawn_words(open_page("prompt", session)) <= STEPS_PAGE
    session = made("ranked")
    for number in range(4):
        add_set(session, [f"{LONG} {number}", f"{LONG} x{number}"])
    assert drawn_words(open_page("rank", session)) <= STEPS_PAGE
    app = arrived(queue, measured())
    assert drawn_words(app) <= STEPS_PAGE and "vote_a" in keys(app)
    for page in ("briefs", "reward_model", "ppo", "rounds"):
        app = open_page(page, measured())
        assert drawn_words(app) <= STEPS_PAGE, (page, drawn_texts(app))


# --- one primary button, and it does the next thing -----------------------------------------------


@pytest.mark.parametrize(
    "page", [None, "briefs", "prompt", "rank", "before_after", "rounds", "mirror"]
)
@pytest.mark.parametrize("stage", ["empty", "ranked", "enough", "fitted", "tuned", "measured"])
def test_a_page_has_one_primary_button_at_most(queue, page, stage):
    session = ranked() if stage == "enough" else measured() if stage == "measured" else made(stage)
    app = open_page(page, session)
    finish(queue)
    app = again(app)
    assert len(primaries(app)) <= 1, primaries(app)
    waits = next_step(session).box
    if page and waits != page and not (page == "rank" and waits == "prompt"):
        assert primaries(app) == [f"to_{waits}"], "board and button agree"


def test_home_begins_with_the_whole_loop_and_goes_on_with_what_is_next(queue):
    assert primaries(open_page(session=made())) == ["run_once"]
    assert primaries(open_page(session=ranked())) == ["to_reward_model"]
    assert primaries(open_page(session=measured())) == ["to_rounds"]
    own = made()
    brief = {"title": "Mine", "prefer": "calm", "slug": "mine", "training_prompts": ["A cat is"]}
    asked.set_brief(own, briefs.from_dict(brief))
    app = open_page(session=own)
    assert primaries(app) == ["to_prompt"], "nobody could judge for the learner"


def test_the_way_on_from_rank_starts_the_training(queue):
    session = ranked()
    press(open_page("rank", session), "to_reward_model")
    assert queue.view(session.jobs["fit"])["status"] == "queued"


def test_the_way_on_from_the_reward_model_starts_ppo_with_the_knobs_as_they_are(queue):
    session = made("fitted")
    session.choose("ppo", {"steps": 3})
    press(open_page("prompt", session), "to_ppo")
    assert queue.view(session.jobs["ppo"])["total"] == 4, "step 0 is a record too"
    finish(queue)
    assert session.tuned.steps_done == 3


def test_while_ppo_runs_every_page_leads_there(queue):
    session = made("fitted")
    press(open_page("prompt", session), "to_ppo")
    app = open_page("rank", session)
    assert app.button(key="to_ppo").label == "Watch PPO"
    assert "still changing the model" in said(open_page("before_after", session))
    assert "evaluate" not in session.jobs


def test_a_big_models_ppo_is_timed_on_its_page_first(queue):
    session = made("fitted")
    session.model_name = "gpt2"
    press(open_page("prompt", session), "to_ppo")
    assert "ppo" not in session.jobs


# --- home -----------------------------------------------------------------------------------------


def test_home_says_what_rlhf_is(queue):
    words = html_of(open_page())
    assert "ChatGPT was taught its manners this way" in words
    assert "reinforcement learning from human feedback" in words


def test_the_example_moves_step_by_step(queue, monkeypatch, tmp_path):
    made_earlier = json.loads(example.EXAMPLE.read_text(encoding="utf-8"))
    made_earlier["prompts"] = ["A badger is", "A fox is", "<b>A dog</b> is"]
    made_earlier["steps"] = [
        {"step": row["step"], "texts": [f"{LONG} Step {row['step']}."] * 3}
        for row in made_earlier["metrics"]
    ]
    file = tmp_path / "example.json"
    file.write_text(json.dumps(made_earlier), encoding="utf-8")
    monkeypatch.setattr(example, "EXAMPLE", file)
    app = open_page()
    assert "Precomputed" in said(app) and "<b>A dog" not in html_of(app)
    assert "Step 0: the original" in html_of(app) and "How sure" not in said(app)
    last = made_earlier["metrics"][-1]["step"]
    for step in (2, last):
        app.slider(key="example_step").set_value(step).run()
        assert f"Step {step}</span>" in html_of(app) and "<mark>" in html_of(app)
        assert all(f"at step {step} " in alt for alt in alts(app)), "the charts move along"
        assert drawn_words(app) <= HOME
    assert made_earlier["conclusion"][:20] in said(app), "at its end, what came of it"


def test_after_a_run_the_changed_words_come_first(queue):
    app = open_page(session=measured())
    shown = html_of(app)
    assert shown.index("<mark>") < shown.index("op-inside"), "before the board"
    assert shown.count('class="op-answers op-pair"') == 3
    assert "How sure are we?" in [expander.label for expander in app.get("expander")]


def test_after_the_scripted_rater_the_learner_is_next(queue):
    session = measured()
    made = [replace(one, annotator=SCRIPTED) for one in session.judged.rankings]
    session.judged.rankings = made
    session.learned.summary = {**session.learned.summary, "rater": SCRIPTED, "offered": 3}
    app = open_page(session=session)
    assert app.button(key="to_prompt").label == "Now you: write a prompt"


def test_the_bar_of_a_run_runs_once(monkeypatch):
    def work(*stages: str, session: Session | None = None):
        for stage in stages:
            for done in range(3):
                yield Progress(stage, done, 2)
        if session is not None:
            for step in (1, 2):
                session.tuned.metrics = [{"step": step}]
                yield Progress("writing answers", 1, 2)
                yield Progress("scoring", 0, 1)

    monkeypatch.setattr(whole, "generate_pool", lambda *_: work("writing"))
    monkeypatch.setattr(whole, "judge_for_me", lambda *_: work("judging"))
    monkeypatch.setattr(
        whole,
        "fit_reward_model",
        lambda *_: work("sampling the original model", "reading", "comparing with chance"),
    )
    monkeypatch.setattr(whole, "ppo", lambda session, *_: work(session=session))
    monkeypatch.setattr(
        whole, "evaluate", lambda *_: work("writing, before", "writing, after", "reading, after")
    )
    queue = jobs.JobQueue(lambda order: whole.run_once(order, 30, 2), threaded=False)
    job_id = queue.submit(made(), label="run", owner="me", long=True)
    shares = []
    while queue.advance():
        shares.append(queue.view(job_id)["share"] or 0.0)
    assert queue.view(job_id)["status"] == "done"
    assert shares == sorted(shares) and shares[0] < 0.01 and shares[-1] == pytest.approx(1.0)
    assert len(set(shares)) > 15, "and it moves all the time"


def test_the_board_lights_up_what_the_primary_button_does(queue):
    lit = "op-inside op-now"
    home = open_page(session=made())
    assert primaries(home) == ["run_once"] and lit not in html_of(home)
    app = open_page("rank", made())
    assert primaries(app) == ["to_prompt"] and html_of(app).count(lit) == 1
    home = open_page(session=ranked())
    assert primaries(home) == ["to_reward_model"] and html_of(home).count(lit) == 1


def test_the_board_says_who_judged(queue):
    session = made()
    row = add_set(session, [" a", " b"])
    assert "You say which answers are better" in html_of(open_page(session=session))
    judged.add_ranking(session, row["id"], groups=[[0], [1]])
    session.judged.rankings = [replace(r, annotator=SCRIPTED) for r in session.judged.rankings]
    board = html_of(open_page(session=session))
    assert whiteboard.BY_RULE in board and "You say" not in board


def test_the_runs_last_stage_says_which_is_before_and_which_after(queue, monkeypatch):
    def at_the_end(session: Session, **_):
        session.tuned.metrics = [{"step": 0}, {"step": 1}]
        row = {"prompt": "An opossum is", "reward": 0.1}
        samples = [{**row, "step": step, "text": f" number {step}."} for step in (0, 1)]
        session.tuned.samples = samples
        yield {"kind": "stage", "stage": "rank", "groups": [[0], [1]], "prompt": "p", "texts": "ab"}
        yield {"kind": "stage", "stage": "evaluate"}
        yield Progress("writing, before", 0, 1)

    stand_in(monkeypatch, run_once=at_the_end)
    app = press(open_page(session=made()), "run_once")
    for _ in range(3):
        queue.advance()
    shown = html_of(again(app))
    assert ">Before<" in shown and ">After<" in shown and "preferred by" not in shown


# --- prompt ---------------------------------------------------------------------------------------


def test_every_press_has_other_luck_unless_the_seed_is_locked(monkeypatch):
    queue = still_queue(monkeypatch)

    def with_its_seed(session: Session, prompt: str, sampling):
        yield from fake_generate(session, prompt, sampling)
        session.asked.candidate_sets[-1]["seed"] = sampling.seed

    stand_in(monkeypatch, generate=with_its_seed)
    session = made()
    app = open_page("prompt", session)

    def write() -> int:
        press(app, "offer_0")
        finish(queue)
        again(app)
        return session.asked.candidate_sets[-1]["seed"]

    seeds = [write() for _ in range(3)]
    assert len(set(seeds)) == 3 and f"seed {seeds[-1]}" in said(app)
    app.toggle(key="seed_locked_widget").set_value(True).run()
    assert write() == write() == seeds[-1]
    app.toggle(key="seed_locked_widget").set_value(False).run()
    app.number_input(key="sampling_seed").set_value(77).run()
    assert write() == 77, "one that was typed, or came with the address, is used"
    assert write() != 77


# --- counts ---------------------------------------------------------------------------------------


def test_rank_board_and_reward_model_count_the_same_pairs(queue):
    session = made()
    row = add_set(session, [" a", " b", " c", " d"])
    judged.add_ranking(session, row["id"], groups=[[0], [1], [2], [3]])
    rank(session, [[[0], [1]]])
    bar = " ".join(one.proto.text for one in open_page("rank", session).get("progress"))
    assert "4 of 12 clear choices · 2 judgements" in bar  # four in order are three
    assert whiteboard.numbers(session)["rank"] == ("4 of 12 clear choices", "4/12")
    assert "It learns from 7 pairs" in said(open_page("reward_model", session))
    rank(session, [[[0], [1]]] * 9)  # about the same texts once more: no choices of their own
    assert whiteboard.numbers(session)["rank"] == ("4 of 12 clear choices", "4/12")
    for number in range(9):
        row = add_set(session, [f" better {number}", f" worse {number}"])
        judged.add_ranking(session, row["id"], groups=[[0], [1]])
    assert whiteboard.numbers(session)["rank"] == ("12 of 12 clear choices", "12/12")
    list(fake_fit(session, RewardModelSettings()))  # from here on pairs are counted
    assert whiteboard.numbers(session)["rank"] == ("25 of about 30 pairs", "25/30")
    rank(session, [[[0], [1]]] * 10)
    assert whiteboard.numbers(session)["rank"] == ("35 pairs", "35"), "no 35/30"


@pytest.mark.parametrize("count, words", [(1, "1 pair on 1 prompt,"), (2, "2 pairs on 2 prompts,")])
def test_one_pair_is_no_pairs(count, words):
    row = engine_verdict.judged("graded rule", [1.0] * count, [f"p{n}" for n in range(count)])
    assert words in conclusion.how_sure([row], None)[0]


# --- rank -----------------------------------------------------------------------------------------


def test_sitting_down_closes_what_lay_over_the_card(queue):
    app = open_page("rank", made("ranked"))
    app.session_state["who_somebody"] = True
    app.text_input(key="who_name").set_value("Ada")
    app.button(key="who_sit").click().run()
    assert not app.exception and app.session_state["who_somebody"] is False
    app.session_state["who_somebody"] = True
    app.text_input(key="who_name").set_value("  ")
    app.button(key="who_sit").click().run()
    assert app.session_state["who_somebody"] is True, "a name that cannot be used can be mended"


# --- before and after -----------------------------------------------------------------------------


def test_before_and_after_fills_itself_with_the_learners_own_prompt_first(queue):
    session = made("tuned")
    session.asked.user_prompts = ["My cat is"]
    app = open_page("before_after", session)
    assert {"compare", "evaluate"} <= session.jobs.keys()
    finish(queue)
    app = again(app)
    shown = html_of(app)
    assert "Your prompt" in said(app)
    assert shown.index("My cat is") < shown.index("A badger is") < shown.index("Answer A")
    assert app.button(key="vote_a").proto.shortcut.lower() == "a"
    assert app.button(key="vote_tie").proto.shortcut.lower() == "t"
    bars = " ".join(one.proto.text for one in app.get("progress"))
    assert "You may stop any time" in bars


def test_what_was_stopped_is_not_begun_again_by_itself(queue):
    session = made("tuned")
    app = open_page("before_after", session)
    queue.stop(session.jobs["evaluate"])
    finish(queue)
    first = session.jobs["evaluate"]
    app = again(again(app))
    assert session.jobs["evaluate"] == first and primaries(app) == ["evaluate"]
    press(app, "evaluate")
    finish(queue)
    assert session.tuned.evaluation


def test_answers_of_an_earlier_model_do_not_stand_for_this_one(queue, monkeypatch):
    def at_its_step(session: Session, prompt: str, seed: int = 0, samples: int = 3):
        (record,) = fake_compare(session, prompt, seed)
        yield {**record, "round": 1, "step": session.tuned.steps_done}

    stand_in(monkeypatch, compare=at_its_step)
    session = made("tuned")
    app = arrived(queue, session)
    first = session.jobs["compare"]
    app = again(app)
    assert session.jobs["compare"] == first
    session.tuned.metrics = [*session.tuned.metrics, session.tuned.metrics[-1] | {"step": 3}]
    session.tuned.evaluation = None
    again(app)
    assert session.jobs["compare"] != first


def test_answers_that_are_the_same_are_named(queue, monkeypatch):
    def same(session: Session, prompt: str, seed: int = 0, samples: int = 3):
        (record,) = fake_compare(session, prompt, seed)
        yield {**record, "before": [MEME, FACT, " other."], "after": [FACT, FACT, " other."]} | {
            "ended_before": [True] * 3,
            "ended_after": [True] * 3,
        }

    stand_in(monkeypatch, compare=same)
    words = said(arrived(queue, made("tuned")))
    assert "Two of the tuned model's 3 answers are the same" in words and "variety" in words


def test_the_second_round_is_not_called_untrained(queue):
    session = made("fitted")
    session.history.current_round = 2
    words = said(open_page("before_after", session))
    assert "In round 2, nothing is there to compare" in words


def test_the_verdict_says_from_when_on_a_loss_counts(queue):
    session = measured()
    rows = [
        {"name": "fluency", "before": -0.5, "after": -1.2, "beyond": True, "clear": True},
        {"name": "words", "before": 9.0, "after": 8.5, "beyond": True, "clear": False},
    ]
    session.tuned.evaluation["language"] = [row | {"luck": [-0.1, 0.1]} for row in rows]
    app = arrived(queue, session)
    labels = [expander.label for expander in app.get("expander")]
    assert "Did it keep its language? Lost: fluency" in labels
    words = said(app)
    assert "fluency 0.5 nats a token, variety 25% of it" in words
    assert "**−1.20**" in words and "8.5 (edge)" in words, "the edge of luck is not bold"


def test_a_verdict_without_a_loss_that_counts_says_so(queue):
    session = measured()
    small = {"name": "fluency", "before": -0.5, "after": -0.6, "beyond": True, "clear": True}
    session.tuned.evaluation["language"] = [small | {"luck": [-0.05, 0.05]}]
    app = arrived(queue, session)
    labels = [expander.label for expander in app.get("expander")]
    assert "Did it keep its language? Nothing lost that counts" in labels


def test_weights_of_stand_ins_are_the_sessions_own():
    assert weights(made(), 1)  # what the tests above build on
