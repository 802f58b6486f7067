"""Another language model for a session, and how long it will take: fetch, load, measure a step,
find settings that fit a workshop.

Generators for the worker thread (``events``). A step's time is measured on this machine, never
looked up. Imports torch.
"""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Iterator
from pathlib import Path

from rlhf_core.algorithms.step_estimate import timed_step
from rlhf_core.common.errors import DownloadError, InputError, ModelError
from rlhf_core.common.events import Progress, Record, Recording, Reporting
from rlhf_core.common.settings import PPOSettings
from rlhf_core.lm import language_model, model_list
from rlhf_core.lm.download import fetch_aside
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.loop.workbench import STEP_TIMES
from rlhf_core.session import asked
from rlhf_core.session.state import Session

FITS, MOST_WAIT = (
    8.0,
    3.0,
)  # seconds a step: fifteen of them are two minutes; seconds that others get after each measurement
# From the one that learns most to the one that takes least: layers that are trained (from the top),
# answers, tokens, epochs.
WORKSHOP = ((2, 32, 24, 4), (2, 16, 20, 4), (2, 16, 16, 2), (1, 8, 16, 2))


def choose(session: Session, name: str) -> Recording[None]:
    """Make ``name`` the session's model: fetched where it has to be, loaded, checked. Until all
    that is done the session keeps the one it has.

    Raises InputError, in one sentence: not on the list, no such folder, offline, disk full, not a
    model that can be used.
    """
    name = name.strip()
    if name not in (model_list.BUNDLED, *model_list.PACKAGED, *model_list.HUB):
        try:
            name = str(Path(name).expanduser())
            there = Path(name).is_dir()
        except (OSError, ValueError, RuntimeError):  # too long for a path, or no path at all
            there = False
        if not there:
            shown = f"{name[:80]}…" if len(name) > 80 else name
            raise InputError(
                f"There is no folder {shown!r} on the machine that Opossum runs on. Give the path"
                " of a folder with config.json and model.safetensors in it."
            )
    try:
        if name in model_list.HUB and not model_list.here(name):
            yield from fetch_aside(name)
        yield Progress(f"loading {model_list.title(name)}", 0, 1)
        lm = language_model.load(name, fetch=False)
    except (DownloadError, ModelError) as error:
        raise InputError(str(error)) from error
    asked.set_model(session, name)
    yield {
        "kind": "model",
        "name": name,
        "parameters": sum(p.numel() for p in lm.trunk.parameters()),
    }


def time_a_step(session: Session, settings: PPOSettings) -> Recording[None]:
    """Measure a PPO step under ``settings``; where it takes longer than ``FITS``, also look for
    settings that do not.

    One record, kept in ``session.step_times`` under ``settings_key``: {"kind": "step_time",
    "seconds", "parts", "layers", "workshop": None or {"settings", "seconds"}}.
    """
    settings.validate()
    lm = language_model.load(session.model_name, fetch=False)
    if settings.frozen_layers >= lm.trunk.layers:
        raise InputError(
            f"This model has {lm.trunk.layers} layers; at most {lm.trunk.layers - 1} can be frozen."
        )
    parts = yield from measured(lm, settings)
    whole = sum(parts.values())
    record: Record = {
        "kind": "step_time",
        "seconds": whole,
        "parts": parts,
        "layers": lm.trunk.layers,
        "workshop": None,
    }
    if whole > FITS:
        for trained, batch, tokens, epochs in WORKSHOP:
            values = {
                "frozen_layers": max(0, lm.trunk.layers - trained),
                "batch_size": batch,
                "minibatch_size": batch,
                "max_new_tokens": tokens,
                "epochs": epochs,
            }
            parts = yield from measured(
                lm,
                dataclasses.replace(settings, **values),
                stage="looking for settings that fit a workshop",
            )
            seconds = sum(parts.values())
            record["workshop"] = {"settings": values, "seconds": seconds}
            if seconds <= FITS:
                break
    with session.change():
        session.step_times = {
            **session.step_times,
            model_list.settings_key(session.model_name, settings): record,
        }
    yield record


def measured(
    lm: LanguageModel, settings: PPOSettings, stage: str = ""
) -> Reporting[dict[str, float]]:
    """``timed_step``, once a process for every model and size of step. Yields Progress, returns the
    seconds by stage.

    What is measured can't be interrupted; after each piece the worker is free for others, for as
    long as the piece took.
    """
    key = model_list.settings_key(lm.name, settings)
    if key not in STEP_TIMES:
        began = time.perf_counter()
        for item in timed_step(lm, settings):
            if isinstance(item, Progress):
                waiting = min(MOST_WAIT, time.perf_counter() - began)
                yield Progress(stage, 0, None, waiting) if stage else item._replace(wait=waiting)
                began = time.perf_counter()
            else:
                STEP_TIMES[key] = item
    return STEP_TIMES[key]


def wake(model: str = model_list.BUNDLED) -> Iterator[dict]:
    """Load torch and the model, once for the process, before anybody needs them."""
    language_model.load(model)
    # torch's hundred thousand objects are here to stay: leave them out of every later collection,
    # which would stop all threads for long
    gc.freeze()
    yield {"kind": "ready"}
