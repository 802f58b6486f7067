"""The figures of a run: printed as they come, kept for ``--json``."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.machine import processor


def at(values: Sequence[float], share: float) -> float:
    """The value below which this share of ``values`` lies (nearest rank); nan of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass
class Figure:
    """One number. ``target``: it should not be more than that. ``side``: of which checkout."""

    part: str
    name: str
    value: float
    unit: str
    target: float | None = None
    of: int | None = None
    side: str = ""

    @property
    def missed(self) -> bool:
        return self.target is not None and not self.value <= self.target


class Figures:
    """All figures; ``part`` is the one that is being measured, ``side`` the checkout."""

    def __init__(self) -> None:
        self.all: list[Figure] = []
        self.notes: list[str] = []
        self.part = self.side = ""

    def begin(self, part: str, words: str, side: str = "") -> None:
        self.part, self.side = part, side
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"\n== {part}: {words}{f' ({side})' if side else ''}", flush=True)
        self.note(f"Processes that wanted a core in the minute before: {load:.1f}.")
        print(f"{'':<62} {'value':>9} {'unit':<8} {'of':>5} {'target':>8}", flush=True)

    def add(
        self,
        name: str,
        value: float,
        unit: str = "s",
        *,
        target: float | None = None,
        of: int | None = None,
    ) -> None:
        figure = Figure(self.part, name, float(value), unit, target, of, self.side)
        self.all.append(figure)
        digits = 0 if unit == "" else 1 if unit in ("ms", "MB", "%") else 2
        line = f"{name:<62} {value:>9.{digits}f} {unit:<8} {of if of is not None else '':>5}"
        line += f" {f'<= {target:g}' if target is not None else '':>8}"
        print(line.rstrip() + ("   MISSED" if figure.missed else ""), flush=True)

    def times(self, name: str, seconds: Sequence[float], *, p95: float | None = None) -> None:
        """Median and 95th percentile of some times; ``p95``: what the latter should not exceed."""
        if not seconds:
            self.note(f"{name}: never happened.")
            return
        self.add(f"{name}, median", statistics.median(seconds), of=len(seconds))
        self.add(f"{name}, p95", at(seconds, 0.95), of=len(seconds), target=p95)

    def note(self, sentence: str) -> None:
        self.notes.append(f"{self.part}: {sentence}")
        print(f"  {sentence}", flush=True)

    def troubles(self, sentences: Sequence[str], most: int = 5) -> None:
        """How often something went wrong, and the commonest in words."""
        self.add("errors", len(sentences), "", target=0)
        for sentence, times in Counter(sentences).most_common(most):
            self.note(f"{times} x {sentence}")

    def side_by_side(self) -> None:
        """What was measured of two checkouts, a line a figure: the median of each one's rounds."""
        found: dict[tuple[str, str, str], dict[str, list[float]]] = {}
        for figure in self.all:
            if figure.side:
                row = found.setdefault((figure.part, figure.name, figure.unit), {})
                row.setdefault(figure.side, []).append(figure.value)
        sides = list(dict.fromkeys(side for row in found.values() for side in row))
        if len(sides) < 2:
            return
        print(f"\n{'side by side':<70}" + "".join(f"{side:>10}" for side in sides), flush=True)
        for (part, name, unit), row in found.items():
            values = [statistics.median(row[s]) if s in row else float("nan") for s in sides]
            shown = "".join(f"{value:>10.2f}" for value in values)
            print(f"{f'{part}: {name}':<70}{shown} {unit}".rstrip(), flush=True)

    def write(self, file: Path, options: dict) -> None:
        about = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
        rows = [asdict(figure) for figure in self.all]
        whole = {"machine": about, "options": options, "figures": rows, "notes": self.notes}
        file.write_text(json.dumps(whole, indent=1, ensure_ascii=False), encoding="utf-8")
