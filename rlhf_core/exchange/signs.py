"""Signs beside a word of choice: which of them change nothing, and which may turn it round.

``A ❌``, ``¬A`` and ``~~A~~`` say the opposite of ``A``. So only signs that are known to be
harmless are overlooked; with any other the word is not read, as "not A" is not. Knows nothing about
words.
"""

from __future__ import annotations

import re

_QUOTES = "'`´\"‘’‚“”„«»‹›"
_BRACKETS = "()[]{}（）「」『』【】"
_CHECKS = "✓✔✅☑👍🏆\ufe0f" + "".join(map(chr, range(0x1F3FB, 0x1F400)))  # with any skin's colour
_UNSEEN = "\u200b-\u200f\u2060\ufeff"
_HARMLESS = re.compile(rf"[\w\s.,:;…。#*{re.escape(_QUOTES + _BRACKETS)}{_CHECKS}{_UNSEEN}]")
# Between two words a dash or a stroke only parts them; before one it may be a minus.
_PARTING = re.compile(r"(?<=[\w)\]])\s*[-‐‑–—/]+\s*(?=[\w(\[])")
_CALL = re.compile(r"(?<=\w)\s*!+(?=\W*$)")  # "A!", not "!A"
# Signs that say the same as the word beside them. The hands are on the buttons of chat arenas.
_AGREEING = {"tie": "🤝🟰=≈", "both_bad": "👎❌✗✘", "a": "👈", "b": "👉"}


def may_turn(text: str, choice: str = "") -> bool:
    """Is there a sign in ``text`` that may turn round its words, which mean ``choice``?"""
    text = _CALL.sub("", _PARTING.sub(" ", text))
    agreeing = _AGREEING.get(choice, "")
    return any(sign not in agreeing for sign in _HARMLESS.sub("", text))
