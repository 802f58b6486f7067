"""Loading: from a folder in Hugging Face layout, with no padding token of its own, and what cannot
be loaded, in words.
"""

import errno
import json
import shutil
import sys
import time

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import byte_tokenizer, tiny_gpt2, tiny_model

from rlhf_core.common import errors
from rlhf_core.common.errors import InputError, ModelError
from rlhf_core.lm import download, language_model, model_list, texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A GPT-2 like the hub's: byte-level tokens from "!" (token 0) on, end of text last, no padding
    token.
    """
    path = tmp_path_factory.mktemp("hub-like")
    byte_tokenizer().save_pretrained(path)
    tiny_gpt2(vocabulary=257).save_pretrained(path)
    return path


def changed(folder, tmp_path, **config):
    """A copy of the folder with other values in config.json."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    values = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**values, **config}))
    return copy


def test_a_folder_loads_frozen_and_in_float32(folder):
    lm = language_model.load(str(folder))
    assert lm.name == str(folder) and lm.end_id == 256 and lm.trunk.layers == 2
    assert not any(parameter.requires_grad for parameter in lm.trunk.parameters())
    assert {parameter.dtype for parameter in lm.trunk.parameters()} == {torch.float32}
    assert language_model.load(str(folder)) is lm  # one shared base a process
    assert lm.fingerprint() == language_model.fingerprint(lm.trunk)


def test_padding_with_an_ordinary_token_eats_no_text(folder):
    """gpt2 has no padding token, so an ordinary one fills rows: its vocabulary's first, "!"."""
    lm = language_model.load(str(folder))
    assert lm.pad_id != lm.end_id and lm.encode("!") == [0]
    assert lm.decode(lm.encode("Hello! No!!")) == "Hello! No!!"


def test_the_bundled_base_is_the_default_and_its_pad_is_not_its_end():
    lm = language_model.load()
    assert lm.name == "bundled" and lm is language_model.load("bundled")
    assert lm.pad_id != lm.end_id and not any(
        parameter.requires_grad for parameter in lm.trunk.parameters()
    )


# --- what cannot be loaded, in a sentence each ----------------------------------------------------


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_type": "bert"}, "of type 'bert'; supported are gpt2, llama, opt, gpt_neox, mpt"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scales its attention in an unusual way"),
        ({"scale_attn_weights": False}, "scales its attention in an unusual way"),
        (
            {"tie_word_embeddings": False},
            "lacks 1 of the model's weights, for example lm_head.weight",
        ),
    ],
)
def test_models_whose_numbers_would_come_out_wrong_are_refused(folder, tmp_path, config, sentence):
    with pytest.raises(ModelError, match=sentence):
        language_model.load(str(changed(folder, tmp_path, **config)))


def test_a_folder_that_is_no_model_is_named(folder, tmp_path):
    with pytest.raises(
        ModelError, match="There is no model called 'gpt-9'. Use bundled, smollm2, distilgpt2, gpt2"
    ):
        language_model.load("gpt-9")
    with pytest.raises(ModelError, match="There is no model called ''"):
        language_model.load("")
    with pytest.raises(ModelError, match="holds no config.json"):
        language_model.load(str(tmp_path))
    copy = changed(folder, tmp_path)
    for damaged in ("{", "[]", "null"):
        (copy / "config.json").write_text(damaged)
        with pytest.raises(ModelError, match="config.json cannot be read"):
            language_model.load(str(copy))


def test_weights_that_are_not_one_safetensors_file_are_refused_with_the_reason(folder, tmp_path):
    copy = changed(folder, tmp_path)
    weights = copy / "model.safetensors"
    weights.rename(copy / "pytorch_model.bin")
    with pytest.raises(
        ModelError,
        match=r"its weights \(pytorch_model.bin\) are a pickle, which can run code when it is read",
    ):
        language_model.load(str(copy))
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(ModelError, match="read from a single safetensors file only"):
        language_model.load(str(copy))
    tiny_gpt2(vocabulary=257).save_pretrained(copy, max_shard_size="40KB")
    assert (copy / "model.safetensors.index.json").exists()
    with pytest.raises(ModelError, match="weights are split into several files"):
        language_model.load(str(copy))


