"""The folder in which a PPO run's checkpoints lie: which there are, and which may stay.

A run keeps at most ``MOST`` checkpoints of at most ``MOST_BYTES`` together; where there are more,
the one goes whose neighbours are closest. A model of which not even one fits has none.

Knows nothing about sessions, prompts and settings, nor what is in a checkpoint
(``algorithms.checkpoints``) beyond the small facts of its header. Imports no torch, so that a page
may ask which checkpoints there are.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open

EVERY, MOST, MOST_BYTES = 5, 8, 320_000_000  # PPO steps between two; of one run


def place(folder: Path, step: int) -> Path:
    """Where the checkpoint of ``step`` lies, or would."""
    return folder / f"step-{step:04}.safetensors"


def steps_in(folder: Path) -> list[int]:
    """The steps that ``folder`` holds a checkpoint of, in order."""
    names = [path.stem.removeprefix("step-") for path in folder.glob("step-*.safetensors")]
    return sorted(int(name) for name in names if name.isdecimal())


def nearest(folder: Path, step: int) -> int | None:
    """The last step with a checkpoint that is not after ``step``; None where there is none.

    Without one, a run has to be made again from its start.
    """
    return max((found for found in steps_in(folder) if found <= step), default=None)


def about(folder: Path, step: int) -> dict | None:
    """The small facts of a checkpoint; None where it is missing or damaged.

    They are step, beta, frozen_layers, model, segment and, where there is a batch, temperature.
    """
    try:
        with safe_open(place(folder, step), framework="numpy") as file:
            found = json.loads((file.metadata() or {})["about"])
        return found if found["step"] == step and isinstance(found["segment"], int) else None
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return None


def thin(folder: Path) -> None:
    """Remove checkpoints beyond the bounds, never the newest."""
    steps = steps_in(folder)
    size = {step: place(folder, step).stat().st_size for step in steps}
    while len(steps) > MOST or (len(steps) > 1 and sum(size[step] for step in steps) > MOST_BYTES):
        around = [0, *steps]  # a run can always be made again from step 0
        gaps = [(around[i + 1] - around[i - 1], i) for i in range(1, len(steps))]
        closest = min(gaps)[1] if gaps else 1
        drop(folder, steps.pop(closest - 1))


def drop(folder: Path, step: int) -> None:
    place(folder, step).unlink(missing_ok=True)


def drop_after(folder: Path, step: int) -> None:
    """Steps beyond ``step`` were taken back, or will come out differently."""
    for found in steps_in(folder):
        if found > step:
            drop(folder, found)


def clear_others(parent: Path, keep: set[str]) -> None:
    """Remove the folders of runs other than those in ``keep``."""
    if parent.is_dir():
        for folder in parent.iterdir():
            if folder.name not in keep:
                with suppress(OSError):
                    shutil.rmtree(folder)
