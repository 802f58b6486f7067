"""Which register is a text in: fact, meme, polite or rude?

Or, about talk and advice: advice, kind, joke or rude? A word-list rule, for the scripted rater and
for honest measurement.

Every word has a weight for each register of a yardstick (log-probabilities from the registers of
the training corpus, made by ``scripts/make_register_words.py``); a text belongs to the register
whose weights add up highest, if the lead is clear. It reads nothing but the words, and
shares nothing with the reward model, which reads hidden states.

Each yardstick has two lists of words. The rater's list judges here. The second opinion's
(``second=True``, for ``evaluation/gold_rule.py``) has none of the rater's words, nor one that
begins like them, and its weights come from other texts: the same taste, other evidence.

This is a *rule*, and the app calls it one: it can be fooled by an unusual wording, and it does not
know whether a fact is true.
Source: multinomial naive Bayes with uniform priors (Maron 1961; Manning et al. 2008, section 13.2).
"""

from __future__ import annotations

import math
import re
import zlib
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent
YARDSTICKS = {  # file of weights (the rater's) -> the registers that it tells apart
    HERE / "register_words.tsv": ("fact", "meme", "polite", "rude"),
    HERE / "register_words_talk.tsv": ("advice", "kind", "joke", "rude"),
}
WORDS = next(iter(YARDSTICKS))
REGISTERS = tuple(dict.fromkeys(name for names in YARDSTICKS.values() for name in names))
LEAD = math.log(4)  # a register must be at least four times as likely as the next one
SECOND_TENTHS = 3  # of the stems; the rater keeps the other seven


def words_of(text: str) -> list[str]:
    """Lower-case words, and each pair of neighbours joined by an underscore."""
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    return words + [f"{a}_{b}" for a, b in zip(words, words[1:])]


def stem(word: str) -> str:
    """Its first three letters: "cook", "cooks" and "cooking" stay together."""
    return word[:3]


def is_second(word: str) -> bool:
    """Is it one of the second opinion's words, not of the rater's? A lot drawn for its stem."""
    return zlib.crc32(stem(word).encode()) % 10 < SECOND_TENTHS


def yardstick(wanted: str | None = None) -> Path:
    """The weights that know the register ``wanted``.

    The first where several do, or where none is asked for. Raises ValueError: none does.
    """
    for file, names in YARDSTICKS.items():
        if wanted is None or wanted in names:
            return file
    raise ValueError(
        f"No yardstick knows the register {wanted!r}; there are {', '.join(REGISTERS)}."
    )


def second_list(file: Path) -> Path:
    """The second opinion's weights for the same registers."""
    return file.with_stem(file.stem + "_second")


@lru_cache(maxsize=1)
def listed_words() -> frozenset[str]:
    """Every single word that stands in a list, the rater's or the second opinion's."""
    lists = [word_weights(path) for file in YARDSTICKS for path in (file, second_list(file))]
    return frozenset(word for table in lists for word in table if "_" not in word)


@lru_cache(maxsize=2 * len(YARDSTICKS))
def word_weights(file: Path = WORDS) -> dict[str, tuple[float, ...]]:
    """Word -> its log-probability in each register of ``file``, relative to their mean."""
    table = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, *weights = line.split("\t")
            table[word] = tuple(map(float, weights))
    return table


def register_scores(
    text: str, wanted: str | None = None, *, second: bool = False
) -> dict[str, float]:
    """Summed weights for each register of the yardstick that knows ``wanted``.

    By the rater's words, or by the second opinion's. All zero where no word is known.
    """
    file = yardstick(wanted)
    table = word_weights(second_list(file) if second else file)
    rows = [table[word] for word in words_of(text) if word in table]
    return {name: sum(row[i] for row in rows) for i, name in enumerate(YARDSTICKS[file])}


def register_of(text: str, wanted: str | None = None) -> str:
    """A register of the yardstick that knows ``wanted``, or "unclear"."""
    scores = register_scores(text, wanted)
    (best, high), (_, second) = sorted(scores.items(), key=lambda item: -item[1])[:2]
    return best if high - second >= LEAD else "unclear"


def share(texts: list[str], register: str) -> float:
    """Share of ``texts`` in a register, over all of them. 0 for no texts."""
    return (
        sum(register_of(text, register) == register for text in texts) / len(texts)
        if texts
        else 0.0
    )


def is_full_sentence(text: str, ended: bool = True) -> bool:
    """Did the answer end with a full stop, question mark or exclamation mark?

    It must have ended: the model stopped by itself.
    """
    return ended and bool(re.search(r"[.!?][\"')]?\s*$", text))


def judge(text: str, wanted: str, ended: bool = True) -> int:
    """The scripted rater's grade: 3 the wanted register, 2 unclear, 1 another one.

    One less where the sentence breaks off.
    """
    found = register_of(text, wanted)
    return (3 if found == wanted else 2 if found == "unclear" else 1) - (
        not is_full_sentence(text, ended)
    )
