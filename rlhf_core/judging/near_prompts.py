"""Prompts that the bundled model knows, near a learner's words.

The list is assets/pocket-gpt2/prompts.txt (``scripts/make_known_prompts.py``). Near is what shares
words, stems of words or, for a slip of the finger, three letters in a row; what is rare in the list
counts more. Knows nothing about models. Simplified against practice: no meaning, only letters
("physician" is not near "doctor"), where a search engine would compare embeddings.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from functools import lru_cache

from rlhf_core.common import places

KNOWN = places.ASSETS / "pocket-gpt2" / "prompts.txt"
# Where nothing is near: one of each line; training prompts of the briefs, so always in the list.
DEFAULTS = (
    ("An opossum is", "A raccoon is", "A frog is", "A penguin is"),
    (
        "I want my money back.",
        "The Wi-Fi is so slow.",
        "My order is late.",
        "I forgot my password.",
    ),
    ("It is my birthday today!", "I am bored.", "I lost my keys.", "I feel sad today."),
)
SMALL = frozenset(
    "a about always am an and any are as at be best but by can can't could did do does don't for"
    " from get give go going good had has have he her him his how i i'd i'll i'm i've if in into"
    " is it it's its just know like make many me more most much my need never no not of often on"
    " or our please really say she should so some tell that the their them then there they thing"
    " think this to too up us very want was way we went were what what's when where which who why"
    " will with would you your".split()
)
ENDINGS = ("ies", "ing", "ed", "es", "ly", "er", "s", "e", "y")
WORD_WEIGHT, STEM_WEIGHT, LETTERS_WEIGHT = 1.0, 0.7, 0.25
AT_LEAST = 0.5  # of all words, small ones too, the share that must be known: else it is no English
SIMILAR = 0.5  # of a word's threes of letters, the share that makes it a slip of a known one
NEAR = 0.15  # cosine below which a prompt is not near
ALIKE = 0.55  # cosine from which two prompts are wordings of one thing
NEAREST = 40  # are looked at when three different ones are chosen


@lru_cache(maxsize=1)
def known_prompts() -> tuple[str, ...]:
    """The prompts that work; none where the file is missing."""
    if not KNOWN.is_file():
        return ()
    return tuple(line for line in KNOWN.read_text(encoding="utf-8").splitlines() if line)


def defaults(text: str) -> list[str]:
    """One of each kind of ``DEFAULTS``: always the same for the same text, not for all."""
    turn = zlib.crc32(text.encode("utf-8", "replace"))
    return [kind[(turn >> 3 * place) % len(kind)] for place, kind in enumerate(DEFAULTS)]


def near(text: str, count: int = 3, leave_out: Collection[str] = ()) -> list[str]:
    """``count`` known prompts near ``text``, the nearest first, no two of them about one thing; the
    defaults where nothing is near. Never ``text`` itself, or what is in ``leave_out``.
    """
    found = _known_index().nearest(text, count, {text, *leave_out})
    every = [p for kind in zip(*DEFAULTS, strict=True) for p in kind]
    spare = dict.fromkeys((*defaults(text), *every))
    return (found + [p for p in spare if p not in {text, *leave_out, *found}])[:count]


def readable(text: str) -> bool:
    """Is the prompt about something that the bundled model was trained on: does it share words with
    a prompt that the model knows, and are half of its words known? True where there is no list.
    """
    return not known_prompts() or bool(_known_index().nearest(text, 1))


class Index:
    """Prompts as tf-idf vectors (Salton & Buckley 1988, "ntc": idf-weighted, of length 1) over
    words, stems and trigrams, and from each of these to its prompts.
    """

    def __init__(self, prompts: Sequence[str]):
        self.prompts = prompts
        rows = [features(prompt) for prompt in prompts]
        seen = Counter(name for row in rows for name in row)
        self.idf = {name: math.log(1 + len(prompts) / times) for name, times in seen.items()}
        self.vectors = [self.vector(row) for row in rows]
        self.places: dict[str, list[tuple[int, float]]] = {}
        for number, vector in enumerate(self.vectors):
            for name, weight in vector.items():
                self.places.setdefault(name, []).append((number, weight))

    def vector(self, row: dict[str, float]) -> dict[str, float]:
        known = {name: weight * self.idf[name] for name, weight in row.items() if name in self.idf}
        length = math.sqrt(sum(weight**2 for weight in known.values())) or 1.0
        return {name: weight / length for name, weight in known.items()}

    def knows(self, word: str) -> bool:
        """Whether the list has the word or its stem."""
        return f"word {word}" in self.idf or f"stem {stem(word)}" in self.idf

    def slips(self, word: str) -> bool:
        """Whether a long word has its beginning and most of its letters in one prompt."""
        parts = [name for name in features(word) if name.startswith("letters")]
        if len(parts) < 5:
            return False
        first = {number for number, _ in self.places.get(parts[0], ())}
        hits = Counter(n for name in parts for n, _ in self.places.get(name, ()) if n in first)
        return max(hits.values(), default=0) >= SIMILAR * len(parts)

    def nearest(self, text: str, count: int, leave_out: Collection[str] = ()) -> list[str]:
        exact = [word for word in content_words(text) if self.knows(word)]
        slips = [w for w in content_words(text) if w not in exact and self.slips(w)]
        every = words_of(text)
        known = sum(word in SMALL or word in exact or word in slips for word in every)
        if not exact + slips or known < AT_LEAST * len(every):
            return []
        # Letters count only for words that are not in the list: "boil" has three of "toilet"'s.
        row = {k: v for k, v in features(" ".join(exact)).items() if not k.startswith("letters")}
        asked = self.vector(row | features(" ".join(slips)))
        scores: dict[int, float] = defaultdict(float)
        for name, weight in asked.items():
            for number, other in self.places[name]:
                scores[number] += weight * other
        order = sorted(scores, key=lambda number: (-scores[number], number))
        chosen: list[int] = []
        for number in order[:NEAREST]:
            if self.prompts[number] in leave_out or scores[number] < NEAR:
                continue
            alike = (cosine(self.vectors[number], self.vectors[one]) for one in chosen)
            if max(alike, default=0.0) < ALIKE:
                chosen.append(number)
        return [self.prompts[number] for number in chosen[:count]]


@lru_cache(maxsize=1)
def _known_index() -> Index:
    return Index(known_prompts())


def cosine(one: dict[str, float], other: dict[str, float]) -> float:
    """Of two vectors of length 1."""
    return sum(weight * other.get(name, 0.0) for name, weight in one.items())


def words_of(text: str) -> list[str]:
    """Every word, in small letters."""
    return re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower().replace("’", "'"))


def content_words(text: str) -> list[str]:
    """The words that carry a meaning, each once, in order."""
    return list(dict.fromkeys(word for word in words_of(text) if word not in SMALL))


def stem(word: str) -> str:
    """The word without one common ending: "baking", "bakes" and "bake" are all "bak"."""
    word = word.removesuffix("'s")
    ending = next((e for e in ENDINGS if word.endswith(e) and len(word) - len(e) >= 3), "")
    word = word.removesuffix(ending)
    # stopp(ing), cutt(ing)
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def features(text: str) -> dict[str, float]:
    """What a text is found by, with the weight of its kind."""
    found: dict[str, float] = {}
    for word in content_words(text):
        found[f"word {word}"] = WORD_WEIGHT
        found[f"stem {stem(word)}"] = STEM_WEIGHT
        if len(word) > 3:
            edged = f"^{word}$"
            for at in range(len(edged) - 2):
                found[f"letters {edged[at : at + 3]}"] = LETTERS_WEIGHT
    return found
