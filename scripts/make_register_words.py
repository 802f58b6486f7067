"""The word weights of the register rule (``rlhf_core/judging/register.py``), from the registers of
the training corpus: of each yardstick a list for the rater and one for the second opinion.

The two have no word in common, nor words that begin with the same three letters, and count
different completions. A pair of neighbours stands in a list where both its words belong to it.

python scripts/make_register_words.py --corpus build/corpus
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from rlhf_core.judging.register import YARDSTICKS, is_second, second_list, words_of  # noqa: E402

GROUPS = {  # for each yardstick: register of the corpus -> register of the rule
    "register_words": {
        "fact": "fact",
        "gloss": "fact",
        "plain": "fact",
        "survival": "fact",
        "meme": "meme",
        "joke": "meme",
        "polite": "polite",
        "kind": "polite",
        "rude": "rude",
    },
    "register_words_talk": {
        "survival": "advice",
        "kind": "kind",
        "polite": "kind",
        "plain": "kind",
        "joke": "joke",
        "meme": "joke",
        "rude": "rude",
    },
}
LIMIT = 2.5  # no single word decides alone
LEAST = 12  # completions that a word or pair stands in; rarer ones say little


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"))
    parser.add_argument(
        "--most", type=int, default=10_000, help="how many words and word pairs a list keeps"
    )
    args = parser.parse_args()
    for file, registers in YARDSTICKS.items():
        for second in (False, True):
            make(file, registers, args.corpus, args.most, second)


def belongs(word: str, second: bool) -> bool:
    """Do all parts of a word or pair belong to the second opinion's list, or to the rater's?"""
    return all(is_second(part) == second for part in word.split("_"))


def is_second_text(completion: str) -> bool:
    """Is it counted for the second opinion's list? One half of the different completions is."""
    return zlib.crc32(completion.encode()) % 2 == 1


def make(
    yardstick: Path, registers: tuple[str, ...], corpus: Path, most: int, second: bool
) -> None:
    """Write the rater's list of one yardstick, or the second opinion's."""
    file = second_list(yardstick) if second else yardstick
    groups, counts = GROUPS[yardstick.stem], {register: Counter() for register in registers}
    for line in (corpus / "train.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        if row["register"] not in groups or row["source"] == "talk":  # whose registers are looser
            continue
        if is_second_text(row["completion"]) == second:
            words = {word for word in words_of(row["completion"]) if belongs(word, second)}
            counts[groups[row["register"]]].update(words)
    totals = {register: sum(counter.values()) for register, counter in counts.items()}
    rows = []
    for word in set().union(*counts.values()):
        seen = sum(counter[word] for counter in counts.values())
        if seen < LEAST:
            continue
        logs = [math.log((counts[r][word] + 0.5) / (totals[r] + 0.5) * 1e6) for r in registers]
        middle = sum(logs) / len(logs)
        weights = [max(-LIMIT, min(LIMIT, value - middle)) for value in logs]
        rows.append((max(weights) * math.sqrt(seen), word, weights))
    rows.sort(reverse=True)
    with file.open("w", encoding="utf-8") as out:
        out.write(
            "# word or pair\t"
            + "\t".join(registers)
            + "\t(log-probability relative to the mean; made by scripts/make_register_words.py)\n"
        )
        for _, word, weights in sorted(rows[:most], key=lambda row: row[1]):
            out.write(word + "\t" + "\t".join(f"{w:.2f}" for w in weights) + "\n")
    print(f"{min(len(rows), most)} of {len(rows)} words and pairs written to {file}")


if __name__ == "__main__":
    main()
