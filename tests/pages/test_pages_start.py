"""Home, Prompt and Rank without a browser: empty, filled, and fed with what people should not type.

Jobs are put in a queue that nobody advances unless the test does, and the model is a stand-in.
"""

from __future__ import annotations

import re

import pytest
from page_helpers import (
    EVIL,
    ROOT,
    finish,
    html_of,
    keys,
    open_page,
    press,
    session_of,
    still_queue,
    unescaped,
    words_of,
)
from stand_ins import add_set, fake_generate, fake_pool, stand_in
from streamlit.testing.v1 import AppTest

from rlhf_core.common.errors import InputError
from rlhf_core.judging import briefs
from rlhf_core.session import asked, judged, registry
from rlhf_core.session.next_step import ENOUGH
from rlhf_core.session.state import Session
from rlhf_core.work import jobs, running
from ui import text, whiteboard
from ui.ranking import card


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    return still_queue(monkeypatch)


@pytest.fixture
def model(monkeypatch) -> None:
    stand_in(monkeypatch, generate=fake_generate, pool=fake_pool)


# --- home -----------------------------------------------------------------------------------------


def test_home_empty(queue):
    app = open_page()
    assert {"run_once", "to_prompt", "start_over"} <= keys(app)
    board = html_of(app)
    assert (
        "Biology homework helper" in board and "start here" not in board and "frozen copy" in board
    )
    assert ("Precomputed" in " ".join(b.value for b in app.markdown)) == (
        ROOT / "assets" / "example.json"
    ).exists()
    assert app.query_params["run"] in ([session_of(app).id], session_of(app).id)


def test_home_runs_once_and_only_once(queue):
    app = press(open_page(), "run_once")
    session = session_of(app)
    view = queue.view(session.jobs["run_once"])
    assert view["status"] == "queued" and view["long"]
    assert "run_once" not in keys(app), "while it runs, there is nothing to start"
    assert "run_once_stop" in keys(app)
    press(app, "run_once_stop")
    assert queue.view(session.jobs["run_once"])["status"] == "stopped"
    assert "run_once" in keys(app)


def test_home_filled(queue):
    session = registry.create()
    session.tuned.metrics = [
        {"step": step, "reward_mean": 0.1 * step, "reward_std": 1.0, "kl_to_reference": 0.2 * step}
        for step in range(4)
    ]
    session.tuned.evaluation = {
        "pairs": [{"prompt": "A fox is", "before": EVIL, "after": " a small wild dog."}],
        "win_rate": 0.84,
        "interval": [0.7, 0.9],
        "judge": "reward model",
        "sentence": "The reward model prefers the tuned model in 84% of 120 pairs.",
        "rule": {"name": "fact", "before": 0.5, "after": 0.9},
    }
    app = open_page(session=session)
    words = words_of(app)
    assert "What changed" in words and "84%" in words and "facts in **50%**" in words
    assert "<script>" not in html_of(app) and "&lt;script&gt;" in html_of(app)
    assert "step 3: reward +0.30 SD" in html_of(app) and "after wins 84%" in html_of(app)


def test_brief_is_picked_and_stops_what_was_meant_for_the_old_one(queue):
    app = press(open_page("prompt"), "offer_0")
    session = session_of(app)
    app.switch_page("pages/loop.py").run()
    app.button_group(key="brief_pick").set_value("meme-bot").run()
    assert not app.exception
    assert session.asked.brief.slug == "meme-bot"
    assert queue.view(session.jobs["generate"])["status"] == "stopped"
    assert "Meme bot" in html_of(app)


def test_start_over_asks_first(queue):
    app = open_page("prompt")
    old = session_of(app)
    # The question is a dialog, which AppTest does not draw: a browser test presses its buttons.
    press(app, "start_over")
    assert registry.get(old.id) is old


def test_start_over_deletes_what_there_was(queue, model):
    def script():
        import streamlit as st

        from ui import state

        state.session()
        st.button("Delete", key="delete", on_click=state.start_over)

    app = AppTest.from_function(script).run()
    old = session_of(app)
    asked.add_prompt(old, "A badger sees")
    old.jobs["generate"] = queue.submit(
        running.Order("generate", old, ("A badger sees", None)),
        label="writing",
        owner=old.id,
        long=False,
    )
    assert registry.keeper().load(old.id).asked.user_prompts
    press(app, "delete")
    assert registry.get(old.id) is None and registry.keeper().load(old.id) is None
    assert session_of(app).id != old.id and session_of(app).asked.user_prompts == []
    assert (queue.view(old.jobs["generate"]) or {"status": "stopped"})["status"] == "stopped"


