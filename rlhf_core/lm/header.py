"""Whether a folder's weights are those that its config promises, before anything is allocated.

A safetensors file begins with the name, type and shape of every tensor in it; a model of the
config's size, made of shapes only (torch's "meta" device), says which there must be. A config that
asks for thousands of layers over a small file is refused in milliseconds.

Source: the safetensors format (huggingface.co/docs/safetensors, "Format").
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from rlhf_core.common.errors import ModelError

LONGEST_HEADER = 16 * 1024 * 1024  # bytes; gpt2-xl's has 70,000
LEAST_TENSORS = 2  # a layer of any family has more


def shapes_in(file: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a safetensors file, from its header. Raises ModelError."""
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if not 2 <= length <= min(LONGEST_HEADER, file.stat().st_size):
                raise ValueError("its header is too long")
            header = json.loads(opened.read(length))
        return {
            name: tuple(int(size) for size in entry["shape"])
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        raise ModelError(f"The file {file} is not a usable safetensors file: {error}.") from error


def check_weights(folder: Path) -> None:
    """Raises ModelError where config.json promises other weights than model.safetensors holds.

    A damaged file passes: who reads it next stops there, and says what is wrong with it.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        shapes = shapes_in(folder / "model.safetensors")
        config = AutoConfig.from_pretrained(folder)
        layers = config.num_hidden_layers
    except Exception:  # transformers raises many kinds
        return
    if not isinstance(layers, int) or not 1 <= layers * LEAST_TENSORS <= len(shapes):
        raise ModelError(
            f"The config.json in {folder} speaks of {layers!r:.20} layers, and its"
            f" model.safetensors holds {len(shapes):,} tensors: they do not belong together."
        )
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except Exception:
        return
    prefix, absent = f"{model.base_model_prefix}.", 0
    for name, parameter in model.named_parameters():
        # Files of the bare trunk leave the prefix out.
        found = shapes.get(name, shapes.get(name.removeprefix(prefix)))
        if found is None:
            absent += parameter.numel()
        elif found != tuple(parameter.shape):
            raise ModelError(
                f"The config.json in {folder} promises {name} of {_by(parameter.shape)}, and its"
                f" model.safetensors holds one of {_by(found)}: they do not belong together."
            )
    there = sum(map(math.prod, shapes.values()))
    if absent > there:  # some that lack are told by name once the others are read
        raise ModelError(
            f"The config.json in {folder} promises {absent:,} numbers more than the {there:,} that"
            " its model.safetensors holds: they do not belong together."
        )


def _by(shape: tuple[int, ...]) -> str:
    return " by ".join(f"{size:,}" for size in shape) or "one number"
