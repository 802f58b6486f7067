"""The context flip lab: its counts by hand, the whole of it on the bundled model in small, and its
page in every state.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.lab_settings import ContextFlipSettings
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair, Ranking
from rlhf_core.labs import context_flip, context_flip_task
from rlhf_core.labs.context_flip_briefs import choices
from rlhf_core.session import asked, registry, saving
from rlhf_core.session.state import Session
from rlhf_core.work import catalogue, jobs, running
from ui import state
from ui.labs import saved

ROOT = Path(__file__).resolve().parent.parent.parent
EVIL = "<script>alert(1)</script> ![x](http://example.org/x.png) $a$ :cat:"
SMALL = ContextFlipSettings(comparisons=8, steps=1, prompts=2)


# --- counts by hand -------------------------------------------------------------------------------


def test_votes_are_compared_pair_by_pair():
    from rlhf_core.labs.context_flip import compare_votes

    first = [Pair("p", "x", "y", choice) for choice in ("a", "a", "tie", "b", "b")]
    second = [Pair("p", "x", "y", choice) for choice in ("b", "a", "a", "tie", "a")]
    assert compare_votes(first, second) == {"opposite": 2, "alike": 1, "tie": 2}


def test_shown_takes_from_both_directions_the_furthest_first_and_each_text_once():
    from rlhf_core.labs.context_flip import shown

    rows = [
        ("one", 2.0, -2.0),
        ("two", 0.1, -0.1),
        ("three", -1.0, 1.0),
        ("four", -3.0, 0.0),
        ("one", 2.1, -2.0),
    ]
    sentences = [{"prompt": "p", "text": text, "scores": [a, b]} for text, a, b in rows]
    assert [row["text"] for row in shown(sentences)] == ["one", "four", "two", "three"]
    one_sided = [row for row in sentences if row["scores"][0] > 0]
    assert [row["text"] for row in shown(one_sided)] == ["one", "two"], (
        "where nothing goes the other way, what there is"
    )


def test_spread_is_even():
    from rlhf_core.labs.context_flip import spread

    assert spread(tuple("abcdefgh"), 4) == ["a", "c", "e", "g"] and spread(("a", "b"), 5) == [
        "a",
        "b",
    ]


# --- the whole lab, in small ----------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch):
    from rlhf_core.labs import context_flip

    monkeypatch.setattr(
        context_flip, "RewardModelSettings", partial(RewardModelSettings, reference_samples=64)
    )
    monkeypatch.setattr(
        context_flip,
        "PPOSettings",
        partial(PPOSettings, batch_size=8, minibatch_size=8, max_new_tokens=8),
    )
    return context_flip


def test_the_same_sentences_get_opposite_scores_and_the_session_is_left_alone(small, tmp_path):
    session = Session(directory=tmp_path / "run")
    session.store = saving.Folder()
    before = json.dumps(saving.to_dict(session))
    records = [item for item in context_flip.run(session, SMALL) if isinstance(item, dict)]
    assert len(records) == SMALL.records and json.loads(json.dumps(records)) == records
    state, former = saving.to_dict(session), json.loads(before)
    changed = {
        name for name, value in former.items() if json.loads(json.dumps(state))[name] != value
    }
    assert changed - {"made_by"} == {"labs"}, "the lab has models of its own"

    found = session.labs["context_flip"]
    assert found["status"] == "done" and json.loads(json.dumps(found)) == found
    assert (
        sum(found["votes"].values()) == 8 and found["votes"]["opposite"] > found["votes"]["alike"]
    )
    assert (
        found["correlation"] < 0
        and found["flips"] > 0.5
        and found["flips_interval"][0] < found["flips"] <= found["flips_interval"][1]
    )
    assert [len(rows) for rows in found["metrics"]] == [2, 2] and all(
        rows[0]["kl_to_reference"] < 1e-5 for rows in found["metrics"]
    )
    assert len(found["answers"]) == 2 * 2 and all(
        0 <= share <= 1 for shares in found["shares"] for share in shares
    )

    row = found["sentences"][0]
    *_, own = context_flip.score_own(session, row["prompt"], row["text"])
    assert own["scores"] == pytest.approx(row["scores"], abs=0.02), (
        "a sentence typed in scores as it did in the lab"
    )
    assert own["copied"] and "own_done" not in session.labs["context_flip"]
    *_, own = context_flip.score_own(session, row["prompt"], f"{row['text'].strip()[:-1]}, I say.")
    asked_of = context_flip_task.task(found)
    did = context_flip_task.outcome(asked_of, own["scores"]) == context_flip_task.DONE
    assert not own["copied"] and session.labs["context_flip"].get("own_done", False) == did
    with session.change():
        session.labs = {**session.labs, "context_flip": found}
    with pytest.raises(InputError, match="empty"):
        list(context_flip.score_own(session, "A cat is", "  "))

    again = saving.load(tmp_path / "run")
    assert again.labs["context_flip"] == found, "a reload finds it"
    with pytest.raises(InputError, match="no longer in memory"):
        list(context_flip.score_own(again, "A cat is", "a cat."))


def test_two_briefs_share_their_prompts_and_what_is_kept_out_of_either_is_kept_out_of_both():
    from rlhf_core.labs.context_flip import shared_prompts

    one = replace(
        PRESETS["biology-homework"], training_prompts=("A", "B", "C"), evaluation_prompts=("D",)
    )
    other = replace(
        PRESETS["meme-bot"], training_prompts=("X", "D", "B"), evaluation_prompts=("C", "Y")
    )
    assert shared_prompts(one, other) == (("A", "X", "B"), ("D", "C", "Y"))
    assert (
        shared_prompts(PRESETS["biology-homework"], PRESETS["meme-bot"])[0]
        == PRESETS["meme-bot"].training_prompts
    )
    empty = replace(one, training_prompts=(), evaluation_prompts=())
    with pytest.raises(InputError, match="no prompts to write about"):
        shared_prompts(empty, empty)


def test_briefs_that_cannot_be_set_against_each_other_are_refused_and_a_former_result_stays():
    session = Session()
    session.labs = {"context_flip": {"status": "done"}}
    biology, memes = PRESETS["biology-homework"], PRESETS["meme-bot"]
    alone = replace(biology, slug="mine", title="Mine", wanted=None)
    for chosen, own, words in (
        ((biology, biology), (False, False), "two different briefs"),
        ((biology, alone), (False, False), "'Mine' has no scripted rater"),
        ((biology, memes), (True, False), "ranked fewer than 8 sets"),
    ):
        with pytest.raises(InputError, match=words):
            list(context_flip.run(session, SMALL, list(chosen), own))
    work = context_flip.run(session, SMALL)
    next(work)
    work.close()
    assert session.labs == {"context_flip": {"status": "done"}}


def own_taste(session: Session, count: int) -> None:
    """The learner prefers the longer text, under the session's brief."""
    texts = [
        (" a small animal that lives in the wood and sleeps by day.", " a cat."),
        (" a mood on Monday with far too many tabs open.", " soup."),
    ]
    session.judged.rankings = [
        Ranking(
            f"own-{i}",
            asked.training_prompts(session)[i],
            list(texts[i % 2]),
            [0, 1],
            [[0], [1]],
            None,
            brief=session.asked.brief.slug,
            brief_version=session.asked.brief.version,
        )
        for i in range(count)
    ]


