"""A coroutine in a thread of its own: Playwright keeps an event loop in the tests' one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor


def beside(work: Coroutine) -> object:
    """What ``work`` returns."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