def test_unknown_run_gets_a_fresh_session_and_a_word_about_it(queue):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    app.query_params["run"] = "AAAAAAAAAAAAAAAA"
    app.run()
    assert (
        not app.exception and "no longer kept" in words_of(app) and "another tab" in words_of(app)
    )
    app.run()
    assert "no longer kept" not in words_of(app), "said once"


def test_what_was_said_stays_while_the_page_only_runs_by_itself(queue, model):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    app.query_params["run"] = "AAAAAAAAAAAAAAAA"
    app.run()
    app.query_params["run"] = "BBBBBBBBBBBBBBBB"
    app.switch_page("pages/rank.py").run()
    assert "no longer kept" in words_of(app)
    finish(queue)  # the answers that the page waits for: the next look runs the whole page again
    app.session_state["by_itself"] = True  # as state.rerun leaves it; AppTest has no timers
    app.run()
    assert "pick_a" in keys(app) and "no longer kept" in words_of(app)
    app.toggle(key="keys_widget").set_value(False).run()
    assert "no longer kept" not in words_of(app), "an action of the visitor's takes it away"


def test_a_rerun_that_nobody_asked_for_keeps_the_note():
    def script():
        import streamlit as st

        from ui import state

        runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        if runs == 1:
            st.session_state["note"] = "Something to know."
        st.text(f"note: {state.note()}")
        if runs < 3:
            state.rerun()

    app = AppTest.from_function(script).run()
    assert app.session_state["runs"] == 3 and app.text[0].value == "note: Something to know."
    assert app.run().text[0].value == "note: None"


def test_an_unknown_address_leads_home_and_says_so(queue, monkeypatch):
    from streamlit.runtime.pages_manager import PagesManager

    monkeypatch.setattr(PagesManager, "intended_page_script_hash", property(lambda self: ""))
    for name, pages in (
        ("nosuchpage", 1),
        ("loop", 1),
        ("a/b", 0),
        ("rank", 0),
        ("", 0),
        (None, 0),
    ):
        monkeypatch.setattr(
            PagesManager, "intended_page_name", property(lambda self, name=name: name)
        )

        def script():
            import streamlit as st

            from ui import state

            found = state.lost()
            st.session_state["addresses"] = [(page.url_path, page.visibility) for page in found]

        app = AppTest.from_function(script).run()
        assert not app.exception and app.session_state["addresses"] == [(name, "hidden")] * pages, (
            name
        )


def test_the_board_counts_the_unseen_pairs_with_their_interval():
    session = Session()
    session.learned.head = "0" * 64
    session.learned.summary = {
        "heldout_accuracy": 1.0,
        "heldout_pairs": 18,
        "heldout_interval": [0.824, 1.0],
    }
    assert whiteboard.numbers(session)["reward_model"] == (
        "right on 18 of 18 unseen pairs (82\N{EN DASH}100%)",
        "18/18",
    )
    session.learned.summary = {
        "heldout_accuracy": 0.875,
        "heldout_pairs": 12,
        "heldout_interval": [0.5, 0.97],
    }
    assert whiteboard.numbers(session)["reward_model"][0].startswith("right on 10.5 of 12")
    session.learned.summary = {
        "heldout_accuracy": None,
        "heldout_pairs": 0,
        "heldout_interval": None,
        "pairs_used": 3,
    }
    assert whiteboard.numbers(session)["reward_model"] == ("trained on 3 pairs", "ready")


def test_the_board_counts_answers_that_were_asked_for_or_judged_not_those_written_ahead(
    queue, model
):
    session = registry.create()
    for number in range(5):
        add_set(session, [f" a{number}", f" b{number}"], f"Prompt {number}")  # written ahead
    assert whiteboard.numbers(session)["prompt"] == ("", "")
    add_set(session, [" w", " x", " y"], tokens=[[], [], []])
    assert whiteboard.numbers(session)["prompt"] == ("3 answers to 1 prompt, yours or judged", "3")
    judged.add_ranking(session, "set-1", groups=[[0], [1]])
    assert whiteboard.numbers(session)["prompt"] == ("5 answers to 2 prompts, yours or judged", "5")


