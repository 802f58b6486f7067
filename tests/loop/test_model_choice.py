"""Choosing another model: fetched, loaded, refused; what the session keeps; how long a step takes;
the page that does it all.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny_models import byte_tokenizer, one_thread, tiny_model  # noqa: F401

from rlhf_core.common import errors
from rlhf_core.common.errors import InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.preferences import Pair
from rlhf_core.lm import language_model, model_list
from rlhf_core.loop import model_choice, reward, scripted_rater, tuning, workbench
from rlhf_core.session import asked, registry, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store import bundle
from rlhf_core.work import jobs, running
from ui import state

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = PPOSettings(steps=1, batch_size=8, minibatch_size=8, max_new_tokens=6, epochs=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("tiny-llama")
    tiny_model("llama").save_pretrained(place)
    byte_tokenizer().save_pretrained(place)
    return place


def records(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def tuned(**options) -> Session:
    """A session with comparisons, a reward model and a tuned model, all of the bundled one."""
    session = Session(**options)
    session.store = saving.Folder() if session.directory else None
    records(scripted_rater.judge_for_me(session, 8))
    records(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
    records(tuning.ppo(session, SMALL))
    return session


def test_comparisons_stay_and_what_belongs_to_the_former_model_goes(folder):
    session = tuned()
    ranked = list(session.judged.rankings)
    (record,) = records(model_choice.choose(session, str(folder)))
    assert record["kind"] == "model" and session.model_name == str(folder)
    assert session.judged.rankings == ranked and asked.waiting(session) == 0
    assert (
        session.learned.head == weights.now(session) == ""
        and session.tuned.metrics == []
        and session.history.current_round == 1
    )
    assert "ppo" not in session.settings
    records(
        reward.fit_reward_model(session, RewardModelSettings(reference_samples=64))
    )  # the former model's texts, read by the new one
    records(tuning.ppo(session, SMALL))
    assert (
        session.tuned.steps_done == 1
        and session.model_hash == language_model.load(str(folder)).fingerprint()
    )
    with pytest.raises(
        InputError, match="belong to another model"
    ):  # nothing of one model fits the other
        workbench.trunk_with(language_model.load(), workbench.tuned_of(session))


def test_the_choice_survives_a_reload_and_the_run_goes_on(folder, tmp_path):
    session = tuned(directory=tmp_path / "session")
    records(model_choice.choose(session, str(folder)))
    records(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
    records(tuning.ppo(session, SMALL))
    again = saving.load(tmp_path / "session")
    assert again.model_name == str(folder) and again.tuned.steps_done == 1
    records(tuning.ppo(again, SMALL))
    assert again.tuned.steps_done == 2


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("no/such/folder", "There is no folder"),
        ("x" * 5_000, "There is no folder 'xxx"),
        ("nul\0byte", "There is no folder"),
        ("", "no config.json"),
        ("gpt2", "could not be downloaded"),
    ],
)
def test_what_cannot_be_had_is_refused_and_the_session_keeps_its_model(
    name, sentence, monkeypatch, tmp_path
):
    def refused(name):
        yield Progress("fetching", 0, 1)
        raise errors.DownloadError("The model gpt2 could not be downloaded.")

    monkeypatch.setattr(model_choice, "fetch_aside", refused)
    monkeypatch.setattr(model_list, "here", lambda name: name not in model_list.HUB)
    session = Session()
    with pytest.raises(InputError, match=sentence):
        records(model_choice.choose(session, name or str(tmp_path)))
    assert session.model_name == "bundled"


def test_a_hub_model_is_fetched_first_and_loaded_then(folder, monkeypatch):
    fetching = []

    def fetched(name):
        fetching.append(name)
        yield Progress("fetching", 1, 1)

    monkeypatch.setattr(model_choice, "fetch_aside", fetched)
    monkeypatch.setattr(model_list, "here", lambda name: False)
    monkeypatch.setattr(language_model, "download", lambda name, revision, tell, offline: folder)
    session = Session()
    records(model_choice.choose(session, "distilgpt2"))
    assert fetching == ["distilgpt2"] and session.model_name == "distilgpt2"


def test_idle_sessions_of_a_large_model_put_their_policies_away_and_take_them_up_again(
    folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(workbench, "LARGE", 0)
    monkeypatch.setattr(workbench, "MOST_HELD", 1)
    everybody = []
    for number in range(3):
        session = Session(model_name=str(folder), directory=tmp_path / str(number))
        session.store = saving.Folder()
        session.judged.imported = [
            Pair("An opossum is", " a marsupial.", " a mood.", "a"),
            Pair("A ship is", " a big boat.", " my whole mood.", "a"),
        ]
        records(reward.fit_reward_model(session, RewardModelSettings(reference_samples=64)))
        records(tuning.ppo(session, SMALL))
        everybody.append(session)
    first, second, third = everybody
    live = [workbench.policy_of(session) is not None for session in everybody]
    assert live == [False, True, True]
    assert first.held == {} and weights.is_kept(first, first.tuned.weights), "it lies on disk"
    records(tuning.ppo(first, SMALL))
    assert first.tuned.steps_done == 2 and workbench.policy_of(second) is None
    assert first.tuned.weights in first.held


def test_a_session_that_cannot_be_written_keeps_its_policy(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(workbench, "LARGE", 0)
    monkeypatch.setattr(workbench, "MOST_HELD", 0)
    session, other = (Session(model_name=str(folder), directory=tmp_path / name) for name in "ab")
    for one in (session, other):
        one.store = saving.Folder()
        one.judged.imported = [Pair("An opossum is", " a marsupial.", " a mood.", "a")]
        records(reward.fit_reward_model(one, RewardModelSettings(reference_samples=64)))
    records(tuning.ppo(session, SMALL))

    def full(*_, **__):
        raise errors.BundleError("The disk is full.")

    monkeypatch.setattr(bundle, "write_bundle", full)
    records(tuning.ppo(other, SMALL))
    assert workbench.policy_of(session) is not None and session.tuned.weights in session.held


# --- how long a step takes ------------------------------------------------------------------------


def test_a_step_is_measured_once_and_one_that_fits_needs_no_offer(folder, monkeypatch):
    monkeypatch.setattr(model_choice, "STEP_TIMES", {})
    session = Session(model_name=str(folder))
    (first,) = records(model_choice.time_a_step(session, SMALL))
    assert (
        first["seconds"] == pytest.approx(sum(first["parts"].values()))
        and 0 < first["seconds"] < 8
        and first["workshop"] is None
    )
    monkeypatch.setattr(
        model_choice, "timed_step", None
    )  # known by now: nobody measures again, not even for another session
    (second,) = records(model_choice.time_a_step(Session(model_name=str(folder)), SMALL))
    assert second["seconds"] == first["seconds"] and session.step_times == {
        model_list.settings_key(str(folder), SMALL): first
    }


def test_where_a_step_is_slow_the_first_settings_that_fit_are_offered(folder, monkeypatch):
    """A step takes as many seconds as it has answers: 64 are too slow, so are 32 and 16; 8 fit."""

    def timed(lm, settings):
        yield Progress("timing a step", 0, 1)
        yield {"writing": float(settings.batch_size)}

    monkeypatch.setattr(model_choice, "STEP_TIMES", {})
    monkeypatch.setattr(model_choice, "timed_step", timed)
    (record,) = records(model_choice.time_a_step(Session(model_name=str(folder)), PPOSettings()))
    assert record["seconds"] == 64.0 and record["workshop"]["seconds"] == 8.0
    assert record["workshop"]["settings"] == {
        "frozen_layers": 2,
        "batch_size": 8,
        "minibatch_size": 8,
        "max_new_tokens": 16,
        "epochs": 2,
    }


def test_more_frozen_layers_than_the_model_has_are_refused(folder):
    with pytest.raises(InputError, match="3 layers; at most 2 can be frozen"):
        records(
            model_choice.time_a_step(Session(model_name=str(folder)), PPOSettings(frozen_layers=3))
        )


# --- the pages ------------------------------------------------------------------------------------


@pytest.fixture
def visit(monkeypatch, tmp_path):
    """(session, open): ``open(path)`` is the app at that page, in this session; the queue moves
    only when ``finish`` is called.
    """
    still = jobs.JobQueue(running.begin, threaded=False)
    monkeypatch.setattr(jobs, "queue", lambda: still)
    monkeypatch.setattr(state, "warm_up", lambda: "")
    monkeypatch.setattr(model_choice, "MOST_WAIT", 0.0)
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(state, "at_home", lambda: True)
    session = registry.create()

    def open_at(path: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.query_params["run"] = session.id
        return app.run().switch_page(path).run()

    def finish() -> None:
        while still.advance():
            pass

    yield session, open_at, finish
    registry.delete(session.id)


def words(app: AppTest) -> str:
    return " ".join(
        str(part.value)
        for kind in ("markdown", "caption", "warning", "info", "error")
        for part in app.get(kind)
    )


def test_a_folder_is_chosen_on_the_page_measured_there_and_trained(visit, folder):
    session, open_at, finish = visit
    app = open_at("pages/models.py")
    assert "pocket GPT\\-2" in words(app) and not app.exception
    app.radio(key="model_pick").set_value("a folder").run()
    assert "rude, false or upsetting" in words(app)
    app.text_input(key="model_folder").input(str(folder)).run()
    app.button(key="use_model").click().run()
    finish()
    app.run()
    assert session.model_name == str(folder) and not app.exception
    finish()  # the measurement has begun by itself
    app.run()
    assert "a step** on this machine, just measured" in words(app) and not app.exception
    app.switch_page("pages/prompt.py").run()
    assert "Written by **tiny" in words(app)


def test_a_path_that_leads_nowhere_is_said_on_the_page(visit):
    session, open_at, finish = visit
    app = open_at("pages/models.py")
    app.radio(key="model_pick").set_value("a folder").run()
    app.button(key="use_model").click().run()
    assert "Type the folder" in words(app)
    app.text_input(key="model_folder").input("/no/such <b>folder</b>").run()
    app.button(key="use_model").click().run()
    finish()
    app.run()
    assert "There is no folder" in words(app) and session.model_name == "bundled"


def test_a_room_full_of_people_cannot_name_folders(visit, monkeypatch):
    monkeypatch.setattr(state, "at_home", lambda: False)
    session, open_at, finish = visit
    assert (
        "A folder on this machine" not in open_at("pages/models.py").radio(key="model_pick").options
    )


def test_ppo_of_a_slow_model_says_how_long_first_and_takes_the_workshop_settings(
    visit, folder, monkeypatch
):
    def timed(lm, settings):
        yield Progress("timing a step", 0, 1)
        yield {"writing": float(settings.batch_size)}

    monkeypatch.setattr(model_choice, "STEP_TIMES", {})
    monkeypatch.setattr(model_choice, "timed_step", timed)
    session, open_at, finish = visit
    asked.set_model(session, str(folder))
    session.learned.head = "0" * 64
    app = open_at("pages/ppo.py")
    assert app.button(key="ppo_play").disabled and not app.exception
    finish()
    app.run()
    assert (
        "**About 64 s a step**" in words(app)
        and "**about 8 s a step**" in words(app)
        and not app.button(key="ppo_play").disabled
    )
    app.button(key="take_workshop").click().run()
    assert session.settings["ppo_next"]["batch_size"] == 8 and app.button(key="ppo_play").disabled
    finish()
    app.run()
    assert "**About 8 s a step**" in words(app) and not app.button(key="ppo_play").disabled


def test_what_another_session_has_measured_is_there_at_once(visit, folder):
    session, open_at, finish = visit
    records(
        model_choice.time_a_step(
            Session(model_name=str(folder)),
            PPOSettings(batch_size=8, minibatch_size=8, max_new_tokens=6),
        )
    )
    asked.set_model(session, str(folder))
    session.settings = {"ppo_next": {"batch_size": 8, "minibatch_size": 8, "max_new_tokens": 6}}
    app = open_at("pages/models.py")
    finish()
    app.run()
    assert (
        "just measured" in words(app)
        and "model_to_prompt" in {button.key for button in app.button}
        and not app.exception
    )


def test_the_bundled_model_needs_no_measurement(visit):
    session, open_at, finish = visit
    session.learned.head = "0" * 64
    app = open_at("pages/ppo.py")
    assert not app.button(key="ppo_play").disabled and "a step**" not in words(app)
