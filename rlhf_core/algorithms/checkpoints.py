"""A PPO run put down on disk every few steps, to be taken up again with the very same numbers.

A checkpoint is one safetensors file: what training has changed (policy and value head), what the
optimiser remembers, the state of the random numbers, and the batch that the next step trains on;
its small facts are JSON in the file's header. No pickle. Beside them lies every reward model that
the run was scored with. Which checkpoints there are and how many may stay:
``store.checkpoint_folder``.

Knows nothing about sessions, prompts and settings.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlhf_core.algorithms.batch import Batch
from rlhf_core.algorithms.ppo import Policy
from rlhf_core.lm.sampling import Responses
from rlhf_core.store import checkpoint_folder
from rlhf_core.store.plain_files import OWNERS, make_folder

BATCH = ("scores", "ended", "ref_logprobs", "values", "kl")
RESPONSES = ("prompt_ids", "prompt_mask", "tokens", "mask", "logprobs")
REMEMBERED = ("step", "exp_avg", "exp_avg_sq")  # by Adam, of each parameter


def write(folder: Path, policy: Policy, *, model: str, segment: int) -> bool:
    """Put ``policy`` (between two steps) down; False where it is too large to be kept.

    Args:
        model: the base model's hash. segment: which stretch of the run led here (``loop.tuning``).
    Raises:
        OSError: it cannot be written; nothing that was there is lost.
    """
    about = {
        "step": policy.step,
        "beta": policy.beta,
        "frozen_layers": policy.frozen_layers,
        "model": model,
        "segment": segment,
    }
    tensors: dict[str, Tensor] = {f"parameter.{i}": p for i, p in enumerate(policy.parameters)}
    tensors["generator"] = policy.generator.get_state()
    for i, p in enumerate(policy.parameters):
        for name, value in policy.optimizer.state.get(p, {}).items():
            tensors[f"optimizer.{i}.{name}"] = value
    if policy.batch is not None:
        about["temperature"] = policy.batch.temperature
        tensors |= batch_tensors(policy.batch, shared=policy.frozen_layers > 0)
    if sum(t.numel() * t.element_size() for t in tensors.values()) > checkpoint_folder.MOST_BYTES:
        return False
    put(tensors, checkpoint_folder.place(folder, policy.step), {"about": json.dumps(about)})
    checkpoint_folder.thin(folder)
    return True


def batch_tensors(batch: Batch, *, shared: bool) -> dict[str, Tensor]:
    """What the next step reads of a batch, by name; what nobody reads again stays out."""
    tensors = {f"batch.{name}": getattr(batch, name) for name in BATCH}
    tensors |= {f"responses.{name}": getattr(batch.responses, name) for name in RESPONSES}
    if batch.doubt is not None:
        tensors["batch.doubt"] = batch.doubt
    if shared:
        tensors["batch.shared"] = batch.shared
    return tensors


def batch_of(tensors: dict[str, Tensor], temperature: float) -> Batch:
    """The way back from ``batch_tensors``. Raises KeyError where something is missing."""
    ids, prompt_mask, tokens, mask, logprobs = (tensors[f"responses.{name}"] for name in RESPONSES)
    responses = Responses(ids, prompt_mask, tokens, mask, logprobs)
    shared = tensors.get("batch.shared", torch.empty(0))
    numbers = {name: tensors[f"batch.{name}"] for name in BATCH}
    doubt = tensors.get("batch.doubt")
    return Batch(responses, shared, **numbers, temperature=temperature, doubt=doubt)


def restore(folder: Path, step: int, policy: Policy, *, model: str) -> bool:
    """Make ``policy`` what it was at ``step``.

    False where the file is damaged, or another model's: nothing was changed then.
    """
    try:
        with safe_open(checkpoint_folder.place(folder, step), framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        found = (about["model"], about["frozen_layers"], about["step"])
        shapes = [tensors[f"parameter.{i}"].shape for i in range(len(policy.parameters))]
        batch = batch_of(tensors, about["temperature"]) if "temperature" in about else None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return False
    if found != (model, policy.frozen_layers, step):
        return False
    if shapes != [p.shape for p in policy.parameters]:
        return False
    with torch.no_grad():
        for i, p in enumerate(policy.parameters):
            p.copy_(tensors[f"parameter.{i}"])
            names = [name for name in REMEMBERED if f"optimizer.{i}.{name}" in tensors]
            if names:
                state = {name: tensors[f"optimizer.{i}.{name}"] for name in names}
                policy.optimizer.state[p] = state
    policy.generator.set_state(tensors["generator"])
    policy.step, policy.beta, policy.batch = step, about["beta"], batch
    return True


# --- the reward models of a run -------------------------------------------------------------------


def keep_reward_model(folder: Path, fit: int, tensors: dict[str, Tensor]) -> None:
    """Keep reward model number ``fit`` of the session (some kilobytes). Raises OSError."""
    place = folder / f"reward-{fit}.safetensors"
    if not place.is_file():
        put(tensors, place)


def reward_model(folder: Path, fit: int) -> dict[str, Tensor] | None:
    """The tensors of reward model number ``fit``, or None: not kept."""
    try:
        found = load_file(folder / f"reward-{fit}.safetensors")
    except (OSError, SafetensorError):
        return None
    return {name: tensor.clone() for name, tensor in found.items()}


def put(tensors: dict[str, Tensor], place: Path, header: dict[str, str] | None = None) -> None:
    """Write ``place`` whole or not at all. Raises OSError."""
    make_folder(place.parent)
    aside = place.with_suffix(".tmp")
    save_file({name: t.detach().contiguous() for name, t in tensors.items()}, aside, header)
    aside.chmod(OWNERS)
    aside.replace(place)
