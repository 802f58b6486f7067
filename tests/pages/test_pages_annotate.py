"""Brief, Rank and the labeller mirror without a browser: versions, what comes next, judging again,
and what people should not type.
"""

from __future__ import annotations

import pytest
from lab_data import revise
from page_helpers import (
    EVIL,
    finish,
    html_of,
    keys,
    open_page,
    press,
    still_queue,
    unescaped,
    words_of,
)
from stand_ins import add_set, stand_in

from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Ranking
from rlhf_core.session import asked, judged, registry
from rlhf_core.session.state import SCRIPTED, Session
from rlhf_core.work import jobs
from ui.charts import mirror as charts_mirror
from ui.ranking import card

BIOLOGY = briefs.PRESETS["biology-homework"]
EDIT = "v1_biology-homework"


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    return still_queue(monkeypatch)


@pytest.fixture(autouse=True)
def still(queue, monkeypatch):
    """No model: what waits is what a test adds."""
    stand_in(monkeypatch, pool=lambda session, count, candidates=2: iter(()))


def fill(app, where: str, **fields) -> None:
    for name, value in fields.items():
        kind = app.text_input if name in ("title", "audience") else app.text_area
        kind(key=f"{where}_{name}").set_value(value)


def submit(app, label: str):
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception, app.exception
    return app


def judge_many(session: Session, count: int, **more) -> None:
    for number in range(count):
        row = add_set(
            session,
            [f" a long answer {number}.", f" b {number}."],
            BIOLOGY.training_prompts[number],
        )
        judged.add_ranking(
            session,
            row["id"],
            groups=[[0], [1]],
            shown=[number % 2, 1 - number % 2],
            **{"seconds": 1.0 + number % 3, **more},
        )


# --- brief ----------------------------------------------------------------------------------------


def test_a_changed_brief_is_a_new_version_and_both_stay_in_sight():
    session = registry.create()
    judge_many(session, 3)
    app = open_page("briefs", session)
    assert "A scripted rater" in words_of(app)
    fill(app, EDIT, prefer=EVIL)
    submit(app, "Save as version 2")
    assert (
        session.asked.brief.version,
        session.asked.brief.prefer,
        session.asked.brief.wanted,
    ) == (2, " ".join(EVIL.split()), None)
    assert "No scripted rater" in words_of(app) and "version 2" in words_of(app)
    shown = html_of(app)
    assert (
        "<script>" not in shown
        and "&lt;script&gt;" in shown
        and BIOLOGY.prefer in shown
        and "what to prefer" in shown
    )
    assert "3 judgements made under it" in words_of(
        app
    ) and "nothing was judged under it" in words_of(app)
    assert (
        app.toggle(key="older_widget").value
        and app.toggle(key="older_widget").label
        == "Count 3 judgements made under version 1 of this brief"
    )
    app.toggle(key="older_widget").set_value(False).run()
    assert (
        not session.asked.older_count
        and judged.pairs(session) == []
        and len(session.judged.rankings) == 3
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": ""}, "needs a title"),
        ({"avoid": "x" * 3_000}, "3,000 characters"),
        ({"ties": "a\x08"}, "control characters"),
        ({}, "Nothing was changed"),
        ({"training_prompts": "A badger is\nA cat is"}, "is among both"),
    ],
)
def test_a_bad_change_is_refused_in_a_sentence_and_stays_in_the_form(fields, said):
    app = open_page("briefs")
    fill(app, EDIT, **fields)
    submit(app, "Save as version 2")
    assert len(app.error) == 1 and said in unescaped(app.error[0].value)
    session = registry.get(app.session_state["run_id"])
    assert session.asked.brief == BIOLOGY
    for name, value in fields.items():
        assert app.session_state[f"{EDIT}_{name}"] == value


