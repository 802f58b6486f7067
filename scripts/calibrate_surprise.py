"""Measure how surprising prompts are to the bundled model, and set from where it cannot read them.

    python scripts/calibrate_surprise.py              # print the distributions and the error rates
    python scripts/calibrate_surprise.py --write      # and write LIMIT, EVERYDAY into surprise.py

Run it after the bundled model was trained again; it takes seconds. The limit is where everyday
prompts that are called unreadable and hard ones that are called readable are fewest (the sum of
both shares), in the middle of the widest such gap. Each error rate is of prompts that did not help
to set the limit: one half is judged by the limit of the other.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import rlhf_core  # noqa: E402, F401, I001 (bounds the spin: before torch)

from rlhf_core.judging import briefs  # noqa: E402
from rlhf_core.lm import language_model, surprise  # noqa: E402
from scripts.make_corpus import everyday_prompts  # noqa: E402

HARD = Path(__file__).parent / "hard_prompts.txt"
BEGIN, END = "# --- begin: written by scripts/calibrate_surprise.py ---\n", "# --- end ---\n"


def hard_prompts() -> list[tuple[str, str]]:
    """(kind, prompt) of what the model cannot know, the kinds "short ..." among them."""
    rows = HARD.read_text(encoding="utf-8").splitlines()
    return [tuple(row.split("\t", 1)) for row in rows if row and not row.startswith("#")]


def best_limit(readable: list[float], hard: list[float]) -> float:
    """The limit with the smallest sum of both error shares; of several, the middle of the widest
    gap between neighbouring values.
    """
    values = sorted({*readable, *hard})

    def wrong(limit: float) -> float:
        above = sum(value >= limit for value in readable) / len(readable)
        return above + sum(value < limit for value in hard) / len(hard)

    gaps = [
        (wrong((low + high) / 2), low - high, (low + high) / 2)
        for low, high in zip(values, values[1:])
    ]
    return min(gaps)[2]


def cross_rates(readable: list[float], hard: list[float]) -> tuple[int, int]:
    """(readable called unreadable, hard called readable): each half by the other half's limit."""
    above = below = 0
    for half in (0, 1):
        limit = best_limit(readable[1 - half :: 2], hard[1 - half :: 2])
        above += sum(value >= limit for value in readable[half::2])
        below += sum(value < limit for value in hard[half::2])
    return above, below


def row_of(name: str, values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    shown = (min(values), cuts[0], cuts[4], cuts[9], cuts[14], cuts[18], max(values))
    return f"{name:16} {len(values):4} " + " ".join(f"{value:7.2f}" for value in shown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the constants into surprise.py")
    args = parser.parse_args()
    lm, presets = language_model.load(), briefs.PRESETS.values()
    file = language_model.BUNDLED / "model.safetensors"
    weights = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    groups = {
        "everyday": [prompt for _, prompt in everyday_prompts()],
        "training": list(dict.fromkeys(p for brief in presets for p in brief.training_prompts)),
        "evaluation": list(dict.fromkeys(p for brief in presets for p in brief.evaluation_prompts)),
        "hard": [p for kind, p in hard_prompts() if not kind.startswith("short")],
        "short english": [p for kind, p in hard_prompts() if kind == "short english"],
        "short other": [p for kind, p in hard_prompts() if kind == "short other"],
    }
    read = {name: [surprise.read(lm, p) for p in prompts] for name, prompts in groups.items()}
    # By the limit goes only what is long enough for a mean.
    values = {n: [r.nats_a_byte for r in rows if not r.short] for n, rows in read.items()}
    everyday, hard = values["everyday"], values["hard"]
    limit = round(best_limit(everyday, hard), 2)
    median, (above, below) = round(statistics.median(everyday), 2), cross_rates(everyday, hard)
    surprise.LIMIT = limit

    print("nats a byte:        n     min      5%     25%  median     75%     95%     max")
    for name in groups:
        if len(values[name]) > 1:
            print(row_of(name, values[name]))
    wrong = {
        name: (sum((r.verdict() == "reads") != (name not in ("hard", "short other")) for r in rows))
        for name, rows in read.items()
    }
    for name, rows in read.items():
        verdicts = [r.verdict() for r in rows]
        counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("reads", "hardly", "not at all"))
        print(f"{name:16} {counts}; {wrong[name]} of {len(rows)} wrong")
    for name in ("everyday", "evaluation", "training", "hard", "short english", "short other"):
        expected = name not in ("hard", "short other")
        odd = [
            f"{p} ({r.nats_a_byte:.1f})"
            for p, r in zip(groups[name], read[name], strict=True)
            if (r.verdict() == "reads") != expected
        ]
        if odd:
            print(f"wrong in {name}: " + "; ".join(odd))
    said = (
        f"Nats a byte from which the bundled model (sha256 {weights})"
        f" cannot read a prompt. Of {len(everyday)} everyday prompts {above} lie wrongly above it"
        f" ({above / len(everyday):.1%}), of {len(hard)} hard ones {below} wrongly below"
        f" ({below / len(hard):.1%}), each judged by the limit of the other half. By the limit"
        " itself and, where short, by whole words, are wrong: "
        + ", ".join(f"{wrong[name]} of {len(rows)} {name}" for name, rows in read.items())
        + "."
    )
    block = (
        f'LIMIT = {limit}\n"""'
        + "\n".join(textwrap.wrap(said, 94))
        + f'\n"""\nEVERYDAY = {median}\n"""Nats a byte, the median of the everyday prompts."""\n'
    )
    print("\n" + block)
    if args.write:
        file = Path(surprise.__file__)
        head, rest = file.read_text(encoding="utf-8").split(BEGIN)
        file.write_text(head + BEGIN + block + END + rest.split(END, 1)[1], encoding="utf-8")
        print(f"written to {file}")


if __name__ == "__main__":
    main()
