"""Four answers to each of the 200 everyday prompts, for judges who do not see who wrote them.

    python scripts/judge_everyday.py sheet --models new=assets/pocket-gpt2 old=/path/of/another
    # each judge reads build/judging/sheet.txt and the guide (everyday_judging.md) and writes lines
    #   NUMBER SET PASS GOOD        for example: 17 2 1 ACD
    python scripts/judge_everyday.py count build/judging/judge_a.txt build/judging/judge_b.txt

``sheet`` samples with the app's own settings (page Prompt, "Generate"), one seed a prompt.
``count`` prints the share of prompts that pass for each model and judge, by kind of prompt, and how
far the two agree (share of equal marks, Cohen's kappa), and keeps all of it in
``assets/pocket-gpt2/everyday.json``, which the card reads.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from rlhf_core.common.settings import SamplingSettings  # noqa: E402
from rlhf_core.lm import language_model  # noqa: E402
from rlhf_core.lm.sampling import collect, sample  # noqa: E402
from scripts.make_corpus import everyday_prompts  # noqa: E402

STRANGERS = Path(__file__).parent / "strangers_judged.jsonl"
JUDGED = ROOT / "assets" / "pocket-gpt2" / "everyday.json"


def weights_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def answers_of(folder: str) -> list[list[str]]:
    lm, rows = language_model.load(folder), []
    for number, (_, prompt) in enumerate(everyday_prompts()):
        settings = replace(SamplingSettings(), seed=number)
        rows.append([text.strip() for text in collect(sample(lm, [prompt], settings)).texts])
    return rows


def sheet(models: dict[str, str], out: Path, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    written = {name: answers_of(folder) for name, folder in models.items()}
    hashes = {name: weights_hash(Path(folder)) for name, folder in models.items()}
    rng, lines, key = random.Random(seed), [], []
    for number, (kind, prompt) in enumerate(everyday_prompts(), 1):
        names = list(models)
        rng.shuffle(names)
        lines.append(f"\n## {number} ({kind}) {prompt}")
        for place, name in enumerate(names, 1):
            answers = written[name][number - 1]
            shown = " ".join(
                f"[{'ABCD'[i]}] {text or '(nothing)'}" for i, text in enumerate(answers)
            )
            lines.append(f"set {place}: {shown}")
            key.append(
                {
                    "number": number,
                    "set": place,
                    "model": name,
                    "weights": hashes[name],
                    "answers": answers,
                }
            )
    (out / "sheet.txt").write_text("\n".join(lines).strip() + "\n", encoding="utf-8")
    (out / "key.json").write_text(json.dumps(key, indent=1), encoding="utf-8")
    print(f"{len(lines)} lines written to {out / 'sheet.txt'}; which model is which: key.json")


def strangers() -> tuple[int, float, float]:
    """Of the second list (``STRANGERS``: other writers' prompts, eight answers each, the letters of
    the good ones): prompts, share of good answers, and how often four answers drawn of the eight
    hold two good ones that differ.
    """
    rows = [json.loads(line) for line in STRANGERS.read_text(encoding="utf-8").splitlines()]
    passed = good = 0.0
    for row in rows:
        texts = row["answers"]
        marks = {"ABCDEFGH".index(letter) for letter in row["good"]}
        fours = list(itertools.combinations(range(len(texts)), 4))
        two = [len({texts[i] for i in four if i in marks}) >= 2 for four in fours]
        passed, good = passed + sum(two) / len(fours), good + len(marks) / len(texts)
    return len(rows), good / len(rows), passed / len(rows)


def marks_of(path: Path) -> dict[tuple[int, int], int]:
    marks = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        parts = line.split()
        if len(parts) >= 3 and all(part.isdigit() for part in parts[:3]):
            if parts[2] not in ("0", "1"):
                raise SystemExit(f"{path.name}: a mark is 0 or 1: {line!r}")
            marks[int(parts[0]), int(parts[1])] = int(parts[2])
    return marks


def kappa(a: list[int], b: list[int]) -> float | None:
    """Cohen's kappa of two judges' 0/1 marks; None where chance alone would agree fully."""
    po = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    p, q = sum(a) / len(a), sum(b) / len(b)
    pe = p * q + (1 - p) * (1 - q)
    return None if pe == 1 else (po - pe) / (1 - pe)


def count(first: Path, second: Path, folder: Path, judges_are: str) -> dict:
    key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    kinds = [kind for kind, _ in everyday_prompts()]
    judges, found = [marks_of(first), marks_of(second)], {}
    for name in dict.fromkeys(row["model"] for row in key):
        rows = [row for row in key if row["model"] == name]
        missing = [r for r in rows if any((r["number"], r["set"]) not in j for j in judges)]
        if missing:
            raise SystemExit(
                f"{len(missing)} prompts of {name} lack a mark: {missing[0]['number']}"
            )
        marks = [[judge[row["number"], row["set"]] for row in rows] for judge in judges]
        by_kind = {
            kind: [
                round(
                    sum(
                        m
                        for m, r in zip(judge, rows, strict=True)
                        if kinds[r["number"] - 1] == kind
                    )
                    / kinds.count(kind),
                    3,
                )
                for judge in marks
            ]
            for kind in dict.fromkeys(kinds)
        }
        found[name] = {
            "weights": rows[0]["weights"],
            "judges": judges_are,
            "models_on_the_sheet": len({row["model"] for row in key}),
            "prompts": len(rows),
            "passed": [round(sum(judge) / len(rows), 3) for judge in marks],
            "passed_both": round(sum(map(min, zip(*marks, strict=True))) / len(rows), 3),
            "agreement": round(sum(x == y for x, y in zip(*marks, strict=True)) / len(rows), 3),
            "kappa": kappa(*marks),
            "by_kind": by_kind,
            "without_any_answer": sum(not any(row["answers"]) for row in rows),
            "empty_answers": sum(not text for row in rows for text in row["answers"]),
            "failed_by_both": [
                everyday_prompts()[row["number"] - 1][1]
                for row, x, y in zip(rows, *marks, strict=True)
                if not x and not y
            ],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "judging")
    parts = parser.add_subparsers(dest="part", required=True)
    ask = parts.add_parser("sheet")
    ask.add_argument("--models", nargs="+", required=True, metavar="NAME=FOLDER")
    ask.add_argument("--seed", type=int, default=0)
    add = parts.add_parser("count")
    add.add_argument("marks", nargs=2, type=Path)
    add.add_argument(
        "--judges", default="two large language models", help="who they are, for the card"
    )
    add.add_argument("--keep", metavar="NAME", help="write this model's figures beside the weights")
    args = parser.parse_args()
    if args.part == "sheet":
        sheet(dict(pair.split("=", 1) for pair in args.models), args.folder, args.seed)
        return
    found = count(*args.marks, args.folder, args.judges)
    print(json.dumps(found, indent=1))
    if args.keep:
        JUDGED.write_text(json.dumps(found[args.keep], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
