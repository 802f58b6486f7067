"""A PPO run put down on disk every few steps, so that it can be taken up again with exactly the
numbers that it had.

A checkpoint is one safetensors file: what training has changed (policy and value head), what the
optimiser remembers, the state of the random numbers, and the batch that the next step trains on;
its small facts are JSON in the file's header. No pickle. Beside them lies every reward model that
the run was scored with. A run keeps at most ``MOST`` checkpoints of at most ``MOST_BYTES``
together; where there are more, the one goes whose neighbours are closest. A model of which not even
one fits has none.

Knows nothing about sessions, prompts and settings. Imports torch only where tensors are touched, so
that a page may ask which checkpoints there are.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

EVERY, MOST, MOST_BYTES = 5, 8, 320_000_000  # PPO steps between two; of one run
_BATCH, _SOME = (
    ("scores", "ended", "ref_logprobs", "values", "kl"),
    ("doubt",),
)  # the latter: not every batch has it
_RESPONSES = ("prompt_ids", "prompt_mask", "tokens", "mask", "logprobs")


def steps_in(folder: Path) -> list[int]:
    """The steps that ``folder`` holds a checkpoint of, in order."""
    return sorted(
        int(path.stem.removeprefix("step-"))
        for path in folder.glob("step-*.safetensors")
        if path.stem.removeprefix("step-").isdecimal()
    )


def nearest(folder: Path, step: int) -> int | None:
    """The last step with a checkpoint that is not after ``step``; None: there is none, so that a
    run has to be made again from its start.
    """
    return max((found for found in steps_in(folder) if found <= step), default=None)


def write(folder: Path, policy, *, model: str, segment: int) -> bool:
    """Put ``policy`` (a ``ppo.Policy`` between two steps) down; False where it is too large to be
    kept.

    Args:
        model: the base model's hash. segment: which stretch of the run led here (see ``studio``).
    Raises:
        OSError: it cannot be written; nothing that was there is lost.
    """
    from safetensors.torch import save_file

    tensors = {f"parameter.{i}": p for i, p in enumerate(policy.parameters)} | {
        "generator": policy.generator.get_state()
    }
    for i, p in enumerate(policy.parameters):
        tensors |= {
            f"optimizer.{i}.{name}": value
            for name, value in policy.optimizer.state.get(p, {}).items()
        }
    batch, about = (
        policy.batch,
        {
            "step": policy.step,
            "beta": policy.beta,
            "frozen_layers": policy.frozen_layers,
            "model": model,
            "segment": segment,
        },
    )
    if batch is not None:
        about["temperature"] = batch.temperature
        tensors |= {f"batch.{name}": getattr(batch, name) for name in _BATCH} | {
            f"responses.{name}": getattr(batch.responses, name) for name in _RESPONSES
        }
        tensors |= {
            f"batch.{name}": getattr(batch, name)
            for name in _SOME
            if getattr(batch, name, None) is not None
        }
        if policy.frozen_layers:
            tensors["batch.shared"] = batch.shared
    if sum(t.numel() * t.element_size() for t in tensors.values()) > MOST_BYTES:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"step-{policy.step:04}.safetensors"
    save_file(
        {name: t.detach().contiguous() for name, t in tensors.items()},
        place.with_suffix(".tmp"),
        {"about": json.dumps(about)},
    )
    place.with_suffix(".tmp").replace(place)
    thin(folder)
    return True


def thin(folder: Path) -> None:
    """Remove checkpoints beyond the bounds, never the newest."""
    steps = steps_in(folder)
    size = {step: (folder / f"step-{step:04}.safetensors").stat().st_size for step in steps}
    while len(steps) > MOST or (len(steps) > 1 and sum(size[step] for step in steps) > MOST_BYTES):
        around = [0, *steps]  # a run can always be made again from step 0
        closest = (
            min(range(1, len(steps)), key=lambda i: (around[i + 1] - around[i - 1], i))
            if len(steps) > 1
            else 1
        )
        drop(folder, steps.pop(closest - 1))


def drop(folder: Path, step: int) -> None:
    (folder / f"step-{step:04}.safetensors").unlink(missing_ok=True)


def drop_after(folder: Path, step: int) -> None:
    """Steps beyond ``step`` were taken back, or will come out differently."""
    for found in steps_in(folder):
        if found > step:
            drop(folder, found)


def about(folder: Path, step: int) -> dict | None:
    """The small facts of a checkpoint (step, beta, frozen_layers, model, segment), or None: it is
    missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder / f"step-{step:04}.safetensors", framework="pt") as file:
            found = json.loads((file.metadata() or {})["about"])
        return found if found["step"] == step and isinstance(found["segment"], int) else None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def restore(folder: Path, step: int, policy, *, model: str) -> bool:
    """Make ``policy`` what it was at ``step``; False where the file is damaged, or another model's:
    nothing was changed then.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from rlhf_core.algorithms.ppo import Batch
    from rlhf_core.lm.sampling import Responses

    try:
        with safe_open(folder / f"step-{step:04}.safetensors", framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        ours = (
            about["model"] == model
            and about["frozen_layers"] == policy.frozen_layers
            and about["step"] == step
        )
        shapes = [tensors[f"parameter.{i}"].shape for i in range(len(policy.parameters))]
        batch = None
        if "temperature" in about:
            responses = Responses(*(tensors[f"responses.{name}"] for name in _RESPONSES))
            shared = tensors.get("batch.shared", torch.empty(0))
            batch = Batch(
                responses,
                shared,
                *(tensors[f"batch.{name}"] for name in _BATCH),
                about["temperature"],
            )
            for name in _SOME:
                if f"batch.{name}" in tensors:
                    setattr(batch, name, tensors[f"batch.{name}"])
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return False
    if not ours or shapes != [p.shape for p in policy.parameters]:
        return False
    with torch.no_grad():
        for i, p in enumerate(policy.parameters):
            p.copy_(tensors[f"parameter.{i}"])
            remembered = {
                name: tensors[f"optimizer.{i}.{name}"]
                for name in ("step", "exp_avg", "exp_avg_sq")
                if f"optimizer.{i}.{name}" in tensors
            }
            if remembered:
                policy.optimizer.state[p] = remembered
    policy.generator.set_state(tensors["generator"])
    policy.step, policy.beta, policy.batch = step, about["beta"], batch
    return True


# --- the reward models of a run -------------------------------------------------------------------


def keep_reward_model(folder: Path, fit: int, tensors: dict) -> None:
    """Keep reward model number ``fit`` of the session (some kilobytes). Raises OSError."""
    from safetensors.torch import save_file

    place = folder / f"reward-{fit}.safetensors"
    if not place.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            place.with_suffix(".tmp"),
        )
        place.with_suffix(".tmp").replace(place)


def reward_model(folder: Path, fit: int) -> dict | None:
    """The tensors of reward model number ``fit``, or None: not kept."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return {
            name: tensor.clone()
            for name, tensor in load_file(folder / f"reward-{fit}.safetensors").items()
        }
    except (OSError, SafetensorError):
        return None


def clear_others(parent: Path, keep: set[str]) -> None:
    """Remove the folders of runs other than those in ``keep``."""
    if parent.is_dir():
        for folder in parent.iterdir():
            if folder.name not in keep:
                with suppress(OSError):
                    shutil.rmtree(folder)