def test_a_brief_of_ones_own_is_written_chosen_again_and_offered_on_the_home_page():
    app = open_page("briefs")
    session = registry.get(app.session_state["run_id"])
    submit(app, "Start this brief")
    assert "needs a title" in unescaped(app.error[0].value)
    fill(
        app,
        "new",
        title="*Bedtime* stories",
        audience="a child",
        prefer="calm",
        training_prompts="A fox is\nAn owl is",
        evaluation_prompts="A bear is",
    )
    submit(app, "Start this brief")
    assert (
        session.asked.brief.slug == "my-bedtime-stories"
        and session.asked.brief.evaluation_prompts == ("A bear is",)
        and app.text_input(key="new_title").value == ""
    )
    app.selectbox(key="brief_choice").set_value(BIOLOGY.slug).run()
    assert session.asked.brief == BIOLOGY
    app.selectbox(key="brief_choice").set_value("my-bedtime-stories").run()
    assert session.asked.brief.title == "*Bedtime* stories" and not app.exception
    app.switch_page("pages/loop.py").run()
    assert not app.exception and app.button(key="run_once").disabled, (
        "nobody can judge for you under your own brief"
    )
    assert "\\*Bedtime\\* stories" in app.button_group(key="brief_pick").options


def test_a_form_that_was_drawn_for_an_older_version_overwrites_nothing():
    app = open_page("briefs")
    session = registry.get(app.session_state["run_id"])
    fill(app, EDIT, ties="Mine")
    revise(session, {"ties": "From the other tab"})
    submit(app, "Save as version 2")
    assert (
        session.asked.brief.ties == "From the other tab"
        and session.asked.brief.version == 2
        and "changed in another tab" in words_of(app)
    )
    assert app.text_area(key="v2_biology-homework_ties").value == "Mine"
    submit(app, "Save as version 3")
    assert session.asked.brief.ties == "Mine" and session.asked.brief.version == 3


def test_picking_a_changed_preset_at_home_brings_the_changed_one_back():
    session = registry.create()
    revise(session, {"title": "Biology, mine"})
    app = open_page(None, session)
    app.button_group(key="brief_pick").set_value("meme-bot").run()
    app.button_group(key="brief_pick").set_value(BIOLOGY.slug).run()
    assert session.asked.brief.title == "Biology, mine" and session.asked.brief.version == 2


# --- rank -----------------------------------------------------------------------------------------


def test_the_page_says_why_this_pair_and_keeps_it_over_a_rerun():
    session = registry.create()
    for number in range(6):
        add_set(session, [f" a{number}", f" b{number}"])
    app = open_page("rank", session)
    shown = html_of(app)
    assert "Why this one?" in shown and "no reward model yet" in shown
    first = app.session_state["card"]["set"]
    add_set(session, [" new", " newer"])
    app.run()
    assert app.session_state["card"]["set"] == first
    press(app, "pick_a")
    assert (
        session.judged.rankings[0].id == first
        and session.judged.rankings[0].asked == "lot"
        and app.session_state["card"]["set"] != first
    )


def test_a_reason_and_an_ideal_answer_go_with_the_judgement_and_bad_ones_cost_nothing():
    session = registry.create()
    add_set(session, [" first", " second"])
    app = open_page("rank", session)
    app.text_input(key="reason").set_value(EVIL)
    app.text_area(key="ideal").set_value("x" * 5_000).run()
    press(app, "pick_a")
    assert (
        session.judged.rankings == []
        and "The ideal answer has 5,000 characters" in words_of(app)
        and app.text_input(key="reason").value == EVIL
    )
    app.text_area(key="ideal").set_value("a\x07").run()
    press(app, "pick_a")
    assert session.judged.rankings == [] and "control characters" in words_of(app)
    app.text_area(key="ideal").set_value("the third").run()
    press(app, "pick_a")
    assert session.judged.rankings[0].ideal == " the third" and session.judged.rankings[
        0
    ].reason == " ".join(EVIL.split())
    assert app.session_state["ideal"] == "" and "2 of 12 clear choices" in " ".join(
        bar.proto.text for bar in app.get("progress")
    )
    app.toggle(key="show_all_widget").set_value(True).run()
    assert (
        "<script>" not in html_of(app)
        and "the third" in html_of(app)
        and "written by the annotator" in html_of(app)
    )


