"""What one word in a choice column says: a, b, tie, both_bad, skip; or that nobody judged.

Words only: what a bare number means, the whole column decides (``choice_column``). Every reading
but the exact word is a repair, with a sentence that says so; what has two meanings is not read.
Knows nothing about columns and files. Imports nothing heavy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from rlhf_core.exchange.signs import may_turn
from rlhf_core.judging.preferences import CHOICES

IN_WORDS = {
    "a": "a (the left one)",
    "b": "b (the right one)",
    "tie": "a tie",
    "both_bad": "both bad",
    "skip": "skipped",
}
EMPTY = "the choice is empty; an empty cell is no tie and no skip"
_WORSE = re.compile(
    r"(?<![a-z])(worse|worst|least|loser|losing|lost|rejected|dislike"
    r"|(more|most)\W?_?(harmful|toxic|offensive|biased|unsafe|dangerous)"
    r"|(dis|un|non)[\W_]*(prefer|favou?r|chosen)"
    r"|(not|never|(do|did|would)n.?t)[\W_]*((you|we|they)[\W_]+)?"
    r"(prefer|favou?r|choose|chosen|pick|select|like|win|better|best|good)"
    r"|(prefer\w*|like)[\W_]*less|less[\W_]*(prefer|liked|good|helpful))"
)
_AROUND = " \t\r\n\ufeff()[]{}#\"':;"  # what may stand around a number: (1), #2, [0]
# How programs print a cell in which nothing stands.
BLANKS = frozenset(
    ("", "none", "null", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "nat", "nil", "undefined")
    + ("-", "--", "—", "–")
)
_SIDES = {
    **dict.fromkeys(("a", "1", "left", "first", "1st", "lhs", "one"), "a"),
    **dict.fromkeys(("b", "2", "right", "second", "2nd", "rhs", "two"), "b"),
}
_NOUNS = frozenset(
    "answer response option output completion text model candidate choice item assistant reply"
    " generation summary system continuation side hand version message".split()
)
# Words that a side may stand among without another meaning.
_FILLERS = _NOUNS | frozenset(
    "the is are was i we prefer prefers preferred better best wins win won winner winning"
    " slightly much clearly significantly far strongly somewhat marginally little bit way"
    " choose chose chosen pick picked select selected vote voted think would more by of preference"
    " favor favour definitely really very overall strong slight".split()
)
_PHRASES = {
    "tie": (
        "tie",
        "tied",
        "ties",
        "equal",
        "equals",
        "equally good",
        "same",
        "draw",
        "even",
        "similar",
        "comparable",
        "indifferent",
        "either",
        "either one",
        "either is fine",
        "either way",
        "both good",
        "good both",
        "both are good",
        "both equal",
        "both equally",
        "both equally good",
        "both are equal",
        "both are equally good",
        "both are the same",
        "they are equal",
        "they are the same",
        "about the same",
        "the same",
        "about equal",
        "roughly equal",
        "roughly the same",
        "no preference",
        "neutral",
        "unentschieden",
        "gleich gut",
        "égalité",
        "empate",
        "no difference",
        "no clear winner",
        "equally",
        "equivalent",
        "equal quality",
        "a and b are equal",
        "a and b are equally good",
        "tie both good",
        "tie bothgood",
    ),
    "both_bad": (
        "both bad",
        "bothbad",
        "bad both",
        "neither",
        "neither one",
        "neither is good",
        "neither of them",
        "neither good",
        "both are bad",
        "both are equally bad",
        "both equally bad",
        "equally bad",
        "both poor",
        "both wrong",
        "both are poor",
        "both are wrong",
        "tie bothbad",
        "tie both bad",
    ),
    "skip": (
        "skip",
        "skipped",
        "cancelled",
        "canceled",
        "unsure",
        "unsure skip",
        "not sure",
        "im not sure",
        "i am not sure",
        "cant choose",
        "cannot choose",
        "can not choose",
        "cant decide",
        "cannot decide",
        "cant tell",
        "cannot tell",
        "cant say",
        "cannot say",
        "dont know",
        "do not know",
        "i dont know",
        "i do not know",
        "idk",
        "no idea",
        "undecided",
        "abstain",
    ),
}
MEANINGS: dict[str, str] = {
    phrase: choice for choice, phrases in _PHRASES.items() for phrase in phrases
}
# "one" and "two" alone are numbers: the column decides.
MEANINGS |= {word: side for word, side in _SIDES.items() if word not in ("1", "2", "one", "two")}
MEANINGS |= {"l": "a", "r": "b"}
MEANINGS |= dict.fromkeys(("links", "gauche", "izquierda"), "a")
MEANINGS |= dict.fromkeys(("rechts", "droite", "derecha"), "b")
# What a slip of the keys may have been meant to be, and words of their own that look like one.
_SLIPS: tuple[str, ...]
_SLIPS = ("left", "right", "first", "second", "equal", "same", "draw", "tied", "skip", "skipped")
_SLIPS += ("both bad", "neither")
_REAL = frozenset("let fist firs sam daw ted sip ski tide nether".split())
_NOUN_AND_NUMBER = re.compile(rf"\b({'|'.join(sorted(_NOUNS))})([ab12])\b")  # response1
_NUMBERED = re.compile(r"\s*\d+\s*[-–:.)=(]\s*([^\W\d].*)")  # "4 - B is better", "4 (B is better)"
_NOUN = rf"(?:(?:{'|'.join(sorted(_NOUNS))})\s+)??"
_COMPARED = re.compile(
    rf"\W*{_NOUN}([ab12])\s*(>{{1,3}}|<{{1,3}}|={{1,2}}|≻|≺|≈|~)\s*{_NOUN}([ab12])\W*"
)


def is_blank(value: object) -> bool:
    """Does nothing stand in this cell, whoever printed it: "", None, NaN, "null", "N/A", a dash?"""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().strip("\ufeff").strip().casefold() in BLANKS


def number_of(value: object) -> float | None:
    """The number that a cell is: 1, "1", "1.0", " 1,5 "; None where it is no finite number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    if isinstance(value, str) and len(value) < 60:
        found = re.fullmatch(r"[+\-−]?\d{1,15}([.,]\d{0,15})?", value.strip(_AROUND))
        return float(found[0].replace(",", ".").replace("−", "-")) if found else None
    return None


