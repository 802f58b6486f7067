"""Arguments of a job as JSON holds them, and back. Settings and briefs are written by the name of
their class. Imports no torch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from rlhf_core.common import lab_settings, settings
from rlhf_core.common.errors import InputError
from rlhf_core.judging.briefs import Brief

_CLASSES = {
    cls.__name__: cls
    for cls in (Brief, *vars(settings).values(), *vars(lab_settings).values())
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
}


def written(value: Any) -> Any:
    """An argument as JSON holds it. Raises InputError for one that is no plain value."""
    if type(value).__name__ in _CLASSES:
        values = {f.name: written(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": type(value).__name__, "values": values}
    if isinstance(value, list | tuple):
        return [written(one) for one in value]
    if isinstance(value, dict):
        return {key: written(one) for key, one in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise InputError(f"A job takes plain values, not a {type(value).__name__}.")


def read(value: Any) -> Any:
    """The way back from ``written``. Raises InputError: this version knows no such argument."""
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, dict):
        values = {key: read(one) for key, one in value.items()}
        if set(values) == {"class", "values"}:
            fields = values["values"].items()
            whole = {k: tuple(v) if isinstance(v, list) else v for k, v in fields}
            try:
                return _CLASSES[values["class"]](**whole)
            except (KeyError, TypeError):
                raise InputError(
                    "This was ordered from another version of Opossum, which had other settings."
                    " Start it again."
                ) from None
        return values
    return value
