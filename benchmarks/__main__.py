"""Measure the figures that the README gives: ``python -m benchmarks [PART] [options]``; nothing
named runs all of them but ``load``.

``python -m rlhf_core benchmark`` is the same, without the pages (--no-page). With --quick: whether
they run, not what they measure. Each part has its own --help. Every process that is measured, this
one and its children, forgets the OpenMP variables of its shell: what counts is what ships.
"""

from __future__ import annotations

import importlib
import sys
from itertools import takewhile

from benchmarks.machine import forget_threading

PARTS = {
    "machine": (
        "benchmarks.machine",
        "what this processor can do, and the number format that follows",
    ),
    "step": ("benchmarks.step_time", "a PPO step of the bundled model"),
    "busy": ("benchmarks.busy", "that step on a busy machine: two at once, beside spinners"),
    "trl": (
        "benchmarks.versus_trl",
        "our PPO step, memory and sampling beside TRL's and transformers'",
    ),
    "memory": ("benchmarks.in_line", "the memory of a server with three GPT-2 runs in line"),
    "scaling": ("benchmarks.scaling", "how a step grows with batch, tokens, layers"),
    "reward": (
        "benchmarks.reward_figures",
        "the reward model's accuracy, calibration, active choice and times, over seeds",
    ),
    "hack": (
        "benchmarks.hack_figures",
        "whether the reward model can be fooled, and whether rejecting the exploits helps",
    ),
    "loop": ("benchmarks.loop_figures", "the whole loop, over seeds"),
    "gold": (
        "benchmarks.gold_win_rate",
        "does PPO make better texts, by a rule that it never saw, over seeds",
    ),
    "null": ("benchmarks.null_figures", "can noise fool the verdict, and does a taste get through"),
    "goodhart": (
        "benchmarks.goodhart_figures",
        "the Goodhart lab's preset and its two cures, over seeds",
    ),
    "workers": (
        "benchmarks.workers_times",
        "worker processes beside the thread: first word, steps of two learners, cost of one",
    ),
    "load": ("benchmarks.load.main", "a room full of people at once, and what goes wrong then"),
    "room": (
        "benchmarks.room",
        "the workshop room, full: joining, and tap to stored while PPO trains",
    ),
    "page": ("benchmarks.page_times", "how fast the pages answer (needs a Chromium)"),
}
BY_NAME_ONLY = ("load", "room")  # an hour and more; a crowd of its own
QUICK = {
    "machine": ["--quick"],
    "step": ["--steps", "1"],
    "busy": ["--quick"],
    "trl": ["--quick"],
    "memory": ["--quick"],
    "scaling": ["--quick"],
    "reward": ["--quick"],
    "gold": ["--quick"],
    "hack": ["--quick"],
    "goodhart": ["--quick"],
    "null": ["--quick"],
    "workers": ["--quick"],
    "load": ["--quick"],
    "room": ["--quick"],
}


def run(name: str | None, rest: list[str], quick: bool = False) -> int:
    """One part with its own options, or all but the pages. ``quick``: whether they run, not what
    they measure.
    """
    if name is not None and name not in PARTS:
        known = ", ".join(PARTS)
        wrong = f"error: There is no benchmark called {name[:40]!r}; choose one of {known}."
        print(wrong, file=sys.stderr)
        return 2
    importlib.import_module("rlhf_core")  # before a part imports torch: it says how threads wait
    names = [name] if name else [part for part in (QUICK if quick else PARTS) if part != "page"]
    names = [part for part in names if name or part not in BY_NAME_ONLY]
    for number, part in enumerate(names):
        module, words = PARTS[part]
        if len(names) > 1:
            print(f"{chr(10) * bool(number)}== {part}: {words}", flush=True)
        options = [*rest, *(QUICK.get(part, []) if quick else [])]
        if status := importlib.import_module(module).main(options):
            return status
    return 0


def main(arguments: list[str]) -> int:
    flags = list(takewhile(lambda word: word in ("--quick", "--no-page"), arguments))
    name, *rest = arguments[len(flags) :] or [None]
    forget_threading()
    try:
        return run(name, rest, "--quick" in flags) or (0 if name or flags else run("page", []))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