def test_the_example_ends_in_one_full_stop(queue):
    badge = next(one for one in open_page().markdown if "Precomputed" in one.value)
    made = badge.proto.help
    assert "Made with" in made and made.endswith(".") and not made.replace("\\", "").endswith("..")


# --- prompt ---------------------------------------------------------------------------------------


def test_prompt_empty(queue):
    app = open_page("prompt")
    assert "Nothing written yet" in words_of(app) and "to_rank" not in keys(app)
    assert app.text_area(key="prompt_text").placeholder == "for example: An opossum is"


def test_answers_carry_the_numbers_that_look_inside_calls_them_by(queue, model):
    app = press(open_page("prompt"), "offer_0")
    finish(queue)
    app.run()
    assert [f"Answer {number}</span>" in html_of(app) for number in (1, 4, 5)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("typed", "said"), [("", "empty"), ("   \n ", "empty"), ("x" * 10_000, "10,000 characters")]
)
def test_prompt_refused_in_one_sentence(queue, typed, said):
    app = open_page("prompt")
    app.text_area(key="prompt_text").set_value(typed)
    press(app, "generate")
    assert len(app.error) == 1 and said in app.error[0].value
    assert "generate" not in session_of(app).jobs


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("🦝🎉 is", "emoji"),
        (EVIL, "plain characters"),
        ("Что такое кот", "English"),
        ("12 + 7 =", "no words"),
    ],
)
def test_prompt_odd_but_fine(queue, model, typed, said):
    app = open_page("prompt")
    app.text_area(key="prompt_text").set_value(typed)
    press(app, "generate")
    assert not app.error and said in app.info[0].value
    finish(queue)
    app.run()
    assert not app.exception
    shown = html_of(app)
    assert (
        "answer 3 &lt;b&gt;bold&lt;/b&gt;" in shown
        and "<b>bold" not in shown
        and "<script>" not in shown
    )
    assert "to_rank" in keys(app)


def test_prompt_streams_then_shows_tokens_and_leads_on(queue, model):
    app = press(open_page("prompt"), "offer_0")
    assert app.button(key="generate").disabled
    for _ in range(3):
        queue.advance()
    app.run()
    assert "op-live" in html_of(app)
    finish(queue)
    app.run()
    assert "op-live" not in html_of(app) and "50%" in html_of(app) and "·&lt;i&gt;" in html_of(app)
    press(app, "to_rank")  # AppTest does not follow a switch of pages
    app.switch_page("pages/rank.py").run()
    assert "Which is better?" in words_of(app) and "pick_4" in keys(app)


def test_one_answer_cannot_be_ranked(queue, model):
    app = open_page("prompt")
    app.slider(key="sampling_candidates").set_value(1).run()
    press(app, "offer_0")
    finish(queue)
    app.run()
    assert "can't be ranked" in words_of(app) and "to_rank" not in keys(app)


def test_sampling_is_kept_over_a_page_switch(queue):
    app = open_page("prompt")
    app.slider(key="sampling_candidates").set_value(6).run()
    app.switch_page("pages/loop.py").run()
    app.switch_page("pages/prompt.py").run()
    assert app.slider(key="sampling_candidates").value == 6
    assert open_page("prompt", session_of(app)).slider(key="sampling_candidates").value == 6, (
        "also after a reload"
    )


# --- rank -----------------------------------------------------------------------------------------


def test_rank_empty_has_answers_written_ahead(queue, model):
    app = open_page("rank")
    session = session_of(app)
    assert queue.view(session.jobs["pool"])[
        "status"
    ] == "queued" and "0 of 12 clear choices" in words_of_progress(app)
    finish(queue)
    app.run()
    assert {"pick_a", "pick_b", "pick_tie", "pick_bad", "pick_skip", "undo"} <= keys(app)
    assert app.button(key="undo").disabled and "to_reward_model" not in keys(app)


