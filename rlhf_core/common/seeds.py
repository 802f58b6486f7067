"""Where every random number of a run comes from: one seed, and what it is drawn for.

Same seed, same purpose, same numbers, whichever process draws them. Ids and secrets are no random
numbers of a run: they must differ, and come from ``secrets``.
"""

from __future__ import annotations

import hashlib


def seed_of(seed: int, *parts) -> int:
    """A seed for one purpose, named by ``parts`` (words and numbers), from a run's own ``seed``.

    Which side a text is shown on also names who judges: else a whole room would share one side
    bias. Returns 31 bits of the SHA-256 of both.
    """
    digest = hashlib.sha256(repr((seed, *parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
