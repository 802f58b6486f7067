"""Who keeps a session: the one protocol that a folder speaks today and a database may tomorrow.

Knows nothing about what a session is made of.
"""

from __future__ import annotations

from typing import Protocol


class Store(Protocol):
    """Keeps sessions where a restart finds them again."""

    def save(self, session) -> None:
        """Write what changed. Raises BundleError; the former save is whole then."""

    def delete(self, session) -> None:
        """Remove all there is of it."""
