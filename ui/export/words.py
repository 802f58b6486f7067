"""Text for the file: what a run holds was typed, written by a model or comes from a stranger's
bundle, so every string passes through here before it stands in the HTML or in the data beside it.
"""

from __future__ import annotations

import html
import json
import re

from rlhf_core.common.untrusted import straight

MOST = 2_000  # characters of one text; the rest is counted, not shown
# What no text needs: control characters (not tab and line break), noncharacters, lone surrogates.
_BROKEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def plain(value: object, most: int = MOST) -> str:
    """``value`` as text that every reader and every encoding can hold."""
    text = straight(value if isinstance(value, str) else str(value))
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _BROKEN.sub("\N{REPLACEMENT CHARACTER}", text)
    text = text.replace("\u2028", "\n").replace("\u2029", "\n")
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def safe(value: object, most: int = MOST) -> str:
    """``value`` as text inside HTML, or inside an attribute in double quotes."""
    return html.escape(plain(value, most), quote=True)


def answer(value: object, most: int = MOST) -> str:
    """What a model wrote, as text: without the space that parts it from its prompt."""
    return plain(value, most).lstrip(" ")


def data(value: object) -> str:
    """Plain values as JSON that may stand inside a script element: nothing in it can close the
    element, begin a comment, or end a line of JavaScript.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda sign: f"\\u{ord(sign[0]):04x}", text)


def rows(table: list[tuple[str, object]]) -> str:
    """A list of names and values, both untrusted."""
    return "<dl>" + "".join(f"<dt>{safe(a)}</dt><dd>{safe(b)}</dd>" for a, b in table) + "</dl>"
