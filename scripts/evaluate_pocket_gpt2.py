"""Measure the bundled model and write its card (assets/pocket-gpt2/README.md).

    python scripts/evaluate_pocket_gpt2.py --corpus build/corpus [--read 100]

500 samples from 40 prompts with which no training line begins; every number in the card comes from
here, misses included.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import rlhf_core  # noqa: E402, F401, I001 (bounds the spin: before torch)
import torch  # noqa: E402

from rlhf_core.evaluation.before_after import distinct_n, mean_words  # noqa: E402
from rlhf_core.judging import briefs  # noqa: E402
from rlhf_core.judging.register import is_full_sentence, register_of  # noqa: E402
from scripts import make_corpus, talk  # noqa: E402
from scripts.judge_everyday import JUDGED, strangers, weights_hash  # noqa: E402
from rlhf_core.lm import language_model  # noqa: E402
from rlhf_core.lm.sampling import (  # noqa: E402
    collect,
    decode,
    decode_texts,
    pad_left,
    pad_right,
    response_forward,
    token_logprobs,
    uniform_numbers,
)

CARD = language_model.BUNDLED / "README.md"
P = briefs.PRESETS
UNSEEN = (
    *P["biology-homework"].evaluation_prompts[::2][:16],
    *P["customer-reply"].evaluation_prompts[:8],
    *P["survival-guide"].evaluation_prompts[:8],
    *P["plain-kind-english"].evaluation_prompts[:8],
)
TOKENS, TEMPERATURE = 24, 0.8
HERE = Path(__file__).resolve().parent


def write(lm, prompts: list[str], each: int, seed: int) -> list[tuple[str, str, bool]]:
    """(prompt, text, ended) of ``each`` samples a prompt, as PPO's rollouts are sampled."""
    rows = []
    for number, prompt in enumerate(prompts):
        uniforms = uniform_numbers(each, TOKENS, torch.Generator().manual_seed(seed + number))
        done = collect(
            decode(
                lm.trunk,
                [lm.encode(prompt)],
                uniforms=uniforms,
                end_id=lm.end_id,
                pad_id=lm.pad_id,
                samples=each,
                temperature=TEMPERATURE,
            )
        )
        rows += [
            (prompt, text, bool(end))
            for text, end in zip(decode_texts(lm, done), done.ended(lm.end_id), strict=True)
        ]
    return rows


@torch.no_grad()
def perplexity(lm, rows: list[dict]) -> float:
    """Per token of the completion (end of text included), given its prompt, at temperature 1."""
    total, count = 0.0, 0
    for first in range(0, len(rows), 64):
        part = rows[first : first + 64]
        ids, mask = pad_left([lm.encode(r["prompt"]) for r in part], lm.pad_id)
        tokens, real = pad_right([lm.encode_response(r["completion"]) for r in part], lm.pad_id)
        before, _ = response_forward(lm.trunk, ids, mask, tokens, real)
        log_p = token_logprobs(lm.trunk.logits(before).log_softmax(-1), tokens)
        total, count = total - (log_p * real).sum().item(), count + int(real.sum())
    return math.exp(total / count)


