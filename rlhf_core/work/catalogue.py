"""The engine's table of contents: every job by its name.

A job gets a session's state and plain arguments, and yields ``Progress`` and records
(``common.events``); never a closure, a page's widget or a lock. So it can be written down
(``work.written``), sent, retried and replayed, and whoever runs it needs only its name. A function
is looked up when its job begins: reading this table imports no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable

from rlhf_core.common.events import Recording
from rlhf_core.common.jobs import Job
from rlhf_core.labs.registry import LABS

JOBS = {
    # the loop
    "generate": Job("loop.writing:generate", "Writing answers", undo=("sets",)),
    "pool": Job(
        "loop.writing:generate_pool", "Writing the next answers", again="loop.writing:pool_again"
    ),
    "asking": Job("loop.next_question:prepare", "Reading what waits to be ranked"),
    "scripted": Job(
        "loop.scripted_rater:judge_for_me",
        "The scripted rater judges",
        again="loop.scripted_rater:judge_again",
    ),
    "fit": Job(
        "loop.reward:fit_reward_model", "Training the reward model", told=True, undo=("learned",)
    ),
    "ppo": Job("loop.tuning:ppo", "PPO", long=True, told=True, again="loop.tuning:ppo_again"),
    "back": Job("loop.tuning:restart_from", "Going back", long=True, told=True, slot="ppo"),
    "retry": Job(
        "loop.tuning:retry", "PPO", True, True, slot="ppo", again="loop.tuning:retry_again"
    ),
    "evaluate": Job("loop.comparing:evaluate", "Measuring before and after", told=True),
    "compare": Job("loop.comparing:compare", "Both models answer"),
    "token_changes": Job("loop.token_changes:token_changes", "Both models read both answers"),
    "run_once": Job(
        "loop.whole:run_once", "The whole loop, once", True, True, undo=("learned", "sets")
    ),
    "model": Job("loop.model_choice:choose", "Changing the model"),
    "step_time": Job("loop.model_choice:time_a_step", "Measuring a step"),
    # what several labs ask for, or a page of the loop
    "fine_tune": Job("labs.second_opinion:fine_tune", "Fine-tuning a reward model", long=True),
    "lab_report": Job("labs.reward_lab:report", "Questioning the reward model"),
    "narrow_group": Job("labs.narrow_group:run", "Two groups judge"),
    # a workshop room's
    "room_answers": Job(
        "rooms.answers:write", "Writing the room's answers", again="rooms.answers:write_again"
    ),
    "room_vote": Job(
        "rooms.measuring:run", "Measuring before and after", told=True, slot="evaluate"
    ),
    "room_groups": Job("rooms.groups:run", "Majority and minority", told=True),
    # the paper trail
    "take_home": Job("loop.taking_home:take_home", "Making a file to take home"),
    "take_data": Job("exchange.dataset_folder:take_home", "Making the data set", slot="take_home"),
    "take_training": Job(
        "exchange.training_project:take_home", "Making the project", slot="take_home"
    ),
    "take_pipeline": Job(
        "exchange.pipeline_project:take_home", "Making the pipeline", slot="take_home"
    ),
    "open_zip": Job("session.opening:from_zip", "Opening a run", slot="open_run"),
    "open_folder": Job("session.opening:from_folder", "Opening a run", slot="open_run"),
    # the labs' own
    **{name: job for lab in LABS for name, job in lab.jobs.items()},
    # the process
    "wake": Job("loop.model_choice:wake", "Waking the model"),
}


def slot_of(name: str) -> str:
    """Where a session keeps the id of a job called ``name``."""
    return JOBS[name].slot or name


def function_of(name: str) -> Callable[..., Recording[None]]:
    """What the job does: ``f(session, *args, **more)``. Imports it, and with it torch. Raises
    KeyError.
    """
    return _at(JOBS[name].place)


def again_of(name: str) -> Callable[..., Recording[None]] | None:
    """How it goes on after a worker's death (``common.jobs``); None: it begins anew."""
    return _at(JOBS[name].again) if JOBS[name].again else None


def _at(place: str) -> Callable[..., Recording[None]]:
    module, function = place.split(":")
    return getattr(importlib.import_module(f"rlhf_core.{module}"), function)