def test_the_learners_own_rankings_can_judge(small):
    session = Session()
    own_taste(session, 10)
    assert [brief.slug for brief in choices(session)][:2] == ["biology-homework", "meme-bot"]
    records = [
        item
        for item in context_flip.run(
            session, SMALL, [session.asked.brief, PRESETS["meme-bot"]], (True, False)
        )
        if isinstance(item, dict)
    ]
    found = session.labs["context_flip"]
    assert len(records) == SMALL.records and found["votes"] == {}
    assert [(brief["rater"], brief["comparisons"]) for brief in found["briefs"]][0] == (
        "you",
        10,
    ) and found["briefs"][1]["rater"] == "scripted rater (rule)"
    *_, longer = context_flip.score_own(
        session, "A cat is", "a small animal that lives in the wood and sleeps by day."
    )
    *_, shorter = context_flip.score_own(session, "A cat is", "a cat.")
    assert longer["scores"][0] > shorter["scores"][0], (
        "the first reward model learned the learner's taste"
    )
    assert len(session.judged.rankings) == 10 and session.learned.head == ""


def test_a_stop_keeps_what_was_found(small):
    session = Session()
    work = context_flip.run(session, SMALL)
    for item in work:
        if isinstance(item, dict) and item["kind"] == "scores":
            work.close()
    found = session.labs["context_flip"]
    assert found["status"] == "stopped" and found["sentences"] and not found["answers"]


def test_a_bundle_from_before_the_lab_opens(tmp_path):
    session = Session(directory=tmp_path / "run")
    saving.save(session)
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["state"].pop("labs") == {}
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    assert saving.load(tmp_path / "run").labs == {}


# --- the page -------------------------------------------------------------------------------------


