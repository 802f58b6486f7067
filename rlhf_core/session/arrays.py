"""Arrays among plain values, as JSON holds them, bit by bit: {"array": [type, shape, base64]}.

numpy only: a page reads what a worker wrote.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

KEY = "array"


def plain(value: object) -> Any:
    """``value`` with every array in it written out."""
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {KEY: [value.dtype.str, list(value.shape), data]}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value


def live(value: object) -> Any:
    """The way back. Raises KeyError, TypeError, ValueError."""
    if isinstance(value, dict):
        if value.keys() == {KEY}:
            kind, shape, data = value[KEY]
            return np.frombuffer(base64.b64decode(data), dtype=np.dtype(kind)).reshape(shape)
        return {key: live(one) for key, one in value.items()}
    if isinstance(value, list):
        return [live(one) for one in value]
    return value
