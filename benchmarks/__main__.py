"""Measure the figures that the README gives: ``python -m benchmarks [PART] [options]``; nothing
named runs all of them.

``python -m rlhf_core benchmark`` is the same, without the pages. Each part has its own --help.
"""

from __future__ import annotations

import importlib
import sys

PARTS = {
    "machine": (
        "benchmarks.machine",
        "what this processor can do, and the number format that follows",
    ),
    "step": ("benchmarks.step_time", "a PPO step of the bundled model"),
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
    "goodhart": (
        "benchmarks.goodhart_figures",
        "the Goodhart lab's preset and its two cures, over seeds",
    ),
    "page": ("benchmarks.page_times", "how fast the pages answer (needs a Chromium)"),
}
QUICK = {
    "machine": ["--quick"],
    "step": ["--steps", "1"],
    "trl": ["--quick"],
    "memory": ["--quick"],
    "scaling": ["--quick"],
    "reward": ["--quick"],
    "gold": ["--quick"],
    "hack": ["--quick"],
    "goodhart": ["--quick"],
}


def run(name: str | None, rest: list[str], quick: bool = False) -> int:
    """One part with its own options, or all but the pages. ``quick``: whether they run, not what
    they measure.
    """
    if name is not None and name not in PARTS:
        print(
            f"There is no benchmark called {name!r}; choose one of {', '.join(PARTS)}.",
            file=sys.stderr,
        )
        return 2
    names = [name] if name else [part for part in (QUICK if quick else PARTS) if part != "page"]
    for number, part in enumerate(names):
        module, words = PARTS[part]
        if len(names) > 1:
            print(f"{chr(10) * bool(number)}== {part}: {words}", flush=True)
        options = [*rest, *(QUICK.get(part, []) if quick else [])]
        if status := importlib.import_module(module).main(options):
            return status
    return 0


def main() -> int:
    if len(sys.argv) > 1:
        return run(sys.argv[1], sys.argv[2:])
    return run(None, []) or run("page", [])


if __name__ == "__main__":
    sys.exit(main())
