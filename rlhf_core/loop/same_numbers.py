"""Two records of one run, number by number: equal, within tolerance, or different.

Machines sum in different orders, so equal means equal to the last bit, and a number that differs by
rounding only is counted apart. Knows nothing about runs; imports no torch (tensors are compared by
their own methods).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

RELATIVE, ABSOLUTE = 1e-5, 1e-6  # one machine gives equal numbers; another sums in another order
WEIGHTS = 1e-4  # of a tensor's largest entry, or of 1
# Clocks; how often the reward model was fitted, and a replay needs only once; a name by lot.
UNTIMED = ("seconds", "processor_seconds", "reward_model", "fit")
EQUAL, WITHIN, DIFFERENT = "equal", "within tolerance", "different"
_PLACE = re.compile(r"\b(row|step) \d+\b")


@dataclass
class Numbers:
    """What was compared, by file and column.

    Attributes:
        columns: {(where, column): {"equal", "within", "different": how many, "largest_gap":
            relative}}.
        every: whether each number is told, and not only those that differ.
    """

    every: bool = False
    columns: dict[tuple[str, str], dict] = field(default_factory=dict)

    @property
    def compared(self) -> int:
        names = ("equal", "within", "different")
        return sum(row[name] for row in self.columns.values() for name in names)

    @property
    def different(self) -> int:
        return sum(row["different"] for row in self.columns.values())

    def rows(self) -> list[dict]:
        """{"where", "name", "equal", "within", "different", "largest_gap"} of each column."""
        return [{"where": w, "name": name, **row} for (w, name), row in self.columns.items()]

    def of(
        self, where: str, name: str, saved: object, now: object, result: str, gap: float = 0.0
    ) -> Iterator[dict]:
        """Count one comparison; yields a record where it is to be told."""
        column = " ".join(_PLACE.sub("", name).replace(" .", ".").split()).strip(".") or where
        empty = {"equal": 0, "within": 0, "different": 0, "largest_gap": 0.0}
        row = self.columns.setdefault((where, column), empty)
        row["within" if result == WITHIN else result] += 1
        row["largest_gap"] = max(row["largest_gap"], gap if math.isfinite(gap) else 0.0)
        record = {"where": where, "name": name, "saved": saved, "now": now}
        if result == DIFFERENT:
            yield record
        elif self.every:
            yield {"kind": "compared", **record, "result": result}

    def compare(self, where: str, saved: object, now: object, name: str = "") -> Iterator[dict]:
        """Every leaf of two plain values."""
        if isinstance(saved, dict) and isinstance(now, dict):
            for key in dict.fromkeys([*saved, *now]):
                if key not in UNTIMED:
                    inner = f"{name}.{key}" if name else str(key)
                    yield from self.compare(where, saved.get(key), now.get(key), inner)
            return
        if isinstance(saved, list | tuple) and isinstance(now, list | tuple):
            same = EQUAL if len(saved) == len(now) else DIFFERENT
            yield from self.of(where, f"{name} length".strip(), len(saved), len(now), same)
            for number, (one, other) in enumerate(zip(saved, now, strict=False)):
                step = one.get("step") if isinstance(one, dict) else None
                in_steps = step is not None and where == "metrics.csv"
                place = f"step {step}" if in_steps else f"row {number + 1}"
                yield from self.compare(where, one, other, f"{name} {place}".strip())
            return
        result, gap = _result(saved, now)
        yield from self.of(where, name, saved, now, result, gap)

    def compare_weights(self, where: str, saved: dict, now: dict) -> Iterator[dict]:
        """Every tensor, by its largest difference."""
        for name in dict.fromkeys([*saved, *now]):
            one, other = saved.get(name), now.get(name)
            if one is None or other is None or one.shape != other.shape:
                was, here = (
                    None if tensor is None else list(tensor.shape) for tensor in (one, other)
                )
                yield from self.of(where, name, was, here, DIFFERENT)
                continue
            gap = (one.double() - other.double()).abs().max().item()
            size = max(1.0, one.double().abs().max().item())
            result = EQUAL if gap == 0 else WITHIN if gap <= WEIGHTS * size else DIFFERENT
            told = f"{name}: largest difference"
            yield from self.of(where, told, 0.0, gap, result, gap / size)


def _result(saved: Any, now: Any) -> tuple[str, float]:
    """(how two leaves compare, their relative difference)."""
    numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in (saved, now)
    )
    if saved == now and type(saved) is not bool and type(now) is not bool:
        return EQUAL, 0.0
    if not numbers:
        return (EQUAL if saved == now and type(saved) is type(now) else DIFFERENT), 0.0
    size = max(abs(saved), abs(now))
    gap = abs(saved - now) / size if size and math.isfinite(size) else math.inf
    close = math.isclose(saved, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return (WITHIN if close else DIFFERENT), gap
