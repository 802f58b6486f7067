"""Bounds that an operator may set in the environment."""

from __future__ import annotations

import math
import os


def gigabytes(name: str, otherwise: float) -> int:
    """Bytes of the setting ``name``, which is in gigabytes; ``otherwise`` where it is not set, or
    is no number above 0.
    """
    try:
        value = float(os.environ.get(name) or otherwise)
    except ValueError:
        value = otherwise
    return int((value if math.isfinite(value) and value > 0 else otherwise) * 1e9)