def unknown_words(text: str, words: set[str]) -> tuple[list[str], int]:
    """Words not in the list (names, that is capitalised words inside a sentence, aside), and how
    many words there are.
    """
    found, count = [], 0
    for match in re.finditer(r"[A-Za-z][A-Za-z']*", text):
        word, before = match.group(0), text[: match.start()].rstrip()
        if word[0].isupper() and before and before[-1] not in ".!?":
            continue
        count += 1
        low = word.lower()
        if low not in words and low.removesuffix("'s") not in words:
            found.append(word)
    return found, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"))
    parser.add_argument(
        "--words",
        type=Path,
        default=Path("/usr/share/dict/american-english-large"),
        help="Debian: apt-get install wamerican-large",
    )
    parser.add_argument("--training", type=Path, default=Path("build/pocket-gpt2/training.json"))
    parser.add_argument("--read", type=int, default=0, help="print this many samples to read aloud")
    parser.add_argument("--no-card", action="store_true", help="print only")
    args = parser.parse_args()
    assert len(UNSEEN) == 40, len(UNSEEN)

    began = time.perf_counter()
    lm = language_model.load()
    load_seconds = time.perf_counter() - began
    lines, completions, seen_prompts = set(), set(), set()
    count_lines = 0
    for line in (args.corpus / "train.jsonl").open(encoding="utf-8"):
        row, count_lines = json.loads(line), count_lines + 1
        text = row["prompt"] + row["completion"]
        lines.add(text)
        completions.add(row["completion"].strip())
        seen_prompts.add(row["prompt"])
    assert not set(UNSEEN) & seen_prompts, "an evaluation prompt was trained on"

    rows = write(lm, list(UNSEEN), 13, 1000)
    # 40 x 13 = 520, thinned evenly to 500.
    rows = [row for i, row in enumerate(rows) if i % 26 != 25][:500]
    texts = [text for _, text, _ in rows]
    words = {w.strip().lower() for w in args.words.read_text(encoding="utf-8").splitlines()}
    bad, count = [], 0
    for text in texts:
        found, n = unknown_words(text, words)
        bad, count = bad + found, count + n
    heldout = [json.loads(line) for line in (args.corpus / "heldout.jsonl").open(encoding="utf-8")]
    heldout = [row for row in heldout if row["register"] != "sloppy"][:2000]
    featured = {}
    for prompt in briefs.FEATURED_PROMPTS:
        answers = [text for _, text, _ in write(lm, [prompt], 200, 7)]
        found = [register_of(text) for text in answers]
        featured[prompt] = (found.count("fact") / 200, found.count("meme") / 200)
    outside = [
        prompt for prompt, shares in featured.items() if not all(0.3 <= s <= 0.7 for s in shares)
    ]
    training = json.loads(args.training.read_text()) if args.training.exists() else {}
    facts = {
        "parameters": sum(p.numel() for p in lm.trunk.parameters()),
        "size_mb": (language_model.BUNDLED / "model.safetensors").stat().st_size / 1e6,
        "load_seconds": load_seconds,
        "perplexity": perplexity(lm, heldout),
        "full_sentences": sum(is_full_sentence(t, e) for _, t, e in rows) / len(rows),
        "unknown_words": len(bad) / count,
        "distinct_2": distinct_n(texts),
        "mean_words": mean_words(texts),
        "verbatim_lines": sum(p + t in lines for p, t, _ in rows) / len(rows),
        "verbatim_completions": sum(t.strip() in completions for t in texts) / len(rows),
        "featured_outside": outside,
        "lines": count_lines,
    }
    print(json.dumps({**facts, "unknown": bad[:30], "featured": featured}, indent=1))
    for prompt, text, _ in (
        rows[:: max(1, len(rows) // args.read)][: args.read] if args.read else []
    ):
        print(f"{prompt} ▸{text}")
    if not args.no_card:
        CARD.write_text(card(facts, featured, rows, training), encoding="utf-8")
        print(f"card written to {CARD}", file=sys.stderr)


def strangers_words() -> str:
    """What came of prompts by other writers (``judge_everyday.strangers``), as a paragraph."""
    prompts, good, passed = strangers()
    return (
        f"**A harder list.** Of {prompts} prompts that four other large language models wrote and"
        " marked themselves, quickly and once (`scripts/strangers_judged.jsonl`), the model gave"
        f" good answers {good:.0%} of the time, and four of them hold two good ones that differ for"
        f" {passed:.0%}. So what a stranger types often gets nonsense. Empty answers, 5% of these,"
        " cannot come any more: the app draws no end before the second token (“Shortest answer”)."
    )


def everyday_words() -> str:
    """What the judges found of these very weights (``judge_everyday``), as a paragraph."""
    found = json.loads(JUDGED.read_text(encoding="utf-8")) if JUDGED.exists() else {}
    if found.get("weights") != weights_hash(language_model.BUNDLED):
        return "Not judged yet."
    kappa = "undefined" if found["kappa"] is None else f"{found['kappa']:.2f}"
    first, second = found["passed"]
    kinds = ", ".join(f"{kind} {a:.0%} and {b:.0%}" for kind, (a, b) in found["by_kind"].items())
    return (
        f"Of {found['prompts']} everyday prompts that it was never trained on"
        " (`scripts/everyday_prompts.txt`), four answers each with the app's own settings, two"
        f" judges found at least two distinct, fluent, on-topic answers for {first:.0%} and"
        f" {second:.0%} (both of them: {found['passed_both']:.0%}). The judges"
        f" ({found['judges']}) worked apart, by a written guide (`scripts/everyday_judging.md`),"
        f" and did not know who had written what. They"
        f" agree on {found['agreement']:.0%} of the prompts (Cohen's kappa {kappa}). By kind:"
        f" {kinds}. Prompts without any answer: {found['without_any_answer']}."
    )


def card(f: dict, featured: dict, rows: list, training: dict) -> str:
    ok = lambda good: "reached" if good else "missed"  # noqa: E731
    table = [
        (
            "Held-out perplexity (completions after prompts never trained on, a token)",
            f"{f['perplexity']:.1f}",
            "no target",
        ),
        (
            "Outputs that end in a full sentence",
            f"{f['full_sentences']:.1%}",
            f"≥ 95%, {ok(f['full_sentences'] >= 0.95)}",
        ),
        (
            "Words not in the English word list (names aside)",
            f"{f['unknown_words']:.1%}",
            f"≤ 1%, {ok(f['unknown_words'] <= 0.01)}",
        ),
        ("Distinct-2 over all outputs", f"{f['distinct_2']:.2f}", "no target"),
        (
            "Outputs that are a training line, prompt and all",
            f"{f['verbatim_lines']:.1%}",
            f"≤ 25%, {ok(f['verbatim_lines'] <= 0.25)}",
        ),
        (
            "Outputs whose completion stands in the training text after any prompt",
            f"{f['verbatim_completions']:.1%}",
            f"≤ 50%, {ok(f['verbatim_completions'] <= 0.5)}",
        ),
        (
            "Featured prompts with facts and memes each between 30% and 70%",
            f"{len(featured) - len(f['featured_outside'])} of {len(featured)}",
            f"all, {ok(not f['featured_outside'])}",
        ),
    ]
    samples = rows[:: len(rows) // 24][:24]
    trained = (
        f"{training.get('minutes', '?')} minutes on {training.get('threads', '?')} processor cores"
        f" that had other work too ({training.get('training_tokens', 0) / 1e6:.0f} million tokens,"
        f" {training.get('steps', 0):,} steps), products in {training.get('dtype', 'float32')}"
    )
    blocks = [b for file in sorted(talk.TALK.glob("*.txt")) for b in talk.read_blocks(file)[0]]
    config = json.loads((language_model.BUNDLED / "config.json").read_text(encoding="utf-8"))
    return (
        (HERE / "pocket_gpt2_card.md")
        .read_text(encoding="utf-8")
        .format(
            parameters=f["parameters"],
            vocabulary=config["vocab_size"],
            shape=f"{config['n_layer']} layers, {config['n_embd']} wide, {config['n_head']} heads",
            lines=f["lines"],
            blocks=len(blocks),
            prompts=sum(len(b.prompts) for b in blocks),
            answers=sum(len(v) for b in blocks for v in b.answers.values()),
            talk=make_corpus.SHARES["talk"],
            table_share=make_corpus.SHARES["table"],
            scene=make_corpus.SHARES["scene"],
            smollm2=make_corpus.SHARES["smollm2"],
            wordnet=make_corpus.SHARES["wordnet"],
            everyday=everyday_words(),
            strangers=strangers_words(),
            trained=trained,
            temperature=TEMPERATURE,
            tokens=TOKENS,
            table="\n".join(f"| {a} | {b} | {c} |" for a, b, c in table),
            size_mb=f["size_mb"],
            load_seconds=f["load_seconds"],
            featured="\n".join(f"| {p} | {a:.0%} | {b:.0%} |" for p, (a, b) in featured.items()),
            every=len(rows) // 24,
            samples="\n".join(f"- {p} **{t.strip()}**" for p, t, _ in samples),
            wordnet_licence=(HERE / "corpus" / "WORDNET-LICENSE.txt").read_text(encoding="utf-8"),
        )
    )


if __name__ == "__main__":
    main()
