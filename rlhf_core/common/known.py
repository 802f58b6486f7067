"""What may be missing in general and is there in this place: ``known``."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def known(value: T | None) -> T:
    """``value``, which is not None here, as the caller has seen to. Raises TypeError."""
    if value is None:
        raise TypeError("What must be known here is not.")
    return value