def thousands(values: Sequence[object]) -> str:
    """The first of these numbers whose sign may part off thousands as well as decimals: "1,000",
    "1.000" beside 999; "" where there is none, or another number shows that it is a decimal sign.
    """
    texts = [value.strip(_AROUND) for value in values if isinstance(value, str)]
    large = any(abs(number_of(value) or 0) >= 100 for value in values)
    for sign in (",", "."):
        having = [text for text in texts if sign in text and number_of(text) is not None]
        may = [
            text for text in having if re.fullmatch(rf"[+\-−]?[1-9]\d{{0,2}}[{sign}]\d{{3}}", text)
        ]
        if may and len(may) == len(having) and (sign == "," or large):
            return may[0]
    return ""


def asks_for_the_worse(name: str) -> bool:
    """Whether a question of this name asks for the text that is worse: its answer says the opposite
    of what a preference says.
    """
    return bool(_WORSE.search(name.lower()))


def read_word(value: object) -> tuple[str | None, str]:
    """The choice that a word names, and a sentence.

    Returns:
        (choice, "") where it stood there as we write it; (choice, how it was read) after a repair;
        (None, why not): empty, no word, a bare number, no meaning or two.
    """
    if isinstance(value, str) and value in CHOICES:
        return value, ""
    if is_blank(value):
        return None, EMPTY
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None, f"the choice is {shown(value)}, which is no word"
    text = str(value)
    if number_of(value) is not None:
        return None, f"the choice is {shown(text)}, a number whose meaning the file does not say"
    if len(text) > 200:
        return None, f"the choice is {shown(text)}; it must be one of {', '.join(CHOICES)}"
    if (choice := _plain(text)) and not may_turn(_without_signs_of_ours(text), choice):
        return choice, f"the choice {shown(text)} was read as {IN_WORDS[choice]}"
    cleaned = _cleaned(text)
    near = {MEANINGS[word] for word in _SLIPS if is_slip_of(cleaned, word)}
    if len(near) == 1 and not may_turn(text, *near):
        choice = near.pop()
        return choice, (
            f"the choice {shown(text)} was taken for a slip of the keys and read as"
            f" {IN_WORDS[choice]}"
        )
    return None, f"the choice is {shown(text)}; it must be one of {', '.join(CHOICES)}"


def _cleaned(text: str) -> str:
    text = re.sub(r"[’'`]", "", text.casefold().strip("\ufeff"))
    return " ".join(re.sub(r"[^\w]+|_", " ", text).split())


