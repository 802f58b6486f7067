"""A run from elsewhere opened as a session of one's own: what an honest zip brings, and what a
stranger's cannot.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.common.events import Progress
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.judging.preferences import Pair
from rlhf_core.loop import workbench
from rlhf_core.session import asked, judged, opening, registry, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store import archive, bundle

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "before"
MEMES = PRESETS["meme-bot"]
HEAD = {
    "whitener.mean": torch.zeros(6),
    "whitener.matrix": torch.ones(6, 3),
    "weights": torch.ones(3),
    "covariance": torch.eye(3),
    "normalisation": torch.tensor([0.0, 1.0], dtype=torch.float64),
}
PAIR = Pair("A cat is", " a mood.", " a mammal.", "a", annotator="Kim", brief="meme-bot")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def a_run(directory) -> Session:
    """A run with weights, without having trained any."""
    session = Session(MEMES, directory=directory, id="a-run")
    session.judged.imported = [PAIR]
    session.judged.imports = [{"file": "votes.csv", "pairs": 1, "sha256": "0" * 64}]
    session.asked.candidate_sets = [
        {"id": "set-1", "prompt": "A cat is", "texts": [" x", " y"], "finished": [True, True]}
    ]
    judged.add_ranking(session, "set-1", groups=[[1], [0]], seconds=2.0)
    session.learned.head = workbench.put(session, HEAD)
    session.tuned.weights = workbench.put(session, {"w": torch.arange(4.0)})
    session.tuned.metrics = [{"step": 0, "reward_mean": 0.1}, {"step": 1, "reward_mean": 0.2}]
    session.tuned.samples = [{"step": 1, "prompt": "A cat is", "text": " x", "reward": 0.5}]
    session.labs = {"noise": {"words": "a **bold** claim", "numbers": [1, 2.5, None]}}
    session.model_hash = "1" * 64
    saving.save(session, status="done")
    return session


@pytest.fixture
def files(tmp_path) -> dict[str, bytes]:
    a_run(tmp_path / "made")
    return bundle.whole_files(tmp_path / "made")


def open_zip(data: bytes, name: str = "my-run.zip") -> dict:
    sha256 = registry.keeper().weights.lay_down(data)
    (record,) = (
        row for row in opening.from_zip(None, sha256, name) if not isinstance(row, Progress)
    )
    return record


def changed(files: dict[str, bytes], name: str, data: bytes) -> bytes:
    """A zip in which a file is another one, and run.json says so: its checksums fit."""
    run = json.loads(files["run.json"])
    entry = bundle.hashlib.sha256(data).hexdigest()
    run["files"][name] = {"sha256": entry, "bytes": len(data)}
    return archive.pack({**files, name: data, "run.json": json.dumps(run).encode()}, "run")


def with_run(files: dict[str, bytes], change) -> bytes:
    run = json.loads(files["run.json"])
    change(run)
    return archive.pack({**files, "run.json": json.dumps(run).encode()}, "run")


def refused(data: bytes) -> str:
    with pytest.raises(BundleError) as error:
        open_zip(data)
    sentence = str(error.value)
    assert "\n" not in sentence and "my-run.zip" in sentence, sentence
    assert "/tmp" not in sentence, "no place on the server"
    return sentence


def nothing_was_kept(runs) -> bool:
    with registry.keeper().database.look() as db:
        found = db.execute(bundle_rows()).all()
    return not found


def bundle_rows():
    from sqlalchemy import text

    return text("select 1 from sessions")


def test_a_zip_opens_as_a_session_of_its_own_with_everything_in_it(runs, files, tmp_path):
    record = open_zip(archive.pack(files, "run"))
    assert registry.is_id(record["id"]) and record["judges"] == 2
    assert record["sentence"].startswith("Opened my-run.zip: a run under the brief “Meme bot” with")
    assert "every file is as it was" in record["sentence"]
    session, original = registry.get(record["id"]), saving.load(tmp_path / "made")
    for part in ("judged", "learned", "asked", "history"):
        mine, theirs = getattr(session, part).to_dict(), getattr(original, part).to_dict()
        assert mine == theirs, part
    assert session.tuned.to_dict() == original.tuned.to_dict()
    assert session.labs == original.labs and session.model_hash == original.model_hash
    assert torch.equal(weights.tensors(session, session.tuned.weights)["w"], torch.arange(4.0))
    found = weights.tensors(session, session.learned.head)
    assert found.keys() == HEAD.keys() and torch.equal(found["covariance"], torch.eye(3))
    assert session.settings["opened"]["rankings"] == 1, "the “you” in it is not who opens it"
    again = open_zip(archive.pack(files, "run"))["id"]
    assert again != record["id"], "opened twice, these are two sessions"


def test_a_zip_made_while_the_run_went_on_opens_as_what_had_been_saved(runs, files):
    data = with_run(files, lambda run: run.update(status="running", process={"pid": os.getpid()}))
    session = registry.get(open_zip(data)["id"])
    assert session.status == "done" and session.under_way == 0 and session.process is None


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("policy.safetensors", b"\x80\x04\x95\x1a", "is not a usable safetensors file"),
        ("metrics.csv", b"step,reward_mean\n1\n", "metrics.csv, line 2"),
        ("metrics.csv", b"step,reward_mean\n5,0.1\n3,0.1\n", "do not rise"),
        ("metrics.csv", b"step,reward_mean\n1000000000,0.1\n", "do not rise"),
        ("metrics.csv", b"step,reward_mean\n0,<script>\n", "no number as reward_mean"),
        ("samples.jsonl", b'{"prompt": 1}\n', "no prompt and text"),
        ("samples.jsonl", b"[" * 100_000, "not valid JSON"),
        ("rankings.jsonl", b'{"id": "x"}\n', "incomplete"),
        ("preferences.jsonl", b'{"prompt": "x"}\n', "missing or empty"),
        ("evaluation.json", b"[]", "must be a JSON object"),
    ],
)
def test_a_file_that_no_run_writes_is_refused_by_name(runs, files, name, data, words):
    assert words in refused(changed(files, name, data))
    assert nothing_was_kept(runs)


def test_what_does_not_fit_its_checksum_is_refused(runs, files):
    data = archive.pack({**files, "samples.jsonl": files["samples.jsonl"] + b"{}\n"}, "run")
    assert "samples.jsonl does not match its checksum" in refused(data)
    assert "policy.safetensors is missing" in refused(
        archive.pack({k: v for k, v in files.items() if k != "policy.safetensors"}, "run")
    )
    assert "no run.json in it" in refused(archive.pack({"notes.txt": b"hi"}))
    assert nothing_was_kept(runs)


def test_weights_that_are_no_numbers_or_no_reward_model_are_refused(runs, files):
    from safetensors.torch import save

    data = save({"w": torch.tensor([float("nan")])})
    assert "not finite" in refused(changed(files, "policy.safetensors", data))
    data = save({**HEAD, "covariance": torch.eye(4)})
    assert "no reward model" in refused(changed(files, "reward_model.safetensors", data))
    data = save({"weights": torch.ones(3)})
    assert "no reward model" in refused(changed(files, "reward_model.safetensors", data))


@pytest.mark.parametrize(
    "change",
    [
        lambda run: run.update(format_version=2),
        lambda run: run.update(format="other"),
        lambda run: run.update(brief={"slug": "../x"}),
        lambda run: run.update(settings=[1]),
        lambda run: run.update(seed="many"),
        lambda run: run.update(seed=-(2**70)),
        lambda run: run.update(seed=float("inf")),  # what 1e400 is read as
        lambda run: run["state"]["judged"].update(imported=float("inf")),
        lambda run: run["state"]["history"].update(current_round=10**9),
        lambda run: run["state"]["history"].update(rounds=[{}] * 1_000),
        lambda run: run["state"]["judged"].update(people=["x" * 5_000]),
        lambda run: run["state"]["asked"].update(user_prompts=["x"] * 1_000),
        lambda run: run["state"]["asked"].update(candidate_sets=[{"id": 1}]),
        lambda run: run["state"].update(labs={"x": list(range(1_000_001))}),
        lambda run: run["state"].update(labs={"noise": {"heads": [["x"]]}}),
        lambda run: run["state"]["history"].update(rounds=[{"weights": [1], "head": ""}]),
        lambda run: run["state"].update(shelf={"a@b": shelved(learned={"other": 1})}),
        lambda run: run["state"].update(shelf={"a@b": shelved(sets=[{"id": 1}])}),
        lambda run: run["files"].update({"../../x": {"sha256": "0" * 64, "bytes": 1}}),
        lambda run: run["files"]["metrics.csv"].update(bytes=True),
    ],
)
def test_a_run_json_that_no_run_writes_is_refused_in_a_sentence(runs, files, change):
    refused(with_run(files, change))
    assert nothing_was_kept(runs)


def test_a_model_that_is_a_path_on_this_server_is_never_loaded(runs, files):
    data = with_run(files, lambda run: run["model"].update(name="/etc", sha256=""))
    record = open_zip(data)
    session = registry.get(record["id"])
    assert session.model_name == "bundled" and "not on this server's list" in record["sentence"]
    assert session.model_hash not in ("", workbench.language_model.load().fingerprint())
    with pytest.raises(InputError, match="put away"):
        workbench.ready(session)


def shelved(**change) -> dict:
    """What a session put away, as a record has it."""
    empty = Session()
    row = {"learned": empty.learned.to_dict(), "tuned": empty.tuned.to_dict()}
    row |= {"history": empty.history.to_dict(), "heads": {}, "settings": {}, "sets": []}
    return {**row, "model_hash": "", "about_head": None, **change}


def test_no_name_in_what_was_put_away_leads_out_of_the_sessions_folder(runs, files, tmp_path):
    tuned = {**shelved()["tuned"], "run": "../../../../elsewhere"}
    key = "biology-homework@bundled"
    data = with_run(files, lambda run: run["state"].update(shelf={key: shelved(tuned=tuned)}))
    session = registry.get(open_zip(data)["id"])
    asked.set_brief(session, PRESETS["biology-homework"])
    place = weights.checkpoints(session).resolve()
    assert place.is_relative_to((runs / session.id).resolve())


def test_sentences_of_a_stranger_draw_nothing(runs, files):
    evil = "![x](http://example.org/x.png) <img src=x> [a](javascript:b) www.example.org \u202ex"

    def change(run):
        run["state"]["labs"] = {"noise": {"words": evil, "rows": [{"words": evil}]}}
        run["state"]["learned"]["summary"] = {"note": evil}

    session = registry.get(open_zip(with_run(files, change))["id"])
    said = [session.labs["noise"]["words"], session.labs["noise"]["rows"][0]["words"]]
    for one in (*said, session.learned.summary["note"]):
        for sign in ("![", "](", "<img", "://", "www.", "\u202e"):
            assert sign not in one, (sign, one)
        assert "example" in one


def test_a_folder_of_the_command_line_is_listed_and_opened_and_stays_as_it_is(runs, tmp_path):
    a_run(runs / "my run")
    a_run(tmp_path / "elsewhere")
    (runs / "link").symlink_to(tmp_path / "elsewhere")
    (runs / "empty").mkdir()
    registry.create()
    assert opening.folders() == ["my run"]
    before = {path.name: path.read_bytes() for path in (runs / "my run").iterdir()}
    *_, record = opening.from_folder(None, "my run")
    session = registry.get(record["id"])
    assert session.tuned.steps_done == 1 and record["sentence"].startswith("Opened my run: a run")
    assert {path.name: path.read_bytes() for path in (runs / "my run").iterdir()} == before
    for name in ("../elsewhere", "link", "nothing", "", "/etc", ".."):
        with pytest.raises(InputError, match="no run called"):
            list(opening.from_folder(None, name))
    assert registry.delete(record["id"]) and (runs / "my run").is_dir()


def test_a_full_disk_is_a_sentence(runs, files, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(opening.plain_files, "put_files", full)
    with pytest.raises(BundleError, match="The disk is full"):
        open_zip(archive.pack(files, "run"))
    assert nothing_was_kept(runs)


def test_what_was_given_is_not_kept_beside_what_was_opened(runs, files):
    data = archive.pack(files, "run")
    sha256 = registry.keeper().weights.lay_down(data)
    assert sha256 in list(registry.keeper().weights.blobs)
    list(opening.from_zip(None, sha256, "my-run.zip"))
    assert sha256 not in list(registry.keeper().weights.blobs)
    with pytest.raises(BundleError, match="give it once more"):
        list(opening.from_zip(None, sha256, "my-run.zip"))


@pytest.mark.parametrize("name", ["command-line", "before-parts-123"])
def test_a_zip_of_a_run_of_before_opens(runs, name):
    place = FIXTURES / name
    found = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    session = registry.get(open_zip(archive.pack(found, name))["id"])
    assert session.judged.rankings and session.tuned.steps_done


def test_what_was_left_out_is_named_in_a_whole_sentence(runs, files):
    one, two = {**files, "evil.pkl": b"x"}, {**files, "evil.pkl": b"x", "notes.txt": b"x"}
    assert "“evil.pkl” in the zip belongs to no run and was not read." in said_of(one)
    assert "“notes.txt” in the zip belong to no run and were not read." in said_of(two)


def said_of(files: dict[str, bytes]) -> str:
    return open_zip(archive.pack(files, "a-run"))["sentence"]


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400])
def test_a_whole_number_larger_than_any_is_refused_in_a_sentence(runs, files, number):
    head = files["metrics.csv"].split(b"\n")[0].decode().split(",")
    at = head.index("reward_mean")
    rows = [[*files["metrics.csv"].split(b"\n")[1].decode().split(",")]]
    rows[0][at] = number
    table = "\n".join(",".join(row) for row in [head, *rows]) + "\n"
    assert "no run of this app writes" in refused(changed(files, "metrics.csv", table.encode()))
