"""Paper trail, the tab "Publish": what goes to the hub and when, what is said of it, and that a
token is nowhere when it has been used.
"""

from __future__ import annotations

import time

import pytest
import torch
from fake_hub import WRITE, Hub
from page_helpers import (
    EVIL,
    again,
    finish,
    judging,
    keys,
    offered,
    open_page,
    press,
    raw,
    said,
    session_of,
    still_server,
)
from streamlit.testing.v1 import AppTest

from rlhf_core.exchange import hub_aside
from rlhf_core.loop import workbench
from rlhf_core.session import registry
from rlhf_core.work import jobs
from ui.paper import pushing


@pytest.fixture
def queue(monkeypatch, tmp_path) -> jobs.JobQueue:
    return still_server(monkeypatch, tmp_path)


def ready_to_push(queue) -> AppTest:
    app = press(open_page("paper_trail", judging(registry.create())), "hub_make_dataset")
    finish(queue)
    return again(app)


def push(app: AppTest, name: str, token: str = WRITE, **boxes: bool) -> AppTest:
    app.text_input(key="hub_name").set_value(name)
    app.text_input(key="hub_token").set_value(token)
    for key, value in boxes.items():
        app.checkbox(key=f"hub_{key}").set_value(value)
    return press(app, "hub_push")


def wait(app: AppTest) -> AppTest:
    until, session = time.monotonic() + 60, session_of(app)
    while pushing.alive(session.id):
        assert time.monotonic() < until
        time.sleep(0.05)
    return again(app)


def test_the_tab_says_what_is_missing_and_that_no_licence_was_chosen(queue, hub):
    app = open_page("paper_trail")
    assert "hub_push" not in keys(app) and "hub_make_dataset" not in keys(app)
    session = judging(session_of(app))
    app = again(app)
    assert "hub_make_dataset" in offered(app) and "No licence was chosen yet" in said(app)
    app.segmented_control(key="hub_what").set_value("model").run()
    assert "First run at least one PPO step" in said(app) and "hub_make_model" not in keys(app)
    assert session.judged.rankings


def test_a_data_set_goes_there_and_the_token_is_nowhere_then(queue, hub: Hub, tmp_path, caplog):
    app = ready_to_push(queue)
    app = push(app, "my-votes")
    assert app.text_input(key="hub_token").value == "", "the field is empty at once"
    app = wait(app)
    found = hub.repositories["dataset", "ada/my-votes"]
    assert found.private and "preferences.jsonl" in found.files
    assert "are at ada/my-votes. Private." in said(app)
    assert [row.proto.url for row in app.get("link_button")] == [f"{hub.url}/datasets/ada/my-votes"]
    token = WRITE.encode()
    kept = [place for place in (tmp_path / "runs").rglob("*") if place.is_file()]
    assert len(kept) > 2 and not any(token in place.read_bytes() for place in kept)
    assert WRITE not in repr(app.session_state) and WRITE not in caplog.text
    assert WRITE not in str(session_of(app).settings) + str(session_of(app).jobs) + raw(app)


def test_what_cannot_be_is_a_sentence_and_may_be_tried_again(queue, hub):
    app = push(ready_to_push(queue), EVIL)
    assert "is no name for a repository" in said(app) and "<script>" not in raw(app)
    app = push(app, "my-votes", token="")
    assert "wants a token" in said(app) and hub.asked == []
    app = wait(push(app, "my-votes", token="hf_wrong_wrong"))
    assert "does not know this token" in said(app) and "Nothing was sent" in said(app)
    app = push(app, EVIL)
    assert "is no name for a repository" in said(app) and "this token" not in said(app)
    app = wait(push(app, "my-votes", public=True))
    assert "ada/my-votes. Public." in said(app) and "hub_push" in offered(app)
    app = wait(push(app, "my-votes"))
    assert "already: choose another name" in said(app)
    app = wait(push(app, "my-votes", update=True))
    assert "As visible as before" in said(app)


def test_a_push_is_stopped_and_what_is_left_is_said(queue, hub):
    hub.trouble["commit"], hub.slowness = "slow", 30.0
    app = push(ready_to_push(queue), "my-votes")
    until = time.monotonic() + 60
    while not any("/commit/" in path for path in hub.asked):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1.0)  # the server looks at the pushing process every 0.2 s
    app = press(again(app), "hub_stop")
    app = wait(app)
    assert "Stopped. Whether it came in is not known" in said(app)
    assert hub.repositories["dataset", "ada/my-votes"].files == {}


def test_one_push_a_session_and_few_at_a_time(queue, hub, monkeypatch):
    hub.trouble["whoami"], hub.slowness = "slow", 30.0
    app = push(ready_to_push(queue), "one")
    assert "hub_push" not in offered(app) and "hub_stop" in offered(app)
    monkeypatch.setattr(pushing, "MOST", 1)
    other = push(ready_to_push(queue), "two")
    assert "Others are pushing to the hub right now" in said(other)
    wait(press(app, "hub_stop"))


def test_a_server_that_stays_away_from_the_hub_says_so_and_gives_the_lines(queue, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    app = open_page("paper_trail", judging(registry.create()))
    assert hub_aside.offline() and "stay away from the hub" in said(app)
    assert "hub_push" not in keys(app)
    (lines,) = [code.value for code in app.code if "hf upload" in code.value]
    assert "--repo-type dataset --private" in lines and "hf auth login" in lines


def test_the_lines_for_a_model_are_a_model_s(queue, hub):
    session = judging(registry.create())
    with session.change():
        session.tuned.weights = workbench.put(session, {"w": torch.ones(2)})
    app = open_page("paper_trail", session)
    app.segmented_control(key="hub_what").set_value("model").run()
    (lines,) = [code.value for code in app.code if "hf upload" in code.value]
    assert "dataset" not in lines and "tuned-model" in lines
