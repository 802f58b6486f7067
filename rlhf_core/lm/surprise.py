"""How well a language model can read a prompt: how surprised it is by the prompt's own tokens.

Works for any ``LanguageModel``; the verdict is for the bundled one, whose limit was measured:

    python scripts/calibrate_surprise.py --write      # after the bundled model was trained again

prints the surprise of everyday, brief and hard prompts and writes ``LIMIT`` and ``EVERYDAY`` anew.
Knows nothing about answers: a model can read a prompt well and still answer it badly. Simplified
against practice: out-of-distribution detectors compare with a background model (Ren et al. 2019,
arXiv 1906.02845); ours takes the model's word. Imports torch.
"""

from __future__ import annotations

import math
import re
import string
from dataclasses import dataclass

import torch

from rlhf_core.common.events import Record
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import token_logprobs

SHORT = 4  # measured tokens, below which a mean surprise is luck and whole words are counted
WHOLE = 0.5  # of a short prompt's words, the least share that must be whole

# --- begin: written by scripts/calibrate_surprise.py ---
LIMIT = 2.93
"""Nats a byte from which the bundled model (sha256 950f6ed1) cannot read a prompt. Of 170
everyday prompts 0 lie wrongly above it (0.0%), of 40 hard ones 0 wrongly below (0.0%), each
judged by the limit of the other half. By the limit itself and, where short, by whole words,
are wrong: 0 of 200 everyday, 0 of 74 training, 0 of 83 evaluation, 0 of 40 hard, 0 of 20
short english, 0 of 20 short other.
"""
EVERYDAY = 0.57
"""Nats a byte, the median of the everyday prompts."""
# --- end ---

BLIND = math.log(256)
"""Nats a byte of who knows nothing and thinks each of the 256 bytes equally likely."""


@dataclass(frozen=True)
class Reading:
    """What reading a prompt was like.

    Attributes:
        nats: of surprise in all, over the tokens behind the first: -ln p of each, given those
            before it. Nothing stands before the first token, so it has no surprise.
        tokens, bytes: how many tokens that were, and how many UTF-8 bytes they cover.
        whole: the share of the words that the model has a token for.
        worst: the word with the most nats, marks around it aside; "" where nothing was measured.
    """

    nats: float
    tokens: int
    bytes: int
    whole: float
    worst: str

    @property
    def nats_a_token(self) -> float:
        """Mean surprise a token: the cross-entropy (Jurafsky & Martin, Speech and Language
        Processing, 3rd ed. draft, chapter 3, perplexity); 0 where nothing was measured.
        """
        return self.nats / self.tokens if self.tokens else 0.0

    @property
    def nats_a_byte(self) -> float:
        """Mean surprise a byte: comparable between tokenizers and between scripts. Bits per byte
        times ln 2 (Gao et al. 2020, arXiv 2101.00027, section 3.1).
        """
        return self.nats / self.bytes if self.bytes else 0.0

    @property
    def perplexity(self) -> float:
        """exp(nats a token): among how many equally likely tokens the choice would be as hard."""
        return math.exp(self.nats_a_token)

    @property
    def short(self) -> bool:
        """Too little behind the first token for a mean that says something."""
        return self.tokens < SHORT

    def verdict(self) -> str:
        """How the *bundled* model reads it: "reads", "hardly" or "not at all".

        By ``LIMIT``; "not at all" where it does worse than guessing bytes blindly, too. A short
        prompt is judged by its whole words, and never "not at all": that would be much to say
        from two tokens.
        """
        if self.short:
            return "reads" if self.whole >= WHOLE else "hardly"
        if self.nats_a_byte < LIMIT:
            return "reads"
        return "hardly" if self.nats_a_byte < max(LIMIT, BLIND) else "not at all"

    def to_dict(self) -> Record:
        """As a candidate set keeps it: plain numbers, and the word."""
        return {
            "nats_a_byte": self.nats_a_byte,
            "nats_a_token": self.nats_a_token,
            "perplexity": self.perplexity,
            "tokens": self.tokens,
            "short": self.short,
            "whole": self.whole,
            "worst": self.worst,
        }


@torch.no_grad()
def read(lm: LanguageModel, prompt: str) -> Reading:
    """One pass of the frozen model over the prompt as a plain text, as far as its context goes."""
    places = _places(lm, prompt)[: lm.trunk.context]
    share = whole_words(lm, prompt)
    if len(places) < 2:
        return Reading(0.0, 0, 0, share, "")
    ids = torch.tensor([[token for token, _, _ in places]])  # (1, T)
    states = lm.trunk.hidden_states(ids, torch.ones_like(ids, dtype=torch.bool))  # (1, T, d)
    log_p = lm.trunk.logits(states[:, :-1]).log_softmax(-1)  # (1, T - 1, V)
    nats = (-token_logprobs(log_p, ids[:, 1:]))[0].tolist()
    words: dict[int, float] = {}  # where the word begins -> its nats
    for (_, start, _), one in zip(places[1:], nats, strict=True):
        begins = _begin_of_word(prompt, start)
        words[begins] = words.get(begins, 0.0) + one
    worst = prompt[max(words, key=lambda begins: words[begins]) :].split()
    # Tokens of one character (bytes of an emoji) share its place; the first has its share of it.
    first = sum(place[1:] == places[0][1:] for place in places)
    covered = prompt[: places[-1][2]]
    size = len(covered.encode()) - round(len(prompt[: places[0][2]].encode()) / first)
    word = (worst[0].strip(string.punctuation) or worst[0]) if worst else ""
    return Reading(sum(nats), len(nats), max(1, size), share, word)


def whole_words(lm: LanguageModel, prompt: str) -> float:
    """The share of words that the tokenizer has in one piece, with or without a space before or a
    capital; marks around them aside, and "It's" and "half-open" are two words. Figures are no
    words; 0 where there is none.
    """
    words = [w for w in re.split(r"[\s'’-]+", prompt) if any(map(str.isalpha, w))]
    words = [word.strip(string.punctuation) for word in words]
    if not words:
        return 0.0
    forms = [(w, w.capitalize(), f" {w}", f" {w.lower()}", f"'{w}") for w in words]
    return sum(any(len(lm.encode_text(f)) == 1 for f in form) for form in forms) / len(words)


def _places(lm: LanguageModel, text: str) -> list[tuple[int, int, int]]:
    """(token, start, end) of the tokens of ``encode_text``; characters of ``text``."""
    found = lm.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    pairs = zip(found["input_ids"], found["offset_mapping"], strict=True)
    return [(token, *place) for token, place in pairs if token not in lm.markers]


def _begin_of_word(text: str, at: int) -> int:
    """Where the word begins that holds the character ``at``; of a space, the word behind it."""
    while at < len(text) - 1 and text[at].isspace():
        at += 1
    while at and not text[at - 1].isspace():
        at -= 1
    return at
