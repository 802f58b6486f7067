"""What each number of a room counts: said once, for every screen and for the phones.

- **people**: who joined and counts; who was left out is told beside it, never in it. **here**:
  those of them who were heard of within a minute.
- **practised**: of those people, how many have tapped at a practice pair.
- **judged** (judgements): what those people said about two answers of the model, or about two of
  which the better one is known: A, B or a tie. A skip is none, nor is practice, nor a vote.
- **votes, voters**: what they said of the newest model's blind pairs, a skip aside (``votes``).

A person's own phone counts the same things about that person, left out or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from sqlalchemy import Row
from sqlalchemy.orm import Session as Open

from rlhf_core.store import room_counts, room_rows
from rlhf_core.store.room_counts import COUNTED

MINUTE = 60_000  # milliseconds


def of_room(db: Open, room_id: str, now: int) -> dict[str, int]:
    """{"people", "here", "left_out", "practised", "judged", "minute": judgements of the last 60
    seconds}.
    """
    people, here = room_counts.people(db, room_id, now - MINUTE)
    judged, minute = room_counts.totals(db, room_id, now - MINUTE)
    return {
        "people": people,
        "here": here,
        "left_out": room_rows.left_out(db, room_id),
        "practised": room_counts.practised(db, room_id),
        "judged": judged,
        "minute": minute,
    }


def of_person(said: Iterable[tuple[str, str, str]], texts: Mapping[str, Row]) -> dict[str, int]:
    """{"practised": practice pairs, "judged", "voted"} of one person. said: (id, pair, choice)."""
    of_purpose = Counter(
        texts[pair].purpose
        for _, pair, choice in said
        if pair in texts and (choice != "skip" or texts[pair].purpose == "practice")
    )
    return {
        "practised": of_purpose["practice"],
        "judged": sum(of_purpose[purpose] for purpose in COUNTED),
        "voted": of_purpose["vote"],
    }
