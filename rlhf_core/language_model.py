"""Load a language model: the bundled pocket GPT-2, a pinned GPT-2 from the hub, or a local folder.

The loaded model is the *frozen base*: shared by every session, never trained, provably untouched (``fingerprint``). Knows nothing about prompts
or rewards. Weights are safetensors only: no pickle, no remote code.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from rlhf_core.transformer import Transformer

# Set once, before any torch work. Two threads everywhere, not one a core: sums then come out the same on a laptop and on a server, so that a
# replay can be compared, and a workshop's server keeps a core for its pages.
torch.set_num_threads(int(os.environ.get("OPOSSUM_THREADS", "2")))

BUNDLED = Path(__file__).resolve().parent.parent / "assets" / "pocket-gpt2"
# Hub models on the allow-list, each at a revision that has safetensors.
HUB_REVISIONS = {
    "gpt2": "607a30d783dfa663caf39e06633721c8d4cfcd7e",
    "distilgpt2": "2290a62682d06624634c1f46a6ad5be0f47f38aa",
}


class ModelError(ValueError):
    """A model that cannot be loaded; the message says which, why, and what would work."""


@dataclass
class LanguageModel:
    """A tokenizer and a frozen transformer.

    Attributes:
        name: as asked for: "bundled", a hub id, or a folder.
        trunk: the frozen base; every parameter has requires_grad False.
        end_id: the end-of-text token, an action the policy must learn to take.
        pad_id: fills rows; never equal to ``end_id``. It is masked wherever it stands, so any other token will do.
    """

    name: str
    trunk: Transformer
    tokenizer: object
    end_id: int
    pad_id: int
    config: dict = field(default_factory=dict)

    @property
    def markers(self) -> tuple:
        """Tokens that are no text: end of text, and padding where the tokenizer has it (``pad_id`` may be an ordinary token, gpt2's is "!")."""
        return self.end_id, self.tokenizer.pad_token_id

    def encode(self, prompt: str) -> list[int]:
        """Token ids of a prompt, without special tokens."""
        ids = self.tokenizer(prompt, add_special_tokens=False)["input_ids"]
        # "<|endoftext|>" typed by a person is text, not the end of the text.
        return [i for i in ids if i not in self.markers]

    def encode_response(self, text: str) -> list[int]:
        """Token ids of a finished response: the text, then end of text."""
        return self.encode(text) + [self.end_id]

    def decode(self, ids: list[int]) -> str:
        """Text of response tokens; end of text and padding are not part of it."""
        return self.tokenizer.decode([i for i in ids if i not in self.markers])

    def piece(self, token_id: int) -> str:
        """One token as a reader should see it."""
        return "⏹ end" if token_id == self.end_id else self.tokenizer.decode([token_id])

    def fingerprint(self) -> str:
        """sha256 of all weights, name by name: equal before and after every training, or something is wrong."""
        return fingerprint(self.trunk)


def fingerprint(module: torch.nn.Module) -> str:
    """sha256 over the names, shapes and bytes of a module's state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_folder(folder: Path) -> dict:
    """The folder's config where it can be loaded. Raises ModelError."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"The folder {folder} holds no config.json, so it is no model in Hugging Face layout.")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {folder / 'config.json'} cannot be read: {error}.") from error
    if config.get("model_type") != "gpt2":
        raise ModelError(f"The model in {folder} is of type {config.get('model_type')!r}; the GPT-2 family (gpt2) is supported.")
    if not (folder / "model.safetensors").is_file():
        others = [f.name for f in folder.iterdir() if f.suffix in (".bin", ".pt", ".pth") or ".safetensors" in f.name]
        found = f" (found {others[0]})" if others else ""
        raise ModelError(f"The folder {folder} holds no model.safetensors{found}; weights are read from a single safetensors file only.")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise ModelError(f"The folder {folder} holds no tokenizer (tokenizer.json, or vocab.json with merges.txt).")
    return config


def load(name: str = "bundled") -> LanguageModel:
    """The frozen base model called ``name``, float32, in evaluation mode; one shared copy a process. Raises ModelError."""
    return _load(name or "bundled")


@lru_cache(maxsize=3)
def _load(name: str) -> LanguageModel:
    from transformers import AutoTokenizer, GPT2LMHeadModel

    options: dict = {"dtype": torch.float32, "use_safetensors": True}
    if name == "bundled":
        source, revision = str(BUNDLED), {}
        _check_folder(BUNDLED)
    elif name in HUB_REVISIONS:
        source, revision = name, {"revision": HUB_REVISIONS[name]}
    elif Path(name).is_dir():
        source, revision = name, {}
        _check_folder(Path(name))
    else:
        raise ModelError(f"There is no model called {name!r}. Use bundled, {', '.join(HUB_REVISIONS)}, or a folder in Hugging Face layout.")
    try:
        model = GPT2LMHeadModel.from_pretrained(source, **options, **revision)
        tokenizer = AutoTokenizer.from_pretrained(source, **revision)
    except ModelError:
        raise
    except Exception as error:  # transformers raises many kinds; the learner needs one sentence
        if name in HUB_REVISIONS:
            raise ModelError(
                f"The model {name} is not on this machine and could not be downloaded (is there a connection to the hub?). The bundled model works offline."
            ) from error
        raise ModelError(f"The model in {source} could not be loaded: {str(error).splitlines()[0][:200]}") from error
    config = model.config
    if getattr(config, "scale_attn_by_inverse_layer_idx", False) or not getattr(config, "scale_attn_weights", True):
        raise ModelError(f"The model in {source} scales its attention in an unusual way that is not supported.")
    if not config.tie_word_embeddings:
        raise ModelError(f"The model in {source} has an output layer of its own; only models that share it with the input embedding are supported.")
    if config.add_cross_attention:
        raise ModelError(f"The model in {source} is not a plain decoder.")
    model.eval().requires_grad_(False)
    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else config.eos_token_id
    if end is None or not 0 <= end < config.vocab_size:
        raise ModelError(f"The model in {source} has no end-of-text token, so it could never learn to stop.")
    pad = tokenizer.pad_token_id
    if pad is None or pad == end:
        pad = 0 if end != 0 else 1
    return LanguageModel(name, Transformer.from_pretrained(model), tokenizer, end, pad, config.to_dict())
