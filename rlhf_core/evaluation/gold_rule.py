"""The gold rating: a graded rule that no reward model was trained on.

It shows whether a higher reward still means a better text.

Four questions, each answered from 0 to 1 and from the letters alone: is it in the wanted register,
is it a full sentence, does it say new things, are its words real? The rating is their mean.

Same taste, other evidence: to tell the register it reads none of the words that the scripted rater
reads, but the second opinion's list, learned from other texts (``judging/register.py``). What it
shares with that rater is which register is wanted, and that a sentence should end. That nothing is
said twice and that words are real, the scripted rater never looks at.

It is a *rule*, and the app calls it one: it does not know whether a fact is true, a person may
disagree with it, and with few words to go by it is often unsure. Imports no torch.
Source: the role of a "gold" rater is Gao et al. 2023's (arXiv 2210.10760), where it is a larger
reward model.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path

from rlhf_core.judging.register import is_full_sentence, register_scores

PARTS = {
    "register": "in the wanted register",
    "sentence": "a full sentence",
    "new": "nothing said twice",
    "words": "real words",
}
WORD = re.compile(r"[a-z][a-z'-]*")
KNOWN = Path(__file__).with_name("known_words.txt")


@lru_cache(maxsize=1)
def known_words() -> frozenset[str]:
    """The words that count as real (``scripts/make_known_words.py``)."""
    return frozenset(KNOWN.read_text(encoding="utf-8").split())


def is_word(word: str) -> bool:
    """Is it in the list, as it is or without a plural or possessive ending?"""
    return any(
        form in known_words() for form in (word, word.removesuffix("'s"), word.removesuffix("s"))
    )


def rate(text: str, wanted: str, ended: bool = True) -> dict[str, float]:
    """The four parts and their mean, "gold", each from 0 (bad) to 1 (good).

    register: probability of ``wanted`` among the registers, by the second opinion's words; their
    log-odds count half, because words that come together are no independent witnesses.
    sentence: 1 where the model ended by itself with a full stop, question mark or exclamation mark,
    after three words at least.
    new: share of the pairs of neighbouring words that did not occur before in the text; 0 where
    there is no pair.
    words: share of the words that are real; 0 where there is none.
    """
    words = WORD.findall(text.lower())
    pairs = list(zip(words, words[1:]))
    scores = register_scores(text, wanted, second=True)
    odds = {name: math.exp(0.5 * score) for name, score in scores.items()}
    parts = {
        "register": odds[wanted] / sum(odds.values()),
        "sentence": float(is_full_sentence(text, ended) and len(words) >= 3),
        "new": len(set(pairs)) / len(pairs) if pairs else 0.0,
        "words": sum(map(is_word, words)) / len(words) if words else 0.0,
    }
    return parts | {"gold": sum(parts.values()) / len(parts)}