def test_rank_says_why_nothing_comes_and_does_not_try_for_ever(queue, monkeypatch):
    def broken(session, count, candidates=2):
        raise InputError(
            "This brief has no training prompts. Write at least one prompt of your own first."
        )
        yield

    stand_in(monkeypatch, pool=broken)
    app = open_page("rank")
    session = session_of(app)
    finish(queue)
    first = session.jobs["pool"]
    app.run()
    app.run()
    assert (
        session.jobs["pool"] == first
        and "no training prompts" in unescaped(app.error[0].value)
        and {"refill", "to_prompt"} <= keys(app)
    )
    press(app, "refill")
    assert session.jobs["pool"] != first


def test_rank_takes_shorter_sets_where_four_different_answers_do_not_come(queue, monkeypatch):
    stand_in(monkeypatch, pool=lambda session, count, candidates=2: fake_pool(session, count, 3))
    session = registry.create()
    app = open_page("rank", session)
    app.button_group(key="form_widget").set_value(4).run()
    for _ in range(2):  # the pairs that were being written, then the lists
        finish(queue)
        app.run()
    assert "pick_3" in keys(app)
    for _ in range(9):
        finish(queue)
        app.run()
    assert len(session.asked.candidate_sets) < 60


def words_of_progress(app: AppTest) -> str:
    return " ".join(element.proto.text for element in app.get("progress"))


def test_rank_pair_records_side_time_and_choice(queue, model):
    session = registry.create()
    row = add_set(session, [" first", " second"])
    app = open_page("rank", session)
    left, right = card.order_on_screen(session, row)
    press(app, "pick_a")
    made = session.judged.rankings[-1]
    assert (
        made.groups == [[left], [right]] and made.shown == [left, right] and made.annotator == "you"
    )
    assert made.seconds is not None and 0 <= made.seconds < 60
    assert "1 of 12 clear choices" in words_of_progress(app)
    press(app, "undo")
    assert session.judged.rankings == []
    press(app, "pick_b")
    assert session.judged.rankings[-1].groups == [[right], [left]]


@pytest.mark.parametrize(
    ("key", "groups", "verdict"),
    [("pick_tie", [[0, 1]], None), ("pick_bad", [], "both_bad"), ("pick_skip", [], "skip")],
)
def test_rank_pair_other_verdicts(queue, model, key, groups, verdict):
    session = registry.create()
    add_set(session, [" first", " second"])
    press(open_page("rank", session), key)
    made = session.judged.rankings[-1]
    assert [sorted(group) for group in made.groups] == groups and made.verdict == verdict


def test_rank_whole_list_with_a_tie(queue, model):
    session = registry.create()
    asked.add_prompt(session, "An opossum is")
    row = add_set(session, [" w", " x", " y", " z"])
    app = open_page("rank", session)
    shown = card.order_on_screen(session, row)
    for key in ("pick_3", "pick_1", "pick_tie", "pick_4"):
        press(app, key)
    assert (
        app.button(key="pick_3").disabled
        and app.button(key="pick_3").label == "1st"
        and app.button(key="pick_4").label == "2nd"
    )
    assert session.judged.rankings == [], "not before everyone has a place"
    press(app, "undo")  # takes back one pick, not a judgement
    press(app, "pick_4")
    press(app, "pick_2")
    assert session.judged.rankings[-1].groups == [[shown[2]], [shown[0]], [shown[3]], [shown[1]]]
    assert (judged.judgement_count(session), judged.pair_count(session)) == (1, 6)
    assert "3 of 12 clear choices · 1 judgement" in words_of_progress(app)


def test_a_tie_before_any_pick_changes_nothing_and_says_what_to_do(queue, model):
    session = registry.create()
    asked.add_prompt(session, "An opossum is")
    row = add_set(session, [" w", " x", " y", " z"])
    app = press(open_page("rank", session), "pick_tie")
    assert "Pick the best one first" in words_of(app) and session.judged.rankings == []
    for key in ("pick_1", "pick_2", "pick_3", "pick_4"):
        press(app, key)
        assert "Pick the best one first" not in words_of(app)
    shown = card.order_on_screen(session, row)
    assert session.judged.rankings[-1].groups == [[index] for index in shown], (
        "no tie is left over from the early press"
    )


def test_rank_keys_can_be_switched_off(queue, model):
    session = registry.create()
    add_set(session, [" first", " second"])
    app = open_page("rank", session)
    assert app.button(key="pick_a").proto.shortcut
    app.toggle(key="keys_widget").set_value(False).run()
    assert not any(button.proto.shortcut for button in app.button)


