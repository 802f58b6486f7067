"""What people in a room are called: a nickname as typed and cleaned, or a colour and an animal.

A nickname is untrusted text wherever it is shown.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable

from rlhf_core.common.errors import RoomError
from rlhf_core.common.seeds import seed_of
from rlhf_core.judging.typed import clean_name
from rlhf_core.rooms.limits import NICKNAME

COLOURS = (
    *("Amber", "Blue", "Coral", "Green", "Grey", "Indigo"),
    *("Lilac", "Olive", "Orange", "Pink", "Red", "Teal"),
)
ANIMALS = (
    *("Badger", "Beaver", "Dolphin", "Fox", "Hedgehog", "Heron"),
    *("Koala", "Lynx", "Opossum", "Otter", "Owl", "Puffin"),
)
MARKS = 2  # accents that one letter may carry
ISOLATE, END = "\u2068", "\u2069"  # around a name in a line: it turns nothing beside it
BLANK = "\u115f\u1160\u3164\uffa0\u2800"  # letters and signs that show nothing


def pseudonym(seed: int, number: int) -> str:
    """Of person ``number``, from 1: each once in a room, then with a number behind it."""
    every = [f"{colour} {animal}" for colour in COLOURS for animal in ANIMALS]
    order = random.Random(seed_of(seed, "pseudonyms")).sample(every, len(every))
    times, place = divmod(number - 1, len(order))
    return order[place] + (f" {times + 1}" if times else "")


def nickname(typed: object, taken: Iterable[str] = ()) -> str:
    """As it is kept; "" where nothing was typed. A name that somebody has gets a number. Raises
    RoomError: it is too long.
    """
    text = unicodedata.normalize("NFC", typed) if isinstance(typed, str) else ""
    shown = (letter for letter in text[:1_000] if letter not in BLANK)
    plain = "".join(letter for letter in shown if letter.isprintable() or letter.isspace())
    name = clean_name(_few_marks(plain)) if plain.strip() else ""
    if not any(letter.isalnum() or ord(letter) > 0x2000 for letter in name):
        return ""
    if len(name) > NICKNAME:
        raise RoomError(
            f"That nickname has too many letters; at most {NICKNAME} fit. A short one will do."
        )
    known, number, tried = {other.casefold() for other in taken}, 1, name
    while tried.casefold() in known:
        number += 1
        tried = f"{name} {number}"
    return tried


def note(typed: object, name: str, pseudonym: str) -> str:
    """What somebody is told whose nickname is not kept as they typed it; "" where it is."""
    said = " ".join(typed.split()) if isinstance(typed, str) else ""
    if not said or name == said:
        return ""
    if not name:
        return f"That nickname has no letter to show, so you are {pseudonym}."
    return (
        f"Your nickname is kept as {ISOLATE}{name}{END}: not every sign fits, and each name once."
    )


def _few_marks(text: str) -> str:
    """``text`` without the accents that would climb out of their line."""
    kept, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter) in ("Mn", "Me") else 0
        if marks <= MARKS:
            kept.append(letter)
    return "".join(kept)
