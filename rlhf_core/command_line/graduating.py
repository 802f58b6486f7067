"""The commands ``export-training`` and ``export-dvc``: a run as a project to go on with, on real
hardware or as a pipeline.
"""

from __future__ import annotations

import argparse

from rlhf_core.command_line.inputs import new_place, opened, typed
from rlhf_core.command_line.terminal import DONE, emit, say
from rlhf_core.exchange import pipeline_project, training_project


def export_training(args: argparse.Namespace) -> int:
    session = opened(args.bundle)
    told = training_project.write(session, typed(args.out, "The project's name"))
    emit({"kind": "training_project", **told})
    if not told["check_pairs"]:
        say("This run has no verdict yet, so there are no pairs to check the reward model by.")
    say(f"{args.out}/README.md says how to run it.")
    return DONE


def export_dvc(args: argparse.Namespace) -> int:
    session = opened(args.bundle)
    emit({"kind": "dvc_project", **pipeline_project.write(session, new_place(args))})
    say(f"{args.out}/README.md says how to run it.")
    return DONE
