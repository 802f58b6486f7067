"""Paper trail without a browser: what can be taken home and when, the card in the author's words, a
zip opened as a session of one's own or refused, and nothing of a stranger's drawn as markup.
"""

from __future__ import annotations

import io
import zipfile

import pytest
import torch
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
    words_of,
)
from streamlit.testing.v1 import AppTest

from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import workbench
from rlhf_core.session import paper, registry, saving, taking
from rlhf_core.session.state import Session
from rlhf_core.store import archive, bundle
from rlhf_core.work import jobs
from ui import state
from ui.export.html import html_of_session


@pytest.fixture
def queue(monkeypatch, tmp_path) -> jobs.JobQueue:
    return still_server(monkeypatch, tmp_path)


def upload(app: AppTest, name: str, data: bytes) -> AppTest:
    app.file_uploader[0].upload(name, data, "application/zip").run()
    assert not app.exception, app.exception
    return app


def test_an_empty_session_says_what_is_missing_and_offers_no_file(queue):
    app = open_page("paper_trail")
    assert {key for key in keys(app) if key and "paper_make_" in key} == {"paper_make_run"}
    for words in ("First judge some answers", "First train a reward", "at least one PPO step"):
        assert words in said(app)
    assert "No verdict yet" in said(app)


def test_the_data_set_is_made_by_the_worker_and_then_offered(queue):
    app = open_page("paper_trail", judging(registry.create()))
    app = press(app, "paper_make_dataset")
    assert "paper_make_run" not in offered(app), "one file at a time"
    finish(queue)
    app = again(app)
    buttons = app.get("download_button")
    (button,) = [one for one in buttons if "paper_download_dataset" in one.proto.id]
    assert button.proto.label.startswith("Download (")
    sha256, size, now = taking.kept(session_of(app))["dataset"]
    data = registry.keeper().weights.blobs.get(sha256)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        names = {name.partition("/")[2] for name in found.namelist()}
    assert now and size == len(data) and {"README.md", "preferences.jsonl", "SHA256SUMS"} <= names
    judging_more = session_of(app)
    paper.say(judging_more, {"author": "Ada"})
    app = again(app)
    assert "Something has changed since it was made" in said(app)
    assert "paper_make_dataset" in offered(app)


def test_projects_to_go_on_with_come_as_zips_with_their_folders(queue):
    app = open_page("paper_trail")
    assert not {"paper_make_training", "paper_make_pipeline"} & keys(app)
    session = judging(session_of(app))
    for what, names in (
        ("pipeline", {"dvc.yaml", ".dvc/config", "pachyderm/1-generate.json", "params.yaml"}),
        ("training", {"train_reward.py", "accelerate/one_gpu.yaml", "model/model.safetensors"}),
    ):
        app = press(again(app), f"paper_make_{what}")
        finish(queue)
        sha256, _, now = taking.kept(session)[what]
        with zipfile.ZipFile(io.BytesIO(registry.keeper().weights.blobs.get(sha256))) as found:
            assert now and names <= {name.partition("/")[2] for name in found.namelist()}


def test_the_run_is_offered_as_a_page_once_something_was_judged(queue):
    app = open_page("paper_trail")
    assert not any("page" in row.proto.label for row in app.get("download_button"))
    session = judging(session_of(app), "Kim Lee")
    app.run()
    assert any("page" in row.proto.label for row in app.get("download_button"))
    made = html_of_session(session)
    assert "Kim Lee" not in made.split('id="card"')[0] and "judge-1" in made
    assert EVIL not in made and "A cat is" in made


def test_what_the_author_says_is_in_the_card_and_stays_text(queue):
    app = open_page("paper_trail", judging(registry.create(PRESETS["meme-bot"])))
    app.selectbox(key="paper_licence").set_value("cc-by-4.0")
    app.text_input(key="paper_author").set_value(EVIL)
    app.text_area(key="paper_consent").set_value("They know.")
    app = press(app, "paper_keep")
    assert paper.said(session_of(app))["licence"] == "cc-by-4.0"
    app.toggle(key="paper_show_card").set_value(True).run()
    (card,) = [code.value for code in app.code if code.value.startswith("---")]
    assert "license: cc-by-4.0" in card and "They know" in card
    assert "<script>" not in raw(app)
    assert "Files that are made from now on say it" not in said(app), "told once"


def a_zip(tmp_path, **change) -> bytes:
    session = Session(PRESETS["meme-bot"], directory=tmp_path / "made", id="made")
    session.judged.imported = [Pair("A cat is", " x", EVIL, "a", annotator=EVIL)]
    session.tuned.weights = workbench.put(session, {"w": torch.ones(2)})
    session.tuned.metrics = [{"step": 0}, {"step": 1}]
    for name, value in change.items():
        setattr(session, name, value)
    saving.save(session, status="done")
    return archive.pack(bundle.whole_files(tmp_path / "made"), "made")


def test_a_zip_opens_as_another_session_and_the_former_one_stays(queue, tmp_path):
    app = open_page("paper_trail", judging(registry.create()))
    mine = session_of(app).id
    app = upload(app, f"{EVIL}.zip", a_zip(tmp_path))
    finish(queue)
    app = again(app)
    assert "a run under the brief “Meme bot” with 1 judged pair" in said(app)
    assert "every file is as it was when the run was saved" in said(app)
    assert "<script>" not in raw(app) and session_of(app).id == mine
    app = press(app, "paper_go")
    assert session_of(app).id != mine and session_of(app).tuned.steps_done == 1
    assert registry.get(mine) is not None and mine in said(app)
    assert "First judge some answers" not in said(app), "the page shows the opened run"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"not a zip", "is not a zip file"),
        (archive.pack({"notes.txt": b"hi"}), "no run.json in it"),
        (archive.pack({"../run.json": b"{}"}), "outside its own folder"),
        (archive.pack({"run.json": b"{}"}), "not the record of a run"),
    ],
)
def test_what_is_refused_is_said_in_a_sentence_and_nothing_changes(queue, data, words):
    app = open_page("paper_trail")
    before = session_of(app)
    app = upload(app, "x.zip", data)
    finish(queue)
    app = again(app)
    assert words in said(app) and "paper_go" not in keys(app)
    assert session_of(app) is before and not app.exception


def test_a_stranger_may_not_see_the_folder_of_runs(queue, tmp_path, monkeypatch):
    a_zip(tmp_path)
    (tmp_path / "runs").mkdir(exist_ok=True)
    (tmp_path / "made").rename(tmp_path / "runs" / "my run")
    app = open_page("paper_trail")
    assert "paper_open_folder" not in keys(app) and "my run" not in words_of(app)
    monkeypatch.setattr(state, "at_home", lambda: True)
    app = press(open_page("paper_trail"), "paper_open_folder")
    finish(queue)
    app = press(again(app), "paper_go")
    assert session_of(app).tuned.steps_done == 1 and (tmp_path / "runs" / "my run").is_dir()


def test_every_page_can_be_drawn_of_a_run_that_was_opened(queue, tmp_path):
    app = upload(open_page("paper_trail"), "x.zip", a_zip(tmp_path))
    finish(queue)
    app = press(again(app), "paper_go")
    opened = session_of(app)
    for page in ("loop", "rank", "reward_model", "ppo", "before_after", "rounds", "my_rlhf"):
        open_page(page, opened)