def some(status: str = "done") -> dict:
    """What the lab keeps; untrusted text wherever a model or a person may have written it."""
    steps = [
        {"step": step, "reward_mean": 0.2 * step, "kl_to_reference": 0.1 * step} for step in (0, 1)
    ]
    return {
        "briefs": [
            {"slug": s, "title": t, "prefer": p, "wanted": w}
            for s, t, p, w in (
                ("b", "Biology", "A fact.", "fact"),
                ("m", "Memes", "A joke.", "meme"),
            )
        ],
        "settings": {"steps": 1},
        "accuracy": [0.9, 0.8],
        "accuracy_interval": [[0.6, 0.98], None],
        "votes": {"opposite": 5, "alike": 1, "tie": 2},
        "outputs": 10,
        "flips": 0.7,
        "flips_interval": [0.4, 0.9],
        "correlation": -0.8,
        "sentences": [{"prompt": "A cat is", "text": f" {EVIL}", "scores": [1.5, -1.25]}],
        "metrics": [steps, steps],
        "answers": (
            [
                {
                    "prompt": "A fox is",
                    "original": f" {EVIL}",
                    "texts": [" a mammal.", " a mood."],
                    "scores": [[1.0, -1.0], [-0.5, 0.75]],
                },
                {
                    "prompt": EVIL,
                    "original": " a.",
                    "texts": [" b.", " c."],
                    "scores": [[1.0, -1.0], [-0.5, 0.75]],
                },
            ]
            if status == "done"
            else []
        ),
        "shares": [[0.5, 0.5], [0.9, 0.1], [0.1, 0.9]] if status == "done" else [],
        "status": status,
    }


ASKED_FOR = []  # what the page asked the lab for: (slugs of the briefs, whose votes)


def fake_lab(session: Session, settings, chosen=None, own_votes=(False, False)) -> Iterator:
    ASKED_FOR[:] = [([brief.slug for brief in chosen], tuple(own_votes))]
    yield Progress("writing", 1, 2)
    session.labs = {"context_flip": {**some("running"), "sentences": [], "metrics": [[], []]}}
    yield {"kind": "outputs", "sets": 8}
    session.labs = {"context_flip": some("running")}
    yield {"kind": "scores", "flips": 0.7}
    session.labs = {"context_flip": some()}
    yield {"kind": "answers"}


def fake_own(session: Session, prompt: str, text: str) -> Iterator:
    yield {"kind": "own", "prompt": prompt, "text": f" {text}", "scores": [0.5, 0.25]}


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = jobs.JobQueue(running.begin, threaded=False)
    fakes = {"context_flip": fake_lab, "flip_own": fake_own}
    monkeypatch.setattr(jobs, "queue", lambda: still)
    monkeypatch.setattr(saved, "FOLDER", saved.FOLDER / "nothing saved")
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setattr(catalogue, "function_of", fakes.__getitem__)
    ASKED_FOR.clear()
    return still


def opened(found: dict | None = None) -> tuple[Session, AppTest]:
    session = registry.create()
    session.directory = session.store = None
    session.labs = {"context_flip": found} if found else {}
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    app.query_params["run"] = session.id
    app.run()
    app.switch_page("pages/context_flip.py").run()
    assert not app.exception, app.exception
    return session, app


def said(app: AppTest) -> str:
    parts = [
        element.value
        for kind in (
            "title",
            "subheader",
            "markdown",
            "caption",
            "info",
            "warning",
            "error",
            "success",
        )
        for element in getattr(app, kind)
    ]
    return " ".join(
        str(part) for part in parts + [element.proto.body for element in app.get("html")]
    ).replace("\\", "")


def alts(app: AppTest) -> list[str]:
    return [element.proto.alt for element in app.get("plotly_chart")]


def test_an_empty_page_shows_the_two_briefs_and_one_button(queue):
    _, app = opened()
    words = said(app)
    assert (
        "Biology homework helper" in words
        and "Meme bot" in words
        and "not people" in words
        and alts(app) == []
    )
    assert [button.key for button in app.button if button.key.startswith("flip")] == ["flip"]


def test_it_runs_shows_what_it_has_and_ends(queue):
    session, app = opened()
    app.button(key="flip").click().run()
    assert app.button(key="flip").disabled
    for _ in range(3):
        queue.advance()
    app.run()
    assert not app.exception and "context_flip_stop" in {button.key for button in app.button}
    (bar,) = app.get("progress")
    assert bar.proto.text.startswith(("**Both reward models", "**PPO towards brief 1 of 2, step"))
    assert " of 31" not in bar.proto.text  # records are no steps
    assert any(alt.startswith("Scores of 1 sentences") for alt in alts(app))
    while queue.advance():
        pass
    app.run()
    words = said(app)
    assert (
        "70%" in words
        and "40% to 90%" in words
        and "5 the opposite way" in words
        and not app.button(key="flip").disabled
    )
    assert "Biology +1.50, Memes \N{MINUS SIGN}1.25" in alts(app)[0] and len(alts(app)) == 2
    assert "<script>" not in words


