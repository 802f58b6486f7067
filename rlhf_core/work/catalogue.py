"""The engine's table of contents: every job by its name.

A job gets a session's state and plain arguments, and yields ``Progress`` and records
(``common.events``); never a closure, a page's widget or a lock. So it can be written down
(``work.written``), sent, retried and replayed, and whoever runs it needs only its name. A function
is looked up when its job begins: reading this table imports no torch.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import NamedTuple


class Job(NamedTuple):
    """One kind of work.

    Attributes:
        place: "package.module:function" below ``rlhf_core``.
        label: what a waiting person reads.
        long: waits in line (PPO), instead of slipping in between (a fit, a few outputs).
        told: a training or a measurement: the session's folder says that it goes on, so that a
            server that is closed meanwhile leaves a bundle that was interrupted.
        slot: where a session keeps its id; two jobs of one slot never run at once. "": the name.
    """

    place: str
    label: str
    long: bool = False
    told: bool = False
    slot: str = ""


JOBS = {
    # the loop
    "generate": Job("loop.writing:generate", "Writing answers"),
    "pool": Job("loop.writing:generate_pool", "Writing the next answers"),
    "asking": Job("loop.next_question:prepare", "Reading what waits to be ranked"),
    "scripted": Job("loop.scripted_rater:judge_for_me", "The scripted rater judges"),
    "fit": Job("loop.reward:fit_reward_model", "Training the reward model", told=True),
    "ppo": Job("loop.tuning:ppo", "PPO", long=True, told=True),
    "back": Job("loop.tuning:restart_from", "Going back", long=True, told=True, slot="ppo"),
    "retry": Job("loop.tuning:retry", "PPO", long=True, told=True, slot="ppo"),
    "evaluate": Job("loop.comparing:evaluate", "Measuring before and after", told=True),
    "compare": Job("loop.comparing:compare", "Both models answer"),
    "token_changes": Job("loop.token_changes:token_changes", "Both models read both answers"),
    "run_once": Job("loop.whole:run_once", "The whole loop, once", long=True, told=True),
    "model": Job("loop.model_choice:choose", "Changing the model"),
    "step_time": Job("loop.model_choice:time_a_step", "Measuring a step"),
    # the labs
    "goodhart": Job("labs.goodhart:run", "Goodhart lab", long=True, told=True),
    "algorithms": Job("labs.side_by_side:run", "Algorithms side by side", long=True, told=True),
    "context_flip": Job("labs.context_flip:run", "Context flip", long=True, told=True),
    "flip_own": Job("labs.context_flip:score_own", "Scoring your sentence"),
    "instructions_pairs": Job("labs.instructions_models:write_pairs", "Writing the twelve pairs"),
    "instructions_models": Job(
        "labs.instructions_models:compare_models", "Training both reward models"
    ),
    "whose": Job("labs.whose_preferences:compare_people", "Training everybody's reward model"),
    "fine_tune": Job("labs.second_opinion:fine_tune", "Fine-tuning a reward model", long=True),
    "lab_report": Job("labs.reward_lab:report", "Questioning the reward model"),
    "lab_scores": Job("labs.reward_lab:scores", "Scoring with doubt"),
    "lab_explain": Job("labs.reward_lab:explain", "Taking it apart"),
    "lab_votes": Job("labs.reward_lab:votes", "Turning each vote round"),
    "lab_flip": Job("labs.reward_lab:flip", "Refitting"),
    "hack_try": Job("labs.hacking_game:try_text", "Scoring your text"),
    "hack_race": Job("labs.hacking_game:race", "The model writes 64 answers"),
    "hack_search": Job("labs.hacking_game:search", "A search tries to fool it"),
    "hack_again": Job(
        "labs.hacking_game:score_again",
        "Scoring the board by your votes as they are now",
        slot="hack_search",
    ),
    "hack_teach": Job("labs.hacking_game:reject_exploits", "Training it to reject them", told=True),
    # the process
    "wake": Job("loop.model_choice:wake", "Waking the model"),
}


def slot_of(name: str) -> str:
    """Where a session keeps the id of a job called ``name``."""
    return JOBS[name].slot or name


def function_of(name: str) -> Callable[..., Iterator]:
    """What the job does: ``f(session, *args, **more)``. Imports it, and with it torch. Raises
    KeyError.
    """
    module, function = JOBS[name].place.split(":")
    return getattr(importlib.import_module(f"rlhf_core.{module}"), function)
