"""The word list of the gold rule (``rlhf_core/evaluation/gold_rule.py``): every word of the corpus
that was written for this project, and of the register rule's lists.

python scripts/make_known_words.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from rlhf_core.evaluation.gold_rule import KNOWN, WORD  # noqa: E402
from rlhf_core.judging.register import listed_words  # noqa: E402

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    words = set(listed_words())
    for file in sorted((*CORPUS.glob("*.txt"), *CORPUS.glob("talk/*.txt"))):
        if "LICENSE" not in file.name:
            words.update(WORD.findall(file.read_text(encoding="utf-8").lower()))
    for line in (CORPUS / "smollm2.jsonl").read_text(encoding="utf-8").splitlines():
        for value in json.loads(line).values():
            words.update(WORD.findall(str(value).lower()))
    KNOWN.write_text("\n".join(sorted(words)) + "\n", encoding="utf-8")
    print(f"{len(words)} words written to {KNOWN}")


if __name__ == "__main__":
    main()
