"""Who keeps a session, and its weights: the protocols that a folder and a database speak.

Knows nothing about what a session is made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Weights(Protocol):
    """Keeps tensors by name, outside of memory."""

    def has(self, session, name: str) -> bool:
        """Whether there are tensors under this name, without reading them."""

    def lasts(self, session, name: str) -> bool:
        """Whether they stay there when the session goes on."""

    def whole(self, session, name: str) -> bool:
        """Whether they can be read, where there are any."""

    def read(self, session, name: str) -> dict[str, dict]:
        """The tensors of this name by it, and of others that come along; without it: not kept."""

    def raw(self, session, name: str) -> dict:
        """The tensors of this name to be written elsewhere, as ``formats.Raw`` where that needs no
        torch; empty: not kept.
        """

    def put_away(self, session, name: str, tensors: dict) -> None:
        """Keep these tensors, where there is room."""

    def size(self, session, names: Iterable[str]) -> int:
        """Bytes that the tensors of these names take."""

    def tidy(self, session, used: Iterable[str]) -> None:
        """Remove the session's tensors under every other name."""


class Pools(Protocol):
    """Keeps answers that were written ahead, for every session that wants the same."""

    def find(self, key: str) -> dict | None:
        """What is kept under this key. Raises StoreError."""

    def keep(self, key: str, body: dict) -> None:
        """Raises StoreError."""


class Store(Protocol):
    """Keeps sessions where a restart finds them again."""

    @property
    def weights(self) -> Weights | None:
        """None: the session's own folder keeps them."""

    @property
    def pools(self) -> Pools | None:
        """None: each session writes its own."""

    def refresh(self, session) -> None:
        """Take over what other processes wrote meanwhile. Raises StoreError."""

    def save(self, session) -> None:
        """Write what changed. Raises BundleError or StoreError; the former save is whole then."""

    def delete(self, session) -> None:
        """Remove all there is of it."""
