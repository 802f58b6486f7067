"""A folder whose config promises other weights than it holds is refused before anything of that
size is made.
"""

import json
import shutil
import time

import pytest
from tiny_models import byte_tokenizer, tiny_gpt2, tiny_model

from rlhf_core.common.errors import ModelError
from rlhf_core.lm import language_model
from rlhf_core.lm.families import FAMILIES
from rlhf_core.lm.header import check_weights, shapes_in


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    path = tmp_path_factory.mktemp("honest")
    byte_tokenizer().save_pretrained(path)
    tiny_gpt2(vocabulary=257).save_pretrained(path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_saves_fits_its_own_config(tmp_path, family):
    tiny_model(family).save_pretrained(tmp_path)
    check_weights(tmp_path)


def test_the_trunk_alone_fits_too(honest, tmp_path):
    tiny_gpt2(vocabulary=257).transformer.save_pretrained(tmp_path)
    assert "wte.weight" in shapes_in(tmp_path / "model.safetensors")
    check_weights(tmp_path)


@pytest.mark.parametrize(
    "lie",
    [
        {"n_layer": 3000},
        {"n_layer": 10**9},
        {"n_layer": 0},
        {"n_embd": 100_000},
        {"n_inner": 10**7},
        {"n_positions": 10**6},
        {"vocab_size": 10**9},
        {"model_type": "llama", "num_hidden_layers": 12, "hidden_size": 8192},
        {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 10**9},
    ],
    ids=str,
)
def test_a_config_that_lies_is_refused_at_once(honest, tmp_path, lie, monkeypatch):
    copy = shutil.copytree(honest, tmp_path / "copy")
    values = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**values, **lie}))

    def never(*_, **__):
        raise AssertionError("it was about to be allocated")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", never)
    began = time.process_time()
    with pytest.raises(ModelError, match="do not belong together"):
        language_model.load(str(copy))
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\x10",
        b"\xff" * 8 + b"{}",
        b"\x02" + b"\0" * 7 + b"[]",
        b"\x05" + b"\0" * 7 + b'{"a":',
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path, header):
    (tmp_path / "model.safetensors").write_bytes(header)
    with pytest.raises(ModelError, match="is not a usable safetensors file"):
        shapes_in(tmp_path / "model.safetensors")
