"""A host's press on a busy machine: made again for a while, before the host has to press again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rlhf_core.common.errors import StoreError

SECONDS, AGAIN = 20.0, 0.3  # that a press is made again; between two tries
Found = TypeVar("Found")


def patiently(do: Callable[..., Found], *args) -> Found:
    """What ``do(*args)`` gives. A busy database has done nothing, so the same may be asked again.
    Raises as ``do`` does, StoreError "busy" only after ``SECONDS``.
    """
    until = time.monotonic() + SECONDS
    while True:
        try:
            return do(*args)
        except StoreError as error:
            if error.kind != "busy" or time.monotonic() > until:
                raise
        time.sleep(AGAIN)
