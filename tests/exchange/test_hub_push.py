"""A push to the hub, by the real client and a hub of our own on loopback: what arrives is what was
to go, whoever may not is told why in a sentence, and the token stays between the two.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_hub import OTHERS, READ, WRITE, Repository
from huggingface_hub import constants

from rlhf_core.common.errors import HubError, InputError
from rlhf_core.common.events import Progress
from rlhf_core.exchange import dataset_folder, hub_aside, hub_push
from rlhf_core.exchange.hub_push import Target, push
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.session.state import Session
from rlhf_core.store import archive, plain_files

CARD = b"---\nlicense: mit\n---\n# A model\n"
WEIGHTS = os.urandom(300_000)
FILES = {
    "README.md": CARD,
    "config.json": b"{}",
    "model.safetensors": WEIGHTS,
    ".gitattributes": b"",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "files").mkdir()
    plain_files.put_files(tmp_path / "files", FILES)
    return tmp_path / "files"


def a_data_set(place: Path) -> dict[str, bytes]:
    session = Session(PRESETS["meme-bot"])
    session.judged.imported = [Pair("A cat is", " x", " y", "a", annotator="Kim")]
    files = dataset_folder.files(session)
    place.mkdir()
    plain_files.put_files(place, files)
    return files


def test_a_data_set_arrives_whole_private_and_in_one_commit(hub, tmp_path):
    files = a_data_set(tmp_path / "set")
    told = push(tmp_path / "set", Target("votes", "dataset"), WRITE)
    found = hub.repositories["dataset", "ada/votes"]
    assert found.files == files and found.private and found.commits == ["From Opossum"]
    assert told["url"] == f"{hub.url}/datasets/ada/votes" and told["public"] is False
    assert told["files"] == len(files) and told["bytes"] == sum(map(len, files.values()))


def test_a_model_s_weights_go_where_large_files_are_stored_without_the_token(hub, folder):
    steps: list[tuple] = []
    push(folder, Target("ada/model", "model", public=True), WRITE, lambda *row: steps.append(row))
    found = hub.repositories["model", "ada/model"]
    assert found.files == FILES and not found.private
    assert any(path.startswith("PUT /large/") for path in hub.asked)
    assert hub.tokens_where_none_belongs == []
    sending = [done for stage, done, *_ in steps if stage == "sending"]
    assert sending == sorted(sending) and sending[-1] >= len(WEIGHTS), "it is told how far it is"


def test_a_repository_that_is_there_is_added_to_only_where_that_was_said(hub, folder):
    hub.repositories["model", "ada/model"] = Repository(True, {"mine.txt": b"mine"})
    with pytest.raises(HubError, match=r"ada/model already: choose another name.*Nothing was sent"):
        push(folder, Target("model", "model"), WRITE)
    assert hub.repositories["model", "ada/model"].files == {"mine.txt": b"mine"}
    told = push(folder, Target("model", "model", update=True, public=True), WRITE)
    assert told["new"] is False and told["public"] is None, "it stays as visible as it was"
    assert hub.repositories["model", "ada/model"].files == {"mine.txt": b"mine", **FILES}


def refused(folder, target, token) -> str:
    """The sentence; it has no token in it, nor has anything that hangs on the error."""
    with pytest.raises((HubError, InputError)) as caught:
        push(folder, target, token)
    assert caught.value.__cause__ is None and caught.value.__context__ is None
    assert token not in repr(caught.getrepr(showlocals=False)) and token not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("target", "token", "words"),
    [
        (Target("model", "model"), "hf_nobody_has_this", "does not know this token"),
        (Target("model", "model"), READ, "may only read"),
        (Target("ada/model", "model"), OTHERS, "may not write for ada"),
        (Target("eve/x", "model"), WRITE, "may not write for eve"),
    ],
)
def test_who_may_not_is_told_so_and_nothing_is_made(hub, folder, target, token, words):
    said = refused(folder, target, token)
    assert words in said and said.endswith("Nothing was sent.") and not hub.repositories


@pytest.mark.parametrize(
    "name", ["", " x", "a b", "../x", "a/b/c", "x" * 97, "-x", "x.git", "<b>x</b>", "a--b", "ä"]
)
def test_a_name_that_no_hub_takes_is_refused_before_anybody_is_asked(hub, folder, name):
    assert "is no name for a repository" in refused(folder, Target(name, "model"), WRITE)
    assert hub.asked == []


@pytest.mark.parametrize("token", ["", "  ", "two words", "hf_\nX-Evil: 1", "hf_ö", "x" * 400])
def test_what_is_no_token_is_refused_before_anybody_is_asked(hub, folder, token):
    with pytest.raises(InputError, match="token") as caught:
        push(folder, Target("x", "model"), token)
    assert token.strip() == "" or token not in str(caught.value)
    assert hub.asked == []


def test_a_card_that_the_hub_refuses_makes_no_repository(hub, folder):
    (folder / "README.md").write_bytes(b"---\nlicense: wrong\n---\n")
    said = refused(folder, Target("x", "model"), WRITE)
    assert "refuses the card" in said and "must be one of" in said and not hub.repositories


@pytest.mark.parametrize(
    ("where", "what", "words", "left"),
    [
        ("whoami", 500, "trouble of its own (it answers 500)", "Nothing was sent."),
        ("whoami", 429, "asked too often", "Nothing was sent."),
        ("whoami", "gone", "broke the connection off", "Nothing was sent."),
        ("whoami", "garbage", "does not speak as the hub does", "Nothing was sent."),
        ("validate", "garbage", "does not speak as the hub does", "was made, and is empty"),
        ("create", 500, "trouble of its own", "Nothing was sent."),
        ("create", 402, "wants to be paid", "Nothing was sent."),
        ("preupload", 403, "may not write for ada", "was made, and is empty"),
        ("objects/batch", "garbage", "does not speak", "was made, and is empty"),
        ("large", 400, "refuses it", "was made, and is empty"),
        ("commit", 413, "more than the hub takes", "was made, and is empty"),
        ("commit", 503, "trouble of its own", "Whether it came in is not known: see http"),
        ("commit", "gone", "broke the connection off", "Whether it came in is not known"),
    ],
)
def test_what_goes_wrong_there_is_a_sentence_and_what_lies_there_another(
    hub, folder, where, what, words, left, caplog
):
    hub.trouble[where] = what
    with caplog.at_level(logging.INFO):
        said = refused(folder, Target("x", "model"), WRITE)
    assert words in said and left in said, said
    assert WRITE not in caplog.text
    assert all(not repository.files for repository in hub.repositories.values())


def test_a_hub_that_does_not_answer_and_one_that_is_not_there(hub, folder, monkeypatch):
    monkeypatch.setattr(hub_push, "PATIENCE", 0.4)
    hub.trouble["whoami"], hub.slowness = "slow", 2.0
    assert "too slow to answer" in refused(folder, Target("x", "model"), WRITE)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    said = refused(folder, Target("x", "model"), WRITE)
    assert "cannot be reached from here" in said and said.endswith("Nothing was sent.")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "stay away from the hub" in refused(folder, Target("x", "model"), WRITE)


# --- in a process of its own ----------------------------------------------------------------------


def a_zip() -> bytes:
    return archive.pack(FILES, "tuned-model")


def test_another_process_pushes_and_tells(hub):
    work = hub_aside.push_zip(a_zip, Target("x", "model"), hub_aside.Secret(WRITE))
    items = [*work]
    records = [item for item in items if not isinstance(item, Progress)]
    assert records[-1]["kind"] == "pushed" and hub.repositories["model", "ada/x"].files == FILES
    assert all(WRITE not in json.dumps(row) for row in records)


def test_what_it_cannot_do_comes_back_as_the_same_sentence(hub):
    hub.trouble["commit"] = 400
    with pytest.raises(HubError, match="The hub refuses it") as caught:
        [*hub_aside.push_zip(a_zip, Target("x", "model"), hub_aside.Secret(WRITE))]
    assert "was made, and is empty" in str(caught.value)
    assert WRITE not in str(caught.value), "the server sent it back in its refusal"
    with pytest.raises(InputError, match="no name"):
        next(hub_aside.push_zip(a_zip, Target("a b", "model"), hub_aside.Secret(WRITE)))


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="No /proc to look into.")
def test_stopped_in_the_middle_the_process_is_gone_and_nobody_could_read_the_token(hub):
    hub.reading = 1.0  # a slow line for large files
    others = {int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit()}
    secret = hub_aside.Secret(WRITE)
    assert WRITE not in repr(secret)
    work, told, until = hub_aside.push_zip(a_zip, Target("x", "model"), secret), [], 60
    seen = b""
    began = time.monotonic()
    while not (told and told[-1].stage == "sending") and time.monotonic() - began < until:
        item = next(work)
        told += [item] if isinstance(item, Progress) else []
        time.sleep(0.05)
    mine = [
        place
        for place in Path("/proc").iterdir()
        if place.name.isdigit()
        and int(place.name) not in others
        and b"hub_push" in (place / "cmdline").read_bytes()
    ]
    (child,) = mine
    seen += (child / "cmdline").read_bytes() + (child / "environ").read_bytes()
    work.close()
    assert told[-1].stage == "sending" and not child.exists()
    assert WRITE.encode() not in seen and b"HF_ENDPOINT" in seen
    assert hub.repositories["model", "ada/x"].files == {} and secret.take() == ""


def test_the_server_s_own_token_is_never_used(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", WRITE)
    with pytest.raises(InputError, match="wants a token"):
        [*hub_aside.push_zip(a_zip, Target("x", "model"), hub_aside.Secret(""))]
    with pytest.raises(HubError, match="does not know this token"):
        [*hub_aside.push_zip(a_zip, Target("x", "model"), hub_aside.Secret("hf_wrong"))]
    assert hub.repositories == {}


def test_no_torch_is_needed():
    code = "import sys, rlhf_core.exchange.hub_aside, huggingface_hub.hf_api\n"
    code += "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=hub_aside.ROOT, check=False)
    assert done.returncode == 0
