"""Text that somebody else wrote, made harmless for where it is shown.

Characters that turn the direction of what follows (U+202E and its kin) can make a name or a title
read as another one. Knows nothing about pages: ``ui/text.py`` and the bundle's card draw with it.

Source: Unicode Standard Annex 9 (bidirectional formatting characters), Trojan Source (Boucher and
Anderson 2021).
"""

from __future__ import annotations

import re

# Marks, embeddings, overrides and isolates, and what nobody sees. Joiners stay: emoji and several
# scripts are written with them.
_TURNING = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_UNSEEN = [0x00AD, 0x180E, 0x200B, 0x2060, 0x2061, 0x2062, 0x2063, 0x2064, 0xFEFF]
_UNSEEN += [*range(0x206A, 0x2070), *range(0xFFF9, 0xFFFC)]
TURNING = frozenset(map(chr, _TURNING))
_NO_TURNING, _NO_UNSEEN = dict.fromkeys(_TURNING), dict.fromkeys([*_TURNING, *_UNSEEN])
_LINKED = re.compile(r"(:(?=//)|w(?=ww\.)|@)", re.IGNORECASE)
# What Streamlit draws as a picture or another sign after markdown was read, where no backslash
# stands any more: :material/home:, :streamlit:, :cat:, a -> b.
_DRAWN = re.compile(r"(:(?=[\w+-]+:|material/)|(?<!\S)[<>~-](?=(?:[-=>]|->)(?:\s|$)))")


def straight(text: str) -> str:
    """``text`` without the characters that turn its direction."""
    return text.translate(_NO_TURNING)


def seen(text: str) -> str:
    """A name or a title: ``straight``, and without characters that cannot be seen."""
    return text.translate(_NO_UNSEEN)


def unlinked(text: str) -> str:
    """``text`` in which no reader of markdown finds an address to link: a word joiner, which nobody
    sees, stands in what would be one.
    """
    return _LINKED.sub("\\1\u2060", text)


def markdown(text: str) -> str:
    """``text`` on one line for a place that reads markdown: every special character loses its
    power, and no icon, emoji or arrow is made of it.
    """
    text = unlinked(" ".join(straight(text).split()))
    text = _DRAWN.sub("\\1\u2060", text)
    return re.sub(r"([\\`*_\[\]<>$:#~!|{}()\-+.&])", r"\\\1", text)
