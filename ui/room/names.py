"""What a person is called: one name on every screen, a colour and an animal. The nickname follows
in brackets where whoever looks may see it; as it is typed by a stranger, it turns nothing beside it
(Unicode Standard Annex 9: an isolate).
"""

from __future__ import annotations

from rlhf_core.rooms.naming import END, ISOLATE
from ui import text


def html(row: dict) -> str:
    """For HTML of ours. ``row``: {"pseudonym", "name" | ""}."""
    name = f" ({bdi(row['name'])})" if row["name"] else ""
    return f"{bdi(row['pseudonym'])}{name}"


def markdown(row: dict) -> str:
    """For a place that reads markdown."""
    name = f" ({isolated(text.plain(row['name']))})" if row["name"] else ""
    return f"{text.plain(row['pseudonym'])}{name}"


def line(row: dict) -> str:
    """For a place that shows every character as it is."""
    name = f" ({isolated(text.bare(row['name']))})" if row["name"] else ""
    return f"{text.bare(row['pseudonym'])}{name}"


def bdi(foreign: str) -> str:
    """A stranger's words in a line of ours, as HTML."""
    return f"<bdi>{text.escape(foreign)}</bdi>"


def isolated(harmless: str) -> str:
    """The same for a line that is no HTML; ``harmless``: of ``text.plain`` or ``text.bare``."""
    return f"{ISOLATE}{harmless}{END}"
