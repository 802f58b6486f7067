"""The paper trail: what is written comes back, whatever dies; what is broken is named."""

import errno
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from rlhf_core.judging import briefs
from rlhf_core.store import bundle
from rlhf_core.store.bundle import BundleError, prepare_folder, read_bundle, write_bundle
from rlhf_core.store.card import who_judged
from rlhf_core.store.formats import METRIC_COLUMNS

ROOT = Path(__file__).resolve().parent.parent.parent
BRIEF = briefs.PRESETS["meme-bot"].to_dict()


def example(**changes) -> dict:
    """One small run as ``write_bundle`` takes it."""
    pair = {
        "prompt": "A cat is",
        "a": " a mood.",
        "b": " a carnivore.",
        "choice": "a",
        "weight": 1.0,
        "seconds": 2.5,
        "annotator": "you",
        "brief": "meme-bot",
        "brief_version": 1,
    }
    metrics = [
        {
            name: None if name == "clip_fraction" and step == 0 else step + 0.1
            for name in METRIC_COLUMNS
        }
        | {"step": step}
        for step in range(3)
    ]
    return {
        "run": {
            "id": "run-1",
            "status": "done",
            "brief": BRIEF,
            "judge": "you",
            "settings": {"run": {"steps": 5}},
            "model": {"name": "bundled"},
        },
        "rankings": [
            {
                "id": "r1",
                "prompt": "A cat is",
                "candidates": [" a mood.", " a carnivore."],
                "groups": [[0], [1]],
            }
        ],
        "preferences": [pair, {**pair, "choice": "tie"}],
        "metrics": metrics,
        "samples": [
            {
                "step": 1,
                "prompt": "A cat is",
                "text": " tired \u2028 \x85 👩‍🚀 <b>&</b>\n\"'\\",
                "reward": 0.1,
                "kl": 0.2,
            }
        ],
        "evaluation": {"win_rate": 0.75, "interval": [0.6, 0.86], "judge": "reward model"},
        "tensors": {
            "reward_model": {"weights": torch.arange(8.0)},
            "policy": {"wte.weight": torch.randn(4, 6), "half": torch.ones(2, dtype=torch.float16)},
        },
        **changes,
    }


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def edit_run(folder: Path, **changes) -> None:
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, **changes}))


# --- there and back -------------------------------------------------------------------------------


def test_everything_comes_back_exactly(tmp_path):
    data = example()
    write_bundle(tmp_path / "deep" / "run", **data)
    back = read_bundle(tmp_path / "deep" / "run")
    for key in ("rankings", "preferences", "metrics", "samples", "evaluation"):
        assert back[key] == data[key]
    assert {k: back["run"][k] for k in data["run"]} == {
        **data["run"],
        "brief": json.loads(json.dumps(BRIEF)),
    }
    assert back["run"]["format_version"] == 1 and {
        "python",
        "torch",
        "transformers",
        "safetensors",
    } <= set(back["run"]["versions"])
    for key, tensors in data["tensors"].items():
        assert set(back["tensors"][key]) == set(tensors)
        for name, tensor in tensors.items():
            assert back["tensors"][key][name].dtype == tensor.dtype and torch.equal(
                back["tensors"][key][name], tensor
            )