def _without_signs_of_ours(text: str) -> str:
    """The text without the signs that ``_plain`` reads: of a comparison, and behind a number."""
    signs = _COMPARED.fullmatch(_doubled(text).casefold())
    if signs:
        return _doubled(text)[: signs.start(2)] + _doubled(text)[signs.end(2) :]
    return numbered[1] if (numbered := _NUMBERED.fullmatch(text)) else text


def _doubled(text: str) -> str:
    return text.replace("≫", ">>").replace("≪", "<<")


def _plain(text: str) -> str | None:
    """What a word or a short phrase says, without any guessing."""
    text = _doubled(text)
    if signs := _COMPARED.fullmatch(text.casefold()):
        left, sign, right = signs[1], signs[2][0], signs[3]
        if _SIDES[left] == _SIDES[right] or left.isdecimal() != right.isdecimal():
            return None
        better = {">": left, "≻": left, "<": right, "≺": right}.get(sign)
        return _SIDES[better] if better else "tie"
    if "[[c]]" in text.casefold():  # MT-bench's judge: A, B, or C for a tie
        return "tie"
    if re.fullmatch(r"\W*[ab]\s*[+\-−]+\W*", text, re.IGNORECASE):
        return None  # A+, B-: a school's mark
    if numbered := _NUMBERED.fullmatch(text):
        text = numbered[1]
    cleaned = re.sub(r" ?vote$", "", _cleaned(text))  # leftvote, bothbad_vote: FastChat's logs
    if cleaned.replace(" ", "").isdigit():
        return None  # a number in other clothes: the column decides
    if cleaned in CHOICES or cleaned in MEANINGS:
        return cleaned if cleaned in CHOICES else MEANINGS[cleaned]
    if article := re.fullmatch(r"(?:its |it is )?an? (.+)", cleaned):  # "it's a draw"
        if MEANINGS.get(article[1]) in ("tie", "both_bad"):
            return MEANINGS[article[1]]
    cleaned = _NOUN_AND_NUMBER.sub(r"\1 \2", re.sub(r"\ba (lot|little|bit)\b", "", cleaned))
    for turned, better in (("better than", 0), ("preferred over", 0), ("worse than", 1)):
        head, found, tail = cleaned.partition(f" {turned} ")
        if found:
            sides = _side_among(head.split()), _side_among(tail.split())
            return sides[better] if set(sides) == {"a", "b"} else None
    return _side_among(cleaned.split())


def _side_among(words: list[str]) -> str | None:
    """The one side among words that mean nothing else; None where there is none, or two."""
    if len(words) > 2 and words[0] == "a" and words[-1] in _NOUNS:
        return None  # "a better answer": an article
    sides = {_SIDES[word] for word in words if word in _SIDES and word != "one"}
    if not sides and len(words) > 1 and "one" in words:  # "option one", not "the right one"
        sides = {"a"}
    if words == ["two"]:
        return None
    rest = [word for word in words if word not in _SIDES and word not in _FILLERS]
    return sides.pop() if len(sides) == 1 and not rest else None


def is_slip_of(typed: str, word: str) -> bool:
    """Was ``word`` meant, and nothing else can have been?

    Two neighbours swapped, a letter doubled or left out, or another one; where that gives no word
    of its own. The first letter must be right, unless it was swapped: "light" and "either" are
    words.

    Source: Damerau 1964, the four errors that make up over 80% of misspellings.
    """
    if typed == word or typed in _REAL or abs(len(typed) - len(word)) > 1 or len(typed) < 3:
        return False
    at = next(
        (i for i, (p, q) in enumerate(zip(typed, word)) if p != q), min(len(typed), len(word))
    )
    if len(typed) == len(word):
        if typed[at : at + 2] == word[at : at + 2][::-1] and typed[at + 2 :] == word[at + 2 :]:
            return True
        return at > 0 and len(word) > 4 and typed[at + 1 :] == word[at + 1 :]
    if len(typed) < len(word):
        return at > 0 and typed[at:] == word[at + 1 :]
    doubled = at > 0 and typed[at] == typed[at - 1]
    return doubled and typed[at + 1 :] == word[at:]


def shown(value: object) -> str:
    """A cell as a sentence quotes it, cut short."""
    text = str(value)
    return repr(text if len(text) <= 40 else text[:39] + "…")
