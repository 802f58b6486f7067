"""The command ``export-training``: a run as a small project for real hardware."""

from __future__ import annotations

import argparse

from rlhf_core.command_line.inputs import opened, typed
from rlhf_core.command_line.terminal import DONE, emit, say
from rlhf_core.exchange import training_project


def export_training(args: argparse.Namespace) -> int:
    session = opened(args.bundle)
    told = training_project.write(session, typed(args.out, "The project's name"))
    emit({"kind": "training_project", **told})
    if not told["check_pairs"]:
        say("This run has no verdict yet, so there are no pairs to check the reward model by.")
    say(f"{args.out}/README.md says how to run it.")
    return DONE
