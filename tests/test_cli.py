"""The command line as a learner drives it: a process of its own, data on stdout, everything else on
stderr, exit codes that can be trusted.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils.logging import disable_progress_bar

from rlhf_core.__main__ import main
from rlhf_core.common.knob import describe
from rlhf_core.common.settings import SamplingSettings
from rlhf_core.store.bundle import read_bundle

ROOT = Path(__file__).resolve().parent.parent
BUNDLED = ROOT / "assets" / "pocket-gpt2"
# One thread a process: next to other work, two threads that wait for each other are far slower than
# one.
ENVIRONMENT = {**os.environ, "OPOSSUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and limits of this kind are POSIX")


def opossum(*arguments, env=ENVIRONMENT, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "rlhf_core", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=240,
        env=env,
        **options,
    )


@pytest.fixture
def here(capfd):
    """The same command line inside this process, where torch is there already: for what needs a
    model but no process of its own.
    """

    def call(*arguments) -> subprocess.CompletedProcess:
        capfd.readouterr()
        status = main(list(map(str, arguments)))
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, out, err)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    # the command line asks for this before transformers is imported, which here is too late
    disable_progress_bar()
    yield call
    torch.set_num_threads(threads)


def lines(result: subprocess.CompletedProcess) -> list[dict]:
    assert result.returncode in (0, 1, 130), result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return [json.loads(line) for line in result.stdout.split("\n") if line]


def refused(result: subprocess.CompletedProcess, *words: str) -> str:
    """The one line on stderr of a call that was refused."""
    assert result.returncode == 2 and result.stdout == "", (
        result.returncode,
        result.stdout,
        result.stderr,
    )
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and all(word in line for word in words), line
    return line


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A GPT-2 of two very small layers with random weights and the bundled tokenizer: quick, and it
    speaks nonsense.
    """
    folder = tmp_path_factory.mktemp("tiny-gpt2")
    torch.manual_seed(0)
    GPT2LMHeadModel(
        GPT2Config(
            vocab_size=json.loads((BUNDLED / "config.json").read_text())["vocab_size"],
            n_positions=160,
            n_embd=32,
            n_layer=2,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
    ).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((BUNDLED / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> Path:
    """Judgements in both shapes that --preferences takes."""
    rows = [
        {
            "prompt": f"A {noun} is",
            "chosen": " a mood on four legs.",
            "rejected": " a small animal.",
        }
        for noun in ("cat", "goat", "duck", "wolf", "bat")
    ]
    rows += [
        {"prompt": "A bee is", "a": " an insect.", "b": " tiny, loud and right.", "choice": "b"},
        {"prompt": "A bee is", "a": " x.", "b": " y.", "choice": "tie"},
    ]
    path = tmp_path_factory.mktemp("preferences") / "prefs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def finished(tiny, judged, tmp_path_factory) -> tuple[Path, list[dict], str]:
    """A run on recorded judgements: (its bundle, its stdout, its stderr)."""
    out = tmp_path_factory.mktemp("out") / "run"
    result = opossum(
        "run",
        "--brief",
        "meme-bot",
        "--preferences",
        judged,
        "--steps",
        2,
        "--beta",
        0.05,
        "--conservative",
        0.5,
        "--seed",
        4,
        "--model",
        tiny,
        "--out",
        out,
    )
    assert result.returncode == 0, result.stderr
    return out, lines(result), result.stderr


# --- generate and score ---------------------------------------------------------------------------


def test_generate_gives_texts_with_their_exact_log_probability(here):
    arguments = (
        "generate",
        "--prompt",
        "An opossum is",
        "-n",
        2,
        "--max-new-tokens",
        12,
        "--seed",
        7,
    )
    first, again = opossum(*arguments), here(*arguments)
    rows = lines(first)
    assert first.stdout == again.stdout and len(rows) == 2 and rows[0]["text"] != rows[1]["text"]
    model = GPT2LMHeadModel.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    from transformers import AutoTokenizer

    prompt = AutoTokenizer.from_pretrained(BUNDLED)("An opossum is")["input_ids"]
    for row in rows:
        ids = [token["id"] for token in row["tokens"]]
        with torch.no_grad():
            log_p = (
                model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
            )
        assert row["logprob"] == pytest.approx(
            log_p.gather(1, torch.tensor(ids)[:, None]).sum().item(), abs=1e-3
        )
        assert row["logprob"] == pytest.approx(sum(token["logprob"] for token in row["tokens"]))
        assert (
            len(ids) <= 12
            and "".join(token["token"] for token in row["tokens"] if token["token"] != "⏹ end")
            == row["text"]
        )


def test_generate_samples_as_it_is_told(here, capfd):
    def texts(*options) -> list[str]:
        asked = ("--prompt", "A fox is", "-n", 3, "--max-new-tokens", 8, "--model", "bundled")
        return [row["text"] for row in lines(here("generate", *asked, *options))]

    usual = SamplingSettings()
    told = ("--temperature", usual.temperature, "--top-p", usual.top_p)
    assert texts() == texts(*told) != texts("--temperature", 2)
    # Nothing but the likeliest token may be drawn, whatever the luck.
    assert len(set(texts("--temperature", 0.1, "--top-p", 0.05))) == 1 < len(set(texts()))
    with pytest.raises(SystemExit):
        main(["generate", "--help"])
    told = " ".join(capfd.readouterr().out.split())
    for name in ("temperature", "top_p"):
        about = next(row for row in describe(SamplingSettings) if row["name"] == name)
        assert f"{about['help']} (default {about['default']})" in told
        assert f"--{name.replace('_', '-')}" in told


def test_scores_and_answers_of_a_bundle(finished, tiny, here):
    out, _, _ = finished
    first = lines(
        here(
            "score",
            "--bundle",
            out,
            "--prompt",
            "A fox is",
            "--text",
            " a mood.",
            "--text",
            " an animal.",
        )
    )
    assert [row["text"] for row in first] == [" a mood.", " an animal."] and {
        "reward",
        "reference_logprob",
    } <= set(first[0])
    tuned = lines(
        here("generate", "--bundle", out, "--prompt", "A fox is", "-n", 1, "--max-new-tokens", 3)
    )
    original = lines(
        here("generate", "--model", tiny, "--prompt", "A fox is", "-n", 1, "--max-new-tokens", 3)
    )
    assert tuned[0]["logprob"] != original[0]["logprob"]


# --- run ------------------------------------------------------------------------------------------


def test_a_run_on_recorded_judgements(finished, judged):
    out, rows, stderr = finished
    assert [row["step"] for row in rows if row["kind"] == "step"] == [0, 1, 2]
    assert all(row["doubt_mean"] > 0 for row in rows if row["kind"] == "step"), (
        "the conservative reward says what it took off"
    )
    assert (
        rows[0] == {"kind": "judged", "comparisons": 7, "judge": "imported preferences"}
        and rows[-1]["status"] == "done"
    )
    assert (
        f"Judged by: the 7 comparisons in {judged}" in stderr
        and "scripted" not in stderr
        and "PPO step   2 of 2" in stderr
    )
    bundle = read_bundle(out)
    run = bundle["run"]
    assert (
        run["status"] == "done"
        and run["brief"]["slug"] == "meme-bot"
        and run["seed"] == 4
        and len(run["model"]["sha256"]) == 64
    )
    assert (
        run["settings"]["ppo"]["beta"] == 0.05
        and run["settings"]["ppo"]["conservative"] == 0.5
        and run["versions"]["torch"]
    )
    assert [row["step"] for row in bundle["metrics"]] == [0, 1, 2] and bundle["metrics"][0][
        "kl_to_reference"
    ] == pytest.approx(0, abs=1e-4)
    assert (
        bundle["preferences"][0]["a"] == " a mood on four legs."
        and bundle["preferences"][0]["choice"] == "a"
    )
    assert (
        bundle["evaluation"]["judge"] == "reward model"
        and bundle["tensors"]["policy"]
        and bundle["tensors"]["reward_model"]
    )
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "an imported file does not say who (file 1) | 7 |" in card and "scripted" not in card


def test_replay_of_recorded_judgements_and_of_a_forgery(finished, tmp_path, here):
    out, _, _ = finished
    result = opossum(
        "replay", out, env={**ENVIRONMENT, "OPOSSUM_THREADS": "2"}
    )  # it goes by the number of threads in the record
    (row,) = lines(result)
    assert (
        result.returncode == 0 and row["same"] and row["compared"] > 200 and not row["judged_again"]
    )
    assert (
        "Same seeds, same numbers" in result.stderr
        and "recorded judgements were used" in result.stderr
    )

    forged = tmp_path / "forged"
    forged.mkdir()
    for path in out.iterdir():
        (forged / path.name).write_bytes(path.read_bytes())
    table = (forged / "metrics.csv").read_text().splitlines()
    cells = table[2].split(",")
    cells[1] = repr(float(cells[1]) + 0.5)
    changed = "\n".join([*table[:2], ",".join(cells), *table[3:]]) + "\n"
    (forged / "metrics.csv").write_text(changed)
    result = opossum("replay", forged)
    assert (
        result.returncode == 1
        and lines(result)[0]["where"] == "metrics.csv"
        and "does not match its checksum" in result.stderr
    )

    run = json.loads((forged / "run.json").read_text())
    run["files"]["metrics.csv"] = {
        "sha256": hashlib.sha256(changed.encode()).hexdigest(),
        "bytes": len(changed),
    }
    (forged / "run.json").write_text(json.dumps(run))
    result = here("replay", forged)
    rows = lines(result)
    assert result.returncode == 1 and [(row["where"], row["name"]) for row in rows[:-1]] == [
        ("metrics.csv", "step 1.reward_mean")
    ]
    assert (
        rows[0]["saved"] == pytest.approx(rows[0]["now"] + 0.5)
        and rows[-1]["different"] == 1
        and not rows[-1]["same"]
    )


def test_replay_looks_at_the_weights_too(finished, tmp_path, here):
    forged = tmp_path / "forged"
    forged.mkdir()
    for path in finished[0].iterdir():
        (forged / path.name).write_bytes(path.read_bytes())
    weights = load_file(forged / "policy.safetensors")
    weights["h.0.mlp.c_fc.bias"] += 0.1
    save_file(weights, forged / "policy.safetensors", metadata={"format": "pt"})
    result = here("replay", forged)
    assert (
        result.returncode == 1
        and lines(result)[0]["where"] == "policy.safetensors"
        and "does not match its checksum" in result.stderr
    )

    data = (forged / "policy.safetensors").read_bytes()  # and with a checksum to match
    run = json.loads((forged / "run.json").read_text())
    run["files"]["policy.safetensors"] = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    (forged / "run.json").write_text(json.dumps(run))
    result = here("replay", forged)
    row, last = lines(result)
    assert (
        result.returncode == 1
        and row["where"] == "policy.safetensors"
        and row["name"].startswith("h.0.mlp.c_fc.bias")
    )
    assert row["now"] == pytest.approx(0.1, abs=1e-4) and last["different"] == 1


@pytest.mark.parametrize(
    "damage",
    [
        {"settings": None},
        {"settings": [1]},
        {"settings": {"run": None}},
        {"settings": {"ppo": "x"}},
        {"versions": 5, "state": None},
        {"model": "x"},
        {"seed": None},
    ],
    ids=str,
)
def test_a_bundle_of_the_wrong_kinds_is_refused_in_one_sentence(finished, tmp_path, here, damage):
    forged = shutil.copytree(finished[0], tmp_path / "forged")
    run = json.loads((forged / "run.json").read_text())
    (forged / "run.json").write_text(json.dumps({**run, **damage}))
    result = here("replay", forged)
    said = result.stderr.strip().splitlines()
    assert result.returncode == 2 and said[-1].startswith("error: ") and "run.json" in said[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", ["reward_model", "policy"])
def test_weights_that_are_no_numbers_are_refused_in_one_sentence(finished, tmp_path, here, name):
    """With the right checksum: a person may have made them so."""
    forged = shutil.copytree(finished[0], tmp_path / "forged")
    weights = load_file(forged / f"{name}.safetensors")
    broken = next(key for key, value in weights.items() if value.is_floating_point())
    weights[broken].view(-1)[0] = float("nan")
    save_file(weights, forged / f"{name}.safetensors", metadata={"format": "pt"})
    data = (forged / f"{name}.safetensors").read_bytes()
    run = json.loads((forged / "run.json").read_text())
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    run["files"][f"{name}.safetensors"] = entry
    (forged / "run.json").write_text(json.dumps(run))
    result = here("replay", forged)
    assert result.returncode == 2 and not result.stdout
    assert f"{name}.safetensors holds numbers that are not finite" in result.stderr
    assert broken in result.stderr and "Traceback" not in result.stderr


def test_the_scripted_rater_says_what_it_is_and_replays(tmp_path, here):
    out = tmp_path / "run"
    result = opossum(
        "run", "--brief", "biology-homework", "--comparisons", 8, "--steps", 1, "--out", out
    )
    rows = lines(result)
    assert result.returncode == 0 and rows[0] == {
        "kind": "judged",
        "comparisons": 8,
        "judge": "scripted rater (rule)",
    }
    assert "Judged by: a scripted rater (rule): a rule in the program, no person." in result.stderr
    assert "No person read these texts" in (out / "README.md").read_text(encoding="utf-8")
    assert {row["annotator"] for row in read_bundle(out, tensors=False)["preferences"]} == {
        "scripted rater (rule)"
    }
    again = here("replay", out)
    assert again.returncode == 0 and lines(again)[-1]["judged_again"], again.stdout


# --- interrupted ----------------------------------------------------------------------------------


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_says_so_and_opens(tiny, judged, tmp_path, here, number):
    out = tmp_path / "run"
    command = [
        "run",
        "--brief",
        "meme-bot",
        "--preferences",
        judged,
        "--steps",
        200,
        "--model",
        tiny,
        "--out",
        out,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "rlhf_core", *map(str, command)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env=ENVIRONMENT,
    )
    try:
        for line in process.stdout:
            if json.loads(line).get("step") == 2:
                break
        if number == signal.SIGINT:  # nobody else may write there meanwhile
            assert read_bundle(out, tensors=False)["run"]["status"] == "running"
            refused(opossum(*command), "is in use", "another process")
        process.send_signal(number)
        rest, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), stderr
    bundle = read_bundle(out)
    steps = bundle["metrics"][-1]["step"]
    assert (
        bundle["run"]["status"] == "interrupted"
        and 2 <= steps < 200
        and f"7 comparisons, a reward model, {steps} of 200 PPO steps" in bundle["run"]["note"]
    )
    assert [row["step"] for row in bundle["metrics"]] == list(range(steps + 1)) and not list(
        out.glob("*.tmp")
    )
    if number != signal.SIGKILL:
        assert (
            f"Interrupted. The bundle in {out} says so, and holds 7 comparisons, a reward model,"
            f" {steps} of 200 PPO steps" in stderr
        )
        assert "Traceback" not in stderr and bundle["tensors"]["policy"]
    if number == signal.SIGTERM:
        result = here("replay", out)
        assert (
            result.returncode == 0
            and lines(result)[-1]["same"]
            and "This run was interrupted" in result.stderr
        )


@POSIX
def test_a_full_disk_is_said_in_one_line(tiny, judged, tmp_path):
    import resource

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    out = tmp_path / "run"
    result = opossum(
        "run",
        "--brief",
        "meme-bot",
        "--preferences",
        judged,
        "--steps",
        1,
        "--model",
        tiny,
        "--out",
        out,
        preexec_fn=small_files,
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: The disk is full: ")
    assert read_bundle(out)["run"]["status"] == "interrupted"


@POSIX
def test_a_reader_that_leaves_early_is_no_crash(tiny):
    command = (
        f"{sys.executable} -m rlhf_core generate --prompt hello --model {tiny} -n 200"
        " --max-new-tokens 20 | head -n 1"
    )
    result = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        env=ENVIRONMENT,
    )
    assert len(lines(result)) == 1


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], ["arguments are required"]),
        (["dance"], ["'dance' is no command"]),
        (["generate"], ["--prompt"]),
        (["generate", "--prompt", ""], ["The prompt is empty"]),
        (["generate", "--prompt", " \n\t"], ["The prompt is empty"]),
        (["generate", "--prompt", "a" * 10_000], ["The prompt has 10,000 characters", "at most"]),
        (["generate", "--prompt", "a\x07b"], ["control characters"]),
        (["generate", "--prompt", "x", "-n", "0"], ["-n", "0 is out of range"]),
        (["generate", "--prompt", "x", "-n", "two"], ["-n", "'two' is not a whole number"]),
        (
            ["generate", "--prompt", "x", "--max-new-tokens", "65"],
            ["--max-new-tokens", "between 1 and 64"],
        ),
        (["generate", "--prompt", "x", "--seed", "-1"], ["--seed", "-1 is out of range"]),
        (
            ["generate", "--prompt", "x", "--temperature", "3"],
            ["--temperature", "3 is out of range", "between 0.1 and 2"],
        ),
        (["generate", "--prompt", "x", "--temperature", "hot"], ["'hot' is not a number"]),
        (
            ["generate", "--prompt", "x", "--top-p", "0"],
            ["--top-p", "0 is out of range", "between 0.05 and 1"],
        ),
        (["generate", "--prompt", "x", "--top-p", "nan"], ["--top-p", "nan does not work"]),
        (
            ["generate", "--prompt", "x", "--bundle", "/does/not/exist"],
            ["no folder /does/not/exist"],
        ),
        (
            ["generate", "--prompt", "x", "--bundle", ".", "--model", "bundled"],
            ["--model", "not allowed with", "--bundle"],
        ),
        (["score", "--bundle", "tests", "--prompt", "x", "--text", "y"], ["run.json is missing"]),
        (["score", "--bundle", "README.md", "--prompt", "x", "--text", ""], ["Text 1 is empty"]),
        (["replay", "README.md"], ["README.md"]),
        (
            ["run", "--brief", "pirates", "--out", "OUT"],
            ["no brief called 'pirates'", "biology-homework"],
        ),
        (["run", "--brief", "pirates.json", "--out", "OUT"], ["pirates.json cannot be read"]),
        (["run", "--brief", "meme-bot"], ["--out"]),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--beta", "nan"],
            ["--beta", "nan does not work"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--beta", "inf"],
            ["--beta", "inf does not work"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--conservative", "-1"],
            ["--conservative", "-1 does not work"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--conservative", "9"],
            ["conservative is 9"],
        ),
        (["run", "--brief", "meme-bot", "--out", "OUT", "--beta", "11"], ["beta is 11"]),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--comparisons", "0"],
            ["--comparisons", "0 is out of range"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--steps", "-3"],
            ["--steps", "-3 is out of range"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--prompts", "missing.txt"],
            ["prompts file missing.txt cannot be read"],
        ),
        (
            ["run", "--brief", "meme-bot", "--out", "OUT", "--preferences", "missing.jsonl"],
            ["preferences file missing.jsonl cannot be read"],
        ),
        (["run", "--brief", "meme-bot", "--out", "README.md"], ["README.md"]),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, arguments, words):
    (tmp_path / "README.md").write_text("mine")
    arguments = [
        str(tmp_path / word) if word in ("OUT", "README.md") else word for word in arguments
    ]
    refused(opossum(*arguments), *words)
    assert sorted(os.listdir(tmp_path)) == ["README.md"], "something was left behind"


def test_an_unknown_model_is_one_clear_line(tmp_path, here):
    refused(
        here("generate", "--prompt", "x", "--model", "nobody/nothing"),
        "no model called 'nobody/nothing'",
    )
    refused(
        opossum("run", "--brief", "meme-bot", "--out", tmp_path / "out", "--model", "nobody"),
        "no model called 'nobody'",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "rows, words",
    [
        (b"", ["holds no rows"]),
        (
            b'{"prompt": "x", "chosen": " a", "rejected": " b"}\n{"prompt": "x", "chosen": " a"}\n',
            ["line 2", "'rejected' is missing"],
        ),
        (b'{"prompt": "x", "a": " a", "b": " b", "choice": "c"}\n', ["line 1", "'c'"]),
        (b'\n{"prompt": "x", "a": " a", "b": " b", "choice": "a"\n', ["line 2", "not valid JSON"]),
        (b'["x"]\n', ["line 1", "JSON object"]),
        (b"\xff\n", ["not UTF-8"]),
        (
            b'{"prompt": "x", "a": " a", "b": " b", "choice": "tie"}\n',
            ["no taste to learn", "p.jsonl", "is a tie"],
        ),
        (
            b'{"prompt": "A fox is", "a": " a", "b": " b", "choice": "a"}\n',
            ["no taste to learn", "p.jsonl"],
        ),
        (
            b'{"prompt": "x", "a": " a", "b": " a", "choice": "a"}\n',
            ["no taste to learn", "two different texts"],
        ),
        (
            (
                b'{"prompt": "x", "a": " a", "b": " b", "choice": "a"}\n{"prompt": "x", "chosen": "'
                b' b", "rejected": " a"}\n'
            ),
            ["taken back by its opposite"],
        ),
    ],
)
def test_bad_preferences_are_named_by_line(tmp_path, rows, words):
    (tmp_path / "p.jsonl").write_bytes(rows)
    result = opossum(
        "run",
        "--brief",
        "meme-bot",
        "--preferences",
        tmp_path / "p.jsonl",
        "--out",
        tmp_path / "out",
    )
    assert (
        result.returncode == 2
        and result.stdout == ""
        and all(word in result.stderr.splitlines()[-1] for word in words)
    ), result.stderr
    assert not (tmp_path / "out").exists()


def test_prompts_files_are_read_by_line(tmp_path):
    (tmp_path / "p.txt").write_text("A pirate is\n\n" + "a" * 500 + "\n")
    refused(
        opossum(
            "run", "--brief", "meme-bot", "--prompts", tmp_path / "p.txt", "--out", tmp_path / "out"
        ),
        "p.txt line 3",
        "500 characters",
    )
    (tmp_path / "p.txt").write_text("\n \n")
    refused(
        opossum(
            "run", "--brief", "meme-bot", "--prompts", tmp_path / "p.txt", "--out", tmp_path / "out"
        ),
        "holds no prompts",
    )


def test_a_brief_of_ones_own_needs_a_person(tmp_path):
    (tmp_path / "mine.json").write_text(
        json.dumps(
            {
                "title": "Pirates",
                "prefer": "Arr.",
                "wanted": "meme",
                "training_prompts": ["A ship is"],
            }
        )
    )
    refused(
        opossum("run", "--brief", tmp_path / "mine.json", "--out", tmp_path / "out"),
        "has no scripted rater",
        "--preferences",
    )
    (tmp_path / "mine.json").write_text("{")
    refused(
        opossum("run", "--brief", tmp_path / "mine.json", "--out", tmp_path / "out"),
        "mine.json is not valid JSON",
    )


def test_folders_in_use_are_left_alone(finished, tmp_path):
    out, _, _ = finished
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    refused(opossum("run", "--brief", "meme-bot", "--out", out), "already holds a different run")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (tmp_path / "README.md").write_text("mine")
    refused(
        opossum("run", "--brief", "meme-bot", "--out", tmp_path), "README.md that belongs to no run"
    )
    assert os.listdir(tmp_path) == ["README.md"]


def test_damaged_and_foreign_bundles(finished, tmp_path, here):
    out, _, _ = finished
    for path in out.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    run = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "format_version": 99}))
    refused(
        here("score", "--bundle", tmp_path, "--prompt", "x", "--text", " y"),
        "format version 99",
        "newer version",
    )
    (tmp_path / "run.json").write_text(
        json.dumps({**run, "model": {"name": "bundled", "sha256": run["model"]["sha256"]}})
    )
    refused(
        here("score", "--bundle", tmp_path, "--prompt", "x", "--text", " y"),
        "another version of the language model",
    )
    (tmp_path / "run.json").write_text(json.dumps({**run, "model": {"name": "bundled"}}))
    refused(
        here("score", "--bundle", tmp_path, "--prompt", "x", "--text", " y"),
        "reward_model.safetensors",
        "is not a reward model for 'bundled'",
    )
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "reward_model.safetensors").write_bytes(b"not this")
    refused(
        here("score", "--bundle", tmp_path, "--prompt", "x", "--text", " y"),
        "reward_model.safetensors does not match its checksum",
    )


