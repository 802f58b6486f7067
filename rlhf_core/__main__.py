"""The command line: ``python -m rlhf_core app | generate | run | score | replay | export-zip |
export-dataset | export-model | export-reward-model | export-html | export-training | export-dvc |
push-dataset | push-model | push-reward-model | stage | benchmark``, and ``exchange``'s commands.
Where the package is installed, ``opossum`` is the same.

Standard output is data (JSON lines), standard error is progress and complaints. Exit status: 0
done; 1 it did not come out as asked (a replay that differs, a training that broke, a full disk); 2
bad input, with one line that names what is wrong and where; 130 interrupted. Draws no conclusions
of its own: what is computed is ``loop``'s. Imports no torch before the input has been checked.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from rlhf_core.command_line.app import app
from rlhf_core.command_line.benchmark import benchmark
from rlhf_core.command_line.export_html import export_html
from rlhf_core.command_line.generate_and_score import generate, score
from rlhf_core.command_line.graduating import export_dvc, export_training
from rlhf_core.command_line.parser import parser
from rlhf_core.command_line.pushing import push_dataset, push_model, push_reward_model
from rlhf_core.command_line.replaying import replay
from rlhf_core.command_line.run import run
from rlhf_core.command_line.stage import stage
from rlhf_core.command_line.taking_home import (
    export_dataset,
    export_model,
    export_reward_model,
    export_zip,
)
from rlhf_core.command_line.terminal import BAD_INPUT, FAILED, INTERRUPTED, Interrupted, emit, say
from rlhf_core.exchange import commands

OWN = {
    "app": app,
    "generate": generate,
    "run": run,
    "score": score,
    "replay": replay,
    "export-zip": export_zip,
    "export-dataset": export_dataset,
    "export-model": export_model,
    "export-reward-model": export_reward_model,
    "export-html": export_html,
    "export-training": export_training,
    "export-dvc": export_dvc,
    "push-dataset": push_dataset,
    "push-model": push_model,
    "push-reward-model": push_reward_model,
    "stage": stage,
    "benchmark": benchmark,
}


def opossum() -> int:
    """The command ``opossum``: without one of its commands, with its options or not, the app."""
    typed = sys.argv[1:]
    if not typed or (typed[0].startswith("-") and typed[0] not in ("-h", "--help", "--version")):
        typed = ["app", *typed]
    return main(typed, prog="opossum")


def main(arguments: list[str] | None = None, prog: str = "python -m rlhf_core") -> int:
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    args = parser(prog).parse_args(arguments)
    if args.command != "app":  # the only bar is ours
        for name in ("TQDM_DISABLE", "HF_HUB_DISABLE_PROGRESS_BARS"):
            os.environ.setdefault(name, "1")
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        if args.command in commands.COMMANDS:
            return commands.run_command(args, emit, say)
        return OWN[args.command](args)
    except (KeyboardInterrupt, Interrupted):
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith("rlhf_core"):  # a bug of ours: show where
            raise
        say(f"error: {' '.join(str(error).split())}")
        return BAD_INPUT if isinstance(error, ValueError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
