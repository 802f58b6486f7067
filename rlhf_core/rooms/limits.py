"""How much a room may take: bounds that an operator sets in the environment, and those that are
fixed. Every screen that asks for something says its bound from here.
"""

from __future__ import annotations

import os

PROMPTS, PROMPT_LENGTH = 24, 120  # of a room; characters, so that a phone shows all of it
TITLE, CONSENT_LENGTH, NICKNAME, REASON = 60, 600, 24, 200  # characters
WORDS = 20  # texts that one person may type for the wall
JUDGEMENTS = 1_000  # of one person: more than anybody taps in ninety minutes
STEPS = 40  # of PPO
LEAST_MINUTES, MOST_MINUTES = 0.5, 180.0  # of an act's clock
VOTES = 12  # prompts that the room votes on

CONSENT = (
    "What you tap or write here is kept on this server under a made-up name, and your taps train a"
    " small model with the whole room. No account, no address. The host can download the"
    " judgements and delete everything. Do not type anything personal."
)


def people() -> int:
    """Who may join a room: OPOSSUM_ROOM_PEOPLE."""
    return _whole("OPOSSUM_ROOM_PEOPLE", 100, 1_000)


def rooms() -> int:
    """Rooms open at once on this server: OPOSSUM_ROOMS."""
    return _whole("OPOSSUM_ROOMS", 20, 1_000)


def open_hours() -> int:
    """How long people can join and judge: OPOSSUM_ROOM_HOURS."""
    return _whole("OPOSSUM_ROOM_HOURS", 24, 24 * 7)


def kept_days() -> int:
    """How long the host can export a room, from its opening: OPOSSUM_ROOM_DAYS."""
    return _whole("OPOSSUM_ROOM_DAYS", 14, 365)


def in_words() -> str:
    """All of them, for the page that opens a room."""
    return (
        f"Up to {people()} people a room and {rooms()} rooms on this server; {PROMPTS} prompts of"
        f" {PROMPT_LENGTH} characters; {STEPS} steps of PPO. People can join for {open_hours()}"
        f" hours, and after {kept_days()} days everything is deleted."
    )


def _whole(name: str, otherwise: int, most: int) -> int:
    """The setting ``name``, a whole number from 1 to ``most``; ``otherwise`` where it is none."""
    given = os.environ.get(name, "").strip()
    return min(int(given), most) if given.isdecimal() and int(given) else otherwise
