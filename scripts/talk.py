"""Everyday talk: blocks of prompts with the same meaning, and answers in four registers.

    > How do I boil an egg? | What is the best way to boil an egg? | I want to boil an egg.
    h Put it in {boiling|hot} water for {eight|nine|ten} minutes.
    j Ask the chicken how she likes it, then do the opposite.
    k You can do this. Start with cold water and take your time.
    r Turn on the stove. It is not a rocket.

A line with ``>`` begins a block; its prompts are separated by ``|`` and every answer of the block
fits every one of them. The registers: (h) a helpful or true answer, (j) a joke, (k) kind, (r) rude.
``{a|b}`` in a prompt or an answer is one of the choices.

    python scripts/talk.py scripts/corpus/talk/*.txt      # what is wrong with each file, and counts
"""

from __future__ import annotations

import random
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TALK = Path(__file__).parent / "corpus" / "talk"
REGISTERS = {"h": "helpful", "j": "joke", "k": "kind", "r": "rude"}
WORDS = Path("/usr/share/dict/american-english-large")
MOST_WORDS = 17  # an answer must end within 24 tokens
CHOICE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Block:
    prompts: tuple[str, ...]
    answers: dict[str, tuple[str, ...]]  # register -> answers


def read_blocks(path: Path) -> tuple[list[Block], list[str]]:
    """The usable blocks of a file, and one sentence for each line or block that is not."""
    blocks, wrong = [], []
    prompts: list[str] = []
    answers: dict[str, list[str]] = {}
    at = 0

    def close() -> None:
        if not prompts:
            return
        if sum(map(len, answers.values())) < 4:
            wrong.append(f"line {at}: fewer than four good answers to {prompts[0]!r}")
            return
        blocks.append(Block(tuple(prompts), {k: tuple(v) for k, v in answers.items()}))

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = line.strip().replace("’", "'").replace("“", '"').replace("”", '"')
        if not line or line.startswith("#"):
            continue
        mark, _, text = line.partition(" ")
        if mark == ">":
            close()
            prompts, answers, at = [], {}, number
            for prompt in split_outside(text):
                fault = fault_of_prompt(prompt)
                if fault:
                    wrong.append(f"line {number}: {fault}: {prompt!r}")
                else:
                    prompts.append(prompt)
        elif mark in REGISTERS:
            fault = fault_of_answer(text)
            if fault:
                wrong.append(f"line {number}: {fault}: {text!r}")
            else:
                answers.setdefault(REGISTERS[mark], []).append(text.strip())
        else:
            wrong.append(f"line {number}: begins with neither > nor h, j, k, r: {line[:50]!r}")
    close()
    return blocks, wrong


def split_outside(text: str) -> list[str]:
    """Split at the ``|`` that stand outside braces."""
    parts, depth, part = [], 0, ""
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == "|" and depth == 0:
            parts, part = [*parts, part.strip()], ""
        else:
            part += letter
    return [p for p in (*parts, part.strip()) if p]


def fault_of_prompt(text: str) -> str | None:
    if not 1 <= len(text.split()) <= 16:
        return "a prompt has 1 to 16 words"
    return fault_of_words(text)


def fault_of_answer(text: str) -> str | None:
    longest = CHOICE.sub(lambda m: max(m.group(1).split("|"), key=len), text)
    if not 1 <= len(longest.split()) <= MOST_WORDS:
        return f"an answer has 1 to {MOST_WORDS} words"
    if len(longest) > 100:
        return "an answer has at most 100 characters"
    if longest[-1] not in '.!?"':
        return "an answer ends with . ! or ?"
    return fault_of_words(text)


def fault_of_words(text: str) -> str | None:
    if text.count("{") != text.count("}"):
        return "an open brace"
    plain = re.sub(r"[{}|]", " ", text)
    strange = re.findall(r"[^A-Za-z0-9 ,.'!?:;\"$%-]", plain)
    if strange:
        return f"the sign {strange[0]!r}"
    known = dictionary()
    if not known:
        return None
    for word in re.findall(r"[a-z][A-Za-z']*|[A-Z][a-z']+", plain):
        low = word.lower().strip("'")
        if word[0].isupper() and word not in plain.split()[:1]:
            continue  # a name
        if not low or low in known or low.removesuffix("'s") in known:
            continue
        return f"not in the word list, {word!r}"
    return None


@lru_cache(maxsize=1)
def dictionary() -> frozenset[str]:
    if not WORDS.exists():
        return frozenset()
    return frozenset(w.strip().lower() for w in WORDS.read_text(encoding="utf-8").splitlines())


def say(text: str, rng: random.Random) -> str:
    """``text`` with one of each choice taken, and a or an put right behind a choice."""
    text = CHOICE.sub(lambda m: rng.choice(m.group(1).split("|")), text)
    return re.sub(r"\b([Aa]) (?=[aeio])", lambda m: m.group(1) + "n ", text)


def main() -> None:
    total_blocks = total_prompts = total_answers = 0
    for name in sys.argv[1:]:
        blocks, wrong = read_blocks(Path(name))
        prompts = sum(len(b.prompts) for b in blocks)
        answers = sum(len(v) for b in blocks for v in b.answers.values())
        for sentence in wrong:
            print(f"{name}: {sentence}")
        counts = f"{len(blocks)} blocks, {prompts} prompts, {answers} answers"
        print(f"{name}: {counts}; {len(wrong)} faults")
        total_blocks, total_prompts = total_blocks + len(blocks), total_prompts + prompts
        total_answers += answers
    print(f"in all {total_blocks} blocks, {total_prompts} prompts, {total_answers} answers")


if __name__ == "__main__":
    main()
