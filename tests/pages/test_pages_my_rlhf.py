"""My RLHF and The human side without a browser: empty, half done, done, and with hostile words."""

from __future__ import annotations

import pytest
from page_helpers import EVIL, ROOT, alts, finish, open_page, press, said, still_queue
from stand_ins import evaluation, fake_fit, fake_ppo, made, rank, stand_in

from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.labs import challenges, narrow_group, understanding
from rlhf_core.session.state import Session
from ui import state

CHALLENGES = challenges.CHALLENGES


@pytest.fixture
def queue(monkeypatch):
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, narrow_group=fake_narrow)
    return still


def fake_narrow(session: Session):
    agrees = {"low": 0.7, "high": 0.99, "of": 39}
    models = [
        {"share": share, "agrees": [{"share": 1 - share, **agrees}, {"share": share, **agrees}]}
        for share in narrow_group.SHARES
    ]
    liked = {"prompt": "An opossum is", "text": EVIL, "scores": [-1.2, -1.0, 0.1]}
    found = {"kind": "narrow", "models": models, "favourites": [liked, liked]}
    found |= {"processor_seconds": 8.0}
    session.labs = {**session.labs, narrow_group.KEY: found}
    yield found


def compared() -> Session:
    session = made()
    rank(session, [[[0], [1]]])
    list(fake_fit(session, RewardModelSettings()))
    list(fake_ppo(session, PPOSettings(steps=2)))
    session.tuned.evaluation = {**evaluation(True), "verdict": "better", "judges": []}
    return session


def links(app) -> list[str]:
    return [link.proto.page for link in app.get("page_link")]


# --- my rlhf --------------------------------------------------------------------------------------


def test_a_fresh_session_has_everything_before_it(queue):
    app = open_page("my_rlhf", made())
    bars = [bar.proto.text for bar in app.get("progress")]
    assert bars == ["**0 of 20** done", "**0 of 8** understood"]
    assert "You have done RLHF" not in said(app)
    assert "comes with your first before and after" in said(app)
    assert all(one.title in said_links(app) for one in CHALLENGES)
    assert "· done" not in said_links(app)


def said_links(app) -> str:
    return " ".join(link.proto.label for link in app.get("page_link"))


def test_every_challenge_is_one_press_from_its_page(queue):
    app = open_page("my_rlhf", made())
    assert {one.page for one in CHALLENGES} <= set(links(app))


def test_a_challenge_that_was_done_is_ticked_on_both_pages(queue):
    session = made()
    session.asked.user_prompts = ["A cat is"]
    session.asked.candidate_sets = [{"id": "s", "prompt": "A cat is", "texts": [], "asked": True}]
    session.labs = {challenges.KEY: ["goodhart"]}
    labels = said_links(open_page("my_rlhf", session))
    assert "**Ask it something** · done" in labels and "**Beat PPO** · done" not in labels
    assert challenges.earned(session) == {"own_prompt", "goodhart"}
    assert "Challenge, done" in said(open_page("goodhart", session))
    assert "Challenge, done" not in said(open_page("noise", session))


def test_done_once_has_an_end_and_a_picture_to_take_along(queue):
    app = open_page("my_rlhf", compared())
    assert "You have done RLHF." in said(app)
    names = {button.proto.label for button in app.get("download_button")}
    assert {"Download the picture", "As SVG"} <= names


def test_a_question_comes_before_its_reason_and_may_be_tried_again(queue):
    session = made()
    app = open_page("my_rlhf", session)
    question = understanding.QUESTIONS[0]
    assert question.asked in app.radio[0].label and question.why not in said(app)
    key = f"understood_{question.name}"
    app.radio(key=key).set_value((question.right + 1) % 3).run()
    assert "Not quite" in said(app) and question.why in said(app)
    app.radio(key=key).set_value(question.right).run()
    assert f"Right. {question.why}" in said(app)
    assert understanding.answered(session)[question.name] == {
        "chosen": question.right,
        "right": True,
        "tries": 2,
    }


# --- the human side -------------------------------------------------------------------------------


def test_every_claim_has_a_source_and_an_action(queue):
    app = open_page("human_side", made())
    words = said(app)
    for source in ("Ouyang et al. 2022", "Gebru et al. 2021", "Gray & Suri 2019", "Casper et al."):
        assert source in words
    assert words.count("Source: ") == 6
    assert {"whose_preferences", "briefs", "import_export", "mirror", "models"} <= set(links(app))
    assert "so far: nobody yet" in words.replace("**", "")


def test_the_page_is_short(queue):
    words = said(open_page("human_side", made())).split("| share |")[0]
    assert len(words.split()) <= 350, len(words.split())


def test_the_card_still_says_what_the_page_says_of_the_model():
    card = (ROOT / "assets" / "pocket-gpt2" / "README.md").read_text(encoding="utf-8")
    assert "## Data" in card and "trained from nothing" in card
    assert "help of a large language model" in card and "never tested for bias" in card


def test_a_narrow_group_is_asked_about_both_tastes(queue):
    session = made()
    app = press(open_page("human_side", session), "narrow_start")
    finish(queue)
    app = open_page("human_side", session)
    (alt,) = alts(app)
    assert "all facts → facts 100%" in alt and "all facts → jokes 0%" in alt
    words = said(app)
    assert "<script>" not in words.replace("&lt;script&gt;", "") and "−1.20 SD" in words
    assert "8 s of work, × 45 W = 0.10 Wh" in words.replace("**", "") and "An estimate" in words


def test_the_estimate_grows_with_the_watts_and_the_steps(queue):
    session = compared()  # three rows of one second each
    app = open_page("human_side", session)
    app.number_input(key="watts").set_value(1200).run()
    assert "3 s of work, × 1200 W = 1.00 Wh" in said(app).replace("**", "")
