"""What follows from a session's parts and is asked for at every draw of a page: reckoned once, and
kept while what it follows from stands.

Values of parts are replaced, never edited in place (``state``): while the very same objects are
there, so is what follows from them. Knows nothing about what is reckoned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rlhf_core.session.state import Session

T = TypeVar("T")


def reckoned(session: Session, name: str, of: tuple, make: Callable[[], T]) -> T:
    """``make()``, which follows from the objects ``of`` alone; asked for again while these are the
    same, what it gave before. Nobody may change it.
    """
    known = session.reckoned.get(name)
    if known is None or any(one is not other for one, other in zip(known[0], of, strict=True)):
        known = session.reckoned[name] = of, make()
    return known[1]
