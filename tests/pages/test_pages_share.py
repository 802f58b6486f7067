"""Links that are shared, opened without a browser: in a session of their own, whatever they say."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from page_helpers import EVIL, ROOT, finish, open_page, press, said, session_of, still_queue
from stand_ins import fake_generate, made, stand_in
from streamlit.testing.v1 import AppTest

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.loop import whole
from rlhf_core.session import registry
from rlhf_core.work import jobs
from ui import share, state


@pytest.fixture
def queue(monkeypatch) -> jobs.JobQueue:
    still = still_queue(monkeypatch)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    stand_in(monkeypatch, generate=fake_generate)
    return still


def arrive(page: str, **parameters: str | list[str]) -> AppTest:
    """The app at ``page``, whose address has these parameters."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.run()  # the router knows its pages
    app.query_params.clear()
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception, app.exception
    return app


def test_a_link_opens_a_session_of_its_own_and_the_model_writes(queue):
    app = arrive("prompt", brief="meme-bot", prompt="A fox is", seed="7", temperature="1.2")
    session = session_of(app)
    assert session.asked.brief == PRESETS["meme-bot"]
    assert session.settings["sampling_next"] == {"seed": 7, "temperature": 1.2}
    assert "Opened from a shared link" in said(app)
    assert set(app.query_params) == {"run"}
    finish(queue)
    app.run()
    assert session.asked.candidate_sets[-1]["prompt"] == "A fox is"
    assert app.text_area(key="prompt_text").value == "A fox is"


def test_what_cannot_be_used_is_told_and_nothing_of_it_is_drawn_as_markup(queue):
    app = arrive(
        "prompt", brief=EVIL, prompt="x" * 10_000, seed=["1", "2"], temperature="nan", top_p=EVIL
    )
    session = session_of(app)
    assert session.asked.brief == PRESETS["biology-homework"] and not session.asked.user_prompts
    assert not session.settings.get("sampling_next") and not session.jobs
    (note,) = [box.value for box in app.info if "shared link" in box.value]
    for words in ("no brief called", "10,000 characters", "2 times", "from 0\\.1 to 2\\.0"):
        assert words in note or words.replace("\\", "") in note.replace("\\", "")
    assert "<script>" not in note and "![x](" not in note


def test_a_scripted_prompt_is_only_text(queue):
    app = arrive("prompt", prompt=EVIL)
    assert app.text_area(key="prompt_text").value == " ".join(EVIL.split())
    assert "<script>alert" not in "".join(box.value for box in app.info)


def test_knobs_of_ppo_and_no_others(queue):
    app = arrive("ppo", beta="0.5", steps="20", brief="survival-guide", prompt="My tent")
    session = session_of(app)
    assert session.settings["ppo_next"] == {"beta": 0.5, "steps": 20}
    assert session.asked.user_prompts == ["My tent"]
    assert session.asked.brief.slug == "survival-guide"


def test_a_guest_of_a_ppo_link_sees_what_it_carries_and_one_way_on(queue):
    app = arrive("ppo", beta="0.5", steps="20", brief="survival-guide", prompt="My tent")
    words = said(app)
    assert "β: price of drift 0.5" in words and "Steps 20" in words
    assert "Survival guide" in words and "My tent" in words
    primary = [button.key for button in app.button if button.proto.type == "primary"]
    assert primary == ["to_prompt"]


def test_the_knobs_of_a_link_outlive_the_run_that_somebody_else_makes(monkeypatch):
    session = made()
    session.choose("ppo", {"beta": 0.5})
    for name in ("generate_pool", "judge_for_me", "fit_reward_model", "evaluate"):
        monkeypatch.setattr(whole, name, lambda *_: iter(()))
    ran = []

    def ppo(session, settings):
        ran.append((settings.beta, dict(session.settings)))
        session.begin("ppo", vars(settings))
        yield from ()

    monkeypatch.setattr(whole, "ppo", ppo)
    list(whole.run_once(session))
    assert ran[0][0] != 0.5 and "ppo_next" not in ran[0][1]
    assert session.settings["ppo_next"] == {"beta": 0.5}


def test_a_session_that_is_there_is_asked_for_and_never_changed(queue):
    mine = made("fitted")
    before = mine.asked.to_dict(), dict(mine.settings), mine.learned.head
    app = arrive("prompt", run=mine.id, brief="meme-bot", prompt="A fox is", seed="7")
    assert session_of(app) is mine and "also carries a shared link" in said(app)
    press(app, "shared_open")
    assert session_of(app) is not mine and session_of(app).asked.brief.slug == "meme-bot"
    assert (mine.asked.to_dict(), dict(mine.settings), mine.learned.head) == before
    assert registry.get(mine.id) is mine


def test_one_may_stay(queue):
    mine = made()
    app = arrive("prompt", run=mine.id, brief="meme-bot", kept="x")
    press(app, "shared_stay")
    assert session_of(app) is mine and mine.asked.brief.slug == "biology-homework"
    assert set(app.query_params) == {"run", "kept"} and "shared link" not in said(app)


def test_the_back_button_opens_no_second_session(queue):
    app = arrive("prompt", brief="meme-bot", seed="7")
    session = session_of(app)
    app.query_params.clear()
    app.query_params["brief"], app.query_params["seed"] = "meme-bot", "7"
    app.run()
    assert session_of(app) is session and set(app.query_params) == {"run"}


@pytest.mark.parametrize("page", ["prompt", "ppo"])
def test_the_link_holds_no_session(queue, page, monkeypatch):
    session = made("fitted")
    monkeypatch.setattr(share, "address", lambda page, query: f"http://x/{page}?{query}")
    shown = []
    monkeypatch.setattr(share.st, "code", lambda body, **_: shown.append(body))
    share.button(session, page)
    (link,) = [one for one in shown if one.startswith("http")]
    parameters = parse_qs(urlsplit(link).query)
    assert session.id not in link and "run" not in parameters
    assert parameters["brief"] == ["biology-homework"] and "seed" in parameters


@pytest.mark.parametrize(
    "here, there",
    [
        ("http://a.b:8501/", "http://a.b:8501/ppo?seed=0"),
        ("http://a.b/prompt", "http://a.b/ppo?seed=0"),
        ("https://a.b/tools/opossum/before_after/", "https://a.b/tools/opossum/ppo?seed=0"),
        ("https://a.b/tools/opossum", "https://a.b/tools/opossum/ppo?seed=0"),
        (None, "/ppo?seed=0"),
    ],
)
def test_the_address_is_the_servers(monkeypatch, here, there):
    class Context:
        url = here

    monkeypatch.setattr(share.st, "context", Context())
    assert share.address("ppo", "seed=0") == there


def test_without_a_link_nothing_is_different(queue):
    app = open_page("prompt")
    assert "shared link" not in said(app) and re.fullmatch(r"[\w-]{16}", session_of(app).id)