def test_damaged_or_incomplete_weights_are_refused(folder, tmp_path, monkeypatch):
    copy = changed(folder, tmp_path)
    weights = copy / "model.safetensors"
    tensors = load_file(weights)
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, weights, metadata={"format": "pt"})
    with pytest.raises(
        ModelError,
        match=r"lacks 1 of the model's weights, for example transformer.h.1.mlp.c_fc.weight",
    ):
        language_model.load(str(copy))
    weights.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="could not be loaded"):
        language_model.load(str(copy))
    monkeypatch.setattr(language_model, "MOST_BYTES", 9)
    with pytest.raises(ModelError, match="GB of weights; at most"):
        language_model.load(str(copy))


def test_a_missing_tokenizer_is_named_and_one_of_another_model_is_noticed(folder, tmp_path):
    copy = changed(folder, tmp_path)
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="holds no tokenizer"):
        language_model.load(str(copy))
    with pytest.raises(
        ModelError,
        match=(
            "knows 200 tokens, but its tokenizer gives numbers up to 256: they do not belong"
            " together"
        ),
    ):
        language_model.assemble(
            "tiny", tiny_model("llama", vocab_size=200), byte_tokenizer(), where="This model"
        )


def test_a_model_that_cannot_stop_is_refused():
    tokenizer, model = byte_tokenizer(), tiny_model("opt")
    tokenizer.eos_token, model.config.eos_token_id = None, None
    with pytest.raises(
        ModelError, match="has no end-of-text token, so it could never learn to stop"
    ):
        language_model.assemble("tiny", model, tokenizer, where="This model")


def test_a_model_that_reads_too_little_is_refused_when_it_is_loaded_or_when_the_prompt_is_too_long(
    folder,
):
    with pytest.raises(
        ModelError, match="reads at most 16 tokens at once; a prompt and an answer take 32 at least"
    ):
        language_model.assemble(
            "tiny", tiny_model("gpt2", n_positions=16), byte_tokenizer(), where="This model"
        )
    lm = language_model.load(str(folder))
    with pytest.raises(
        InputError,
        match="The prompt is 30 tokens long; with 24 tokens of answer, this model reads at most 24",
    ):
        texts.encode_prompt(lm, "x" * 30, 24)


# --- from the hub ---------------------------------------------------------------------------------


def hub_errors():
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    full = RuntimeError("download failed")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    offline = LocalEntryNotFoundError("cannot find the requested files in the local cache")
    missing = RemoteEntryNotFoundError.__new__(RemoteEntryNotFoundError)
    return {
        "offline": (
            offline,
            "is not on this machine and could not be downloaded .is there a connection",
        ),
        "disk full": (
            full,
            "The disk is full, so the model gpt2 could not be kept; make room, or set HF_HOME",
        ),
        "broken off": (
            ConnectionResetError("peer"),
            (
                r"broke off at model.safetensors \(ConnectionResetError\); try again, it goes on"
                r" where it stopped"
            ),
        ),
        "gone": (missing, "The hub has no model.safetensors for the model gpt2"),
    }


@pytest.mark.parametrize("case", ["offline", "disk full", "broken off", "gone"])
def test_a_download_that_fails_says_why_and_what_works(case, tmp_path):
    error, sentence = hub_errors()[case]

    def fetch(name, file, revision):
        if file == "model.safetensors":
            raise error
        return str(tmp_path / file)

    with pytest.raises(errors.DownloadError, match=f"{sentence}.*The bundled model works offline."):
        download.download("gpt2", "0" * 40, fetch=fetch)


