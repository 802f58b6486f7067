"""Measure the figures that the README gives: ``python -m benchmarks [loop | step | reward | page] [options]``; nothing named runs all of them."""

from __future__ import annotations

import importlib
import sys

PARTS = {"step": "benchmarks.step_time", "reward": "benchmarks.reward_figures", "loop": "benchmarks.loop_figures", "page": "benchmarks.page_times"}


def main() -> int:
    name, *rest = sys.argv[1:] or ["all"]
    if name == "all":
        for part in PARTS.values():
            importlib.import_module(part).main([])
        return 0
    if name not in PARTS:
        print(f"There is no benchmark called {name!r}; choose one of {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    return importlib.import_module(PARTS[name]).main(rest)


if __name__ == "__main__":
    sys.exit(main())
