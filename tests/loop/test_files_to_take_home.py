"""What is taken home works without us: transformers loads the tuned model and writes what it wrote
here, twenty lines score a text as we do; and a run travels between app and command line with the
same numbers.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest
import torch
from tiny_models import one_thread  # noqa: F401

from rlhf_core.common.errors import BundleError, InputError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.lm import language_model
from rlhf_core.loop import reward, scripted_rater, taking_home, tuning, workbench, writing
from rlhf_core.session import opening, registry, saving, taking, weights
from rlhf_core.session.state import Session
from rlhf_core.store import bundle

PROMPT, TEXTS = "An opossum is", [" a marsupial with a bare tail.", " my mood before coffee."]
STEPS = PPOSettings(steps=2, batch_size=8, minibatch_size=8, epochs=2, max_new_tokens=8)
HEAD = RewardModelSettings(features=8, reference_samples=128)


def drain(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def through_the_loop(session: Session) -> Session:
    drain(writing.generate_pool(session, 12))
    drain(scripted_rater.judge_for_me(session, 12, 2))
    drain(reward.fit_reward_model(session, HEAD))
    drain(tuning.ppo(session, STEPS))
    return session


@pytest.fixture(scope="module")
def session() -> Session:
    return through_the_loop(Session(PRESETS["meme-bot"], seed=4))


def alone(code: str, folder: Path) -> dict:
    """What a process says that cannot import rlhf_core, and has no torch.hub, no network."""
    blocked = "import sys; sys.modules['rlhf_core'] = None; import json, pathlib\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", blocked + textwrap.dedent(code)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_transformers_alone_loads_the_tuned_model_and_gives_its_numbers(session, tmp_path):
    taking_home.model_folder(session, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))], "no pickle"
    said = alone(
        """
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        tokenizer = AutoTokenizer.from_pretrained(".")
        model = AutoModelForCausalLM.from_pretrained(".")
        ids = tokenizer("An opossum is", return_tensors="pt").input_ids
        chat = [{"role": "user", "content": "A"}, {"role": "assistant", "content": " b."}]
        print(json.dumps({
            "logits": model(ids).logits[0, -1, :50].tolist(), "ids": ids[0].tolist(),
            "text": tokenizer.decode(model.generate(ids, max_new_tokens=5, do_sample=False)[0]),
            "chat": tokenizer.apply_chat_template(chat, tokenize=False),
        }))
        """,
        tmp_path,
    )
    lm = workbench.ready(session)
    tuned = workbench.trunk_with(lm, workbench.tuned_of(session))
    ids = torch.tensor([lm.encode(PROMPT)])
    mask = torch.ones_like(ids, dtype=torch.bool)
    ours, original = (t.logits(t.hidden_states(ids, mask))[0, -1, :50] for t in (tuned, lm.trunk))
    assert said["ids"] == ids[0].tolist() and said["chat"] == "A b."
    theirs = torch.tensor(said["logits"])
    assert torch.allclose(theirs, ours, atol=1e-4) and not torch.allclose(ours, original, atol=1e-4)
    assert said["text"].startswith(PROMPT)
    assert language_model.load().fingerprint() == session.model_hash, "the frozen base is untouched"


def test_twenty_lines_score_a_text_as_we_do(session, tmp_path):
    taking_home.reward_folder(session, tmp_path)
    lines = (tmp_path / "score.py").read_text(encoding="utf-8").split("def score", 1)[1]
    assert len([line for line in lines.splitlines() if line.strip()]) <= 20
    assert "rlhf_core" not in lines
    said = alone(
        f"""
        sys.path.insert(0, ".")
        from score import score
        print(json.dumps([score({PROMPT!r}, text) for text in {TEXTS!r}]
                         + [score("Tell me a joke!", " No.")]))
        """,
        tmp_path,
    )
    ours = [row["reward"] for row in reward.score_texts(session, PROMPT, TEXTS)]
    ours += [row["reward"] for row in reward.score_texts(session, "Tell me a joke!", [" No."])]
    assert said == pytest.approx(ours, abs=1e-4) and len({round(one, 3) for one in ours}) == 3
    done = subprocess.run(
        [sys.executable, "-I", "score.py", PROMPT, TEXTS[0]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert float(done.stdout) == pytest.approx(ours[0], abs=1e-4), done.stderr


def test_what_is_not_there_yet_is_said(tmp_path):
    fresh = Session()
    with pytest.raises(InputError, match="no tuned model yet"):
        taking_home.model_folder(fresh, tmp_path)
    with pytest.raises(InputError, match="no reward model yet"):
        taking_home.reward_folder(fresh, tmp_path)
    with pytest.raises(InputError, match="nothing called"):
        drain(taking_home.take_home(fresh, "../x"))


# --- between app and command line -----------------------------------------------------------------


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("OPOSSUM_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def in_the_app(session: Session) -> Session:
    """The same run as a session of the app."""
    made, former = registry.create(session.asked.brief), saving.to_dict(session)
    copy = saving.from_dict(json.loads(json.dumps(former)))
    with made.change():
        for name in ("seed", "model_hash", "settings", "asked", "judged", "learned", "tuned"):
            setattr(made, name, getattr(copy, name))
        made.held = dict(session.held)
    return made


def zip_of(session: Session, what: str = "run") -> bytes:
    (record,) = drain(taking_home.take_home(session, what))
    assert record == {"kind": "made", "what": what}
    sha256, size, now = taking.kept(session)[what]
    data = registry.keeper().weights.blobs.get(sha256)
    assert now and size == len(data)
    return data


def opened(data: bytes) -> Session:
    sha256 = registry.keeper().weights.lay_down(data)
    (record,) = drain(opening.from_zip(None, sha256, "run.zip"))
    return registry.get(record["id"])


def numbers(session: Session) -> dict:
    """All that a run says, and its weights."""
    found = {
        part: getattr(session, part).to_dict()
        for part in ("asked", "judged", "learned", "tuned", "history")
    }
    tensors = {
        name: weights.tensors(session, name)
        for name in (session.learned.head, session.tuned.weights)
    }
    found["weights"] = {
        f"{name} {key}": value.tolist()[:3] if value.dim() else value.item()
        for name, held in tensors.items()
        for key, value in held.items()
    }
    return json.loads(json.dumps(found))


def test_a_run_goes_from_the_app_into_a_zip_and_back_with_the_same_numbers(session, runs):
    made = in_the_app(session)
    data = zip_of(made)
    assert len(data) <= 40 * 2**20
    again = opened(data)
    assert again.id != made.id and numbers(again) == numbers(made)
    more = [drain(tuning.ppo(one, STEPS)) for one in (made, again)]
    assert [row["step"] for row in more[1]] == [3, 4], "it goes on from where it was"
    assert opened(zip_of(again)).tuned.steps_done == 4


def test_a_run_goes_from_the_command_line_into_the_app_and_back(session, runs, tmp_path):
    first = tmp_path / "first"
    saving.save(session, first, status="done")
    files = bundle.whole_files(first)
    found = opened(taking_home.taking.archive.pack(files, "first"))
    back = zip_of(found)
    with zipfile.ZipFile(io.BytesIO(back)) as made:
        made.extractall(tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    again = bundle.whole_files(folder)
    for name in ("metrics.csv", "samples.jsonl", "rankings.jsonl", "preferences.jsonl"):
        assert again[name] == files[name], name
    for name in bundle.WEIGHTS.values():
        assert again.get(name) == files.get(name), name
    assert numbers(saving.load(folder)) == numbers(saving.load(first))
    kept = json.loads(again["run.json"])
    assert registry.get(found.id) is found and found.id not in json.dumps(kept), "no secret leaks"


def test_a_file_of_before_says_so_and_the_next_one_takes_its_place(session, runs):
    made = in_the_app(session)
    zip_of(made)
    first = taking.kept(made)["run"][0]
    with made.change():
        made.judged.votes = [{"prompt": "x", "choice": "after", "round": 1, "step": 2}]
    assert taking.kept(made)["run"] == (first, taking.kept(made)["run"][1], False)
    made.keep()
    assert first in list(registry.keeper().weights.blobs), "a save does not let go of it"
    zip_of(made)
    assert taking.kept(made)["run"][2] and first not in list(registry.keeper().weights.blobs)
    (last,) = (row[0] for row in taking.kept(made).values())
    registry.delete(made.id)
    assert last not in list(registry.keeper().weights.blobs), "it goes with the session"


def test_a_full_disk_leaves_nothing_and_is_a_sentence(session, runs, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(taking.tempfile, "TemporaryDirectory", full)
    with pytest.raises(BundleError, match="The disk is full: opossum-meme-bot-run.zip did not fit"):
        drain(taking_home.take_home(session, "run"))