def test_any_judgement_can_be_changed_later_or_left_as_it_was():
    session = registry.create()
    judge_many(session, 10)
    app = open_page("rank", session)
    app.toggle(key="show_all_widget").set_value(True).run()
    assert {"change_set-10", "change_set-3"} <= keys(app) and "change_set-2" not in keys(app)
    app.number_input(key="judgement_page").set_value(2).run()
    press(app, "change_set-1")
    assert "You asked to look at this again" in html_of(app) and "You said: A &gt; B" in html_of(
        app
    )
    press(app, "leave_again")
    assert "You asked to look" not in html_of(app) and session.judged.rankings[0].first is None
    press(app, "change_set-1")
    press(app, "pick_b")
    assert session.judged.rankings[0].groups == [[1], [0]] and session.judged.rankings[0].first == {
        "groups": [[0], [1]],
        "verdict": None,
        "seconds": 1.0,
    }
    assert len(session.judged.rankings) == 10 and "You asked to look" not in html_of(app)


def test_only_ones_own_judgements_can_be_changed():
    session = registry.create()
    judge_many(session, 1, annotator=SCRIPTED)
    app = open_page("rank", session)
    app.toggle(key="show_all_widget").set_value(True).run()
    assert "change_set-1" not in keys(app) and SCRIPTED in html_of(app)


def test_a_brief_that_changes_in_the_middle_of_a_pair_voids_the_press():
    session = registry.create()
    add_set(session, [" first", " second"])
    app = open_page("rank", session)
    revise(session, {"prefer": "Rhymes."})
    press(app, "pick_a")
    assert (
        session.judged.rankings == []
        and "The brief has changed" in words_of(app)
        and "Rhymes." in html_of(app)
    )
    press(app, "pick_a")
    assert session.judged.rankings[0].brief_version == 2


