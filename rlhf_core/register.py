"""Which register is a text in: fact, meme, polite or rude? A word-list rule, for the scripted rater and for honest measurement.

Every word has a weight for each register (``register_words.tsv``: log-probabilities from the registers of the training corpus, made by
``scripts/make_register_words.py``); a text belongs to the register whose weights add up highest, if the lead is clear. It reads nothing but the
words: it shares nothing with the reward model, which reads hidden states.

This is a *rule*, and the app calls it one: it can be fooled by an unusual wording, and it does not know whether a fact is true.
Source: multinomial naive Bayes with uniform priors (Maron 1961; Manning et al. 2008, section 13.2).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from pathlib import Path

REGISTERS = ("fact", "meme", "polite", "rude")
WORDS = Path(__file__).with_name("register_words.tsv")
LEAD = math.log(4)  # a register must be at least four times as likely as the next one


def words_of(text: str) -> list[str]:
    """Lower-case words, and each pair of neighbours joined by an underscore."""
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    return words + [f"{a}_{b}" for a, b in zip(words, words[1:])]


@lru_cache(maxsize=1)
def word_weights() -> dict[str, tuple[float, ...]]:
    """Word -> its log-probability in each of ``REGISTERS``, relative to their mean."""
    table = {}
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, *weights = line.split("\t")
            table[word] = tuple(map(float, weights))
    return table


def register_scores(text: str) -> dict[str, float]:
    """Summed weights for each register; all zero where no word is known."""
    table = word_weights()
    rows = [table[word] for word in words_of(text) if word in table]
    return {name: sum(row[i] for row in rows) for i, name in enumerate(REGISTERS)}


def register_of(text: str) -> str:
    """fact, meme, polite, rude, or "unclear"."""
    scores = register_scores(text)
    (best, high), (_, second) = sorted(scores.items(), key=lambda item: -item[1])[:2]
    return best if high - second >= LEAD else "unclear"


def share(texts: list[str], register: str) -> float:
    """Share of ``texts`` in a register, over all of them. 0 for no texts."""
    return sum(register_of(text) == register for text in texts) / len(texts) if texts else 0.0


def is_full_sentence(text: str, ended: bool = True) -> bool:
    """Did the answer end (the model stopped by itself) with a full stop, question mark or exclamation mark?"""
    return ended and bool(re.search(r"[.!?][\"')]?\s*$", text))


def judge(text: str, wanted: str, ended: bool = True) -> int:
    """The scripted rater's grade: 3 the wanted register, 2 unclear, 1 another one; one less where the sentence breaks off."""
    found = register_of(text)
    return (3 if found == wanted else 2 if found == "unclear" else 1) - (not is_full_sentence(text, ended))
