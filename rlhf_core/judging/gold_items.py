"""Gold items: pairs with a clear right answer under a brief, to check a labeller with.

They come with the five preset briefs (``assets/gold/<slug>.jsonl``), written by hand. They are
about training prompts, so that a judgement of one may also train. Knows nothing about who judges
(``labeller_mirror`` compares). Simplification: real projects refresh their gold items, because
labellers learn them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from rlhf_core.common import places
from rlhf_core.judging.preferences import Pair

FOLDER = places.ASSETS / "gold"


@dataclass(frozen=True)
class GoldItem:
    """One pair with a right answer.

    Attributes:
        why: why the better one is better, in a few words, for after the judgement.
        rule: whether ``register``'s word rule sees it too; it cannot where truth, safety or
        usefulness decides, nor where its words mislead it.
    """

    prompt: str
    better: str
    worse: str
    why: str
    rule: bool

    def verdict(self, pair: Pair) -> bool | None:
        """Is ``pair``, a judgement of these two texts, right? A tie or both bad is not.

        None: another pair, or skipped.
        """
        if (
            pair.prompt != self.prompt
            or {pair.a, pair.b} != {self.better, self.worse}
            or pair.choice == "skip"
        ):
            return None
        return {"a": pair.a, "b": pair.b}.get(pair.choice) == self.better


@lru_cache
def gold_items(slug: str) -> tuple[GoldItem, ...]:
    """The gold items of a brief; none for a brief that has none (everybody's own)."""
    path = FOLDER / f"{slug}.jsonl"
    if not path.is_file():
        return ()
    return tuple(
        GoldItem(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()
    )