def test_rank_shows_the_brief_and_texts_as_text(queue, model):
    session = registry.create(
        briefs.from_dict(
            {"title": EVIL, "prefer": EVIL, "slug": "odd", "training_prompts": ["A cat is"]}
        )
    )
    add_set(session, [EVIL, " plain"], prompt=EVIL)
    app = open_page("rank", session)
    assert "<script>" not in html_of(app) and html_of(app).count("&lt;script&gt;") >= 4
    assert "scripted" not in keys(app), "a brief of one's own has no scripted rater"


def test_rank_offers_the_next_step(queue, model):
    session = registry.create()
    for number in range(ENOUGH):
        add_set(session, [f" a{number}", f" b{number}"])
        judged.add_ranking(session, f"set-{number + 1}", groups=[[0], [1]])
        if number == 0:
            app = open_page("rank", session)
            assert f"1 of {ENOUGH} clear choices" in words_of_progress(app)
            assert "Clear: one answer is better" in words_of(app)
            assert app.button(key="to_reward_model").proto.type == "tertiary"
    app = open_page("rank", session)
    assert app.button(key="to_reward_model").proto.type == "primary"
    press(app, "to_reward_model")
    assert queue.view(session.jobs["fit"])["status"] == "queued", "the press trains"


def test_judged_in_another_tab(queue, model):
    session = registry.create()
    row = add_set(session, [" first", " second"])
    app = open_page("rank", session)
    judged.add_ranking(session, row["id"], groups=[[0], [1]])
    press(app, "pick_b")
    assert len(session.judged.rankings) == 1 and "already judged" in words_of(app)


# --- the helpers that pages share -----------------------------------------------------------------


def test_sides_are_shuffled_but_steady():
    session = Session()
    rows = [{"id": f"set-{number}", "texts": ["a", "b"]} for number in range(200)]
    orders = [card.order_on_screen(session, row) for row in rows]
    assert orders == [card.order_on_screen(session, row) for row in rows]
    assert 60 < sum(order == [0, 1] for order in orders) < 140


def test_plain_text_has_no_power_left():
    from streamlit.string_util import clean_text

    made = clean_text(text.plain(EVIL + "\n# head\n1. one"))
    assert (
        "\\<script\\>" in made
        and "\\!\\[x\\]\\(" in made
        and "\\$a\\$" in made
        and "\n" not in made
    )


def test_long_texts_are_cut_for_show():
    assert len(text.escape("x" * 100_000)) < 2_100 and "100,000 characters" in text.escape(
        "x" * 100_000
    )


def test_an_empty_prompt_box_gets_no_warning_about_its_words():
    from ui import text

    assert text.about_prompt("") is None and text.about_prompt("  \n") is None
    assert "no words" in text.about_prompt("123 ?!")


@pytest.mark.parametrize(
    "written",
    ["see http://evil.example/x", "WWW.evil.example", "www.evil.example", "me@evil.example"],
)
def test_an_address_in_foreign_text_does_not_become_a_link(written):
    """Markdown links bare addresses by their beginning; tried in a browser, a word joiner in it
    stops that.
    """
    shown = text.plain(written)
    assert shown.replace("\u2060", "").replace("\\", "") == written
    assert not re.search(r"(?i)https?:?//|www\\.|@e", shown.replace("\\:", ":"))


def test_what_was_learned_under_a_brief_is_put_away_and_comes_back_with_it(queue):
    app = open_page("prompt")
    session = session_of(app)
    with session.change():
        session.learned.head = "0" * 64
        session.tuned.metrics = [{"step": 0}, {"step": 3, "reward_mean": 0.3}]
    former = session.asked.brief
    app.switch_page("pages/loop.py").run()
    app.button_group(key="brief_pick").set_value("meme-bot").run()
    assert not app.exception and session.asked.brief.slug == "meme-bot"
    assert not session.learned.head and not session.tuned.metrics
    told = " ".join(element.value for element in (*app.info, *app.warning, *app.markdown))
    assert former.title in told and "the reward model, the model that 3 PPO steps tuned" in told
    app.button_group(key="brief_pick").set_value(former.slug).run()
    assert not app.exception and session.asked.brief == former
    assert session.learned.head == "0" * 64 and session.tuned.steps_done == 3
