"""Weights as bytes, with and without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load, save

from rlhf_core.common.errors import BundleError
from rlhf_core.store import formats

KINDS = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]


def test_tensors_as_a_file_has_them_give_the_bytes_that_torchs_give():
    tensors = {f"t{n}": torch.arange(6).reshape(2, 3).to(kind) for n, kind in enumerate(KINDS)}
    tensors |= {"alone": torch.tensor(2.5), "empty": torch.zeros(0, 4)}
    raw = formats.raw_tensors(save(tensors))
    written = formats.to_safetensors(raw, "policy.safetensors")
    assert written == formats.to_safetensors(tensors, "policy.safetensors")
    back = load(written)
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())


def test_a_kind_of_number_that_a_bundle_has_no_place_for_is_refused_in_words():
    raw = {"w": formats.Raw("F8_E8M0", [1], bytearray(1))}
    with pytest.raises(BundleError, match="policy.safetensors holds numbers of a kind"):
        formats.to_safetensors(raw, "policy.safetensors")


def test_no_torch_is_needed(tmp_path):
    (tmp_path / "w").write_bytes(save({"w": torch.ones(3)}))
    code = """
import sys
from rlhf_core.store import formats
data = open(sys.argv[1], "rb").read()
print(len(formats.to_safetensors(formats.raw_tensors(data), "w")), "torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "w"], capture_output=True, text=True, check=True
    )
    size, there = done.stdout.split()
    assert int(size) > 12 and json.loads(there.lower()) is False