def test_the_clock_stands_still_while_the_tab_or_the_page_is_out_of_sight(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(card.time, "monotonic", lambda: now[0])
    away = {"value": 0.0}
    monkeypatch.setattr(card.components, "seconds_away", lambda card: away["value"])
    session = registry.create()
    for number in range(3):
        add_set(session, [f" a{number}", f" b{number}"])
    app = open_page("rank", session)
    now[0] += 4
    app.switch_page("pages/loop.py").run()
    now[0] += 1_000
    app.switch_page("pages/rank.py").run()
    now[0] += 3
    press(app, "pick_a")
    assert session.judged.rankings[0].seconds == 7.0
    now[0] += 60
    away["value"] = 50.0
    press(app, "pick_a")
    assert session.judged.rankings[1].seconds == 10.0
    away["value"] = 5_000.0  # a browser may say anything
    press(app, "pick_a")
    assert session.judged.rankings[2].seconds == 0.0


@pytest.mark.parametrize(
    "told",
    [
        None,
        3,
        {"card": "x", "seconds": "9"},
        {"card": "other", "seconds": 9},
        {"card": "x", "seconds": True},
        {"card": "x", "seconds": -4},
    ],
)
def test_what_a_browser_tells_of_the_clock_is_not_trusted(told):
    from ui import components

    def script(told):
        import streamlit as st

        from ui import components

        st.session_state["rank_card_clock"] = {"away": told}
        st.text(str(components.seconds_away("x")))

    from streamlit.testing.v1 import AppTest

    assert AppTest.from_function(script, args=(told,)).run().text[0].value == "0.0"
    assert components.HERE.joinpath("clock.js").exists()


def test_a_list_can_be_dragged_into_order():
    session = registry.create()
    add_set(session, [" w", " x", " y", " z"])
    app = open_page("rank", session)
    app.button_group(key="form_widget").set_value(4).run()
    app.button_group(key="way_4_widget").set_value("drag").run()
    assert (
        not app.exception
        and "pick_1" not in keys(app)
        and {"pick_bad", "pick_skip"} <= keys(app)
        and "Put the best on top" in words_of(app)
    )


@pytest.mark.parametrize("form", [2, 4])
def test_each_answer_can_be_called_good_or_bad(form):
    session = registry.create()
    row = add_set(session, [" w", " x", " y", " z"][:form])
    add_set(session, [" r", " s", " t", " u"][:form], BIOLOGY.training_prompts[3])
    app = open_page("rank", session)
    app.button_group(key="form_widget").set_value(form).run()
    app.button_group(key=f"way_{form}_widget").set_value("thumbs").run()
    assert not app.exception and "Is it good under the brief" in words_of(app)
    first = app.session_state["card"]["set"]
    press(app, "pick_good_1")
    assert f"{form - 1} to go" in words_of(app) and session.judged.rankings == []
    press(app, "undo")
    assert "Is it good" in words_of(app) and app.button(key="undo").disabled
    press(app, "pick_good_2")
    for place in (place for place in range(1, form + 1) if place != 2):
        press(app, f"pick_bad_{place}")
    (made,) = session.judged.rankings
    assert made.id == first and made.good == [made.shown[1]] and made.verdict is None
    assert all(pair.choice in ("a", "b") for pair in judged.pairs(session))
    assert len(judged.pairs(session)) == form - 1
    press(app, "pick_all_bad")
    assert session.judged.rankings[1].good == [] and len(judged.pairs(session)) == form - 1
    assert len(judged.thumbs(session)) == 2 * form and row
    assert any("Kept: all bad" in one.value for one in app.info)
    again = open_page("rank", session)  # a reload: it goes on as it was
    assert [title.value for title in (*app.title, *again.title)] == ["Good or bad?"] * 2
    assert f"{2 * form} answers called good or bad" in html_of(again) + words_of(again) + str(
        [one.proto for one in again.get("progress")]
    )
    # Among the judgements, and looked at again, it is what it was.
    app.toggle(key="show_all_widget").set_value(True).run()
    assert html_of(app).count("good") >= 1
    app.button_group(key=f"way_{form}_widget").set_value("order").run()
    press(app, f"change_{first}")
    assert "You said: good: " in html_of(app) and "pick_good_1" in keys(app)
    press(app, "pick_all_good")
    assert session.judged.rankings[0].good == list(range(form))
    assert session.judged.rankings[0].first["good"] == made.good


def test_half_given_thumbs_are_found_by_a_reload_and_by_another_tab_and_count_for_nothing():
    session = registry.create()
    for number in range(3):
        texts = [f" {number}{name}" for name in "wxyz"]
        add_set(session, texts, BIOLOGY.training_prompts[number])
    app = open_page("rank", session)
    app.button_group(key="form_widget").set_value(4).run()
    app.button_group(key="way_4_widget").set_value("thumbs").run()
    first = app.session_state["card"]["set"]
    press(press(app, "pick_good_2"), "pick_bad_3")
    add_set(session, [" new", " newer"], BIOLOGY.training_prompts[5])  # the pool grows meanwhile
    again = open_page("rank", session)  # a reload: another browser session of the same run
    assert again.session_state["card"]["set"] == first and "2 to go" in words_of(again)
    assert {one.key for one in again.button if "✓" in one.label} == {"pick_good_2", "pick_bad_3"}
    assert session.judged.rankings == [] and judged.thumbs(session) == []
    # What the one tab says and takes back, the other sees at its next turn.
    press(again, "undo")
    assert "3 to go" in words_of(app.run())
    press(press(press(again, "pick_bad_1"), "pick_bad_3"), "pick_good_4")
    (made,) = session.judged.rankings
    assert made.id == first and made.good == sorted([made.shown[1], made.shown[3]])
    assert app.run().session_state["card"]["set"] != first
    assert session.judged.thumbs_begun == []
    # Half given once more, to a judgement that is looked at again.
    again.toggle(key="show_all_widget").set_value(True).run()
    press(press(again, f"change_{first}"), "pick_bad_2")
    reloaded = open_page("rank", session)
    assert reloaded.session_state["card"]["set"] == first and "3 to go" in words_of(reloaded)
    press(reloaded, "leave_again")
    assert reloaded.session_state["card"]["set"] != first and session.judged.rankings == [made]


def test_answers_that_were_being_written_for_pairs_do_not_pass_for_lists_that_did_not_come(
    queue, monkeypatch
):
    asked = []

    def pool(session, count, candidates=2):
        asked.append(candidates)
        texts = [f" {len(asked)}{name}" for name in "abcd"[:candidates]]
        yield {"kind": "set", "set_id": add_set(session, texts)["id"]}

    stand_in(monkeypatch, pool=pool)
    app = open_page("rank")
    queue.advance()  # under way, for pairs
    app.button_group(key="form_widget").set_value(4).run()
    finish(queue)
    app.run()
    finish(queue)
    app.run()
    assert asked[:2] == [2, 4] and "pick_4" in keys(app)


def test_hidden_checks_have_a_switch_and_are_mixed_in(monkeypatch):
    monkeypatch.setattr("rlhf_core.session.ranking_desk.REPEATS", 1.0)
    session = registry.create()
    judge_many(session, 6)
    add_set(session, [" new", " newer"], BIOLOGY.training_prompts[12])
    app = open_page("rank", session)
    assert app.session_state["card"][
        "set"
    ] == "repeat-1" and "hidden checks are among them" in html_of(app)
    app.toggle(key="checks_widget").set_value(False).run()
    assert "hidden checks" not in html_of(app) and app.session_state["card"]["set"] == "set-7"
    app.toggle(key="checks_widget").set_value(True).run()
    press(app, "undo")  # the last judgement comes before what waits
    press(press(app, "pick_a"), "pick_a")
    assert (
        session.judged.rankings[-1].id == "repeat-1"
        and session.judged.rankings[-1].asked == "repeat"
    )


def test_a_hidden_check_is_not_used_up_by_thumbs(monkeypatch):
    monkeypatch.setattr("rlhf_core.session.ranking_desk.REPEATS", 1.0)
    session = registry.create()
    judge_many(session, 6)
    add_set(session, [" new", " newer"], BIOLOGY.training_prompts[12])
    app = open_page("rank", session)
    assert app.session_state["card"]["set"] == "repeat-1"
    app.button_group(key="way_2_widget").set_value("thumbs").run()
    assert app.session_state["card"]["set"] == "set-7" and "pick_all_good" in keys(app)
    assert "once there is a judged pair" in app.button(key="pick_all_good").help
    press(app, "pick_all_good")
    assert session.judged.rankings[-1].id == "set-7"
    app.button_group(key="way_2_widget").set_value("order").run()
    assert app.session_state["card"]["set"] == "repeat-1"
    press(app, "pick_a")
    # Taken back among thumbs it is asked again, as what it was: a pair.
    app.button_group(key="way_2_widget").set_value("thumbs").run()
    press(app, "undo")
    assert app.session_state["card"]["set"] == "repeat-1" and "pick_a" in keys(app)
    press(app, "pick_b")
    assert session.judged.rankings[-1].good is None
    # Where two are the same, word for word, thumbs have no tie that could say so.
    add_set(session, [" same", " same", " other", " more"], BIOLOGY.training_prompts[13])
    app.button_group(key="form_widget").set_value(4).run()
    assert "Call them alike" in words_of(app) and "A tie" not in words_of(app)


def test_answers_just_asked_for_come_before_a_card_that_was_only_looked_at():
    session = registry.create()
    add_set(session, [" old", " older"], BIOLOGY.training_prompts[0])
    app = open_page("rank", session)
    assert app.session_state["card"]["set"] == "set-1"
    asked.add_prompt(session, "My boss on Friday is")
    add_set(session, [" late", " gone"], "My boss on Friday is", tokens=[[], []])
    app.run()
    assert app.session_state["card"]["set"] == "set-2"


# --- mirror ---------------------------------------------------------------------------------------


def test_an_empty_mirror_leads_to_the_desk():
    session = registry.create()
    judge_many(session, 3, annotator=SCRIPTED)
    app = open_page("mirror", session)
    assert (
        "the mirror is empty" in words_of(app)
        and "to_rank" in keys(app)
        and "3 by the scripted rater" in words_of(app)
    )
    row = add_set(session, [" good", " bad"], BIOLOGY.training_prompts[3])
    judged.add_ranking(session, row["id"], groups=[[0], [1]], good=[0])
    app.run()
    assert "the mirror is empty" in words_of(app)
    assert "rater; 1 time two answers that were called good or bad" in words_of(app)


def test_the_mirror_tells_what_can_be_told_and_says_where_it_is_too_early():
    session = registry.create()
    judge_many(session, 20)
    app = open_page("mirror", session)
    words = unescaped(words_of(app))
    assert (
        "20 judgements." in words
        and "Preferred the longer one" in words
        and "You prefer longer texts" in words
        and "Too few to tell: 0 pairs came up" in words
    )
    assert (
        "100%</b> <span>95% interval 84% to 100%, from 20 judgements" in html_of(app)
        and "Nowhere" in words
    )
    assert len(app.get("plotly_chart")) == 3
    # Of seven judgements, which side was preferred cannot be told: then no figure is bold.
    judge_many(few := registry.create(), 7)
    app = open_page("mirror", few)
    sides = [one.split("</div>")[0] for one in html_of(app).split('class="op-measure">')[1:]]
    untold = [one for one in sides if "so far:" in one]
    assert untold and all("<b>" not in one for one in untold)
    assert "Too few to tell: with 7 preferences" in unescaped(words_of(app))


def test_a_contradiction_leads_back_to_its_pairs():
    session = registry.create()
    judge_many(session, 5)
    row = add_set(session, [" b 0.", " a long answer 0."], BIOLOGY.training_prompts[0])
    judged.add_ranking(session, row["id"], groups=[[0], [1]], seconds=2.0)
    app = open_page("mirror", session)
    assert "You preferred each of these two to the other" in unescaped(words_of(app))
    press(app, "reconsider_0")
    assert app.session_state["again"] == ["set-1", row["id"]]
    app.switch_page("pages/rank.py").run()
    press(app, "pick_b")
    assert (
        session.judged.rankings[0].groups == [[1], [0]]
        and app.session_state["card"]["set"] == row["id"]
    )
    press(app, "leave_again")
    assert app.session_state["again"] == [] and len(session.judged.rankings) == 6


def test_a_brief_without_reference_answers_says_so_and_foreign_text_stays_text():
    session = registry.create(
        briefs.from_dict(
            {"title": EVIL, "prefer": EVIL, "slug": "odd", "training_prompts": ["A cat is"]}
        )
    )
    session.judged.rankings = [
        Ranking(
            f"r{i}", EVIL, [EVIL, "plain"], [0, 1], [[i % 2], [1 - i % 2]], brief="odd", seconds=1.0
        )
        for i in range(6)
    ]
    app = open_page("mirror", session)
    assert (
        "has no reference answers" in words_of(app)
        and "<script>" not in html_of(app)
        and "&lt;script&gt;" in html_of(app)
    )


def test_the_charts_of_the_mirror_say_in_words_what_they_show():
    assert (
        "nothing to count yet" in charts_mirror.shares([]).alt
        and "empty" in charts_mirror.seconds_against([]).alt
        and "empty" in charts_mirror.pace([None]).alt
    )
    row = {
        "title": "The same answer again",
        "unit": "share",
        "value": 0.75,
        "low": 0.5,
        "high": 0.9,
        "count": 12,
    }
    one_kind = charts_mirror.shares([{**row, "key": "length_bias"}])
    assert "dashed line" in one_kind.look_for and "far to the right" not in one_kind.look_for
    chart = charts_mirror.shares([row, {**row, "unit": "ratio", "title": "other"}])
    assert (
        "The same answer again: 75% of 12, interval 50% to 90%" in chart.alt
        and "other" not in chart.alt
    )
    assert list(chart.figure.data[0].x) == [75] and list(
        chart.figure.data[0].error_x.array
    ) == pytest.approx([15])
    points = [
        {"seconds": s, "right": r, "kind": k}
        for s, r, k in (
            (1.0, False, "gold"),
            (3.0, True, "repeat"),
            (5.0, True, "gold"),
            (None, True, "gold"),
        )
    ]
    told = charts_mirror.seconds_against(points)
    assert (
        "2 with the same answer, median 4.0 seconds; 1 with another answer, median 1.0 seconds"
        in told.alt
        and len(told.figure.data) == 2
    )
    pace = charts_mirror.pace([4.0, 2.0, None, 1.0, 1.0])
    assert (
        "4 judgements with a time; median of the first half 3.0 seconds; median of the second half"
        " 1.0 seconds" in pace.alt
    )
    for one in (chart, told, pace):
        assert one.figure.layout.xaxis.title.text and one.look_for
