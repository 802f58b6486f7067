"""Make assets/pocket-gpt2/prompts.txt: prompts that the bundled model knows, one a line.

    python scripts/make_known_prompts.py

From the first plain prompt of each block of everyday talk (``corpus/talk/*.txt``) and the training
prompts of the briefs; none that the model is judged by. What the bundled model cannot read or gives
no whole answer to is left out, so run it after ``calibrate_surprise.py --write``. A minute.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import rlhf_core  # noqa: E402, F401, I001 (bounds the spin: before torch)

from rlhf_core.common.events import Progress  # noqa: E402
from rlhf_core.judging import briefs  # noqa: E402
from rlhf_core.judging.near_prompts import DEFAULTS, KNOWN  # noqa: E402
from rlhf_core.judging.register import is_full_sentence  # noqa: E402
from rlhf_core.lm import language_model, surprise, texts  # noqa: E402
from scripts import talk  # noqa: E402
from scripts.make_corpus import asks, bare, everyday_prompts, held_bare  # noqa: E402

MOST, MOST_BYTES = 4_000, 200_000
FEWEST_WORDS, MOST_WORDS = 3, 9
SAMPLES = 3  # answers a prompt; most must be whole sentences


def plain(prompt: str) -> bool:
    """A request or a beginning as a person would type it: short, no choices, no quotes."""
    fits = FEWEST_WORDS <= len(prompt.split()) <= MOST_WORDS
    return fits and re.fullmatch(r"[A-Z][A-Za-z0-9 ,.'!?-]*", prompt) is not None


def candidates(blocks: list[talk.Block]) -> list[str]:
    """The briefs' training prompts and one prompt a block, none that asks what is held out."""
    presets = briefs.PRESETS.values()
    held = {bare(prompt) for _, prompt in everyday_prompts()} | held_bare()
    first = [next((p for p in block.prompts if plain(p)), None) for block in blocks]
    found: dict[str, str] = {}
    for prompt in (*(p for brief in presets for p in brief.training_prompts), *first):
        if prompt and not asks(prompt, held):
            found.setdefault(bare(prompt), prompt)
    return list(found.values())


def working(lm, prompts: list[str]) -> list[str]:
    """Those that the model reads, and mostly answers in a whole sentence."""
    prompts = [p for p in prompts if surprise.read(lm, p).verdict() == "reads"]
    work = texts.write(lm, lm.trunk, [lm.encode(p) for p in prompts], SAMPLES, seed=0)
    whole = [0] * len(prompts)
    while True:
        try:
            step = next(work)
        except StopIteration as end:
            for number, text, ended, _ in end.value:
                whole[number] += is_full_sentence(text, ended)
            break
        if isinstance(step, Progress):
            print(f"\r{step.done} of {step.total} answers", end="", file=sys.stderr)
    return [prompt for prompt, count in zip(prompts, whole, strict=True) if count > SAMPLES / 2]


def main() -> None:
    blocks = [b for file in sorted(talk.TALK.glob("*.txt")) for b in talk.read_blocks(file)[0]]
    all_of_them = candidates(blocks)
    kept = working(language_model.load(), all_of_them)
    if missing := {p for kind in DEFAULTS for p in kind} - set(kept):
        sys.exit(f"near_prompts.DEFAULTS do not work any more: {missing}. Choose others.")
    if len(kept) > MOST:  # the defaults, and the others evenly over all files
        first = [p for p in kept if any(p in kind for kind in DEFAULTS)]
        others, room = [p for p in kept if p not in first], MOST - len(first)
        kept = first + [others[number * len(others) // room] for number in range(room)]
    text = "\n".join(kept) + "\n"
    if len(text.encode()) >= MOST_BYTES:
        sys.exit(f"{len(text.encode())} bytes are too many; lower MOST.")
    KNOWN.write_text(text, encoding="utf-8")
    print(f"\n{len(blocks)} blocks, {len(all_of_them)} prompts; {len(kept)} work: {KNOWN}")


if __name__ == "__main__":
    main()
