"""Loading: from a folder in Hugging Face layout, with no padding token of its own, and what cannot be loaded, in words."""

import json
import shutil

import pytest
import torch
from tiny_models import tiny_gpt2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from rlhf_core import language_model
from rlhf_core.language_model import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A GPT-2 like the hub's: byte-level tokens from "!" (token 0) on, end of text last, no padding token."""
    path = tmp_path_factory.mktemp("hub-like")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)} | {"<|endoftext|>": 256}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>").save_pretrained(path)
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
    """gpt2 has no padding token, so an ordinary one fills rows; the first in its vocabulary is "!"."""
    lm = language_model.load(str(folder))
    assert lm.pad_id != lm.end_id and lm.encode("!") == [0]
    assert lm.decode(lm.encode("Hello! No!!")) == "Hello! No!!"


def test_the_bundled_base_is_the_default_and_its_pad_is_not_its_end():
    lm = language_model.load()
    assert lm.name == "bundled" and lm is language_model.load("bundled")
    assert lm.pad_id != lm.end_id and not any(parameter.requires_grad for parameter in lm.trunk.parameters())


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"model_type": "llama"}, "of type 'llama'; the GPT-2 family"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scales its attention in an unusual way"),
        ({"scale_attn_weights": False}, "scales its attention in an unusual way"),
        ({"tie_word_embeddings": False}, "output layer of its own"),
    ],
)
def test_models_whose_numbers_would_come_out_wrong_are_refused(folder, tmp_path, config, sentence):
    with pytest.raises(ModelError, match=sentence):
        language_model.load(str(changed(folder, tmp_path, **config)))


def test_what_is_no_model_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="There is no model called 'gpt-9'. Use bundled, gpt2"):
        language_model.load("gpt-9")
    with pytest.raises(ModelError, match="holds no config.json"):
        language_model.load(str(tmp_path))
    copy = changed(folder, tmp_path)
    (copy / "config.json").write_text("{")
    with pytest.raises(ModelError, match="config.json cannot be read"):
        language_model.load(str(copy))
    shutil.copy(folder / "config.json", copy)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no model.safetensors \(found pytorch_model.bin\)"):
        language_model.load(str(copy))
    (copy / "pytorch_model.bin").rename(copy / "model.safetensors")
    (copy / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="could not be loaded"):
        language_model.load(str(copy))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="holds no tokenizer"):
        language_model.load(str(copy))
