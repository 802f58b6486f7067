"""Both models answer the prompts that nobody trained on, and the blind vote's pairs come of it: one
job, so that nobody's page has to be open in between. A generator for the worker; imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.loop import comparing
from rlhf_core.rooms import votes
from rlhf_core.session.state import Session

MEASURED = 120  # pairs of the verdict: the room votes on one a prompt


def run(session: Session, pairs: int = MEASURED) -> Iterator:
    """Records as ``comparing.evaluate``, and last {"kind": "room_vote", "pairs": to vote on}."""
    yield from comparing.evaluate(session, pairs)
    yield {"kind": "room_vote", "pairs": votes.put(session)}