def test_a_download_fetches_the_pinned_files_and_tells_how_far_it_is(tmp_path):
    calls, told = [], []

    def fetch(name, file, revision, tqdm_class):
        calls.append((name, file, revision))
        if file == "tokenizer_config.json":
            raise hub_errors()["gone"][0]
        with tqdm_class(total=100, initial=20) as bar:
            bar.update(30)
            bar.update(50)
        return str(tmp_path / file)

    folder = download.download(
        "gpt2", "f" * 40, lambda done, total: told.append((done, total)), fetch=fetch
    )
    assert folder == tmp_path and told == [(50, 100), (100, 100)] * 3
    assert {file for _, file, _ in calls} == {
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    }
    assert {(name, revision) for name, _, revision in calls} == {("gpt2", "f" * 40)}


def test_hub_models_are_pinned_and_loaded_from_the_folder_that_was_fetched(folder, monkeypatch):
    assert all(
        len(known.revision) == 40 and set(known.revision) <= set("0123456789abcdef")
        for known in model_list.HUB.values()
    )
    asked = []
    monkeypatch.setattr(
        language_model,
        "download",
        lambda name, revision, tell, offline: asked.append((name, revision, offline)) or folder,
    )
    lm = language_model.load("distilgpt2")
    language_model.load("distilgpt2", fetch=False)
    language_model._load.cache_clear()  # no other test may find this one under that name
    assert lm.name == "distilgpt2" and lm.trunk.layers == 2
    assert asked == [
        ("distilgpt2", model_list.HUB["distilgpt2"].revision, offline) for offline in (False, True)
    ]


def test_where_nothing_may_be_fetched_a_model_that_is_not_here_is_refused_at_once(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(errors.ModelError, match="distilgpt2 is not on this machine"):
        language_model.load("distilgpt2", fetch=False)


# --- by a process of its own ----------------------------------------------------------------------


def saying(*lines: str, last: str = "") -> list[str]:
    """A command that says these lines, then does what ``last`` says."""
    return [
        sys.executable,
        "-c",
        "\n".join([f"print({line!r}, flush=True)" for line in lines] + [last]),
    ]


def test_a_model_is_fetched_by_another_process_and_its_progress_arrives():
    command = saying(
        '{"megabytes": 10}',
        '{"megabytes": 353}',
        last="""import time; time.sleep(0.5); print('{"folder": "x"}')""",
    )
    marks = list(download.fetch_aside("distilgpt2", command))
    assert 353 in [mark.done for mark in marks] and {mark.total for mark in marks} == {353}
    assert sorted(mark.done for mark in marks) == [mark.done for mark in marks]
    assert all(mark.stage == "fetching distilgpt2 (megabytes)" for mark in marks)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            saying(
                '{"megabytes": 5}', '{"error": "The disk is full."}', last="raise SystemExit(2)"
            ),
            "The disk is full.",
        ),
        (saying('{"megabytes": 5}', last="import os; os._exit(9)"), "ended without a word"),
    ],
)
def test_a_process_that_fails_says_why(command, sentence):
    with pytest.raises(errors.DownloadError, match=sentence):
        list(download.fetch_aside("distilgpt2", command))


def test_a_fetch_that_is_stopped_takes_its_process_along(tmp_path):
    done = tmp_path / "done"
    work = download.fetch_aside(
        "gpt2",
        saying('{"megabytes": 1}', last=f"import time; time.sleep(3); open({str(done)!r}, 'w')"),
    )
    assert next(work).wait == download.LOOK_AGAIN
    began = time.monotonic()
    work.close()
    assert time.monotonic() - began < 3 and not done.exists()


def test_the_fetching_process_refuses_what_is_not_on_the_list(capsys):
    assert download.main(["bert"]) == 2
    assert "no model called 'bert'" in json.loads(capsys.readouterr().out)["error"]


def test_the_default_model_is_what_the_environment_says(monkeypatch):
    monkeypatch.delenv("OPOSSUM_MODEL", raising=False)
    assert model_list.default() == "bundled"
    monkeypatch.setenv("OPOSSUM_MODEL", " distilgpt2 ")
    assert (
        model_list.default() == "distilgpt2"
        and model_list.from_the_web(model_list.default())
        and not model_list.from_the_web("bundled")
    )
