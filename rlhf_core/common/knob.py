"""What a setting is: a dataclass field that carries its meaning, its range and its unit.

The sliders of the app, their help texts, the command line and the checks all read these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from typing import Any, Self, TypeVar

from rlhf_core.common.errors import SettingsError

Number = TypeVar("Number", int, float)


def setting(
    default: Number,
    help: str,
    bounds: tuple[float, float, float],
    unit: str = "",
    after: str | None = None,
) -> Number:
    """A dataclass field with its meaning (``help``), inclusive range and unit.

    ``bounds`` are (lowest, highest, step of the slider).
    ``after`` names the inherited setting that its knob stands behind; those below it follow it.
    """
    low, high, step = bounds
    about = {"help": help, "low": low, "high": high, "step": step, "unit": unit, "after": after}
    return field(default=default, metadata=about)


def describe(cls: type) -> list[dict[str, Any]]:
    """Rows of name, default, help, low, high, step, unit.

    What a slider needs, in the order of the sliders.
    """
    rows: list[dict[str, Any]] = []
    place = 0
    for f in fields(cls):
        if f.metadata and f.default is not MISSING:
            about = dict(f.metadata)
            if after := about.pop("after"):
                place = 1 + [row["name"] for row in rows].index(after)
            rows.insert(place, {"name": f.name, "default": f.default, **about})
            place += 1
    return rows


def within(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every setting: that of ``values``, and the default for what is missing there or
    impossible (a record may come from a file).
    """
    whole = {}
    for row in describe(cls):
        value = values.get(row["name"])
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and row["low"] <= value <= row["high"]
        whole[row["name"]] = type(row["default"])(value) if fits else row["default"]
    return whole


class Checked:
    """Settings that say which of them cannot work."""

    def validate(self) -> Self:
        """Self where every setting is a finite number in its range; else SettingsError, by name."""
        for row in describe(type(self)):
            name, value = row["name"], getattr(self, row["name"])
            words, unit = name.replace("_", " "), f" {row['unit']}" if row["unit"] else ""
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or (isinstance(value, float) and not math.isfinite(value)):
                raise SettingsError(
                    f"The setting {words} is {value!r}; it must be a finite number."
                )
            if isinstance(row["default"], int) and not isinstance(value, int):
                raise SettingsError(f"The setting {words} is {value}; it must be a whole number.")
            if not row["low"] <= value <= row["high"]:
                raise SettingsError(
                    f"The setting {words} is {value}; it must lie between {row['low']} and"
                    f" {row['high']}{unit}."
                )
        return self