def test_files_are_what_the_contract_says(tmp_path):
    write_bundle(tmp_path, **example())
    run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    kept = set(run["files"]) | {"run.json", ".gitattributes"}
    assert kept == {path.name for path in tmp_path.iterdir()}
    for name, entry in run["files"].items():
        assert entry["sha256"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == ",".join(METRIC_COLUMNS)
    assert [
        json.loads(line)["choice"]
        for line in (tmp_path / "preferences.jsonl").read_text(encoding="utf-8").split("\n")
        if line
    ] == ["a", "tie"]
    assert torch.equal(
        load_file(tmp_path / "reward_model.safetensors")["weights"], torch.arange(8.0)
    )


def test_an_empty_run_is_a_bundle_too(tmp_path):
    write_bundle(tmp_path, run={"status": "interrupted", "brief": BRIEF})
    back = read_bundle(tmp_path)
    assert (
        back["rankings"],
        back["preferences"],
        back["metrics"],
        back["samples"],
        back["evaluation"],
    ) == ([], [], [], [], None)
    assert back["tensors"] == {"reward_model": None, "policy": None, "round_start": None}
    assert "no comparisons" in back["run"]["note"] and "no PPO steps yet" in back["run"]["note"]


def test_numbers_that_json_lacks_become_nothing_and_lone_surrogates_survive(tmp_path):
    odd = "caf\udce9"
    write_bundle(
        tmp_path,
        **example(
            metrics=[{"step": 0, "entropy": float("nan"), "mood": True}],
            samples=[{"text": odd, "kl": float("inf")}],
        ),
    )
    back = read_bundle(tmp_path)
    assert (
        back["metrics"][0]["entropy"] is None
        and back["metrics"][0]["mood"] is True
        and back["metrics"][0]["step"] == 0
    )
    assert back["samples"] == [{"text": odd, "kl": None}]
    assert (
        b"NaN"
        not in (tmp_path / "run.json").read_bytes() + (tmp_path / "samples.jsonl").read_bytes()
    )


def test_tied_and_strided_tensors_are_written_in_full(tmp_path):
    base = torch.randn(3, 5)
    write_bundle(
        tmp_path,
        **example(
            tensors={
                "policy": {"wte": base, "lm_head": base, "turned": base.t(), "slice": base[:, 1:3]}
            }
        ),
    )
    policy = read_bundle(tmp_path)["tensors"]["policy"]
    assert (
        torch.equal(policy["wte"], base)
        and torch.equal(policy["lm_head"], base)
        and torch.equal(policy["turned"], base.t())
    )
    assert torch.equal(policy["slice"], base[:, 1:3])


def test_pickle_has_no_way_in(tmp_path):
    with pytest.raises(BundleError, match="policy.safetensors can hold named tensors only"):
        write_bundle(tmp_path, **example(tensors={"policy": {"x": object()}}))
    with pytest.raises(BundleError, match="no place for weights called 'optimizer'"):
        write_bundle(tmp_path, **example(tensors={"optimizer": {}}))


# --- saving often ---------------------------------------------------------------------------------


def test_unchanged_files_are_not_written_again(tmp_path):
    data = example()
    write_bundle(tmp_path, **data)
    before = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    data["metrics"] = data["metrics"] + [{**data["metrics"][-1], "step": 3}]
    write_bundle(tmp_path, **data)
    after = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {
        "metrics.csv",
        "run.json",
        "README.md",
    }
    write_bundle(tmp_path, **data, only_changed=False)
    rewritten = (path for path in tmp_path.iterdir() if path.name != ".gitattributes")
    assert all(path.stat().st_ino != after[path.name] for path in rewritten)


def test_weights_left_out_stay_and_none_removes_them(tmp_path):
    data = example()
    write_bundle(tmp_path, **data)
    policy = tmp_path / "policy.safetensors"
    inode = policy.stat().st_ino
    write_bundle(tmp_path, **{**data, "tensors": {"reward_model": None}})
    assert policy.stat().st_ino == inode and not (tmp_path / "reward_model.safetensors").exists()
    back = read_bundle(tmp_path)
    assert back["tensors"]["reward_model"] is None and torch.equal(
        back["tensors"]["policy"]["wte.weight"], data["tensors"]["policy"]["wte.weight"]
    )
    assert read_bundle(tmp_path, tensors=False)["tensors"] == {}
    write_bundle(tmp_path, **{**data, "evaluation": None})
    assert (
        not (tmp_path / "evaluation.json").exists() and read_bundle(tmp_path)["evaluation"] is None
    )


# --- dying in the middle --------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


def kill_at(monkeypatch, call: str, number: int):
    """Let the ``number``-th call of ``os.<call>`` and all after it never happen."""
    real, count = getattr(os, call), [0]

    def dying(*args, **kwargs):
        count[0] += 1
        if count[0] >= number:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(os, call, dying)


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_wherever_the_writer_dies_a_whole_save_is_there(tmp_path, monkeypatch, call):
    old, new = (
        example(),
        example(
            metrics=[],
            evaluation={"win_rate": 0.5},
            tensors={"policy": {"w": torch.ones(3)}, "reward_model": None},
        ),
    )
    seen = set()
    for number in range(1, 30):
        folder = tmp_path / str(number)
        write_bundle(folder, **old)
        with monkeypatch.context() as patch:
            kill_at(patch, call, number)
            try:
                write_bundle(folder, **new)
                finished = True
            except Killed:
                finished = False
        before = snapshot(folder)
        back = read_bundle(folder)
        assert snapshot(folder) == before, "reading changed the folder"
        which = "new" if back["evaluation"] == new["evaluation"] else "old"
        expected = new if which == "new" else old
        seen.add(which)
        assert back["metrics"] == expected["metrics"] and set(back["tensors"]["policy"]) == set(
            expected["tensors"]["policy"]
        )
        assert (back["tensors"]["reward_model"] is None) == (which == "new")
        third = example(samples=[{"text": "third"}])  # whoever comes next tidies up and goes on
        write_bundle(folder, **third)
        assert read_bundle(folder)["samples"] == [{"text": "third"}] and not list(
            folder.glob("*.tmp")
        )
        if finished:
            assert which == "new" and number > 1
            break
    else:
        pytest.fail("the writer never came to its end")
    assert seen == (
        {"new"} if call == "replace" else {"old", "new"}
    )  # once every file is on the disk, the new save counts


def test_leftovers_of_a_dead_writer_never_mix_into_the_next_save(tmp_path):
    write_bundle(tmp_path, **example())
    (tmp_path / "samples.jsonl.tmp").write_text('{"text": "from a save that never counted"}\n')
    (tmp_path / "run.json.tmp").write_text('{"format": "opossum-run", "form')
    assert read_bundle(tmp_path)["samples"] == example()["samples"]
    write_bundle(tmp_path, **example())
    assert read_bundle(tmp_path)["samples"] == example()["samples"] and not list(
        tmp_path.glob("*.tmp")
    )


WRITER = """
import sys, torch
from rlhf_core.store.bundle import write_bundle
print("ready", flush=True)
for n in range(1, 100000):
    settings = {"run": {"steps": 100000}}
    write_bundle(
        sys.argv[1],
        run={"id": "k", "status": "running", "brief": {}, "settings": settings},
        metrics=[{"step": s} for s in range(n + 1)],
        samples=[{"step": n}],
        tensors={
            "policy": {"w": torch.full((50000,), float(n))},
            "reward_model": {"w": torch.ones(1)},
        },
    )
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_process_leaves_a_run_that_opens_and_says_so(tmp_path):
    chance = random.Random(0)
    for turn in range(3):
        folder = tmp_path / str(turn)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 30
        while not (folder / "run.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(5):  # read while it writes: always one whole save, and it is running
            back = read_bundle(folder)
            assert back["run"]["status"] == "running" and "note" not in back["run"]
            assert (
                back["samples"][0]["step"]
                == back["metrics"][-1]["step"]
                == back["tensors"]["policy"]["w"][0].item()
            )
        time.sleep(chance.random() * 0.2)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        back = read_bundle(folder)
        step = back["metrics"][-1]["step"]
        assert back["run"]["status"] == "interrupted" and "process" not in back["run"]
        assert (
            f"{step:} of 100000 PPO steps" in back["run"]["note"]
            and "a reward model" in back["run"]["note"]
        )
        assert back["samples"][0]["step"] == step == back["tensors"]["policy"]["w"][0].item()


def test_running_means_this_very_process(tmp_path):
    write_bundle(tmp_path, **example(run={**example()["run"], "status": "running"}))
    assert read_bundle(tmp_path)["run"]["status"] == "running"
    for process in (
        {"pid": os.getpid(), "mark": "0" * 16},
        {"pid": 2**22 + 1, "mark": None},
        {"pid": -1},
        {"pid": "1"},
        None,
        [1],
    ):
        edit_run(tmp_path, process=process)
        assert read_bundle(tmp_path)["run"]["status"] == "interrupted"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_full_disk_keeps_the_former_save(tmp_path, monkeypatch, code):
    old = example()
    write_bundle(tmp_path, **old)
    before = snapshot(tmp_path)
    new = example(samples=[{"text": "new"}], metrics=[])
    for number in range(1, 6):  # each of the changed files, run.json included
        count, real = [0], os.fsync

        def full(descriptor, count=count, real=real, number=number):
            count[0] += 1
            if count[0] == number:
                raise OSError(code, os.strerror(code))
            return real(descriptor)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(BundleError) as caught:
                write_bundle(tmp_path, **new)
        assert snapshot(tmp_path) == before
        message = str(caught.value)
        assert "the save before this one is still there" in message and message.count(".\n") == 0
        assert ("The disk is full" in message) == (code == errno.ENOSPC)
    write_bundle(tmp_path, **new)
    assert read_bundle(tmp_path)["samples"] == [{"text": "new"}]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on file sizes")
def test_a_really_full_disk(tmp_path):
    """The operating system itself refuses the weights (a file size limit stands for the disk's
    end).
    """
    write_bundle(tmp_path, **example())
    before = snapshot(tmp_path)
    code = (
        "import resource, signal, sys, torch\nfrom rlhf_core.store.bundle import"
        " write_bundle\nsignal.signal(signal.SIGXFSZ,"
        " signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (20000,"
        " 20000))\nwrite_bundle(sys.argv[1], run={'id': 'run-1', 'status': 'running', 'brief': {}},"
        " tensors={'policy': {'w': torch.ones(20000)}})\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert "BundleError: The disk is full: policy.safetensors did not fit" in result.stderr
    assert snapshot(tmp_path) == before


# --- folders that are not ours --------------------------------------------------------------------


def test_a_different_run_and_other_peoples_files_are_left_alone(tmp_path):
    write_bundle(tmp_path / "a", **example())
    with pytest.raises(BundleError, match="already holds a different run"):
        write_bundle(tmp_path / "a", **example(run={**example()["run"], "id": "run-2"}))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "README.md").write_text("mine")
    with pytest.raises(BundleError, match="already holds a README.md that belongs to no run"):
        write_bundle(tmp_path / "b", **example())
    assert (tmp_path / "b" / "README.md").read_text() == "mine" and os.listdir(tmp_path / "b") == [
        "README.md"
    ]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "notes.txt").write_text("mine")
    write_bundle(tmp_path / "c", **example())
    assert (tmp_path / "c" / "notes.txt").read_text() == "mine"


def test_folders_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for place, message in (
        ("file", "is a file, not a folder"),
        ("file/run", "cannot be made: Not a directory"),
        ("x\0y", "cannot be made"),
    ):
        with pytest.raises(BundleError, match=message):
            prepare_folder(tmp_path / place)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(
        Path, "touch", refuse
    )  # tests may run as root, to whom every folder is open
    with pytest.raises(BundleError, match="cannot be written: Permission denied"):
        prepare_folder(tmp_path / "closed")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_read_only_folder(tmp_path):
    write_bundle(tmp_path, **example())
    tmp_path.chmod(0o500)
    try:
        assert read_bundle(tmp_path)["run"]["status"] == "done"
        with pytest.raises(BundleError, match="cannot be written: Permission denied"):
            write_bundle(tmp_path, **example())
    finally:
        tmp_path.chmod(0o700)


# --- broken, strange or hostile bundles -----------------------------------------------------------


def broken(tmp_path, change) -> str:
    """What reading says after ``change(folder)``: one sentence."""
    write_bundle(tmp_path, **example())
    change(tmp_path)
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: (f / "run.json").unlink(), "run.json is missing"),
        (lambda f: (f / "metrics.csv").unlink(), "metrics.csv is missing"),
        (lambda f: (f / "run.json").write_bytes(b"\xff\xfe\x00"), "run.json is not valid JSON"),
        (
            lambda f: (f / "run.json").write_text("[" * 100_000),
            "run.json is not valid JSON: it is nested too deeply",
        ),
        (lambda f: (f / "run.json").write_text("[]"), "run.json must be a JSON object"),
        (lambda f: (f / "run.json").write_text("{}"), "format is not opossum-run"),
        (lambda f: edit_run(f, format_version=2), "format version 2, and this app reads up to 1"),
        (lambda f: edit_run(f, format_version="1"), "no usable format version"),
        (lambda f: edit_run(f, format_version=True), "no usable format version"),
        (lambda f: edit_run(f, status="fine"), "status 'fine'"),
        (lambda f: edit_run(f, files=["metrics.csv"]), "does not list the run's files"),
        (lambda f: edit_run(f, files={"metrics.csv": "abc"}), "no usable checksum for metrics.csv"),
        (
            lambda f: edit_run(f, files={"metrics.csv": {"sha256": "0" * 64, "bytes": -1}}),
            "no usable checksum for metrics.csv",
        ),
        (
            lambda f: edit_run(f, files={"../../etc/passwd": {"sha256": "0" * 64, "bytes": 1}}),
            "does not belong into a bundle: '../../etc/passwd'",
        ),
        (
            lambda f: edit_run(f, files={"/etc/passwd": {"sha256": "0" * 64, "bytes": 1}}),
            "does not belong into a bundle",
        ),
        (
            lambda f: edit_run(f, files={"policy.pt": {"sha256": "0" * 64, "bytes": 1}}),
            "does not belong into a bundle",
        ),
        (
            lambda f: (f / "preferences.jsonl").write_text("{}\n"),
            "preferences.jsonl does not match its checksum",
        ),
        (
            lambda f: (f / "policy.safetensors").open("ab").write(b"x"),
            "policy.safetensors does not match its checksum",
        ),
        (
            lambda f: (f / "policy.safetensors").write_bytes(b""),
            "policy.safetensors does not match its checksum",
        ),
        (
            lambda f: ((f / "samples.jsonl").unlink(), (f / "samples.jsonl").mkdir()),
            "samples.jsonl is not a plain file",
        ),
        (
            lambda f: (
                (f / "samples.jsonl").rename(f / "elsewhere"),
                (f / "samples.jsonl").symlink_to(f / "elsewhere"),
            ),
            "samples.jsonl is a link",
        ),
        (
            lambda f: (
                (f / "run.json").rename(f / "elsewhere"),
                (f / "run.json").symlink_to(f / "elsewhere"),
            ),
            "run.json is a link",
        ),
    ],
)
def test_what_is_broken_is_named(tmp_path, change, message):
    assert message in broken(tmp_path, change)


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """A stranger's file with a checksum that fits."""
    (folder / name).write_bytes(data)
    run = json.loads((folder / "run.json").read_text())
    run["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "run.json").write_text(json.dumps(run))


@pytest.mark.parametrize(
    "name, data, message",
    [
        (
            "policy.safetensors",
            b"\x80\x04pickle",
            "policy.safetensors is not a usable safetensors file",
        ),
        (
            "policy.safetensors",
            (2**62).to_bytes(8, "little") + b"{}",
            "policy.safetensors is not a usable safetensors file",
        ),
        (
            "reward_model.safetensors",
            b"",
            "reward_model.safetensors is not a usable safetensors file",
        ),
        (
            "preferences.jsonl",
            b'{"prompt": "x"}\n\n[1]\n',
            "preferences.jsonl, line 3 must be a JSON object",
        ),
        ("rankings.jsonl", b'{"prompt": \n', "rankings.jsonl, line 1 is not valid JSON"),
        ("samples.jsonl", b"\xff\n", "samples.jsonl, line 1 is not valid JSON"),
        (
            "metrics.csv",
            b"step,kl\n1\n",
            "metrics.csv, line 2, has 1 cells where the first line has 2",
        ),
        ("metrics.csv", b"\xff", "metrics.csv is not a readable table"),
        ("evaluation.json", b"7", "evaluation.json must be a JSON object"),
    ],
)
def test_a_file_with_a_good_checksum_can_still_be_wrong(tmp_path, name, data, message):
    assert message in broken(tmp_path, lambda folder: replace_file(folder, name, data))


def test_no_folder_no_bundle(tmp_path):
    (tmp_path / "file").write_text("")
    for place, message in (
        ("none", "There is no folder"),
        ("file", "is not a folder"),
        (".", "holds no run: run.json is missing"),
        ("x\0y", "cannot be reached"),
    ):
        with pytest.raises(BundleError, match=message):
            read_bundle(tmp_path / place)


def test_a_newer_run_is_not_overwritten(tmp_path):
    write_bundle(tmp_path, **example())
    edit_run(tmp_path, format_version=9)
    before = snapshot(tmp_path)
    with pytest.raises(BundleError, match="newer version"):
        write_bundle(tmp_path, **example())
    assert snapshot(tmp_path) == before


def test_other_peoples_weights_beside_a_bundle_are_not_loaded(tmp_path):
    write_bundle(tmp_path, **example(tensors={"policy": None, "reward_model": None}))
    (tmp_path / "policy.safetensors").write_bytes(b"not listed in run.json")
    assert read_bundle(tmp_path)["tensors"]["policy"] is None


# --- the card -------------------------------------------------------------------------------------


def front_matter(folder: Path) -> tuple[dict, str]:
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_card_says_what_the_notes_ask_for(tmp_path):
    write_bundle(tmp_path, **example())
    head, body = front_matter(tmp_path)
    assert (
        head["task_categories"] == ["text-generation"]
        and head["size_categories"] == ["n<1K"]
        and {"preference", "rlhf"} <= set(head["tags"])
    )
    assert head["configs"][0] == {
        "config_name": "default",
        "data_files": [{"split": "train", "path": "preferences.jsonl"}],
    }
    assert (
        head["pretty_name"] == "RLHF run: Meme bot"
        and {"language", "license"} <= set(head)
        and head["base_model"] == "pocket-gpt2"
    )
    assert (
        "2 comparisons by “you”" in body
        and "+0.10 to +2.10" in body
        and "win rate 75% (ties counted half) (95% interval 60% to 86%)" in body
    )
    assert "policy.safetensors" in body and BRIEF["prefer"] in body


def test_card_is_honest_about_who_judged(tmp_path):
    rows = [{"annotator": "scripted rater (facts)"}] * 3 + [
        {"annotator": "you"},
        {"annotator": "Ada <ada@x>"},
        {},
    ]
    sentences = who_judged(rows)
    assert (
        "3 comparisons by a scripted rater" in sentences[0]
        and "No person read these texts" in sentences[0]
    )
    assert "1 comparison by 1 person who goes by a name." in sentences
    assert any("1 comparison by “you”: the person who made this run, or" in s for s in sentences)
    assert "ada" not in " ".join(sentences).lower(), "a card that may be published names nobody"
    assert who_judged([]) == ["Nobody has judged anything yet."]


def test_card_stays_text_whatever_was_typed(tmp_path):
    nasty = (
        "x: [y]\n---\n# \x00\x9b 👩‍🚀 \"q\" 'p' <script>alert(1)</script> | [a](javascript:b) ${c}"
        " {{d}}"
    )
    brief = {**BRIEF, "title": nasty, "prefer": nasty + "\n```\n<script>", "audience": nasty}
    pair = {**example()["preferences"][0], "annotator": nasty}
    write_bundle(
        tmp_path,
        **example(
            run={**example()["run"], "brief": brief, "model": {"name": "gpt2"}}, preferences=[pair]
        ),
    )
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    head = yaml.safe_load(head)
    assert head["pretty_name"].startswith("RLHF run: x: [y] --- #") and head["base_model"] == "gpt2"
    assert "<script>" not in "\n".join(
        line for line in body.split("\n") if not line.startswith("    ")
    ).replace("\\<", "").replace("\\>", "")
    assert read_bundle(tmp_path)["run"]["brief"]["title"] == nasty


def test_imports_no_torch():
    code = (
        "import sys, rlhf_core.store.bundle; assert not {'torch', 'streamlit', 'pandas'} &"
        " set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert bundle.FORMAT_VERSION == 1