def test_a_reload_finds_it_and_untrusted_text_stays_text(queue):
    _, app = opened(some())
    assert "Held-out accuracy: 90% (95% interval 60% to 98%)." in said(app)  # never a bare share
    assert "Tuned for: Biology" in said(app) and "90%" in said(app) and "<script>" not in said(app)
    app.selectbox(key="flip_pick").set_value(EVIL).run()
    assert not app.exception and "<script>" not in said(app)


def test_a_stopped_lab_says_so_and_shows_what_it_had(queue):
    _, app = opened(some("stopped"))
    assert (
        "stopped before its end" in said(app)
        and len(alts(app)) == 2
        and "flip_pick" not in {box.key for box in app.selectbox}
    )


def test_a_sentence_of_ones_own(queue):
    _, app = opened(some())
    app.button(key="flip_own").click().run()
    assert "Your sentence is empty" in said(app)
    app.text_input(key="flip_text").set_value(f"a mood {EVIL}")
    app.button(key="flip_own").click().run()
    while queue.advance():
        pass
    app.run()
    # The task can be done: a text of the lab has done it. This one does not.
    assert "above +1 under one brief and below −1 under the other" in said(app)
    assert "Can you write one that both" not in said(app) and not app.success
    assert (
        "Both briefs like it" in said(app)
        and "Biology: +0.50" in said(app)
        and "<script>" not in said(app)
        and "is empty" not in said(app)
    )


@pytest.mark.parametrize(
    "shown, scores, asked, how",
    [
        ([[1.5, -1.2]], [1.1, -1.01], ("flip", 1.0), "done"),
        ([[1.5, -1.2]], [-0.2, 0.3], ("flip", 1.0), "nearly"),
        ([[1.5, -1.2]], [1.5, 0.2], ("flip", 1.0), "not yet"),
        ([[0.4, -0.2], [0.5, 0.5]], [-0.1, 0.1], ("flip", 0.0), "done"),
        # Only where the briefs overlap can a text please both.
        ([[0.4, 0.2], [-0.5, -0.5]], [0.1, 0.1], ("both", 0.0), "done"),
        ([[0.4, 0.2], [-0.5, -0.5]], [0.1, -0.1], ("both", 0.0), "not yet"),
    ],
)
def test_the_task_is_one_that_a_text_of_the_lab_has_done(shown, scores, asked, how):
    found = {"sentences": [{"scores": pair} for pair in shown]}
    assert context_flip_task.task(found) == asked
    assert context_flip_task.outcome(asked, scores) == how
    if asked[0] == "flip":
        assert any(context_flip_task.outcome(asked, pair) == "done" for pair in shown)


def test_a_text_that_flips_far_enough_is_done(queue, monkeypatch):
    def flips(session, prompt, text):
        yield {"kind": "own", "prompt": prompt, "text": f" {text}", "scores": [1.2, -1.1]}

    monkeypatch.setattr(catalogue, "function_of", {"flip_own": flips}.__getitem__)
    _, app = opened(some())
    app.text_input(key="flip_text").set_value("a mood")
    app.button(key="flip_own").click().run()
    while queue.advance():
        pass
    app.run()
    assert "Done:" in app.success[0].value and "the text is the same" in app.success[0].value


def test_other_briefs_can_be_picked_and_the_same_one_twice_is_refused(queue):
    session, app = opened()
    app.selectbox(key="flip_brief_1_pick").set_value("biology-homework").run()
    app.button(key="flip").click().run()
    assert "Pick two different briefs" in said(app) and "context_flip" not in session.jobs
    app.selectbox(key="flip_brief_1_pick").set_value("customer-reply").run()
    app.button(key="flip").click().run()
    queue.advance()
    assert ASKED_FOR == [(["biology-homework", "customer-reply"], (False, False))]
    assert "two different briefs" not in said(app)


def test_own_rankings_are_offered_where_there_are_enough(queue):
    session, app = opened()
    assert not [toggle for toggle in app.toggle if toggle.key.startswith("flip_own")]
    own_taste(session, 8)
    app.run()
    app.toggle(key="flip_own_0_biology-homework").set_value(True).run()
    assert "you, 8 rankings" in said(app) and "You judge one of them" in said(app)
    app.button(key="flip").click().run()
    queue.advance()
    assert ASKED_FOR[0][1] == (True, False)