def test_the_command_line_answers_before_torch_is_imported():
    started = time.perf_counter()
    code = (
        "import sys, rlhf_core.__main__ as cli; cli.parser().format_help(); assert not {'torch',"
        " 'transformers', 'streamlit'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert time.perf_counter() - started < 20


# --- benchmark ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_engine_benchmark_runs_in_small_and_prints_its_table() -> None:
    """Whether they run, not what they measure: tiny models, TRL's trainer among them, each side in
    a process of its own.
    """
    command = [sys.executable, "-m", "rlhf_core", "benchmark", "--quick"]
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=1100, env=ENVIRONMENT
    )
    assert result.returncode == 0, result.stderr
    shown = result.stdout
    for words in (
        "float32 matrix product",
        "== step",
        "frozen layers 2: median",
        "== busy",
        "| as it ships | ",
        "everything trained: batch 8, 3 + 4 tokens, 4 epochs",
        "trains the top 2 layers",
        "TRL",
        "peak memory",
        "times the floor",
        "generate",
        "| layers | 4 layers |",
    ):
        assert words in shown, words


@pytest.mark.slow
def test_a_benchmark_measures_and_plots_in_small(tmp_path) -> None:
    result = opossum("benchmark", "machine", "--quick")
    assert (
        result.returncode == 0
        and "float32 matrix product" in result.stdout
        and "float32: " in result.stdout
    ), result.stderr
    result = opossum("benchmark", "scaling", "--quick", "--out", tmp_path / "plot.html")
    assert result.returncode == 0 and "| layers | 4 layers |" in result.stdout, result.stderr
    assert "seconds of processor time" in (tmp_path / "plot.html").read_text(encoding="utf-8")


def test_a_benchmark_that_does_not_exist_is_named(here) -> None:
    from benchmarks.__main__ import PARTS

    assert {"machine", "step", "busy", "trl", "memory", "scaling", "reward", "loop"} <= set(PARTS)
    assert "page" in PARTS
    refused(
        here("benchmark", "gpu"),
        f"There is no benchmark called 'gpu'; choose one of {', '.join(PARTS)}",
    )


def test_a_benchmark_runs_from_any_folder_and_its_exit_code_comes_back(tmp_path) -> None:
    (tmp_path / "benchmarks.py").write_text("raise SystemExit(7)", encoding="utf-8")
    command = [sys.executable, "-m", "rlhf_core", "benchmark", "machine", "--quick"]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "float32 matrix product" in done.stdout, done.stderr
    command += ["--no-such"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "--no-such" in done.stderr


def test_where_there_is_no_benchmarks_folder_one_line_says_so(here, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("rlhf_core.command_line.handing_over.ROOT", tmp_path)
    refused(here("benchmark", "machine"), "no folder benchmarks beside rlhf_core", str(tmp_path))
