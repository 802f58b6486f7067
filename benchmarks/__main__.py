"""Measure the figures that the README gives: ``python -m benchmarks [loop | step | page] [options]``; nothing named runs all of them."""

from __future__ import annotations

import sys

from benchmarks import loop_figures, page_times, step_time

PARTS = {"step": step_time.main, "loop": loop_figures.main, "page": page_times.main}


def main() -> int:
    name, *rest = sys.argv[1:] or ["all"]
    if name == "all":
        for part in PARTS.values():
            part([])
        return 0
    if name not in PARTS:
        print(f"There is no benchmark called {name!r}; choose one of {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    return PARTS[name](rest)


if __name__ == "__main__":
    sys.exit(main())
